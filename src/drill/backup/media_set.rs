//! The files of a media set: their names, and where in them the next backup set begins.

use super::identity::{Earlier, Guid};
use super::member::Member;
use super::recipe::{BackupKind, BackupRecipe};
use super::walk;
use crate::drill::generate::{GenerateError, create};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Where a set goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// New files; existing ones are an error.
    New,
    /// New files in place of existing ones.
    Overwritten,
    /// Behind the last set of existing files.
    Appended,
}

/// The members of a backup to `path`: the file itself, or for three stripes of `a.bak` the files
/// `a_1.bak`, `a_2.bak` and `a_3.bak`.
pub fn member_paths(path: &Path, stripes: u16) -> Vec<PathBuf> {
    if stripes <= 1 {
        return vec![path.to_owned()];
    }
    let member = |n: u16| {
        let mut name = path.file_stem().unwrap_or_default().to_owned();
        name.push(format!("_{n}"));
        if let Some(extension) = path.extension() {
            name.push(".");
            name.push(extension);
        }
        path.with_file_name(name)
    };
    (1..=stripes).map(member).collect()
}

/// A member that is about to be written.
pub(super) struct Opened {
    pub(super) member: Member,
    /// Sets that it holds already.
    pub(super) sets: u16,
    pub(super) earlier: Earlier,
}

/// The GUID of the last full backup in the generated backup at `path`, for a differential that is
/// based on it.
///
/// # Errors
/// If there is none, or if reading fails.
pub fn full_set_id(path: &Path) -> Result<[u8; 16], GenerateError> {
    let failed = |error| GenerateError::Io(path.to_owned(), error);
    let file = File::open(path).map_err(failed)?;
    let media = walk::media(&file).map_err(failed)?;
    let full = media.and_then(|media| last_full(&media.sets));
    full.ok_or(GenerateError::NoBackup("the base is no generated full backup"))
}

fn last_full(sets: &[walk::Set]) -> Option<Guid> {
    let is_full =
        |set: &&walk::Set| set.recipe.as_ref().is_some_and(|r| r.kind == BackupKind::Full);
    sets.iter().rfind(is_full)?.id
}

/// The member at `path`.
pub(super) fn open(
    path: &Path,
    recipe: &BackupRecipe,
    media: Media,
) -> Result<Opened, GenerateError> {
    if media != Media::Appended {
        let file = create(path, media == Media::Overwritten)?;
        let member = Member::new(file, 0, recipe.block_bytes, Vec::new());
        return Ok(Opened { member, sets: 0, earlier: Earlier::default() });
    }
    let failed = |error| GenerateError::Io(path.to_owned(), error);
    let refused = |reason| GenerateError::NotAppendable(path.to_owned(), reason);
    let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(failed)?;
    let found = walk::media(&file).map_err(failed)?;
    let Some(walk::Media { sets, filemarks, block_bytes, guid, end: Some(end), .. }) = found else {
        return Err(refused("it is no whole backup"));
    };
    let marks = sets.iter().all(|set| set.recipe.is_some());
    if !marks || sets.is_empty() {
        return Err(refused("pagescrub did not generate it"));
    }
    let alike = |made: &BackupRecipe| made.stripes == recipe.stripes;
    if block_bytes != recipe.block_bytes || !sets.iter().flat_map(|set| &set.recipe).all(alike) {
        return Err(refused("it has another block size or number of stripes"));
    }
    io::Seek::seek(&mut file, io::SeekFrom::Start(end)).map_err(failed)?;
    let member = Member::new(file, end, block_bytes, filemarks);
    let is_log = |made: &&BackupRecipe| made.kind == BackupKind::Log;
    let logs = sets.iter().flat_map(|set| &set.recipe).filter(is_log).count() as u32;
    let earlier = Earlier { media_set: guid, full: last_full(&sets), logs };
    Ok(Opened { member, sets: sets.len() as u16, earlier })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_numbered_before_the_extension() {
        let names = |path: &str, stripes| member_paths(Path::new(path), stripes);
        assert_eq!(names("x/a.bak", 1), [PathBuf::from("x/a.bak")]);
        assert_eq!(names("x/a.bak", 2), [PathBuf::from("x/a_1.bak"), PathBuf::from("x/a_2.bak")]);
        assert_eq!(names("a", 2), [PathBuf::from("a_1"), PathBuf::from("a_2")]);
    }
}

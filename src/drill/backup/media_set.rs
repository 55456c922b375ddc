//! The files of a media set: their names, and where in them the next backup set begins.

use super::member::Member;
use super::recipe::BackupRecipe;
use super::walk;
use crate::drill::generate::{GenerateError, create};
use std::fs::OpenOptions;
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

/// The member at `path` and the sets that it holds already.
pub(super) fn open(
    path: &Path,
    recipe: &BackupRecipe,
    media: Media,
) -> Result<(Member, u16), GenerateError> {
    if media != Media::Appended {
        let file = create(path, media == Media::Overwritten)?;
        return Ok((Member::new(file, 0, recipe.block_bytes, Vec::new()), 0));
    }
    let failed = |error| GenerateError::Io(path.to_owned(), error);
    let refused = |reason| GenerateError::NotAppendable(path.to_owned(), reason);
    let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(failed)?;
    let found = walk::media(&file).map_err(failed)?;
    let Some(walk::Media { sets, filemarks, block_bytes, end: Some(end), .. }) = found else {
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
    Ok((Member::new(file, end, block_bytes, filemarks), sets.len() as u16))
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

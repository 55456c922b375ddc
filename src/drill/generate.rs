//! Writes a synthetic file: batches of pages, made and written by all threads at once.

use super::front::BINDING_MARK;
use super::layout::Layout;
use super::positioned::{read_page, write_pages};
use super::recipe::{Recipe, RecipeError};
use super::synthetic::SyntheticFile;
use crate::discover::paths;
use crate::page::address::PageId;
use crate::page::allocation::{GAM_INTERVAL_EXTENTS, PFS_INTERVAL_PAGES};
use crate::page::file_header::FileHeader;
use crate::page::{EXTENT_PAGES, PAGE_BYTES, Page};
use rayon::prelude::*;
use std::fs::{File, OpenOptions};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::{fmt, io};

/// Pages that a thread makes before it writes them: 4 MiB, so that the page cache can hold them in
/// huge pages.
const BATCH_PAGES_MAX: u32 = 512;

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generated {
    /// Length of the file.
    pub file_bytes: u64,
    /// Bytes really written; less than the length for a sparse file.
    pub written_bytes: u64,
}

/// A file that could not be generated.
#[derive(Debug)]
pub enum GenerateError {
    /// The recipe describes no data file.
    Recipe(RecipeError),
    /// The file is there and overwriting was not asked for.
    Exists(PathBuf),
    /// There can be no such backup, for this reason.
    NoBackup(&'static str),
    /// No set can be added to this file, for this reason.
    NotAppendable(PathBuf, &'static str),
    /// The operating system refused.
    Io(PathBuf, io::Error),
}

/// Writes the file that `recipe` describes to `path`. `progress` is told the bytes of every batch
/// written, from any thread.
///
/// # Errors
/// If the recipe is impossible, the file exists and `overwrite` is false, or writing fails.
pub fn generate(
    path: &Path,
    recipe: Recipe,
    overwrite: bool,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Generated, GenerateError> {
    let synthetic = SyntheticFile::new(recipe).map_err(GenerateError::Recipe)?;
    let failed = |error| GenerateError::Io(path.to_owned(), error);
    let file = create(path, overwrite)?;
    let file_bytes = u64::from(synthetic.pages()) * PAGE_BYTES as u64;
    file.set_len(file_bytes).map_err(failed)?;
    let batches = batches(&synthetic.layout);
    batches
        .par_iter()
        .try_for_each_init(Vec::new, |buffer, batch| {
            write_batch(&file, &synthetic, batch.clone(), buffer)?;
            progress(bytes_of(batch));
            Ok(())
        })
        .map_err(failed)?;
    Ok(Generated { file_bytes, written_bytes: batches.iter().map(bytes_of).sum() })
}

/// True if `file` carries the mark of a file made by [`generate`] in its `BindingID`.
///
/// # Errors
/// If page 0 cannot be read.
pub fn is_generated(file: &File) -> io::Result<bool> {
    let first = read_page(file, PageId(0))?;
    let header = FileHeader::of(&first);
    Ok(header.is_some_and(|header| header.binding_id.starts_with(&BINDING_MARK)))
}

pub(super) fn create(path: &Path, overwrite: bool) -> Result<File, GenerateError> {
    let mut options = OpenOptions::new();
    options.write(true);
    if overwrite {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    options.open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => GenerateError::Exists(path.to_owned()),
        _ => GenerateError::Io(path.to_owned(), error),
    })
}

fn write_batch(
    file: &File,
    synthetic: &SyntheticFile,
    batch: Range<u32>,
    buffer: &mut Vec<Page>,
) -> io::Result<()> {
    buffer.clear();
    buffer.extend(batch.clone().map(|page| synthetic.page(PageId(page))));
    write_pages(file, PageId(batch.start), buffer)
}

fn bytes_of(batch: &Range<u32>) -> u64 {
    u64::from(batch.end - batch.start) * PAGE_BYTES as u64
}

/// The pages to write, in file order: all of them, or what is no hole in a sparse file.
fn batches(layout: &Layout) -> Vec<Range<u32>> {
    if layout.recipe.sparse {
        (0..layout.intervals()).flat_map(|interval| sparse_batches(layout, interval)).collect()
    } else {
        cut(0..layout.pages()).collect()
    }
}

/// The maps and first extents of `interval`, its PFS pages, and its units' runs. A PFS page inside
/// a run is written twice, with the same bytes.
fn sparse_batches(layout: &Layout, interval: u32) -> Vec<Range<u32>> {
    let start = interval * GAM_INTERVAL_EXTENTS * EXTENT_PAGES;
    let end =
        (interval + 1).saturating_mul(GAM_INTERVAL_EXTENTS * EXTENT_PAGES).min(layout.pages());
    let head = if layout.is_settled(interval) {
        start..layout.run_range(interval, 0).start * EXTENT_PAGES
    } else {
        start..start + EXTENT_PAGES
    };
    let pfs_pages = (start.next_multiple_of(PFS_INTERVAL_PAGES)..end)
        .step_by(PFS_INTERVAL_PAGES as usize)
        .map(|page| page..page + 1);
    let runs = layout.settled_runs(interval).flat_map(|run| {
        let extents = layout.run_range(interval, run);
        cut(extents.start * EXTENT_PAGES..extents.end * EXTENT_PAGES)
    });
    let is_written = |batch: &Range<u32>| batch.clone().any(|page| !layout.is_hole(PageId(page)));
    std::iter::once(head).chain(pfs_pages).chain(runs).filter(is_written).collect()
}

fn cut(pages: Range<u32>) -> impl Iterator<Item = Range<u32>> {
    let end = pages.end;
    pages
        .step_by(BATCH_PAGES_MAX as usize)
        .map(move |start| start..start.saturating_add(BATCH_PAGES_MAX).min(end))
}

impl fmt::Display for GenerateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recipe(error) => error.fmt(f),
            Self::Exists(path) => {
                write!(f, "{} exists; choose another name or add --force", paths::text(path))
            }
            Self::NoBackup(reason) => f.write_str(reason),
            Self::NotAppendable(path, reason) => {
                write!(f, "cannot add a set to {}: {reason}", paths::text(path))
            }
            Self::Io(path, error) => write!(f, "cannot write {}: {error}", paths::text(path)),
        }
    }
}

impl std::error::Error for GenerateError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::checksum::Checksum;

    fn written(recipe: Recipe) -> (tempfile::NamedTempFile, Generated) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let generated = generate(file.path(), recipe, true, &|_| {}).unwrap();
        (file, generated)
    }

    #[test]
    fn the_file_holds_every_page_of_the_plan() {
        for sparse in [false, true] {
            let recipe = Recipe { sparse, ..Recipe::new((4 << 20) + 1, 7) };
            let synthetic = SyntheticFile::new(recipe).unwrap();
            let (file, generated) = written(recipe);
            assert_eq!(generated.file_bytes, 4 << 20);
            assert_eq!(file.as_file().metadata().unwrap().len(), 4 << 20);
            for page in (0..synthetic.pages()).map(PageId) {
                let found = read_page(file.as_file(), page).unwrap();
                assert_eq!(found.bytes(), synthetic.page(page).bytes(), "{page}");
            }
        }
    }

    /// If this fails, the meaning of all seeds has changed: every dataset and answer key must be
    /// made anew.
    #[test]
    fn the_meaning_of_a_seed_never_changes() {
        let synthetic = SyntheticFile::new(Recipe::new(4 << 20, 7)).unwrap();
        let sums = (0..synthetic.pages()).map(|page| Checksum::of(&synthetic.page(PageId(page))).0);
        let hash = sums.fold(0_u64, |hash, sum| {
            (hash ^ u64::from(sum)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23)
        });
        assert_eq!(hash, 0x6904_b6b2_29d5_0a6c);
    }

    #[test]
    fn a_sparse_file_of_many_gigabytes_is_written_in_a_moment() {
        let recipe = Recipe { sparse: true, ..Recipe::new(64 << 30, 7) };
        let synthetic = SyntheticFile::new(recipe).unwrap();
        let (file, generated) = written(recipe);
        assert!(generated.written_bytes < 160 << 20, "{generated:?}");
        let settled = 4 * GAM_INTERVAL_EXTENTS * EXTENT_PAGES;
        for page in (0..64).chain(settled - 4..settled + 64).chain(8088 * 1000..8088 * 1000 + 16) {
            let found = read_page(file.as_file(), PageId(page)).unwrap();
            assert_eq!(found.bytes(), synthetic.page(PageId(page)).bytes(), "{page}");
        }
    }

    #[test]
    fn a_generated_file_is_known_by_its_mark_and_not_overwritten_unasked() {
        let (file, _) = written(Recipe::new(1 << 20, 7));
        assert!(is_generated(file.as_file()).unwrap());
        let again = generate(file.path(), Recipe::new(1 << 20, 8), false, &|_| {});
        assert!(matches!(again, Err(GenerateError::Exists(_))));
    }
}

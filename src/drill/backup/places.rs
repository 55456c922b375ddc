//! Where in a generated backup each page of a data file is: worked out from the recipe, never from
//! the pages, which may be damaged.

use super::extents::{EXTENT_BYTES, FileExtent, SECOND_COPY_EXTENTS, extents, stripe_of};
use super::member::PAD_BYTES;
use super::recipe::{BackupKind, BackupRecipe};
use super::walk::{Set, Stream};
use crate::drill::generate::GenerateError;
use crate::drill::layout::Owner;
use crate::drill::maps::is_in_diff_map;
use crate::drill::synthetic::SyntheticFile;
use crate::page::EXTENT_PAGES;
use crate::page::address::PageId;
use crate::page::allocation::pfs_page_of;
use std::collections::BTreeMap;

/// The pages of one data file in one backup set of one member.
#[derive(Clone, Debug)]
pub(in crate::drill) struct Places {
    synthetic: SyntheticFile,
    kind: BackupKind,
    is_striped: bool,
    /// First extent of a run to where it begins and how many extents it has.
    runs: BTreeMap<u32, (u64, u32)>,
}

impl Places {
    /// The places of the first data file of `recipe` in `set` of member `family`, counted from 1.
    ///
    /// # Errors
    /// If the recipe is impossible.
    pub(super) fn of(recipe: &BackupRecipe, set: &Set, family: u16) -> Result<Self, GenerateError> {
        let files = recipe.data_files()?;
        let data: Vec<Stream> = page_streams(set).collect();
        let mut runs = BTreeMap::new();
        if let Some(first) = data.first() {
            let mine = (0..)
                .zip(extents(recipe.kind, &files))
                .filter(|&(n, _)| stripe_of(n, recipe.stripes) == family.saturating_sub(1));
            add_runs(&mut runs, first, mine.map(|(_, at)| at));
        }
        if let Some(copy) = data.get(1) {
            let again = (0..SECOND_COPY_EXTENTS).map(|extent| FileExtent { file: 0, extent });
            overlay(&mut runs, copy, again);
        }
        let (kind, is_striped) = (recipe.kind, recipe.stripes > 1);
        let mut files = files.into_iter();
        let synthetic = files.next().ok_or(GenerateError::NoBackup("there is no data file"))?;
        Ok(Self { synthetic, kind, is_striped, runs })
    }

    /// Pages of the data file, whether they are in the backup or not.
    pub(in crate::drill) fn pages(&self) -> u32 {
        self.synthetic.pages()
    }

    /// Where `page` begins, in its last copy; `None` if this member has none.
    pub(in crate::drill) fn offset_bytes(&self, page: PageId) -> Option<u64> {
        let (&first, &(at, extents)) = self.runs.range(..=page.extent().0).next_back()?;
        let n = page.extent().0 - first;
        let in_extent = u64::from(page.0 % EXTENT_PAGES) * crate::page::PAGE_BYTES as u64;
        (n < extents).then(|| at + u64::from(n) * EXTENT_BYTES + in_extent)
    }

    /// What the PFS says of `page`, if its PFS page is in another member of the same set.
    pub(in crate::drill) fn allocation_elsewhere(&self, page: PageId) -> Option<bool> {
        let pfs_extent = pfs_page_of(page).extent().0;
        let layout = &self.synthetic.layout;
        let is_in_set = match self.kind {
            BackupKind::Full => layout.owner(pfs_extent) != Owner::Free,
            BackupKind::Differential => pfs_extent == 0 || is_in_diff_map(layout, pfs_extent),
            BackupKind::Log => false,
        };
        (self.is_striped && is_in_set).then(|| self.synthetic.is_allocated(page))
    }
}

/// Streams with pages.
pub(super) fn page_streams(set: &Set) -> impl Iterator<Item = Stream> + '_ {
    set.streams().filter(|stream| &stream.id == b"MQDA" && stream.data_bytes > 0)
}

fn extent_at(stream: &Stream, n: u64) -> u64 {
    stream.data_at() + PAD_BYTES as u64 + n * EXTENT_BYTES
}

fn add_runs(
    runs: &mut BTreeMap<u32, (u64, u32)>,
    stream: &Stream,
    extents: impl Iterator<Item = FileExtent>,
) {
    for (n, FileExtent { extent, .. }) in (0..).zip(extents.take_while(|at| at.file == 0)) {
        let goes_on = runs.last_entry().filter(|run| run.key() + run.get().1 == extent);
        match goes_on {
            Some(mut run) => run.get_mut().1 += 1,
            None => drop(runs.insert(extent, (extent_at(stream, n), 1))),
        }
    }
}

/// A later copy of the first extents wins.
fn overlay(
    runs: &mut BTreeMap<u32, (u64, u32)>,
    stream: &Stream,
    extents: impl Iterator<Item = FileExtent>,
) {
    for (n, FileExtent { extent, .. }) in (0..).zip(extents) {
        if let Some((at, count)) = runs.remove(&extent)
            && count > 1
        {
            runs.insert(extent + 1, (at + EXTENT_BYTES, count - 1));
        }
        runs.insert(extent, (extent_at(stream, n), 1));
    }
}

//! Which damaged pages are folded together: those on one disk, or else those of one file; all of
//! them, and those of each kind.

use super::{Damaged, ExtentsInUse, Offsets, Scope};
use crate::consolidate::file_facts::FileFacts;
use crate::consolidate::findings::Finding;
use crate::consolidate::incident::Place;
use crate::page::address::{PageAddress, PageId};
use crate::page::allocation::fixed_page_type;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A kind of damage that is so much of all, in percent, does not drown in it.
const SHARE_OF_KIND_MAX: usize = 75;
/// With fewer pages of a kind nothing can be said of it.
const PAGES_OF_KIND_MIN: usize = 6;

/// A finding and its place.
type At<'a> = (&'a Finding, &'a Place);

/// The scopes of `findings`, which are at `places`. Pages with a fixed place are left out: they
/// are at regular distances themselves. So is content that has moved, and pages that contradict
/// others: nothing is damaged where they are.
pub fn scopes(findings: &[Finding], places: &[Place], files: &[FileFacts]) -> Vec<Scope> {
    let mut by_file: BTreeMap<usize, Vec<At<'_>>> = BTreeMap::new();
    for (finding, place) in findings.iter().zip(places) {
        let is_fixed = fixed_page_type(finding.place.file, finding.place.page).is_some();
        let is_in_place = finding.shift.is_none() && finding.reason.breach().is_none();
        if !is_fixed && is_in_place {
            by_file.entry(finding.file).or_default().push((finding, place));
        }
    }
    let mut scopes = Vec::new();
    let mut disks: BTreeMap<Arc<str>, OnDisk<'_>> = BTreeMap::new();
    for (file, places) in by_file {
        let facts = &files[file];
        let disk = facts.placement.as_ref().map(|placement| &placement.disk);
        let is_placed = places.iter().all(|(_, place)| place.device.is_some());
        let mapped = disk.filter(|_| is_placed);
        let offsets = if mapped.is_some() { Offsets::MappedFile } else { Offsets::File };
        let in_file = |(finding, _): &At<'_>| facts.offset_bytes(finding.place.page);
        add(&facts.path, offsets, facts.sound_pages, &places, in_file, &mut scopes);
        if let Some(disk) = mapped {
            disks.entry(Arc::clone(disk)).or_default().add(places, facts.sound_pages);
        }
    }
    for (disk, OnDisk { places, sound_pages, .. }) in disks {
        let on_disk = |(_, place): &At<'_>| place.device.map_or(0, |(_, offset)| offset);
        add(&disk, Offsets::Device, sound_pages, &places, on_disk, &mut scopes);
    }
    scopes
}

/// What is damaged on one disk.
#[derive(Default)]
struct OnDisk<'a> {
    places: Vec<At<'a>>,
    sound_pages: u64,
    known: BTreeSet<PageAddress>,
}

impl<'a> OnDisk<'a> {
    /// Adds the damage of a file. A page that is damaged in several files was copied with its
    /// damage, into copies of a file or backups of one database, and is one event only.
    fn add(&mut self, places: Vec<At<'a>>, sound_pages: u64) {
        self.sound_pages = self.sound_pages.saturating_add(sound_pages);
        let known = &mut self.known;
        self.places.extend(places.into_iter().filter(|(finding, _)| known.insert(finding.place)));
    }
}

/// Adds the scope of `places`, and those of each kind of damage that may drown in it.
fn add(
    name: &Arc<str>,
    offsets: Offsets,
    sound_pages: u64,
    places: &[At<'_>],
    offset: impl Fn(&At<'_>) -> u64,
    to: &mut Vec<Scope>,
) {
    let damaged =
        |at: &At<'_>| Damaged { offset: offset(at), file: at.0.file, page: at.0.place.page };
    let scope = |kind, pages| Scope { name: Arc::clone(name), offsets, kind, pages, sound_pages };
    let mut kinds: BTreeMap<&'static str, Vec<Damaged>> = BTreeMap::new();
    for at in places {
        for kind in kinds_of(at.0) {
            kinds.entry(kind).or_default().push(damaged(at));
        }
    }
    to.push(scope(None, places.iter().map(damaged).collect()));
    let mut seen = BTreeSet::new();
    for (kind, pages) in kinds {
        let is_apart = 100 * pages.len() <= SHARE_OF_KIND_MAX * places.len();
        if is_apart && pages.len() >= PAGES_OF_KIND_MIN && seen.insert(pages.clone()) {
            to.push(scope(Some(kind), pages));
        }
    }
}

/// Its reason, and its cause if that is not called the same.
fn kinds_of(finding: &Finding) -> impl Iterator<Item = &'static str> {
    let reason = finding.reason.name();
    let cause = finding.cause.map(|(cause, _)| cause.name()).filter(|cause| *cause != reason);
    std::iter::once(reason).chain(cause)
}

/// Gives the first pages of the extents in use around a page of a file, by the file's index.
pub type Around<'a> = dyn Fn(usize, PageId) -> Option<Vec<PageId>> + 'a;

/// The extents in use of files, where the scopes have them.
pub struct Placed<'a> {
    /// What is known of them.
    pub files: &'a [FileFacts],
    /// Which extents they use.
    pub around: &'a Around<'a>,
}

impl ExtentsInUse for Placed<'_> {
    fn around(&self, page: &Damaged, offsets: Offsets) -> Option<Vec<u64>> {
        let facts = self.files.get(page.file)?;
        let place = |page: PageId| {
            let offset = facts.offset_bytes(page);
            match offsets {
                Offsets::Device => facts.placement.as_ref()?.disk_offset(offset),
                Offsets::File | Offsets::MappedFile => Some(offset),
            }
        };
        Some((self.around)(page.file, page.page)?.into_iter().filter_map(place).collect())
    }
}

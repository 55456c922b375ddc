//! Which damaged pages are folded together: those on one disk, or else those of one file.

use super::{Offsets, Scope};
use crate::consolidate::file_facts::FileFacts;
use crate::consolidate::findings::Finding;
use crate::consolidate::incident::Place;
use crate::page::allocation::fixed_page_type;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The byte of its file where a page begins, and its place.
type At<'a> = (u64, &'a Place);

/// The scopes of `findings`, which are at `places`. Pages with a fixed place are left out: they
/// are at regular distances themselves.
pub fn scopes(findings: &[Finding], places: &[Place], files: &[FileFacts]) -> Vec<Scope> {
    let mut by_file: BTreeMap<usize, Vec<At<'_>>> = BTreeMap::new();
    for (finding, place) in findings.iter().zip(places) {
        if fixed_page_type(finding.place.file, finding.place.page).is_none() {
            let at = files[finding.file].offset_bytes(finding.place.page);
            by_file.entry(finding.file).or_default().push((at, place));
        }
    }
    let mut scopes = Vec::new();
    let mut disks: BTreeMap<Arc<str>, Scope> = BTreeMap::new();
    for (file, places) in by_file {
        let facts = &files[file];
        let disk = facts.placement.as_ref().map(|placement| &placement.disk);
        let on_disk: Option<Vec<(u64, usize)>> =
            places.iter().map(|(_, place)| Some((place.device?.1, file))).collect();
        let mapped = disk.zip(on_disk);
        scopes.push(Scope {
            name: Arc::clone(&facts.path),
            offsets: if mapped.is_some() { Offsets::MappedFile } else { Offsets::File },
            pages: places.iter().map(|(at, _)| (*at, file)).collect(),
            sound_pages: facts.sound_pages,
        });
        if let Some((disk, on_disk)) = mapped {
            let scope = disks.entry(Arc::clone(disk)).or_insert_with(|| empty(disk));
            scope.pages.extend(on_disk);
            scope.sound_pages = scope.sound_pages.saturating_add(facts.sound_pages);
        }
    }
    scopes.extend(disks.into_values());
    scopes
}

fn empty(disk: &Arc<str>) -> Scope {
    Scope { name: Arc::clone(disk), offsets: Offsets::Device, pages: Vec::new(), sound_pages: 0 }
}

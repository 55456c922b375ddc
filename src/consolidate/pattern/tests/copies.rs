//! Copies of a damaged file have the same damage, and are no witnesses of their own.

use super::super::scopes::{Placed, scopes};
use super::*;
use crate::consolidate::file_facts::FileFacts;
use crate::consolidate::findings::Finding;
use crate::consolidate::incident::Place;
use crate::diagnose::verdict::{Allocation, SuspectReason};
use crate::discover::device::extent_map::{Extent, ExtentMap};
use crate::discover::device::placement::Placement;
use crate::page::address::{FileId, PageAddress};

const BETWEEN: u64 = 64 << 20;

/// Copy number `copy`, at its own place on the disk.
fn facts(copy: u64) -> FileFacts {
    let whole = Extent { file_offset: 0, device_offset: (copy + 1) * BETWEEN, bytes: BETWEEN };
    let device: Arc<str> = "/dev/md0".into();
    let map = ExtentMap::new([whole]);
    let placement = Placement { device: Arc::clone(&device), disk: device, start_bytes: 0, map };
    FileFacts {
        path: format!("/data/copy{copy}.mdf").into(),
        database: None,
        database_id: 0,
        simple_recovery: None,
        is_log: false,
        part: None,
        placement: Some(placement),
        sound_pages: u64::MAX,
        has_primary: false,
        is_boot_suspect: false,
        database_files: Vec::new(),
        is_of_unknown_database: false,
        moved_pages: 0,
    }
}

/// What is found in `copies` of a file with these pages damaged.
fn found(damaged: &[u64], copies: u64) -> Vec<Pattern> {
    let files: Vec<FileFacts> = (0..copies).map(facts).collect();
    let (mut findings, mut places) = (Vec::new(), Vec::new());
    for (file, facts) in files.iter().enumerate() {
        for &page in damaged {
            let at = PageAddress::new(FileId(1), PageId(page as u32));
            let reason = SuspectReason::BadHeader;
            findings.push(Finding::new(file, at, reason, Allocation::Allocated, None));
            let offset = facts.placement.as_ref().and_then(|on| on.disk_offset(page * PAGE));
            let device = offset.map(|offset| (0, offset));
            places.push(Place { file, page: at.page, device });
        }
    }
    let in_use = Placed { files: &files, around: &|_, _| None };
    super::super::find(scopes(&findings, &places, &files), None, &in_use)
}

#[test]
fn damage_by_chance_that_was_copied_is_no_pattern() {
    for damage in BY_CHANCE {
        let alarm = |seed: &u64| {
            let mut dice = Dice::new(*seed);
            let all: BTreeSet<u64> = damage.1(&mut dice, 8192).into_iter().collect();
            // Few pages in many copies were what looked like many on one member.
            let few = if seed.is_multiple_of(2) { 6 } else { u64::MAX };
            let count = all.len() as u64;
            let damaged = all.into_iter().filter(|page| *page < 8192 && dice.below(count) < few);
            let damaged: Vec<u64> = damaged.collect();
            !found(&damaged, 2 + seed % 4).is_empty()
        };
        let alarms: Vec<u64> = (0..SEEDS).filter(alarm).collect();
        assert!(alarms.len() <= ALARMS_MAX, "{}: {alarms:?}", damage.0);
    }
}

#[test]
fn a_dead_member_below_copies_is_found() {
    let damaged: Vec<u64> = on_member(4096, 64 * KIB, 8, 3).collect();
    let patterns = found(&damaged, 3);
    let on_disk: Vec<_> = patterns.iter().filter(|pattern| pattern.on_device).collect();
    let [found] = on_disk[..] else { panic!("{patterns:#?}") };
    assert_eq!((geometry(found), found.events), ((64, 8, 3), 64), "each page once");
}

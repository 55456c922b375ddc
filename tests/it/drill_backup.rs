//! Synthetic backups, read by a small strict reader of their own: every check and every checksum
//! is right, they are laid out as SQL Server lays them out, their pages are those of the data
//! files, and answer keys say what the bytes say.

#![allow(unknown_lints, reason = "the next one is new")]
#![allow(clippy::manual_assert_eq, reason = "nobody wants to see megabytes that differ")]

mod real;

use crate::mtf::{self, Media, configurations, media};
use pagescrub::drill::{
    AnswerKey, BACKUP_FAULTS, BackupFault, BackupFinding, BackupInjection, BackupKind,
    BackupRecipe, Damage, Expected, FAULTS, Fault, InjectError, Injection, Media as Destination,
    OtherFiles, Reason, Recipe, SyntheticFile, Target, generate_backup, inject, inject_into_backup,
    member_paths,
};
use pagescrub::page::address::{FileId, PageAddress, PageId};
use pagescrub::page::allocation::extent_bit;
use pagescrub::page::checksum::Checksum;
use pagescrub::page::header::PageHeader;
use pagescrub::page::{EXTENT_PAGES, PAGE_BYTES, Page};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const EXTENT_BYTES: usize = EXTENT_PAGES as usize * PAGE_BYTES;
const SEED: u64 = 7;
/// Faults that strike whole data files.
const NOT_FOR_BACKUPS: [Fault; 3] = [Fault::RansomwareStripe, Fault::DeadMember, Fault::DeadZone];

fn file(file_id: u16) -> Recipe {
    Recipe { file_id: FileId(file_id), ..Recipe::new(4 << 20, SEED) }
}

fn full() -> BackupRecipe {
    BackupRecipe { with_checksum: true, ..BackupRecipe::new(file(1)) }
}

/// Folder and first member of a new backup.
fn written(recipe: &BackupRecipe) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.bak");
    generate_backup(&path, recipe, Destination::New, &|_| {}).expect("it can be written");
    let first = member_paths(&path, recipe.stripes).swap_remove(0);
    (folder, first)
}

fn bytes_of(recipe: &BackupRecipe) -> Vec<u8> {
    let (_folder, path) = written(recipe);
    fs::read(path).expect("it is there")
}

fn append(path: &Path, recipe: &BackupRecipe) {
    generate_backup(path, recipe, Destination::Appended, &|_| {}).expect("it can be extended");
}

fn page(bytes: &[u8]) -> Page {
    Page::new(bytes.try_into().expect("a whole page"))
}

/// The extents of a data file that its own map calls allocated, or changed, and their bytes.
fn extents_of(recipe: Recipe, kind: BackupKind) -> Vec<Vec<u8>> {
    let data_file = SyntheticFile::new(recipe).expect("possible");
    let map = data_file.page(PageId(if kind == BackupKind::Full { 2 } else { 6 }));
    let is_in = |first: u32| match kind {
        BackupKind::Full => !extent_bit(&map, PageId(first)),
        _ => first == 0 || extent_bit(&map, PageId(first)),
    };
    let firsts = (0..data_file.pages()).step_by(EXTENT_PAGES as usize).filter(|&n| is_in(n));
    let bytes = |page| data_file.page(PageId(page)).bytes().to_vec();
    firsts.map(|first| (first..first + EXTENT_PAGES).flat_map(bytes).collect()).collect()
}

fn chunks(media: &Media<'_>, stream: usize) -> Vec<Vec<u8>> {
    let content = media.content(media.page_streams()[stream]);
    assert!(content.len().is_multiple_of(EXTENT_BYTES));
    content.chunks(EXTENT_BYTES).map(<[u8]>::to_vec).collect()
}

#[test]
fn every_check_and_checksum_of_every_kind_of_backup_is_right() {
    for kind in [BackupKind::Full, BackupKind::Differential, BackupKind::Log] {
        for block_bytes in [512, 4096, 65_536] {
            for flag in [false, true] {
                let recipe = BackupRecipe {
                    kind,
                    block_bytes,
                    with_checksum: flag,
                    second_copy: !flag,
                    padding: flag,
                    ..full()
                };
                let bytes = bytes_of(&recipe);
                let media = media(&bytes);
                assert_eq!(media.broken_sums(), BTreeSet::new(), "{recipe:?}");
                let sums = media.streams().filter(|stream| stream.id == "CSUM").count();
                let pages = usize::from(kind != BackupKind::Log);
                assert_eq!(sums, if flag { pages + 1 } else { 0 });
                let block = block_bytes as usize;
                for stream in media.streams().filter(|stream| stream.id.starts_with("MQD")) {
                    let at = stream.data.start + 2;
                    assert!(stream.data.is_empty() || at.is_multiple_of(block), "{at}");
                }
                let end = media.blocks.last().expect("blocks");
                assert_eq!((&*end.kind, bytes.len() - end.at), ("SFMB", block));
            }
        }
    }
}

#[test]
fn the_pages_of_a_backup_are_those_of_the_data_files_that_their_maps_name() {
    for kind in [BackupKind::Full, BackupKind::Differential] {
        let recipe = BackupRecipe { files: vec![file(1), file(3)], kind, ..full() };
        let bytes = bytes_of(&recipe);
        let files = [file(1), file(3)];
        let among =
            |n: usize| Recipe { others: OtherFiles::among(&files, files[n].file_id), ..files[n] };
        let mut wanted = extents_of(among(0), kind);
        wanted.extend(extents_of(among(1), kind));
        assert!(wanted.len() > 10, "{}", wanted.len());
        assert!(chunks(&media(&bytes), 0) == wanted, "{kind:?}");
    }
}

#[test]
fn a_log_backup_has_log_and_no_pages() {
    let bytes = bytes_of(&BackupRecipe { kind: BackupKind::Log, ..full() });
    let media = media(&bytes);
    assert!(media.page_streams().is_empty());
    let log = media.streams().find(|stream| stream.id == "MQTL").expect("there is log");
    assert_eq!(log.data.len(), (1 << 20) + 2);
}

#[test]
fn equal_recipes_give_equal_bytes_and_other_seeds_others() {
    let recipe = BackupRecipe { padding: true, second_copy: true, ..full() };
    assert!(bytes_of(&recipe) == bytes_of(&recipe));
    let other = BackupRecipe { files: vec![Recipe { seed: 8, ..file(1) }], ..recipe.clone() };
    assert!(bytes_of(&recipe) != bytes_of(&other));
}

#[test]
fn extents_go_round_the_stripes_and_each_knows_its_number() {
    let recipe = BackupRecipe { stripes: 3, files: vec![Recipe::new(16 << 20, SEED)], ..full() };
    let (_folder, first) = written(&recipe);
    let turns = extents_of(recipe.files[0], BackupKind::Full);
    let mut media_sets = BTreeSet::new();
    for n in 1..=3_u16 {
        let bytes = fs::read(first.with_file_name(format!("a_{n}.bak"))).expect("a member");
        let media = media(&bytes);
        assert_eq!(media.broken_sums(), BTreeSet::new());
        let mine: Vec<_> = turns.chunks(16).skip(usize::from(n) - 1).step_by(3).collect();
        assert!(chunks(&media, 0) == mine.concat(), "member {n}");
        let raid = media.streams().find(|stream| stream.id == "RAID").expect("it is a member");
        let raid = &bytes[raid.data.clone()];
        assert_eq!([20, 22, 24].map(|at| mtf::u16_at(raid, at)), [3, 1, n]);
        media_sets.insert(raid[..16].to_vec());
    }
    assert_eq!(media_sets.len(), 1);
}

#[test]
fn a_second_copy_has_a_newer_boot_page_and_all_else_as_before() {
    let bytes = bytes_of(&BackupRecipe { second_copy: true, ..full() });
    let media = media(&bytes);
    let (first, again) = (chunks(&media, 0), chunks(&media, 1));
    assert_eq!(again.len(), 2);
    assert!(first[0] == again[0]);
    let boot = |extent: &[u8]| page(&extent[PAGE_BYTES..2 * PAGE_BYTES]);
    let (old, new) = (boot(&first[1]), boot(&again[1]));
    assert_eq!(Checksum::of(&new), Checksum::stored_in(&new));
    assert!(PageHeader::of(&new).lsn() > PageHeader::of(&old).lsn());
    assert!(first[1][2 * PAGE_BYTES..] == again[1][2 * PAGE_BYTES..]);
}

#[test]
fn padding_fills_up_to_a_mebibyte_with_pages_of_no_file() {
    let bytes = bytes_of(&BackupRecipe { padding: true, kind: BackupKind::Differential, ..full() });
    let extents = chunks(&media(&bytes), 0);
    let wanted = extents_of(file(1), BackupKind::Differential);
    assert!(extents.len().is_multiple_of(16) && extents.len() > wanted.len());
    assert!(extents.starts_with(&wanted));
    for extent in &extents[wanted.len()..] {
        let padding = page(&extent[..PAGE_BYTES]);
        assert_eq!(PageHeader::of(&padding).address(), PageAddress::new(FileId(0), PageId(0)));
        assert!(extent.chunks(PAGE_BYTES).all(|page| page == padding.bytes()));
    }
}

#[test]
fn sets_of_several_kinds_and_databases_stand_behind_each_other() {
    let (_folder, path) = written(&full());
    let before = fs::read(&path).expect("it is there");
    append(&path, &BackupRecipe { kind: BackupKind::Differential, ..full() });
    append(&path, &BackupRecipe::new(Recipe { seed: 8, ..file(1) }));
    let bytes = fs::read(&path).expect("it is there");
    assert!(bytes.starts_with(&before));
    let media = media(&bytes);
    assert_eq!(media.broken_sums(), BTreeSet::new());
    let sets: Vec<_> = media.blocks.iter().filter(|block| block.kind == "SSET").collect();
    let positions: Vec<_> = sets.iter().map(|set| mtf::u16_at(&bytes, set.at + 62)).collect();
    assert_eq!(positions, [1, 2, 3]);
    let letters: Vec<_> = configurations(&media).iter().map(|set| set.letter).collect();
    assert_eq!(letters, ['D', 'I', 'D']);
    let marks: Vec<_> = media.blocks.iter().filter(|block| block.kind == "SFMB").collect();
    assert_eq!(marks.len(), 7);
    let last = marks.last().expect("filemarks").at;
    assert_eq!(mtf::u32_at(&bytes, last + 56), 6);
    let known: Vec<_> = (0..6).map(|n| mtf::u64_at(&bytes, last + 72 + 8 * n) as usize).collect();
    let there: Vec<_> = marks[..6].iter().rev().map(|mark| mark.at).collect();
    assert_eq!(known, there);
    assert!(chunks(&media, 2) == extents_of(Recipe { seed: 8, ..file(1) }, BackupKind::Full));
}

#[test]
fn nothing_is_appended_to_files_of_another_kind_or_shape() {
    let (folder, path) = written(&full());
    let other = BackupRecipe { block_bytes: 512, ..full() };
    assert!(generate_backup(&path, &other, Destination::Appended, &|_| {}).is_err());
    let noise = folder.path().join("noise");
    fs::write(&noise, vec![7; 1 << 16]).expect("it can be written");
    assert!(generate_backup(&noise, &full(), Destination::Appended, &|_| {}).is_err());
    assert!(generate_backup(&path, &full(), Destination::New, &|_| {}).is_err());
}

fn injection(fault: BackupFault, wanted: u32, set: u16) -> BackupInjection {
    let (damage, target) = (Damage::Backup(fault), Target::Random(wanted));
    BackupInjection { damage, target, seed: 5, force: false, set }
}

/// Bytes that differ, at most those of the shorter.
fn changed(before: &[u8], after: &[u8]) -> Vec<usize> {
    (0..before.len().min(after.len())).filter(|&n| before[n] != after[n]).collect()
}

/// Everything that the key says of pages is so, and nothing else has changed.
fn check_pages(key: &AnswerKey, before: &[u8], after: &[u8], sums: bool) {
    let broken = if sums { media(after).broken_sums().len() } else { 0 };
    let mut explained = BTreeSet::new();
    for entry in &key.faults {
        let at = entry.offset_bytes as usize;
        explained.extend(at..at + PAGE_BYTES);
        let (old, new) = (page(&before[at..at + PAGE_BYTES]), page(&after[at..at + PAGE_BYTES]));
        let data_file = SyntheticFile::new(file(1)).expect("possible");
        assert!(old.bytes() == data_file.page(entry.page_id).bytes(), "{entry:?}");
        let is_zero = new.bytes().iter().all(|&byte| byte == 0);
        match entry.reason {
            Some(Reason::Zeroed) => assert!(is_zero, "{entry:?}"),
            Some(Reason::BadChecksum) if PageHeader::of(&new).flag_bits & 0x200 != 0 => {
                assert_ne!(Checksum::of(&new), Checksum::stored_in(&new), "{entry:?}");
            }
            Some(Reason::WrongPageId) => {
                let place = PageAddress::new(FileId(1), entry.page_id);
                assert_ne!(PageHeader::of(&new).address(), place, "{entry:?}");
            }
            Some(_) => assert!(!is_zero, "{entry:?}"),
            None => assert_ne!(entry.expected, Expected::Suspect, "{entry:?}"),
        }
        assert_eq!(entry.set_position, Some(1));
        let says = entry.also_found.contains(&BackupFinding::StreamChecksum);
        assert_eq!(says, broken > 0, "{entry:?}");
    }
    assert!(changed(before, after).iter().all(|at| explained.contains(at)));
}

#[test]
fn every_fault_of_pages_strikes_pages_in_backups_and_its_key_tells_where() {
    for (fault, ..) in FAULTS.into_iter().filter(|row| !NOT_FOR_BACKUPS.contains(&row.0)) {
        for with_checksum in [false, true] {
            let (_folder, path) = written(&BackupRecipe { with_checksum, ..full() });
            let before = fs::read(&path).expect("it is there");
            let wanted = Injection { fault, target: Target::Random(3), seed: 5, force: false };
            let key = inject(&path, &wanted).expect("there are such pages");
            assert_eq!(key.faults.len(), 3);
            let after = fs::read(&path).expect("it is there");
            assert!(before != after);
            check_pages(&key, &before, &after, with_checksum);
        }
    }
}

#[test]
fn the_last_copy_of_a_page_is_struck() {
    let (_folder, path) = written(&BackupRecipe { second_copy: true, ..full() });
    let before = fs::read(&path).expect("it is there");
    let boot = Target::Page(PageId(9));
    let wanted = Injection { fault: Fault::BitFlip, target: boot, seed: 5, force: false };
    let key = inject(&path, &wanted).expect("it is there");
    let media = media(&before);
    let second = media.page_streams()[1].data.start + 2 + 9 * PAGE_BYTES;
    assert_eq!(key.faults[0].offset_bytes, second as u64);
}

#[test]
fn whole_file_faults_and_absent_pages_are_refused() {
    let (_folder, path) = written(&BackupRecipe { kind: BackupKind::Differential, ..full() });
    let before = fs::read(&path).expect("it is there");
    let aimed =
        |fault, page| Injection { fault, target: Target::Page(page), seed: 5, force: false };
    for fault in NOT_FOR_BACKUPS {
        let refused = inject(&path, &aimed(fault, PageId(0)));
        assert!(matches!(refused, Err(InjectError::NotForBackups(..))), "{refused:?}");
    }
    let last = SyntheticFile::new(file(1)).expect("possible").pages() - 1;
    let refused = inject(&path, &aimed(Fault::BitFlip, PageId(last)));
    assert!(matches!(refused, Err(InjectError::NotInBackup(..))), "{refused:?}");
    let missing = inject_into_backup(&path, &injection(BackupFault::LogBit, 1, 2));
    assert!(matches!(missing, Err(InjectError::NoSuchSet(_, 2))), "{missing:?}");
    assert!(fs::read(&path).expect("it is there") == before);
}

/// What a strict look at the bytes finds at the object that the entry names.
fn found(entry: &pagescrub::drill::InjectedBackupFault, after: &[u8]) -> Vec<BackupFinding> {
    let at = entry.object_offset_bytes as usize;
    let header = match entry.fault {
        BackupFault::BlockHeaderBit => 52,
        BackupFault::StreamHeaderBit => 22,
        BackupFault::Truncation => {
            let promised = at as u64 + 22 + mtf::u64_at(after, at + 8);
            assert!(promised > after.len() as u64);
            return vec![BackupFinding::Truncated];
        }
        _ if media(after).broken_sums().is_empty() => return Vec::new(),
        _ => return vec![BackupFinding::StreamChecksum],
    };
    let is_sealed = mtf::is_sealed(&after[at..at + header]);
    if is_sealed { Vec::new() } else { vec![BackupFinding::DescriptorCheck] }
}

#[test]
fn every_fault_of_backups_does_what_its_key_says_and_no_more() {
    for (fault, ..) in BACKUP_FAULTS {
        for with_checksum in [false, true] {
            let recipe = BackupRecipe { with_checksum, ..full() };
            let (_folder, path) = written(&recipe);
            append(&path, &BackupRecipe { kind: BackupKind::Differential, ..recipe });
            let before = fs::read(&path).expect("it is there");
            let outcome = inject_into_backup(&path, &injection(fault, 1, 2));
            if fault == BackupFault::BackupChecksumBit && !with_checksum {
                assert!(matches!(outcome, Err(InjectError::TooFewPlaces(_, _, 1, 0))));
                continue;
            }
            let key = outcome.expect("there is room");
            let after = fs::read(&path).expect("it is there");
            let [entry] = &key.backup_faults[..] else { panic!("{key:?}") };
            assert_eq!((entry.fault, entry.set_position), (fault, 2));
            assert_eq!(entry.expected, found(entry, &after), "{entry:?}");
            assert_eq!(entry.expected.is_empty(), entry.why.is_some(), "{entry:?}");
            let silent = fault == BackupFault::ConfigurationBit
                || !with_checksum && matches!(fault, BackupFault::LogBit | BackupFault::ZeroExtent);
            assert_eq!(entry.expected.is_empty(), silent, "{entry:?}");
            let struck = entry.offset_bytes as usize..(entry.offset_bytes + entry.bytes) as usize;
            let changed = changed(&before, &after);
            assert!(changed.iter().all(|at| struck.contains(at)), "{entry:?}");
            let is_cut = fault == BackupFault::Truncation;
            assert_eq!(before.len() - after.len(), if is_cut { struck.len() } else { 0 });
            assert_eq!(key.faults.len(), if fault == BackupFault::ZeroExtent { 8 } else { 0 });
        }
    }
}

#[test]
fn the_same_injection_does_the_same_damage_and_keys_add_up() {
    let damaged = || {
        let (_folder, path) = written(&full());
        let pages =
            Injection { fault: Fault::BitFlip, target: Target::Random(2), seed: 5, force: false };
        let first = inject(&path, &pages).expect("there are pages");
        let second = inject_into_backup(&path, &injection(BackupFault::LogBit, 3, 1));
        let third = inject_into_backup(&path, &injection(BackupFault::ZeroExtent, 1, 1));
        let key = first.followed_by(second.expect("there is log")).expect("one file");
        let key = key.followed_by(third.expect("there are extents")).expect("one file");
        (key, fs::read(&path).expect("it is there"))
    };
    let (key, bytes) = damaged();
    assert_eq!(key.backup_faults.len(), 4);
    assert!(key.faults.len() >= 9);
    assert!((key, bytes) == damaged());
}

#[test]
fn a_member_without_pfs_knows_what_is_in_use() {
    let recipe = BackupRecipe { stripes: 3, files: vec![Recipe::new(16 << 20, SEED)], ..full() };
    let (_folder, first) = written(&recipe);
    let wanted = |fault| Injection { fault, target: Target::Random(4), seed: 5, force: false };
    for n in 2..=3 {
        let member = first.with_file_name(format!("a_{n}.bak"));
        let key = inject(&member, &wanted(Fault::ZeroPage)).expect("there are pages in use");
        assert!(key.faults.iter().all(|entry| entry.reason == Some(Reason::Zeroed)), "{key:?}");
        let key = inject(&member, &wanted(Fault::JunkOnFreePage)).expect("there are free pages");
        assert!(key.faults.iter().all(|entry| entry.expected == Expected::Free), "{key:?}");
    }
}

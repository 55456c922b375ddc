//! Every answer key holds against the plain reference.

use super::super::answer_key::Reason;
use super::super::fault::FAULTS;
use super::super::generate::generate;
use super::super::recipe::Recipe;
use super::super::synthetic::SyntheticFile;
use super::super::witness::testify;
use super::*;
use crate::diagnose::cause::Cause;
use crate::page::address::PageAddress;
use crate::page::boot::PageVerify;
use crate::page::checksum::Checksum;
use std::fs;
use tempfile::NamedTempFile;

const SIZE_BYTES: u64 = 1 << 20;
const PROTECTIONS: [PageVerify; 3] = [PageVerify::Checksum, PageVerify::Torn, PageVerify::None];

fn recipe(page_verify: PageVerify) -> Recipe {
    Recipe { page_verify, ..Recipe::new(SIZE_BYTES, 11) }
}

fn drill_file(page_verify: PageVerify) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    generate(file.path(), recipe(page_verify), true, &|_| {}).unwrap();
    file
}

fn random(fault: Fault, wanted: u32) -> Injection {
    Injection { fault, target: Target::Random(wanted), seed: 5, force: false }
}

fn one(fault: Fault, page: u32) -> Injection {
    Injection { target: Target::Page(PageId(page)), ..random(fault, 0) }
}

/// The key against the bytes: everything in the key is true, and nothing else was touched.
fn check_key(path: &Path, page_verify: PageVerify, key: &AnswerKey) {
    let original = SyntheticFile::new(recipe(page_verify)).unwrap();
    let file = File::open(path).unwrap();
    for id in (0..original.pages()).map(PageId) {
        let page = read_page(&file, id).unwrap();
        let Some(entry) = key.faults.iter().find(|entry| entry.page_id == id) else {
            assert_eq!(page.bytes(), original.page(id).bytes(), "{id} changed silently");
            continue;
        };
        let place = PageAddress::new(FileId(1), id);
        let found = testify(&page, place, original.is_allocated(id)).expected();
        assert_eq!((entry.expected, entry.reason), found, "{entry:?}");
        assert_eq!(entry.why.is_none(), entry.expected == Expected::Suspect);
        assert_eq!(entry.cause.is_some(), entry.expected == Expected::Suspect);
        let is_explained = entry.undecidable_because.is_some();
        assert_eq!(entry.cause.is_some(), entry.decidable || is_explained, "{entry:?}");
        assert_eq!((entry.offset_bytes, &*entry.address), (id.offset_bytes(), &*place.to_string()));
    }
}

fn needs_protection(fault: Fault) -> bool {
    use Fault::{BitFlip, LostBlock, MultiBitFlip, PatternSectors, StaleChecksum, TornInsert};
    use Fault::{LostFlag, TornWrite, ZeroSector};
    matches!(fault, BitFlip | ZeroSector | TornWrite | StaleChecksum | MultiBitFlip)
        || matches!(fault, LostBlock | PatternSectors | TornInsert | LostFlag)
}

/// The faults that strike where they like, however many pages are wanted.
fn is_regional(fault: Fault) -> bool {
    matches!(fault, Fault::RansomwareStripe | Fault::DeadMember | Fault::DeadZone)
}

#[test]
fn every_key_is_true_for_every_fault_and_protection() {
    for page_verify in PROTECTIONS {
        for (fault, ..) in FAULTS {
            let lacks_checksum = page_verify != PageVerify::Checksum && fault == Fault::LostFlag;
            if lacks_checksum || page_verify == PageVerify::None && needs_protection(fault) {
                continue;
            }
            let file = drill_file(page_verify);
            let key = inject(file.path(), &random(fault, 5)).unwrap();
            check_key(file.path(), page_verify, &key);
            let wanted = match fault {
                _ if is_regional(fault) => continue,
                Fault::JunkOnFreePage => Expected::Free,
                _ => Expected::Suspect,
            };
            assert_eq!(key.faults.len(), 5);
            assert!(key.faults.iter().all(|entry| entry.expected == wanted), "{key:?}");
        }
    }
}

#[test]
fn every_key_is_true_for_every_page_asked_for_by_name() {
    for page_verify in PROTECTIONS {
        for (fault, ..) in FAULTS {
            for page in [0, 1, 7, 12, 50, 127] {
                let file = drill_file(page_verify);
                let key = inject(file.path(), &one(fault, page)).unwrap();
                check_key(file.path(), page_verify, &key);
                let is_first = key.faults.first().is_some_and(|entry| entry.page_id.0 == page);
                assert!(is_first || is_regional(fault), "{fault} {page}");
            }
        }
    }
}

#[test]
fn faults_have_the_reasons_that_a_dba_expects() {
    use Reason::{BadChecksum, TornPage, WrongPageId, Zeroed};
    let reason = |fault, page_verify| {
        let file = drill_file(page_verify);
        inject(file.path(), &random(fault, 1)).unwrap().faults[0].reason
    };
    assert_eq!(reason(Fault::BitFlip, PageVerify::Checksum), Some(BadChecksum));
    assert_eq!(reason(Fault::BitFlip, PageVerify::Torn), Some(TornPage));
    assert_eq!(reason(Fault::TornWrite, PageVerify::Torn), Some(TornPage));
    assert_eq!(reason(Fault::StaleChecksum, PageVerify::Torn), Some(TornPage));
    for page_verify in PROTECTIONS {
        assert_eq!(reason(Fault::ZeroPage, page_verify), Some(Zeroed));
        assert_eq!(reason(Fault::MisdirectedWrite, page_verify), Some(WrongPageId));
    }
}

/// Each fault on its own, by the bytes: no classifier is asked.
#[test]
fn every_fault_has_its_cause_and_most_pages_show_it() {
    use Cause::{
        BitFlip, Encrypted, FlagLost, Foreign, Garbage, LostBlock, LostSectors, Misplaced,
        StaleHome, TornWrite, UnknownChange, Zeroed,
    };
    let causes = [
        (Fault::BitFlip, BitFlip, 8),
        (Fault::ZeroPage, Zeroed, 8),
        (Fault::ZeroSector, LostSectors, 4),
        (Fault::TornWrite, TornWrite, 0),
        (Fault::MisdirectedWrite, Misplaced, 8),
        (Fault::StaleChecksum, UnknownChange, 8),
        (Fault::GarbageHeader, Garbage, 8),
        (Fault::MultiBitFlip, BitFlip, 8),
        (Fault::PatternSectors, LostSectors, 6),
        (Fault::LostBlock, LostBlock, 2),
        (Fault::ForeignContent, Foreign, 8),
        (Fault::EncryptedPage, Encrypted, 8),
        (Fault::LostFlag, FlagLost, 8),
        (Fault::StaleHome, StaleHome, 4),
        (Fault::TornInsert, TornWrite, 4),
    ];
    for (fault, cause, decidable_min) in causes {
        let file = drill_file(PageVerify::Checksum);
        let key = inject(file.path(), &random(fault, 8)).unwrap();
        assert!(key.faults.iter().all(|entry| entry.cause == Some(cause)), "{key:?}");
        let decidable = key.faults.iter().filter(|entry| entry.decidable).count();
        assert!(decidable >= decidable_min, "{fault}: {decidable} {key:?}");
    }
}

#[test]
fn a_torn_write_shows_where_sectors_are_signed_and_flipped_bits_do_not() {
    for (fault, is_decidable) in
        [(Fault::TornWrite, true), (Fault::TornInsert, true), (Fault::MultiBitFlip, false)]
    {
        let file = drill_file(PageVerify::Torn);
        let key = inject(file.path(), &random(fault, 4)).unwrap();
        assert!(key.faults.iter().all(|entry| entry.decidable == is_decidable), "{key:?}");
    }
}

#[test]
fn two_or_three_bits_change_as_many_bits_of_the_checksum() {
    let file = drill_file(PageVerify::Checksum);
    let key = inject(file.path(), &random(Fault::MultiBitFlip, 40)).unwrap();
    for entry in &key.faults {
        let page = read_page(&File::open(file.path()).unwrap(), entry.page_id).unwrap();
        let syndrome = Checksum::of(&page).0 ^ Checksum::stored_in(&page).0;
        assert!((2..=3).contains(&syndrome.count_ones()), "{entry:?}");
    }
}

#[test]
fn a_stale_home_is_older_than_what_stands_elsewhere() {
    for page_verify in PROTECTIONS {
        let file = drill_file(page_verify);
        let key = inject(file.path(), &random(Fault::StaleHome, 6)).unwrap();
        for entry in &key.faults {
            let file = File::open(file.path()).unwrap();
            let (home, here) = (entry.source_page_id.unwrap(), entry.page_id);
            let [older, newer] = [home, here].map(|id| read_page(&file, id).unwrap());
            let place = PageAddress::new(FileId(1), home);
            assert!(testify(&newer, place, true).is_healthy(), "{entry:?}");
            if entry.decidable {
                assert!(testify(&older, place, true).is_healthy(), "{entry:?}");
                assert!(PageHeader::of(&newer).lsn() > PageHeader::of(&older).lsn());
            }
        }
    }
}

#[test]
fn a_dead_member_takes_all_its_healthy_pages_and_nothing_else() {
    let file = drill_file(PageVerify::Checksum);
    let original = SyntheticFile::new(recipe(PageVerify::Checksum)).unwrap();
    let key = inject(file.path(), &one(Fault::DeadMember, 47)).unwrap();
    let struck: Vec<_> = key.faults.iter().map(|entry| entry.page_id.0).collect();
    let of_member = |page: &u32| page / 8 % 8 == 5 && original.is_allocated(PageId(*page));
    assert_eq!(struck, (0..128).filter(of_member).collect::<Vec<_>>());
    let cause = key.faults[0].cause;
    assert!(matches!(cause, Some(Cause::Zeroed | Cause::Encrypted)));
    assert!(key.faults.iter().all(|entry| entry.cause == cause && entry.decidable));
}

#[test]
fn a_page_that_was_damaged_before_tells_nothing_of_the_next_fault() {
    let file = drill_file(PageVerify::Checksum);
    inject(file.path(), &one(Fault::ZeroSector, 50)).unwrap();
    let key = inject(file.path(), &one(Fault::BitFlip, 50)).unwrap();
    assert!(!key.faults[0].decidable);
}

#[test]
fn the_same_seed_does_the_same_damage() {
    let [a, b] = [0, 1].map(|_| drill_file(PageVerify::Checksum));
    for file in [&a, &b] {
        inject(file.path(), &random(Fault::TornWrite, 7)).unwrap();
    }
    assert_eq!(fs::read(a.path()).unwrap(), fs::read(b.path()).unwrap());
}

#[test]
fn a_second_injection_leaves_damaged_pages_alone() {
    let file = drill_file(PageVerify::Checksum);
    let first = inject(file.path(), &random(Fault::BitFlip, 8)).unwrap();
    let second = inject(file.path(), &random(Fault::ZeroSector, 8)).unwrap();
    for entry in &second.faults {
        assert!(first.faults.iter().all(|older| older.page_id != entry.page_id));
    }
}

#[test]
fn a_flip_that_torn_bits_cannot_see_is_called_undetectable() {
    let undetectable = (40..60).any(|page| {
        let file = drill_file(PageVerify::Torn);
        let key = inject(file.path(), &one(Fault::BitFlip, page)).unwrap();
        key.faults[0].expected == Expected::Undetectable
            && key.faults[0].why.as_deref().is_some_and(|why| why.contains("two bits"))
    });
    assert!(undetectable);
}

#[test]
fn a_lost_checksum_flag_is_bad_checksum_all_the_same() {
    let mut page = SyntheticFile::new(recipe(PageVerify::Checksum)).unwrap().page(PageId(9));
    PageHeader::of_mut(&mut page).flag_bits = 0;
    let found = testify(&page, PageAddress::new(FileId(1), PageId(9)), true);
    assert_eq!(found, Testimony::Suspect(Reason::BadChecksum));
}

#[test]
fn stripes_recur_every_sixteen_pages_to_the_end() {
    let file = drill_file(PageVerify::Checksum);
    let key = inject(file.path(), &one(Fault::RansomwareStripe, 3)).unwrap();
    let pages: Vec<_> = key.faults.iter().map(|entry| entry.page_id.0).collect();
    assert_eq!(pages, (3..128).step_by(16).collect::<Vec<_>>());
}

#[test]
fn a_damaged_pfs_page_is_noted_and_its_interval_is_then_left_alone() {
    let file = drill_file(PageVerify::Checksum);
    let key = inject(file.path(), &one(Fault::ZeroPage, 1)).unwrap();
    assert!(key.faults[0].detail.contains("pages 0 to 127"), "{key:?}");
    let next = inject(file.path(), &random(Fault::BitFlip, 1));
    assert!(matches!(next, Err(InjectError::TooFewPages(_, Fault::BitFlip, 1, 0))));
    let key = inject(file.path(), &one(Fault::BitFlip, 50)).unwrap();
    assert!(key.faults[0].detail.contains("counts as allocated"), "{key:?}");
}

#[test]
fn refusals_name_the_file_and_leave_it_alone() {
    let file = drill_file(PageVerify::Checksum);
    let before = fs::read(file.path()).unwrap();
    let error = inject(file.path(), &one(Fault::BitFlip, 128)).unwrap_err();
    assert!(error.to_string().ends_with("has no page 128; its last page is 127"), "{error}");
    let error = inject(file.path(), &random(Fault::BitFlip, 1000)).unwrap_err();
    assert!(matches!(error, InjectError::TooFewPages(..)), "{error}");
    assert_eq!(fs::read(file.path()).unwrap(), before);

    let text = NamedTempFile::new().unwrap();
    for content in [vec![], vec![0; 40_000], b"TAPE".repeat(9000)] {
        fs::write(text.path(), content).unwrap();
        let error = inject(text.path(), &random(Fault::BitFlip, 1)).unwrap_err();
        assert!(matches!(error, InjectError::NotADataFile(_)), "{error}");
    }
}

#[test]
fn files_of_others_need_force() {
    let file = drill_file(PageVerify::Checksum);
    inject(file.path(), &one(Fault::ZeroPage, 0)).unwrap();
    let refused = inject(file.path(), &random(Fault::BitFlip, 1));
    assert!(matches!(refused, Err(InjectError::NotGenerated(_))));
    let forced = Injection { force: true, ..random(Fault::BitFlip, 1) };
    assert_eq!(inject(file.path(), &forced).unwrap().faults.len(), 1);
}

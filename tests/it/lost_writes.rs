//! Pages that are older than their copies in older backups: sound pages, of which only two copies
//! together show that a write was lost.

use crate::aged::{self, Copy, generate};
use crate::harness::scanned::{folder_in_memory, scanned};
use crate::harness::stopped::{How, part};
use crate::harness::{pagescrub_in, scan_json};
use pagescrub::consolidate::clean_copy::Version;
use pagescrub::consolidate::report::{ScrubReport, Suspect};
use pagescrub::page::header::{Lsn, PageHeader};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

const NOTE: &str = "older than its copy in";

/// A data file, two full backups of its database in one file or striped over several, and a
/// differential one that was taken between them.
struct Database {
    folder: TempDir,
    data: Copy,
    differential: Copy,
    second: Copy,
    first: Copy,
}

impl Database {
    fn new(seed: u64, stripes: usize, verify: &str) -> Self {
        let folder = folder_in_memory();
        let at = |name: &str| folder.path().join(name);
        let verify = format!("--page-verify={verify}");
        generate(&at("db.mdf"), seed, &[&verify]);
        let dealt = format!("--stripes={stripes}");
        let full = ["--backup=full", &dealt, &verify];
        generate(&at("full.bak"), seed, &full);
        generate(&at("full.bak"), seed, &[full[0], full[1], full[2], "--append"]);
        generate(&at("diff.bak"), seed, &["--backup=differential", &verify]);
        let members: Vec<PathBuf> = match stripes {
            1 => vec![at("full.bak")],
            _ => (1..=stripes).map(|n| at(&format!("full_{n}.bak"))).collect(),
        };
        Self {
            data: Copy::data(&at("db.mdf")),
            differential: Copy::set(&[at("diff.bak")], 1),
            second: Copy::set(&members, 2),
            first: Copy::set(&members, 1),
            folder,
        }
    }

    /// The data file says that its last full backup is the second one.
    fn named(self) -> Self {
        let (id, checkpoint, _) = self.second.set.expect("it tells");
        self.data.took(id, checkpoint);
        self
    }

    fn scan(&self) -> ScrubReport {
        scanned(&[self.folder.path().to_owned()])
    }
}

/// So many of `pages`, drawn by `seed`.
fn some(mut pages: Vec<u32>, count: usize, seed: u64) -> Vec<u32> {
    let mut random = SplitMix64::seed_from_u64(seed);
    assert!(pages.len() >= count, "{} pages for {count}", pages.len());
    let draw = |_| pages.swap_remove((random.next_u64() % pages.len() as u64) as usize);
    (0..count).map(draw).collect()
}

/// File, offset and page of each suspect.
fn places(report: &ScrubReport) -> BTreeSet<(PathBuf, u64)> {
    let place = |suspect: &Suspect| (PathBuf::from(&*suspect.path), suspect.offset_bytes);
    report.suspects.iter().map(place).collect()
}

fn notes(report: &ScrubReport) -> Vec<&str> {
    let notes = report.files.iter().flat_map(|file| &file.notes);
    notes.map(String::as_str).filter(|note| note.contains(NOTE)).collect()
}

/// A drill: 1,000 stale pages in four databases, of data files, differential and full backups, of
/// striped ones too, under checksums and torn bits. Each is found, and no other page.
#[test]
fn a_thousand_stale_pages_are_found_and_nothing_else() {
    let mut found = 0;
    for (seed, stripes, verify) in
        [(1, 1, "checksum"), (2, 3, "checksum"), (3, 2, "torn"), (4, 1, "checksum")]
    {
        let database = Database::new(seed, stripes, verify).named();
        let before = database.scan();
        assert_eq!((before.suspects.len(), before.exit_code), (0, 0), "seed {seed}");
        let mut stale = BTreeSet::new();
        for (copy, count) in
            [(&database.data, 100), (&database.differential, 50), (&database.second, 100)]
        {
            for page in some(copy.in_use(), count, seed) {
                copy.age(page);
                stale.insert(copy.places[&page].clone());
            }
        }
        let report = database.scan();
        assert_eq!(places(&report), stale, "seed {seed}");
        assert_eq!(report.exit_code, 1);
        assert!(notes(&report).is_empty(), "{:?}", notes(&report));
        for suspect in &report.suspects {
            assert_eq!(
                (&*suspect.reason, suspect.cause.as_deref()),
                ("stale_page", Some("lost_write"))
            );
            let newest = suspect.clean_copies.first().expect("the copy that tells");
            assert_eq!(newest.version, Version::Newer, "{}", newest.in_words);
            assert!(suspect.message.to_string().contains("It is older than its copy in"));
        }
        let (then, now) = (&before.coverage, &report.coverage);
        assert_eq!(now.intact + now.suspect, then.intact, "each page counts once");
        found += stale.len();
    }
    assert_eq!(found, 1000);
}

/// Where a page is stale in the oldest copy as well, the later ones look as if they had parted
/// from it: that is said, and no page is called bad for it.
#[test]
fn what_the_oldest_copy_lost_is_told_as_a_note_and_never_in_the_wrong_file() {
    let database = Database::new(5, 1, "checksum");
    let (old, new) = (some(database.first.in_use(), 20, 1), some(database.second.in_use(), 20, 2));
    let [old, new] = [old, new].map(BTreeSet::from_iter);
    old.difference(&new).for_each(|page| database.first.age(*page));
    new.difference(&old).for_each(|page| database.second.age(*page));
    let report = database.scan();
    // The differential backup between them has few pages, and has not parted from anything.
    let is_between = |page: &&u32| database.differential.places.contains_key(page);
    let seen: BTreeSet<_> = new.difference(&old).filter(is_between).collect();
    let seen: BTreeSet<_> =
        seen.into_iter().map(|page| database.second.places[page].clone()).collect();
    assert_eq!(places(&report), seen);
    let notes = notes(&report);
    assert!(notes.iter().all(|note| note.contains("parted")) && !notes.is_empty(), "{notes:?}");
}

/// Nothing proves that the file took the backup: it may have parted from what did.
#[test]
fn a_data_file_that_names_no_backup_gets_a_note_with_the_first_ten_pages() {
    let database = Database::new(6, 1, "checksum");
    let mut stale = some(database.data.in_use(), 25, 6);
    stale.sort_unstable();
    database.data.age(stale[0]);
    let report = database.scan();
    assert_eq!((report.suspects.len(), report.exit_code), (0, 0));
    let page = format!("a page in use, (1:{}), is {NOTE}", stale[0]);
    let [note] = notes(&report)[..] else { panic!("{:?}", notes(&report)) };
    assert!(note.starts_with(&page) && note.contains("nothing here proves"), "{note}");

    stale[1..].iter().for_each(|page| database.data.age(*page));
    let report = database.scan();
    assert_eq!((report.suspects.len(), report.exit_code), (0, 0));
    let [note] = notes(&report)[..] else { panic!("{:?}", notes(&report)) };
    assert!(note.starts_with("each of 25 pages in use, (1:"), "{note}");
    for (n, page) in stale.iter().enumerate() {
        assert_eq!(note.contains(&format!("(1:{page})")), n < 10, "{page}: {note}");
    }
    assert!(note.contains("these copies have parted"), "{note}");
}

/// By LSN alone only what cannot be a parting: pages of one extent, and no other sign.
#[test]
fn of_a_data_file_that_took_a_later_backup_only_what_no_parting_explains_is_a_suspect() {
    let database = Database::new(7, 1, "checksum");
    let (_, _, last) = database.second.set.expect("it tells");
    database.data.took([7; 16], Lsn { block: last.block + 1, ..last });
    let in_use = database.data.in_use();
    let beside = |pair: &&[u32]| pair[0] / 8 == pair[1] / 8 && pair[0] > 100;
    let pair = in_use.windows(2).find(beside).expect("an extent with two pages in use");
    for page in pair {
        database.data.age(*page);
    }
    let report = database.scan();
    let pages: Vec<u32> = report.suspects.iter().map(|suspect| suspect.page_id).collect();
    assert_eq!(BTreeSet::from_iter(pages), BTreeSet::from([pair[0], pair[1]]));

    // One more elsewhere.
    let far = in_use.iter().find(|page| **page > pair[1] + 100).expect("there are many");
    database.data.age(*far);
    let report = database.scan();
    assert!(report.suspects.is_empty(), "{:?}", places(&report));
    assert!(notes(&report)[0].contains("each of 3 pages"), "{:?}", notes(&report));
}

/// Equal LSN and other bytes, and changes that the older one should have: a machine that went back
/// to a snapshot leaves that.
#[test]
fn sets_that_have_parted_have_no_suspects() {
    let signs: [fn(&Database, u32); 2] = [
        |database, page| database.second.change(page, |page| page.bytes_mut()[4000] ^= 1),
        |database, page| {
            let change = |page: &mut pagescrub::page::Page| PageHeader::of_mut(page).lsn_block += 1;
            database.second.change(page, change);
        },
    ];
    for (n, sign) in signs.into_iter().enumerate() {
        let database = Database::new(8, 1, "checksum");
        let pages = some(database.second.in_use(), 2, 8);
        database.second.age(pages[0]);
        assert_eq!(database.scan().suspects.len(), 1, "sign {n}");
        sign(&database, pages[1]);
        let report = database.scan();
        assert!(report.suspects.is_empty(), "sign {n}: {:?}", places(&report));
        assert!(notes(&report)[0].contains("have parted"), "sign {n}: {:?}", notes(&report));
    }
}

/// Pages that attaching a file rewrites, and what is not sound on both sides.
#[test]
fn pages_that_tell_nothing_of_their_age_are_left_out() {
    let database = Database::new(9, 1, "checksum").named();
    let files = database.data.places.keys().copied().find(|id| {
        let page = database.data.page(*id);
        PageHeader::of(&page).object_id == 24 && PageHeader::of(&page).page_type == 1
    });
    let pages = some(database.data.in_use(), 2, 9);
    for page in [0, aged::BOOT].into_iter().chain(files) {
        database.data.change(page, |page| PageHeader::of_mut(page).lsn_vlf -= 1);
    }
    let mut damaged = database.second.page(pages[0]);
    damaged.bytes_mut()[5000] ^= 1;
    database.second.write(pages[0], &damaged);
    let mut damaged = database.first.page(pages[0]);
    damaged.bytes_mut()[5000] ^= 1;
    database.first.write(pages[0], &damaged);
    database.data.age(pages[0]);
    let report = database.scan();
    assert!(report.suspects.iter().all(|suspect| &*suspect.reason == "bad_checksum"));
    assert_eq!(report.suspects.len(), 2);
}

/// The damage of one disk of an array is told as such.
#[test]
fn stale_pages_of_one_member_fold_into_a_pattern() {
    let database = Database::new(10, 1, "checksum").named();
    let of_member = database.data.in_use().into_iter().filter(|page| page / 8 % 4 == 2);
    let of_member: Vec<u32> = of_member.collect();
    assert!(of_member.len() > 100);
    for page in &of_member {
        database.data.age(*page);
    }
    let report = database.scan();
    assert_eq!(report.suspects.len(), of_member.len());
    let is_it = |pattern: &&pagescrub::consolidate::report::Pattern| {
        &*pattern.kind == "stripe_member" && pattern.members == 4 && pattern.member == 2
    };
    assert!(report.patterns.iter().any(|pattern| is_it(&pattern)), "{:?}", report.patterns);
}

#[test]
fn nobody_who_does_not_want_it_is_told() {
    let database = Database::new(11, 1, "checksum").named();
    let page = some(database.data.in_use(), 1, 11)[0];
    database.data.age(page);
    let (code, report) = scan_json(database.folder.path(), &[]);
    assert_eq!((code, &report["coverage"]["suspect"]), (1, &1.into()));
    let (code, report) = scan_json(database.folder.path(), &["--no-lost-writes"]);
    assert_eq!((code, &report["coverage"]["suspect"]), (0, &0.into()));
}

/// What is not compared is said.
#[test]
#[cfg(unix)]
fn without_room_for_a_temporary_file_nothing_is_compared_and_that_is_said() {
    let database = Database::new(12, 1, "checksum").named();
    database.data.age(some(database.data.in_use(), 1, 12)[0]);
    let folder = database.folder.path().to_str().expect("text");
    let none = format!("{folder}/none");
    let run = pagescrub_in(&[("TMPDIR", &none)], &["scan", folder, "--format=json"]);
    let report = run.json();
    assert_eq!((run.code, &report["coverage"]["suspect"]), (0, &0.into()));
    assert!(report["run"]["notes"].to_string().contains("pages were not compared"), "{report}");
    // Without relatives, none is needed.
    let alone = format!("{folder}/db.mdf");
    let report = pagescrub_in(&[("TMPDIR", &none)], &["scan", &alone, "--format=json"]).json();
    assert!(!report["run"]["notes"].to_string().contains("compared"), "{report}");
}

#[test]
fn a_resumed_scan_says_what_it_did_not_compare() {
    let database = Database::new(13, 1, "checksum").named();
    let stale = some(database.data.in_use(), 10, 13);
    for page in &stale {
        database.data.age(*page);
    }
    let paths = [database.folder.path().to_owned()];
    let folder = folder_in_memory();
    let checkpoint = folder.path().join("checkpoint");
    let go = |stop_after| {
        let how = How { stop_after, ..How::default() };
        part(&paths, how, &checkpoint, Duration::from_hours(1)).report
    };
    let stopped = go(20);
    assert!(stopped.run.stopped && stopped.suspects.is_empty());
    let report = go(u64::MAX);
    let note = "pages were read before the scan was resumed, and were not compared";
    assert!(report.run.notes.iter().any(|text| text.contains(note)), "{:?}", report.run.notes);
    let all: BTreeSet<_> = stale.iter().map(|page| database.data.places[page].clone()).collect();
    assert!(places(&report).is_subset(&all), "{:?}", places(&report));
}

fn real(name: &str) -> Vec<PathBuf> {
    let data = std::env::var_os("PAGESCRUB_REAL_DATA").expect("the tests were built with it");
    let all = Path::new(&data).parent().expect("it has a neighbour").join(name);
    vec![all]
}

/// All real files, each folder alone and both together.
#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn no_real_file_has_lost_a_write() {
    let both = [real("data"), real("backups")].concat();
    for paths in [&both[..1], &both[1..], &both] {
        let report = scanned(paths);
        let stale = |suspect: &&Suspect| &*suspect.reason == "stale_page";
        assert_eq!(report.suspects.iter().filter(stale).count(), 0);
        assert!(notes(&report).is_empty(), "{:?}", notes(&report));
    }
}

/// Two full backups of SQL Server 2016, one day of one database: what they tell of each other.
#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn a_page_that_is_aged_in_a_real_backup_is_found_by_the_one_before_it() {
    let folder = folder_in_memory();
    let copied = ["full.bak", "second.bak"].map(|name| {
        let path = folder.path().join(name);
        std::fs::copy(real("backups/chain_2016")[0].join(name), &path).expect("it is there");
        path
    });
    let second = Copy::set(&copied[1..], 1);
    let first = Copy::set(&copied[..1], 1);
    assert!(scanned(&copied).suspects.is_empty());
    let both = second.in_use().into_iter().filter(|page| first.places.contains_key(page));
    let stale = some(both.collect(), 30, 2016);
    for page in &stale {
        second.age(*page);
    }
    let report = scanned(&copied);
    let all: BTreeSet<_> = stale.iter().map(|page| second.places[page].clone()).collect();
    assert_eq!(places(&report), all);
}

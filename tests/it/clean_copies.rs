//! Clean copies of damaged pages in backups that are scanned with them, and the restore script that
//! names these backups.

use crate::harness::pagescrub;
use crate::tsql::{self, is_known, names, off, script, shape, way};
use pagescrub::backup::BackupKind;
use pagescrub::consolidate::backup::{BackupReport, SetReport};
use pagescrub::consolidate::clean_copy::{CleanCopy, Version};
use pagescrub::consolidate::report::{FileReport, ScrubReport, Suspect};
use pagescrub::consolidate::tally::Coverage;
use pagescrub::discover::{DataFile, FileKind, discover};
use pagescrub::page::header::Lsn;
use pagescrub::report::json;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const PAGE_BYTES: usize = 8192;

/// A backup that is copied into a folder of its own, and the places of the pages of file 1.
struct Backup {
    path: PathBuf,
    bytes: Vec<u8>,
    offsets: BTreeMap<u32, usize>,
}

impl Backup {
    fn copied(name: &str, folder: &Path) -> Self {
        let data = std::env::var_os("PAGESCRUB_REAL_DATA").expect("the tests were built with it");
        let path = folder.join(name);
        let bytes = fs::read(Path::new(&data).join(name)).expect("the file is there");
        fs::write(&path, &bytes).expect("room");
        let discovery = discover(std::slice::from_ref(&path));
        let is_file_1 = |file: &&DataFile| file.part.is_some() && file.file_id.0 == 1;
        let part = discovery.files.iter().find(is_file_1).expect("it has pages of file 1");
        let part = part.part.as_ref().expect("a part");
        let places = part.runs.runs().iter().flat_map(|run| {
            let (first, at) = (run.range.first.0, run.offset_bytes as usize);
            (0..run.range.pages).map(move |i| (first + i, at + i as usize * PAGE_BYTES))
        });
        Self { path, bytes, offsets: places.collect() }
    }

    fn page(&self, id: u32) -> &[u8] {
        let at = self.offsets[&id];
        &self.bytes[at..at + PAGE_BYTES]
    }

    fn damage(&self, id: u32) {
        damage(&self.path, self.offsets[&id] + 4000);
    }
}

fn damage(path: &Path, at: usize) {
    let mut bytes = fs::read(path).expect("it is there");
    bytes[at] ^= 0x40;
    fs::write(path, bytes).expect("room");
}

/// What RESTORE makes of `backups`, one upon the other.
fn restored(backups: &[&Backup], path: &Path) {
    let end = backups.iter().filter_map(|backup| backup.offsets.keys().next_back()).max();
    let mut bytes = vec![0; (*end.expect("pages") as usize + 1) * PAGE_BYTES];
    for backup in backups {
        for id in backup.offsets.keys() {
            let at = *id as usize * PAGE_BYTES;
            bytes[at..at + PAGE_BYTES].copy_from_slice(backup.page(*id));
        }
    }
    fs::write(path, bytes).expect("room");
}

fn lsn(page: &[u8]) -> String {
    let u32_at = |at: usize| u32::from_le_bytes(page[at..at + 4].try_into().expect("4 bytes"));
    format!("({}:{}:{})", u32_at(40), u32_at(44), u32_at(48) as u16)
}

fn scan(folder: &Path) -> Value {
    pagescrub(&["scan".as_ref(), folder.as_os_str(), "--format".as_ref(), "json".as_ref()]).json()
}

/// The copies of the suspect page `id` in `path`: path, LSN, version.
fn copies(report: &Value, path: &Path, id: u32) -> Vec<(String, String, String)> {
    let suspects = report["suspects"].as_array().expect("a list");
    let is_it =
        |s: &&Value| s["page_id"] == id && Some(&*path.to_string_lossy()) == s["path"].as_str();
    let suspect =
        suspects.iter().find(is_it).unwrap_or_else(|| panic!("no suspect {id}: {suspects:#?}"));
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let copies = suspect["clean_copies"].as_array().expect("a list");
    copies
        .iter()
        .map(|copy| (text(&copy["path"]), text(&copy["lsn"]), text(&copy["version"])))
        .collect()
}

fn copy(backup: &Backup, id: u32, version: &str) -> (String, String, String) {
    let path = backup.path.to_string_lossy().into_owned();
    (path, lsn(backup.page(id)), version.to_owned())
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn a_page_of_a_data_file_is_found_in_its_backup_and_not_where_it_is_damaged_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let backup = Backup::copied("InventoryDB_904.bak", folder.path());
    let mdf = folder.path().join("InventoryDB.mdf");
    restored(&[&backup], &mdf);
    assert_eq!(scan(folder.path())["suspects"], serde_json::json!([]), "as it was restored");
    let in_use: Vec<u32> =
        backup.offsets.keys().copied().filter(|id| backup.page(*id)[1] == 1).collect();
    let (body, whole) = (in_use[0], in_use[1]);
    damage(&mdf, body as usize * PAGE_BYTES + 4000);
    let mut bytes = fs::read(&mdf).expect("it is there");
    bytes[whole as usize * PAGE_BYTES..][..PAGE_BYTES].fill(0xa5);
    fs::write(&mdf, bytes).expect("room");

    let report = scan(folder.path());
    assert_eq!(copies(&report, &mdf, body), [copy(&backup, body, "same")]);
    assert_eq!(copies(&report, &mdf, whole), [copy(&backup, whole, "unknown")]);
    let suspects = report["suspects"].as_array().expect("a list");
    let suspect = suspects.iter().find(|s| s["page_id"] == body).expect("there");
    let copy = &suspect["clean_copies"][0];
    assert_eq!(copy["offset_bytes"], backup.offsets[&body]);
    assert_eq!((&copy["backup_set"], &copy["kind"]), (&1.into(), &"full backup".into()));
    assert_eq!(copy["finished"], "2022-06-08T21:54:00");

    backup.damage(body);
    let report = scan(folder.path());
    assert_eq!(copies(&report, &mdf, body), []);
    assert_eq!(copies(&report, &backup.path, body), []);
    assert_eq!(copies(&report, &mdf, whole).len(), 1);
}

/// Page 153 was changed between the full and the differential backup, page 154 was not.
#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn of_a_full_and_a_differential_backup_the_newer_page_is_named_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let [full, differential] = ["sqltools_Full_859.bak", "sqltools_Diff_859.bak"]
        .map(|name| Backup::copied(name, folder.path()));
    let mdf = folder.path().join("data.mdf");
    restored(&[&full, &differential], &mdf);
    let only_full = *full
        .offsets
        .keys()
        .find(|id| **id > 24 && full.page(**id)[1] == 1 && !differential.offsets.contains_key(id))
        .expect("there is one");
    for id in [153, only_full] {
        damage(&mdf, id as usize * PAGE_BYTES + 4000);
    }
    let report = scan(folder.path());
    let both = [copy(&differential, 153, "same"), copy(&full, 153, "older")];
    assert_eq!(copies(&report, &mdf, 153), both);
    assert_ne!(both[0].1, both[1].1);
    assert_eq!(copies(&report, &mdf, only_full), [copy(&full, only_full, "same")]);
    assert_names_both(&report, &full, &differential, folder.path());

    differential.damage(153);
    let report = scan(folder.path());
    assert_eq!(copies(&report, &mdf, 153), [copy(&full, 153, "older")]);
    assert_eq!(copies(&report, &differential.path, 153), [copy(&full, 153, "older")]);
    let script = script_of(&report, folder.path());
    let names = |backup: &Backup| script.contains(&format!("DISK = N'{}'", backup.path.display()));
    assert!(names(&full) && !names(&differential), "only the sound one is named:\n{script}");
}

/// The script names both backups, also from a saved report.
fn assert_names_both(report: &Value, full: &Backup, differential: &Backup, folder: &Path) {
    let script = script_of(report, folder);
    for backup in [full, differential] {
        let from = format!("FROM DISK = N'{}'\n--    WITH NORECOVERY;", backup.path.display());
        assert!(script.contains(&from), "{from} is missing in\n{script}");
    }
}

fn script_of(report: &Value, folder: &Path) -> String {
    let saved = folder.join("saved.json");
    fs::write(&saved, report.to_string()).expect("room");
    let args = ["report".as_ref(), saved.as_os_str(), "--format".as_ref(), "tsql".as_ref()];
    let run = pagescrub(&args);
    fs::remove_file(&saved).expect("it is there");
    let (_, part) = run.stdout.split_once("\n-- | Part 2.").expect("a database");
    let restores = part.lines().filter(|line| line.contains("DISK") || line.contains("WITH"));
    restores.collect::<Vec<_>>().join("\n")
}

/// RESTORE gave the database of the differential another binding id and a new recovery fork, which
/// began where the full backup ends: what it has of a page was written later on the same line.
#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn pages_of_what_was_restored_since_are_copies_up_to_where_the_fork_began() {
    let folder = tempfile::tempdir().expect("a folder");
    let [full, differential] = ["sqltools_Full_859.bak", "sqltools_Diff_859.bak"]
        .map(|name| Backup::copied(name, folder.path()));
    let mdf = folder.path().join("data.mdf");
    restored(&[&full], &mdf);
    damage(&mdf, 153 * PAGE_BYTES + 4000);
    assert!(differential.offsets.contains_key(&153));
    let both = [copy(&differential, 153, "newer"), copy(&full, 153, "same")];
    assert_eq!(copies(&scan(folder.path()), &mdf, 153), both);
}

/// The PFS page of the copy's own file decides.
#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn a_page_that_is_free_where_the_copy_is_says_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let backup = Backup::copied("InventoryDB_904.bak", folder.path());
    let mdf = folder.path().join("InventoryDB.mdf");
    restored(&[&backup], &mdf);
    let id = *backup.offsets.keys().find(|id| backup.page(**id)[1] == 1).expect("there is one");
    // Free in the backup: its PFS byte, and the checksum that goes with that.
    let mut bytes = backup.bytes.clone();
    let pfs = backup.offsets[&1];
    bytes[pfs + 100 + id as usize] &= !0x40;
    let page: &mut [u8; PAGE_BYTES] =
        (&mut bytes[pfs..pfs + PAGE_BYTES]).try_into().expect("a page");
    let mut sealed = pagescrub::page::Page::new(page);
    pagescrub::page::checksum::seal(&mut sealed);
    page.copy_from_slice(sealed.bytes());
    fs::write(&backup.path, bytes).expect("room");
    damage(&mdf, id as usize * PAGE_BYTES + 4000);
    assert_eq!(copies(&scan(folder.path()), &mdf, id), []);
}

fn lsn_at(block: u32) -> Lsn {
    Lsn { vlf: 37, block, slot: 1 }
}

fn set(kind: BackupKind, position: u32, [first, last]: [u32; 2], base: Option<u32>) -> SetReport {
    SetReport {
        position,
        kind,
        database: "sales".into(),
        finished: Some("2026-11-20T01:00:00".into()),
        first_lsn: Some(lsn_at(first)),
        last_lsn: Some(lsn_at(last)),
        checkpoint_lsn: Some(lsn_at(first)),
        database_backup_lsn: base.map(lsn_at),
        binding_id: Some("aa".into()),
        files: vec![pagescrub::consolidate::backup::SetFile {
            pages: 8,
            pages_here: 8,
            ..Default::default()
        }],
        is_complete: true,
        ..SetReport::default()
    }
}

/// The golden report with page 57 of sales alone, and backups: `full` in two files, a differential,
/// two log backups, and one after a gap.
fn with_backups(full: [&str; 2], differential: &str) -> ScrubReport {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/report.json");
    let bytes = fs::read(golden).expect("it is in the repository");
    let mut report = json::read(&bytes).expect("a report");
    let template = report.suspects.iter().find(|s| s.page_id == 57).expect("there").clone();
    let copy = CleanCopy {
        path: full[1].into(),
        backup_set: Some(2),
        kind: "full backup".into(),
        finished: None,
        set_last_lsn: None,
        lsn: lsn_at(5),
        version: Version::Same,
        offset_bytes: 0,
        from_damaged_backup: false,
        restorable: false,
        not_restorable_because: None,
        in_words: full[1].to_owned(),
    };
    report.suspects = vec![Suspect { rank: 1, clean_copies: vec![copy], ..template }];
    for file in &mut report.files {
        file.pages = 1_000_000;
        file.binding_id = Some("aa".into());
        file.coverage.suspect = u64::from(&*file.path == "/data/sales.mdf");
    }
    let plain = FileReport { coverage: Coverage::default(), ..report.files[3].clone() };
    let backup = |path: &str, member: u16, members: u16, sets: Vec<SetReport>| FileReport {
        path: path.into(),
        kind: FileKind::Backup,
        file_id: None,
        binding_id: None,
        pages: 0,
        backup: Some(BackupReport {
            media_set: (members > 0).then(|| "5e7".into()),
            member,
            members,
            sets,
            ..BackupReport::default()
        }),
        ..plain.clone()
    };
    let fulls = || vec![set(BackupKind::Full, 2, [10, 12], None)];
    let log = |lsns| vec![set(BackupKind::Log, 1, lsns, None)];
    report.files.push(backup(full[0], 1, 2, fulls()));
    report.files.push(backup(full[1], 2, 2, fulls()));
    let differentials = vec![set(BackupKind::Differential, 1, [20, 22], Some(10))];
    report.files.push(backup(differential, 0, 0, differentials));
    for (path, lsns) in [("/b/1.trn", [20, 30]), ("/b/2.trn", [30, 40]), ("/b/9.trn", [50, 60])] {
        report.files.push(backup(path, 0, 0, log(lsns)));
    }
    report
}

#[test]
fn the_script_names_the_backups_of_the_scan_in_the_order_in_which_they_are_restored() {
    let script = script(&with_backups(["/b/it's.bak", "C:\\b\\2.bak"], "/b/diff.bak"));
    let statements = off(&script);
    for statement in &statements {
        assert!(is_known(statement), "{statement}\nis {}", shape(statement));
    }
    let restores: Vec<String> = way(&script, 'A')
        .iter()
        .map(|statement| statement.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    let full = "DISK = N'/b/it''s.bak', DISK = N'C:\\b\\2.bak'";
    let expected = [
        format!("RESTORE DATABASE [sales] PAGE = '1:57' FROM {full} WITH FILE = 2, NORECOVERY"),
        "RESTORE DATABASE [sales] FROM DISK = N'/b/diff.bak' WITH NORECOVERY".to_owned(),
        "RESTORE LOG [sales] FROM DISK = N'/b/1.trn' WITH NORECOVERY".to_owned(),
        "RESTORE LOG [sales] FROM DISK = N'/b/2.trn' WITH NORECOVERY".to_owned(),
    ];
    assert_eq!(restores[..4], expected);
    let verify = format!("RESTORE VERIFYONLY FROM {full} WITH FILE = 2, CHECKSUM");
    let flowing = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(statements.iter().any(|statement| flowing(statement) == verify), "{script}");
    let remarks = flowing(&script.replace("\n-- | ", " ").replace("\n-- ", " "));
    assert!(remarks.contains("scan has the log from (37:40:1) to (37:50:1)"));
    assert!(remarks.contains("on the server they may be others"), "{remarks}");
    assert!(
        !script.contains("db1_full_backup") && !script.contains("db1_differential"),
        "{script}"
    );
}

#[test]
fn what_the_scan_does_not_know_stays_to_be_filled_in() {
    let spoils: [fn(&mut ScrubReport); 3] = [
        |report| report.files.iter_mut().for_each(|file| file.binding_id = None),
        |report| report.files.retain(|file| &*file.path != "/b/1.bak"),
        |report| report.suspects[0].backup_set = Some(1),
    ];
    for (i, spoil) in spoils.into_iter().enumerate() {
        let mut report = with_backups(["/b/1.bak", "/b/2.bak"], "/b/diff.bak");
        assert!(script(&report).contains("DISK = N'/b/2.bak'"));
        spoil(&mut report);
        let script = script(&report);
        assert!(!script.contains("DISK = N'"), "{i}: {script}");
    }
}

#[test]
fn no_path_of_a_backup_gets_out_of_where_it_stands() {
    let plain = off(&script(&with_backups(["/b/1.bak", "/b/2.bak"], "/b/diff.bak"))).len();
    for seed in 0..400 {
        let name = names::hostile(seed);
        let mut report = with_backups(["/b/1.bak", &name], &name);
        for set in report.files.iter_mut().filter_map(|file| file.backup.as_mut()) {
            set.sets.iter_mut().for_each(|set| set.database = name.as_str().into());
        }
        let script = script(&report);
        let forbidden =
            |c: char| (c.is_control() && c != '\n') || ('\u{2028}'..='\u{202e}').contains(&c);
        assert!(!script.contains(forbidden) && !script.contains("$("), "{seed} {name:?}\n{script}");
        let statements = off(&script);
        assert!(statements.len() <= plain, "{seed} {name:?}: more statements than names");
        for statement in statements {
            assert!(is_known(&statement), "{seed} {name:?}: {statement}");
        }
    }
}

#[test]
fn a_path_that_is_no_literal_is_a_variable_with_its_real_name() {
    let mut declared = 0;
    for seed in 0..400 {
        let name = format!("/b/{}", names::hostile(seed));
        for statement in &off(&script(&with_backups(["/b/1.bak", &name], &name))) {
            assert!(is_known(statement), "{seed} {name:?}: {statement}\n{}", shape(statement));
            for (at, found) in statement.match_indices(" nvarchar(260) = ") {
                let (value, _) = tsql::value(&statement[at + found.len()..]).expect("a text");
                assert_eq!(value, name, "{seed}");
                declared += 1;
            }
        }
    }
    assert!(declared > 1000, "{declared}");
    // SQL Server has no name for a file whose name is no text.
    let unknown = script(&with_backups(["/b/1.bak", "/b/M\\xf6ller.bak"], "/b/diff.bak"));
    assert!(!unknown.contains("DISK = N'/b/M"), "{unknown}");
}

/// The script for `report`, its lines joined.
fn flowing(report: &ScrubReport) -> String {
    let script = script(report).replace("\n-- | ", " ").replace("\n-- ", " ").replace("\n--", " ");
    script.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn sets_of<'a>(
    report: &'a mut ScrubReport,
    path: &'a str,
) -> impl Iterator<Item = &'a mut SetReport> {
    let files = report.files.iter_mut().filter(move |file| &*file.path == path);
    files.filter_map(|file| file.backup.as_mut()).flat_map(|backup| &mut backup.sets)
}

#[test]
fn a_full_backup_without_checksums_is_not_asked_for_them() {
    let mut report = with_backups(["/b/1.bak", "/b/2.bak"], "/b/diff.bak");
    assert!(flowing(&report).contains("HasBackupChecksums must be 1"));
    for path in ["/b/1.bak", "/b/2.bak"] {
        sets_of(&mut report, path).for_each(|set| set.has_checksum = Some(false));
    }
    let text = flowing(&report);
    assert!(text.contains("VERIFYONLY FROM DISK = N'/b/1.bak', DISK = N'/b/2.bak' WITH FILE = 2;"));
    assert!(!text.contains("HasBackupChecksums must be 1"), "{text}");
    assert!(off(&script(&report)).iter().all(|statement| is_known(statement)));
}

#[test]
fn a_path_that_is_not_absolute_is_left_to_be_filled_in() {
    for (relative, absolute) in
        [("b/1.bak", "\\\\nas\\b\\2.bak"), ("C:1.bak", "C:/2.bak"), ("\\b\\1.bak", "/b/2.bak")]
    {
        let mut report = with_backups([relative, absolute], "diff.bak");
        let log = report.files.iter_mut().find(|file| &*file.path == "/b/1.trn").expect("there");
        log.path = "1.trn".into();
        let text = flowing(&report);
        for path in [relative, "diff.bak", "1.trn"] {
            assert!(!text.contains(&format!("N'{path}'")), "{path} in {text}");
            assert!(text.contains(path), "{path} is not told in {text}");
        }
        for part in [
            &format!("DISK = <db1_full_backup, nvarchar(260), >, DISK = N'{absolute}'"),
            "DISK = <db1_differential, nvarchar(260), >",
            "DISK = <db1_log_backup1, nvarchar(260), >",
            "DISK = N'/b/2.trn'",
            "is not absolute",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }
}

#[test]
fn a_differential_of_what_was_restored_since_is_not_passed_over_in_silence() {
    let mut report = with_backups(["/b/1.bak", "/b/2.bak"], "/b/diff.bak");
    for path in ["/b/1.bak", "/b/2.bak"] {
        sets_of(&mut report, path).for_each(|set| set.set_id = Some("f0".into()));
    }
    sets_of(&mut report, "/b/diff.bak").for_each(|set| {
        set.binding_id = Some("bb".into());
        set.differential_base_id = Some("f0".into());
    });
    let text = flowing(&report);
    assert!(text.contains("left out, of another line of its recovery: differential"), "{text}");
    assert!(!way(&script(&report), 'A').iter().any(|s| s.contains("/b/diff.bak")), "{text}");
    sets_of(&mut report, "/b/diff.bak").for_each(|set| set.differential_base_id = None);
    assert!(flowing(&report).contains("no differential"), "{text}");
}

#[test]
fn a_copy_in_a_backup_that_is_damaged_elsewhere_says_so() {
    let merged = |faults| {
        let mut report = with_backups(["/b/1.bak", "/b/2.bak"], "/b/diff.bak");
        report.run.host = Some("sql01".into());
        let file = report.files.iter_mut().find(|file| &*file.path == "/b/2.bak").expect("there");
        file.backup.as_mut().expect("it is one").faults_not_listed = faults;
        let report = pagescrub::consolidate::merge::merge(vec![report]).expect("one report");
        report.suspects[0].clean_copies[0].clone()
    };
    let (sound, damaged) = (merged(0), merged(1));
    assert!(!sound.from_damaged_backup && !sound.in_words.contains("damaged itself"));
    assert!(damaged.from_damaged_backup);
    assert!(damaged.in_words.ends_with("(that backup is damaged itself)"), "{damaged:?}");
}

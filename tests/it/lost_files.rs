//! Files of a database of which nothing is left, or which are not there: what the database's own
//! catalog and its backups name must be found, or the answer says what is gone.

use crate::harness::{Run, pagescrub};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use serde_json::Value;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

fn noise() -> Vec<u8> {
    let mut bytes = vec![0; 1 << 20];
    Xoshiro256PlusPlus::seed_from_u64(5).fill_bytes(&mut bytes);
    bytes
}

fn generate(folder: &Path, name: &str, more: &[&str]) {
    let path = folder.join(name);
    let path = path.to_str().expect("text");
    let has_seed = more.iter().any(|word| word.starts_with("--seed"));
    let seed = if has_seed { &[][..] } else { &["--seed=7"] };
    let run = pagescrub(&[&["generate", path, "--size=2MiB"][..], seed, more].concat());
    assert_eq!(run.code, 0, "{}", run.stderr);
}

/// The primary file of a database of two; the other one is `Drill_3.ndf`.
fn primary(folder: &Path) {
    generate(folder, "base.mdf", &["--database-files=1,3"]);
}

fn scan(folder: &Path, more: &[&str]) -> Run {
    let path = folder.to_str().expect("text");
    pagescrub(&[&["scan", path][..], more].concat())
}

fn report(folder: &Path) -> Value {
    scan(folder, &["--format=json"]).json()
}

fn put(folder: &Path, name: &str, content: &[u8]) {
    fs::write(folder.join(name), content).expect("room");
}

/// Exit code and verdict, the verdict and way back of the first database, and its files.
fn answer(folder: &Path) -> (i64, String, String, Vec<(u64, String)>) {
    let report = report(folder);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let database = &report["databases"][0];
    let files = database["files"].as_array().into_iter().flatten();
    let state = |file: &Value| (file["file_id"].as_u64().expect("an id"), text(&file["state"]));
    let data = files.filter(|file| file["kind"] == "data").map(state).collect();
    let code = report["exit_code"].as_i64().expect("a code");
    (code, text(&report["verdict"]), text(&database["way_back"]), data)
}

#[test]
fn a_data_file_that_the_catalog_names_and_of_which_nothing_is_left_is_a_loss() {
    for content in [Vec::new(), vec![0; 1 << 20], noise()] {
        let folder = TempDir::new().expect("a folder");
        primary(folder.path());
        put(folder.path(), "Drill_3.ndf", &content);
        let (code, verdict, way, files) = answer(folder.path());
        assert_eq!((code, &*verdict), (1, "damaged"), "{} bytes", content.len());
        assert_eq!(way, "file", "{} bytes", content.len());
        assert_eq!(files, [(1, "scanned".to_owned()), (3, "empty".to_owned())]);
        let script = scan(folder.path(), &["--format=tsql"]).stdout;
        assert!(
            script.contains("Drill_3.ndf") && !script.contains("nothing to restore"),
            "{script}"
        );
        assert!(script.contains("RESTORE DATABASE") && script.contains("FILE = "), "{script}");
    }
}

#[test]
fn one_that_the_catalog_does_not_name_stays_refused() {
    for (name, content) in [
        ("other.ndf", noise()),
        ("Drill_3.ndf.old", noise()),
        ("Drill_3.ndf", b"some text".to_vec()),
    ] {
        let folder = TempDir::new().expect("a folder");
        primary(folder.path());
        put(folder.path(), name, &content);
        let (code, verdict, _, files) = answer(folder.path());
        assert_eq!((code, &*verdict), (3, "incomplete"), "{name}");
        assert_eq!(files, [(1, "scanned".to_owned()), (3, "missing".to_owned())], "{name}");
    }
}

#[test]
fn a_file_that_is_there_is_not_lost_because_another_one_is_called_like_it() {
    let folder = TempDir::new().expect("a folder");
    primary(folder.path());
    generate(folder.path(), "Drill_3.ndf", &["--file-id=3", "--database-files=1,3"]);
    assert_eq!(answer(folder.path()).0, 0);
    put(folder.path(), "Drill_3.ndf.locked", &noise());
    let (code, _, _, files) = answer(folder.path());
    assert_eq!(code, 3, "refused, and nothing is lost");
    assert_eq!(files, [(1, "scanned".to_owned()), (3, "scanned".to_owned())]);
}

#[test]
fn backups_name_the_files_of_a_database_of_which_nothing_else_is_left() {
    for name in ["Drill.mdf", "DRILL.MDF", "drill.mdf.lockbit", "drill.mdf.x"] {
        let folder = TempDir::new().expect("a folder");
        generate(folder.path(), "base.bak", &["--backup=full"]);
        assert_eq!(answer(folder.path()).0, 0, "a backup alone misses no files");
        put(folder.path(), name, &noise());
        let (code, verdict, way, files) = answer(folder.path());
        assert_eq!((code, &*verdict, &*way), (1, "damaged", "file"), "{name}");
        assert_eq!(files, [(1, "empty".to_owned())], "{name}");
        let script = scan(folder.path(), &["--format=tsql"]).stdout;
        assert!(script.contains(name) && script.contains("base.bak"), "{script}");
    }
}

#[test]
fn of_two_databases_with_a_file_of_its_name_it_is_that_of_its_folder() {
    let folder = TempDir::new().expect("a folder");
    let [a, b] = ["a", "b"].map(|name| folder.path().join(name));
    for side in [&a, &b] {
        fs::create_dir(side).expect("room");
        primary(side);
    }
    put(&b, "Drill_3.ndf", &[]);
    let report = report(folder.path());
    let lost = |database: &Value| database["files"][2]["state"] == "empty";
    let databases = report["databases"].as_array().expect("databases");
    let lost: Vec<&Value> = databases.iter().filter(|database| lost(database)).collect();
    assert_eq!(lost.len(), 1);
    assert!(lost[0]["files"][0]["path"].as_str().expect("a path").contains("/b/"));
}

#[test]
fn a_file_that_is_not_there_changes_no_exit_code_unless_databases_are_to_be_whole() {
    let folder = TempDir::new().expect("a folder");
    primary(folder.path());
    let run = scan(folder.path(), &[]);
    assert_eq!(run.code, 0, "a scan of one volume is a right thing to ask for: {}", run.stdout);
    let run = scan(folder.path(), &["--whole-databases"]);
    assert_eq!(run.code, 3, "{}", run.stdout);
    let report = scan(folder.path(), &["--whole-databases", "--format=json"]).json();
    assert_eq!(report["verdict"], "incomplete");
    generate(folder.path(), "Drill_3.ndf", &["--file-id=3", "--database-files=1,3"]);
    let run = scan(folder.path(), &["--whole-databases"]);
    assert_eq!(run.code, 0, "logs never count: {}", run.stdout);
}

#[test]
fn a_report_that_was_saved_says_the_same_of_lost_files() {
    let folder = TempDir::new().expect("a folder");
    primary(folder.path());
    put(folder.path(), "Drill_3.ndf", &[]);
    let saved = folder.path().join("report.json");
    let path = saved.to_str().expect("text");
    scan(folder.path(), &["--format=json", "--output", path]);
    let again = pagescrub(&["report", path, "--format=json"]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert_eq!(again.stdout, fs::read_to_string(&saved).expect("a report"));
    let merged = pagescrub(&["merge", path, "--format=json"]).json();
    assert_eq!(merged["verdict"], "damaged");
    assert_eq!(merged["databases"][0]["files"][2]["state"], "empty");
}

/// Overwrites `pages` of a file with noise.
fn spoil(path: &Path, pages: &[usize]) {
    let mut bytes = fs::read(path).expect("it is there");
    for page in pages {
        bytes[page * 8192..][..8192].copy_from_slice(&noise()[..8192]);
    }
    fs::write(path, bytes).expect("room");
}

#[test]
fn a_secondary_file_without_its_page_0_is_known_by_its_name_beside_its_primary_file() {
    let folder = TempDir::new().expect("a folder");
    primary(folder.path());
    generate(folder.path(), "Drill_3.ndf", &["--file-id=3", "--database-files=1,3"]);
    spoil(&folder.path().join("Drill_3.ndf"), &[0]);
    let report_ = report(folder.path());
    assert_eq!(report_["databases"].as_array().expect("databases").len(), 1, "{report_}");
    let (code, _, way, files) = answer(folder.path());
    assert_eq!((code, &*way), (1, "file"));
    assert_eq!(files, [(1, "scanned".to_owned()), (3, "scanned".to_owned())]);
    let elsewhere = folder.path().join("elsewhere");
    fs::create_dir(&elsewhere).expect("room");
    fs::rename(folder.path().join("Drill_3.ndf"), elsewhere.join("Drill_3.ndf")).expect("one disk");
    let report = report(folder.path());
    assert_eq!(report["databases"].as_array().expect("databases").len(), 2, "a name is a hint");
    let files = report["files"].as_array().expect("files");
    let lone = files.iter().find(|file| file["file_id"] == 3).expect("there");
    assert!(lone["notes"].to_string().contains("could not be looked for"), "{lone}");
}

#[test]
fn with_page_0_and_the_boot_page_lost_the_catalog_tells_whose_backups_are_its_own() {
    let folder = TempDir::new().expect("a folder");
    generate(folder.path(), "base.mdf", &[]);
    generate(folder.path(), "base.bak", &["--backup=full"]);
    generate(folder.path(), "other.bak", &["--backup=full", "--seed=8"]);
    spoil(&folder.path().join("base.mdf"), &[0, 9]);
    let report = report(folder.path());
    let databases = report["databases"].as_array().expect("databases");
    let damaged = databases.iter().find(|d| d["verdict"] == "damaged").expect("one");
    assert_eq!(damaged["backup_sets"], 1, "{damaged}");
    let path = damaged["restore"]["sets"][0]["paths"][0].as_str().expect("a path");
    assert!(path.ends_with("base.bak"), "{path}");
    assert_eq!(damaged["suspects"], 2);
    assert_eq!(damaged["suspects_with_copy"], 2, "{damaged}");
}

#[test]
fn a_primary_file_without_its_head_is_known_by_its_name_beside_its_backups() {
    let folder = TempDir::new().expect("a folder");
    generate(folder.path(), "sales.bak", &["--backup=full"]);
    generate(folder.path(), "Drill.mdf.locked", &[]);
    spoil(&folder.path().join("Drill.mdf.locked"), &(0..128).collect::<Vec<_>>());
    let report = report(folder.path());
    let databases = report["databases"].as_array().expect("databases");
    assert_eq!(databases.len(), 1, "{databases:#?}");
    assert_eq!(databases[0]["name"], "Drill");
    assert_eq!(
        (&databases[0]["verdict"], &databases[0]["way_back"]),
        (&"damaged".into(), &"file".into())
    );
    assert_eq!(databases[0]["restore"]["sets"].as_array().expect("sets").len(), 1);
}

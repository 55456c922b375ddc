//! Input that is not what it should be: a clear word about each path, the right exit code, never
//! a panic, never "clean".

use crate::harness::{Run, pagescrub, pagescrub_with_stdin};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn file(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).expect("writable");
    path
}

fn scan(path: &Path) -> Run {
    pagescrub(&["scan".as_ref(), path.as_os_str()])
}

/// A scan of `path` alone must say `word` about it and must not call it verified.
fn assert_declined(path: &Path, word: &str) {
    let run = scan(path);
    assert_eq!(run.code, 3, "{}", run.stdout);
    assert!(run.stdout.contains(word), "{word} is missing:\n{}", run.stdout);
    let shown = path.file_name().expect("a name").to_string_lossy().into_owned();
    assert!(run.stdout.contains(&shown), "the path is missing:\n{}", run.stdout);
    assert!(run.result_line().starts_with("RESULT verdict=incomplete"), "{}", run.stdout);
    let json = pagescrub(&["scan".as_ref(), path.as_os_str(), "--format=json".as_ref()]).json();
    assert_eq!(json["exit_code"], 3);
    assert!(json["files"][0]["why"].as_str().expect("a reason").contains(word));
}

#[test]
fn what_is_no_data_file_is_declined_with_a_reason() {
    let folder = folder();
    assert_declined(&file(&folder, "empty.mdf", b""), "empty");
    assert_declined(&file(&folder, "byte.mdf", b"x"), "smaller than one page");
    assert_declined(&file(&folder, "zeros.mdf", &vec![0; 1 << 20]), "not a database file");
    assert_declined(&file(&folder, "noise.mdf", &noise(1 << 20)), "not a database file");
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
    assert_declined(&file(&folder, "pointer.mdf", pointer), "git lfs pull");
    assert_declined(&file(&folder, "page.mdf", b"<!DOCTYPE html><p>Not found"), "HTML");
    assert_declined(&file(&folder, "a.bak", &[b"TAPE", &noise(9000)[..]].concat()), "backup");
    assert_declined(&file(&folder, "c.bak", &[b"MSSQLBAK", &noise(9000)[..]].concat()), "backup");
    assert_declined(&folder.path().join("missing.mdf"), "no such file");
}

fn noise(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|i| ((i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as u8).collect()
}

#[test]
fn a_directory_without_data_files_is_not_clean() {
    let folder = folder();
    file(&folder, "notes.txt", b"nothing here");
    let run = scan(folder.path());
    assert_eq!(run.code, 3);
    assert!(run.stdout.contains("no data files in this directory"), "{}", run.stdout);
    assert!(run.stdout.contains("1 file skipped"), "{}", run.stdout);
}

/// Ransomware and failed copies leave files that are data files by name only.
#[test]
fn a_data_file_by_name_only_is_not_passed_over_in_a_directory() {
    let folder = folder();
    file(&folder, "sales.MDF", &noise(1 << 20));
    let run = scan(folder.path());
    assert_eq!(run.code, 3);
    assert!(run.stdout.contains("sales.MDF: not a database file"), "{}", run.stdout);
}

#[test]
fn a_backup_that_is_called_mdf_is_not_passed_over_in_a_directory() {
    let folder = folder();
    file(&folder, "sales.mdf", &[b"TAPE", &noise(1 << 20)[..]].concat());
    file(&folder, "sales.bak", &[b"TAPE", &noise(1 << 20)[..]].concat());
    let run = scan(folder.path());
    assert_eq!(run.code, 3);
    assert!(run.stdout.contains("sales.mdf: a backup"), "{}", run.stdout);
}

#[test]
fn names_with_newlines_and_escapes_are_shown_and_not_obeyed() {
    let folder = folder();
    let path = file(&folder, "a\u{1b}[2Jb\nRESULT verdict=clean.mdf", b"x");
    let run = scan(&path);
    assert_eq!(run.code, 3);
    assert!(!run.stdout.contains('\u{1b}'), "{:?}", run.stdout);
    let results = run.stdout.lines().filter(|line| line.starts_with("RESULT")).count();
    assert_eq!(results, 1, "{}", run.stdout);
}

#[test]
fn wrong_usage_is_exit_2_with_a_word_about_what_is_right() {
    for (args, word) in [
        (&["scan"][..], "PATH"),
        (&["scan", "x", "--engine", "sse9"], "avx"),
        #[cfg(not(feature = "gpu"))]
        (&["scan", "x", "--engine", "gpu"], "auto"),
        (&["scan", "x", "--check-gpu-one-in", "0"], "1.."),
        (&["scan", "x", "--reader", "tape"], "pread"),
        (&["scan", "x", "--batch-size", "100KiB"], "64 KiB"),
        (&["scan", "x", "--batch-size", "99GiB"], "16MiB"),
        (&["scan", "x", "--threads", "0"], "1..=1024"),
        (&["scan", "x", "--output", "y"], "--format"),
        (&["scan", "x", "--format", "json", "--format", "terminal"], "--output"),
        (&["scna", "x"], "scan"),
    ] {
        let run = pagescrub(args);
        assert_eq!(run.code, 2, "{args:?}\n{}", run.stderr);
        assert!(run.stderr.contains(word), "{args:?}: {}", run.stderr);
    }
}

#[test]
fn a_list_may_come_from_a_file_or_from_stdin() {
    let folder = folder();
    let bad = file(&folder, "bad.mdf", b"x");
    let list = file(&folder, "list.txt", format!("{}\n", bad.display()).as_bytes());
    let run = pagescrub(&["scan", &format!("@{}", list.display())]);
    assert!(run.code == 3 && run.stdout.contains("bad.mdf"), "{}", run.stdout);
    let input = format!("{}\0", bad.display());
    let run = pagescrub_with_stdin(&["scan", "-"], input.as_bytes());
    assert!(run.code == 3 && run.stdout.contains("bad.mdf"), "{}", run.stdout);
    let run = pagescrub(&["scan", "@/no/such/list"]);
    assert!(run.code == 3 && run.stderr.contains("/no/such/list"), "{}", run.stderr);
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_fifo_is_declined_without_waiting_for_it() {
        let folder = folder();
        let path = folder.path().join("pipe.mdf");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.expect("mkfifo runs").success());
        assert_declined(&path, "pipe");
    }

    #[test]
    fn a_symlink_loop_ends() {
        let folder = folder();
        fs::create_dir(folder.path().join("a")).expect("writable");
        symlink(folder.path(), folder.path().join("a/back")).expect("a link");
        assert_eq!(scan(folder.path()).code, 3);
        let own_tail = folder.path().join("tail.mdf");
        symlink(&own_tail, &own_tail).expect("a link");
        let run = scan(&own_tail);
        assert!(run.code == 3 && run.stdout.contains("symbolic link"), "{}", run.stdout);
    }

    #[test]
    fn a_dangling_link_counts_if_it_promises_a_data_file() {
        let folder = folder();
        let link = folder.path().join("gone.mdf");
        symlink("/nowhere/at/all", &link).expect("a link");
        assert!(scan(&link).stdout.contains("no such file"));
        let run = scan(folder.path());
        assert!(run.code == 3 && run.stdout.contains("gone.mdf: failed"), "{}", run.stdout);
        fs::rename(&link, folder.path().join("gone.txt")).expect("ours");
        assert!(scan(folder.path()).stdout.contains("no data files in this directory"));
    }

    #[test]
    fn a_directory_that_may_not_be_read_makes_the_run_incomplete() {
        use std::os::unix::fs::PermissionsExt;
        let folder = folder();
        let secret = folder.path().join("secret");
        fs::create_dir(&secret).expect("writable");
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).expect("ours");
        // Root may read everything; then there is just nothing inside.
        let run = scan(folder.path());
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o700)).expect("ours");
        let denied = run.stdout.contains("secret: failed: Permission denied");
        let empty = run.stdout.contains("no data files in this directory");
        assert!(run.code == 3 && (denied || empty), "{}", run.stdout);
    }
}

//! The program itself, ended by signals in mid-scan.

#![cfg(unix)]

use crate::harness::{pagescrub, timeless};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use serde_json::Value;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// So many suspects that a scan takes about a second: each is looked at again, past the cache.
fn slow_file(folder: &TempDir) -> PathBuf {
    let path = folder.path().join("slow.mdf");
    let text = path.to_str().expect("text");
    assert_eq!(pagescrub(&["generate", text, "--seed=8", "--size=128MiB"]).code, 0);
    let inject = ["inject", text, "--seed=8", "--fault=bit-flip", "--random=6000"];
    assert_eq!(pagescrub(&inject).code, 0);
    path
}

fn args<'a>(path: &'a Path, checkpoint: &'a Path) -> Vec<&'a str> {
    let [path, checkpoint] = [path, checkpoint].map(|path| path.to_str().expect("text"));
    let how = ["--threads=1", "--batch-size=64KiB", "--engine=scalar"];
    let checkpoints = ["--checkpoint", checkpoint, "--checkpoint-interval=0.02", "--resume"];
    [&["scan", path][..], &how, &checkpoints].concat()
}

/// Starts a scan and sends it `signal` once another checkpoint than `before` is there.
fn interrupted(args: &[&str], checkpoint: &Path, signal: &str) -> Output {
    let before = fs::read(checkpoint).ok();
    let mut child = Command::new(env!("CARGO_BIN_EXE_pagescrub"))
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    wait_for(&mut child, || fs::read(checkpoint).ok().is_some_and(|now| Some(now) != before));
    let kill = || Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(kill().expect("there is a kill").success(), "the scan was too fast for this test");
    // As timeout(1) does: to the program, and then to its group. It may have ended meanwhile.
    let _ = kill();
    child.wait_with_output().expect("it ends")
}

fn wait_for(child: &mut Child, is_there: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_there() {
        let ended = child.try_wait().expect("ours");
        assert!(ended.is_none(), "the scan was too fast for this test");
        assert!(started.elapsed() < Duration::from_mins(1), "no checkpoint");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn uninterrupted(path: &Path) -> Value {
    timeless(pagescrub(&["scan", path.to_str().expect("text"), "--format=json"]).json())
}

#[test]
fn a_scan_that_was_killed_twice_ends_in_the_same_report() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = slow_file(&folder);
    let checkpoint = folder.path().join("checkpoint");
    let args = args(&path, &checkpoint);
    for _ in 0..2 {
        let killed = interrupted(&args, &checkpoint, "-KILL");
        assert_eq!((killed.status.signal(), killed.stdout.len()), (Some(9), 0));
    }
    let resumed = pagescrub(&[&args[..], &["--format=json"]].concat());
    assert_eq!(resumed.code, 1);
    assert!(resumed.stderr.starts_with("pagescrub: going on from "), "{}", resumed.stderr);
    assert_eq!(resumed.stderr.lines().count(), 1, "{}", resumed.stderr);
    let resumed = resumed.json();
    assert_eq!(resumed["run"]["resumed"], 2);
    assert_eq!(resumed["throughput"]["stages"]["read"]["batches"], 128 * 16);
    assert_eq!(timeless(resumed), uninterrupted(&path));
    let left: Vec<_> = fs::read_dir(folder.path()).expect("ours").flatten().collect();
    assert_eq!(left.len(), 1, "only the database is left: {left:?}");
}

#[test]
fn a_signal_ends_a_scan_with_a_report_that_says_how_to_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = slow_file(&folder);
    let (checkpoint, json) = (folder.path().join("checkpoint"), folder.path().join("out.json"));
    let args = args(&path, &checkpoint);
    let outputs = ["--format=json", "--output", json.to_str().expect("text")];
    for signal in ["-INT", "-TERM"] {
        let stopped = interrupted(&[&args[..], &outputs].concat(), &checkpoint, signal);
        assert_eq!(stopped.status.code(), Some(3));
        let text = String::from_utf8(stopped.stdout).expect("text");
        assert!(text.starts_with("DAMAGED"), "{text}");
        let next = format!("with --checkpoint {} --resume", checkpoint.display());
        let said = text.lines().find(|line| line.starts_with("STOPPED"));
        assert!(said.is_some_and(|line| line.ends_with(&next)), "{text}");
        assert!(text.contains("\nRESULT verdict=damaged"), "{text}");
        let report: Value =
            serde_json::from_slice(&fs::read(&json).expect("written")).expect("it is JSON");
        assert_eq!((&report["run"]["stopped"], &report["exit_code"]), (&true.into(), &3.into()));
        assert!(report["coverage"]["not_reached"].as_u64() > Some(0));
    }
    let resumed = pagescrub(&[&args[..], &["--format=json"]].concat());
    assert_eq!(resumed.code, 1);
    assert_eq!(timeless(resumed.json()), uninterrupted(&path));
}

/// A data file with damage, a striped backup, a differential, logs; and compressed ones, where real
/// files are at hand.
fn files_of_every_kind(folder: &TempDir) -> Vec<PathBuf> {
    let path = |name: &str| folder.path().join(name);
    let made = |name: &str, more: &[&str]| {
        let path = path(name);
        let args = ["generate", path.to_str().expect("text"), "--seed=8"];
        assert_eq!(pagescrub(&[&args[..], more].concat()).code, 0);
    };
    made("a.mdf", &["--size=16MiB"]);
    let damage = ["inject", "--seed=8", "--fault=bit-flip", "--random=60"];
    assert_eq!(
        pagescrub(&[&damage[..], &[path("a.mdf").to_str().expect("text")]].concat()).code,
        0
    );
    made("b.bak", &["--size=2MiB", "--backup=full", "--stripes=2", "--with-checksum"]);
    made("c.bak", &["--size=2MiB", "--backup=differential", "--padding"]);
    made("d.trn", &["--size=2MiB", "--backup=log", "--with-checksum"]);
    made("e.trn", &["--size=2MiB", "--backup=log", "--log-number=2"]);
    let names = ["a.mdf", "b_1.bak", "b_2.bak", "c.bak", "d.trn", "e.trn"];
    let mut files: Vec<PathBuf> = names.map(path).into();
    if let (Some(data), true) = (std::env::var_os("PAGESCRUB_REAL_DATA"), cfg!(real_data)) {
        files.push(Path::new(&data).join("TutorialDB_compressed.bak"));
        let chain = Path::new(&data).join("../backups/chain_compressed_904");
        files.extend(fs::read_dir(chain).expect("there").map(|file| file.expect("listed").path()));
    }
    files
}

#[test]
fn killed_at_a_hundred_moments_a_scan_ends_in_the_same_report() {
    const KILLS: u32 = 100;
    let folder = tempfile::tempdir().expect("a folder");
    let files = files_of_every_kind(&folder);
    let checkpoint = folder.path().join("checkpoint");
    let files: Vec<&str> = files.iter().map(|path| path.to_str().expect("text")).collect();
    let args = [&["scan", "--format=json", "--deep"][..], &files].concat();
    let wanted = timeless(pagescrub(&args).json());
    let slowly = ["--threads=2", "--batch-size=64KiB", "--rate=64MiB/s", "--resume"];
    let checkpoints = ["--checkpoint-interval=0.01", "--checkpoint"];
    let to = [checkpoint.to_str().expect("text")];
    let args = [&args[..], &slowly, &checkpoints, &to].concat();
    let mut dice = SplitMix64::seed_from_u64(16);
    let (mut kills, mut resumed) = (0, 0);
    while kills < KILLS {
        let mut child = Command::new(env!("CARGO_BIN_EXE_pagescrub"))
            .args(&args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        std::thread::sleep(Duration::from_millis(dice.next_u64() % 200));
        child.kill().expect("ours");
        let ended = child.wait_with_output().expect("it ends");
        if ended.status.signal() == Some(9) {
            kills += 1;
        } else {
            let report: Value = serde_json::from_slice(&ended.stdout).expect("it is JSON");
            resumed += report["run"]["resumed"].as_u64().expect("a number");
            assert_eq!(timeless(report), wanted, "after {kills} kills");
        }
    }
    let report = pagescrub(&args).json();
    resumed += report["run"]["resumed"].as_u64().expect("a number");
    assert!(resumed > 0, "no checkpoint was gone on from");
    assert_eq!(timeless(report), wanted);
}

//! What a run does to files that are already there, and what becomes of it where it cannot write.

#![cfg(unix)]

use crate::harness::{Run, pagescrub, scan_json};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const DAMAGED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/datasets/damaged.mdf");
const HEALTHY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/datasets/healthy.mdf");

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// A copy of a file that is delivered with the program.
fn copy(of: &str, folder: &TempDir, name: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::copy(of, &path).expect("room");
    path
}

fn run(command: &str, path: &Path, args: &[&OsStr]) -> Run {
    pagescrub(&[&[command.as_ref(), path.as_os_str()], args].concat())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// By the shell, so that limits and streams can be what they are not in a test.
fn shell(script: &str) -> (i32, String) {
    let program = env!("CARGO_BIN_EXE_pagescrub");
    let output = Command::new("bash")
        .args(["-c", &script.replace("pagescrub", program)])
        .output()
        .expect("there is a shell");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!stderr.contains("panicked"), "{stderr}");
    (output.status.code().unwrap_or(-1), stderr)
}

type Link = fn(&Path, &Path) -> std::io::Result<()>;

fn links() -> [Link; 2] {
    [|original, link| symlink(original, link), |original, link| fs::hard_link(original, link)]
}

#[test]
fn no_folder_of_reports_leads_to_what_is_scanned() {
    for link in links() {
        for name in ["report.json", "metrics.prom", "suspects.csv", "file-0000.map", "read.hgrm"] {
            let folder = folder();
            let scanned = copy(DAMAGED, &folder, "prod.mdf");
            let before = fs::read(&scanned).expect("readable");
            let out = folder.path().join("out");
            fs::create_dir(&out).expect("room");
            let member = out.join(name);
            link(&scanned, &member).expect("a link");
            let arguments: &[&OsStr] = if name.starts_with("file-") {
                &["--format=mapfile".as_ref(), "--output".as_ref(), out.as_os_str()]
            } else {
                &["--report-dir".as_ref(), out.as_os_str()]
            };
            let run = run("scan", &scanned, arguments);
            assert_eq!(run.code, 2, "{name}: {}", run.stderr);
            assert!(run.stderr.contains(text(&member)), "{name}: {}", run.stderr);
            assert!(fs::read(&scanned).expect("readable") == before, "{name}: overwritten");
            assert!(fs::read(&member).expect("still there") == before, "{name}: replaced");
        }
    }
}

#[test]
fn no_command_writes_over_what_it_reads_by_any_link() {
    let folder = folder();
    let scanned = copy(DAMAGED, &folder, "prod.mdf");
    let report = folder.path().join("r.json");
    let to_report = ["--format=json".as_ref(), "--output".as_ref(), report.as_os_str()];
    assert_eq!(run("scan", &scanned, &to_report).code, 1);
    let weights = folder.path().join("w.toml");
    fs::write(&weights, "").expect("room");
    for (number, link) in links().into_iter().enumerate() {
        let alias = |of: &Path, name: &str| {
            let alias = folder.path().join(format!("{name}{number}"));
            link(of, &alias).expect("a link");
            alias
        };
        let [data, again] = [alias(&scanned, "data"), alias(&report, "again")];
        let [page, key] = [alias(&scanned, "page.svg"), alias(&scanned, "key")];
        let other = alias(&weights, "other");
        let json: [&OsStr; 2] = ["--format=json".as_ref(), "--output".as_ref()];
        let with_weights = ["--weights".as_ref(), weights.as_os_str()];
        let inject: [&OsStr; 4] =
            ["--fault=bit-flip", "--page=9", "--seed=1", "--force"].map(OsStr::new);
        let chart = fs::rename(&page, page.with_file_name(format!("{number}.svg")));
        chart.expect("ours");
        let page = page.with_file_name(format!("{number}.svg"));
        for (command, path, arguments) in [
            ("scan", &scanned, [&json[..], &[data.as_os_str()]].concat()),
            ("scan", &scanned, [&with_weights[..], &json, &[other.as_os_str()]].concat()),
            ("scan", &scanned, vec!["--checkpoint".as_ref(), data.as_os_str()]),
            ("report", &report, [&json[..], &[again.as_os_str()]].concat()),
            ("merge", &report, [&json[..], &[again.as_os_str()]].concat()),
            ("bench", &scanned, vec!["--chart".as_ref(), page.as_os_str()]),
            (
                "inject",
                &scanned,
                [&inject[..], &["--answer-key".as_ref(), key.as_os_str()]].concat(),
            ),
        ] {
            let before = [&scanned, &report, &weights].map(|p| fs::read(p).expect("readable"));
            let run = run(command, path, &arguments);
            assert_eq!(run.code, 2, "{command} {arguments:?}: {}", run.stderr);
            assert!(run.stderr.contains("give another name"), "{command}: {}", run.stderr);
            let after = [&scanned, &report, &weights].map(|p| fs::read(p).expect("readable"));
            assert!(before == after, "{command} {arguments:?} overwrote what it reads");
        }
    }
}

#[test]
fn a_differential_is_not_written_over_the_backup_it_is_based_on() {
    let folder = folder();
    let [full, alias] = ["full.bak", "alias.bak"].map(|name| folder.path().join(name));
    let size = ["--size=4MiB", "--seed=7"].map(OsStr::new);
    let kind = |kind: &'static str| OsStr::new(kind);
    assert_eq!(run("generate", &full, &[&size[..], &[kind("--backup=full")]].concat()).code, 0);
    fs::hard_link(&full, &alias).expect("a link");
    let before = fs::read(&full).expect("readable");
    let based = ["--backup=differential".as_ref(), "--base".as_ref(), full.as_os_str()];
    let run = run("generate", &alias, &[&size[..], &based, &[kind("--force")]].concat());
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(fs::read(&full).expect("readable") == before, "overwritten");
}

#[test]
fn a_checkpoint_replaces_and_removes_nothing_but_checkpoints() {
    let folder = folder();
    let other = copy(HEALTHY, &folder, "db.pagescrub-new");
    let scanned = copy(HEALTHY, &folder, "prod.mdf");
    let checkpoint = folder.path().join("db");
    let before = fs::read(&other).expect("readable");
    // One that is scanned, and one that is not.
    for path in [folder.path(), &*scanned] {
        let run = run("scan", path, &["--checkpoint".as_ref(), checkpoint.as_os_str()]);
        assert_eq!(run.code, 2, "{}", run.stderr);
        assert!(run.stderr.contains("db.pagescrub-new"), "{}", run.stderr);
        assert!(fs::read(&other).expect("still there") == before, "overwritten");
    }
    // What an older scan left behind is in nobody's way.
    for left in ["", "pagescrub.checkpoint/2 pagescrub 0.1.0\nand no more"] {
        fs::write(&other, left).expect("ours");
        let run = run("scan", &scanned, &["--checkpoint".as_ref(), checkpoint.as_os_str()]);
        assert_eq!((run.code, other.exists()), (0, false), "{}", run.stderr);
    }
}

#[test]
fn a_link_that_the_user_names_is_kept_and_what_it_leads_to_replaced() {
    let folder = folder();
    let scanned = copy(HEALTHY, &folder, "prod.mdf");
    let [latest, deep] = ["latest.json", "deep"].map(|name| folder.path().join(name));
    fs::create_dir(&deep).expect("room");
    symlink("deep/r.json", &latest).expect("a link");
    // At first it leads nowhere.
    for _ in 0..2 {
        let args = ["--format=json".as_ref(), "--output".as_ref(), latest.as_os_str()];
        assert_eq!(run("scan", &scanned, &args).code, 0);
        assert!(latest.is_symlink() && deep.join("r.json").is_file());
    }
    assert_eq!(fs::read_dir(&deep).expect("ours").count(), 1, "nothing is left beside it");
}

#[test]
fn a_report_that_is_replaced_keeps_its_mode_and_a_new_one_has_that_of_the_umask() {
    let folder = folder();
    let scanned = copy(HEALTHY, &folder, "prod.mdf");
    let report = folder.path().join("r.json");
    let script = |umask: &str| {
        let (scanned, report) = (text(&scanned), text(&report));
        shell(&format!("umask {umask}; pagescrub scan {scanned} --format json --output {report}"))
    };
    let mode = || fs::metadata(&report).expect("written").mode() & 0o777;
    assert_eq!((script("027").0, mode()), (0, 0o640));
    fs::set_permissions(&report, fs::Permissions::from_mode(0o604)).expect("ours");
    assert_eq!((script("077").0, mode()), (0, 0o604));
}

#[cfg(root_tests)]
#[test]
fn a_report_that_is_replaced_keeps_its_owner() {
    let folder = folder();
    let scanned = copy(HEALTHY, &folder, "prod.mdf");
    let report = folder.path().join("r.json");
    fs::write(&report, "old").expect("room");
    std::os::unix::fs::chown(&report, Some(12), Some(34)).expect("we are root");
    let args = ["--format=json".as_ref(), "--output".as_ref(), report.as_os_str()];
    assert_eq!(run("scan", &scanned, &args).code, 0);
    let metadata = fs::metadata(&report).expect("written");
    assert_eq!((metadata.uid(), metadata.gid()), (12, 34));
    assert!(metadata.len() > 3);
}

/// As on a disk that is full: no file may be longer than 16 KiB, which the page and the report are.
#[test]
fn what_does_not_fit_leaves_the_old_one_and_stops_no_other() {
    let folder = folder();
    let scanned = copy(DAMAGED, &folder, "prod.mdf");
    let out = folder.path().join("out");
    fs::create_dir(&out).expect("room");
    for old in ["report.json", "report.html", "suspects.csv"] {
        fs::write(out.join(old), "old").expect("room");
    }
    let (file, directory) = (text(&scanned), text(&out));
    let (code, stderr) =
        shell(&format!("ulimit -f 16; exec pagescrub scan {file} --report-dir {directory}"));
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("File too large") && stderr.contains("ulimit -f"), "{stderr}");
    assert!(stderr.contains("more of the outputs"), "both are too long: {stderr}");
    let written = |name| fs::read_to_string(out.join(name)).expect("there");
    assert_eq!([written("report.json"), written("report.html")], ["old", "old"]);
    assert!(written("suspects.csv").starts_with("database,"), "what fits is written");
    assert!(written("file-0000.map").starts_with("# Mapfile"));
    let left = fs::read_dir(&out).expect("ours").flatten();
    let is_left = |name: &Path| text(name).contains("/.pagescrub-");
    assert!(!left.into_iter().any(|entry| is_left(&entry.path())));
    // Of a sound file, the report that is lost is all there is to tell.
    let sound = copy(HEALTHY, &folder, "sound.mdf");
    let script =
        format!("ulimit -f 0; exec pagescrub scan {} --report-dir {directory}", text(&sound));
    assert_eq!(shell(&script).0, 3);
}

#[test]
fn stdout_and_pipes_are_written_in_place() {
    let folder = folder();
    let scanned = copy(HEALTHY, &folder, "prod.mdf");
    let (file, all) = (text(&scanned), folder.path().join("all"));
    let json = "--format json --output /dev/stdout";
    let (code, _) = shell(&format!("pagescrub scan {file} {json} > {}", text(&all)));
    let all = fs::read_to_string(&all).expect("written");
    assert!(code == 0 && all.starts_with("CLEAN") && all.ends_with("}\n"), "{all}");
    let (code, stderr) =
        shell(&format!("pagescrub scan {file} {json} | tail -n 1 | grep -q '^}}'"));
    assert_eq!(code, 0, "{stderr}");
}

#[test]
fn a_scan_ends_as_it_should_where_nobody_can_be_told() {
    let folder = folder();
    let scanned = copy(DAMAGED, &folder, "prod.mdf");
    let report = folder.path().join("r.json");
    let to = format!("--format json --output {}", text(&report));
    for streams in ["2>/dev/full", ">/dev/full 2>/dev/full", ">&- 2>&-"] {
        let _ = fs::remove_file(&report);
        let (code, _) = shell(&format!("pagescrub scan {} {to} {streams}", text(&scanned)));
        assert_eq!((code, report.is_file()), (1, true), "{streams}");
    }
    // Whatever else there is to say: of each kind of command, once.
    let file = text(&scanned);
    for (script, expected) in [
        ("scan", 2),
        ("scan /no/such/file --format json --output /no/such/folder/x", 3),
        (&*format!("plan {file} /no/such/file"), 3),
        (&*format!("report {file}"), 2),
        ("generate /no/such/folder/x --size 1MiB --seed 1", 3),
    ] {
        assert_eq!(shell(&format!("pagescrub {script} 2>/dev/full")).0, expected, "{script}");
    }
    for (script, expected) in [
        (format!("plan {file}"), 3),
        (format!("scan {file}"), 1),
        (format!("generate {file}.new --size 1MiB --seed 1"), 3),
        (format!("inject {file}.new --fault bit-flip --page 9 --seed 1"), 3),
    ] {
        let (code, stderr) = shell(&format!("pagescrub {script} >/dev/full"));
        assert_eq!(code, expected, "{script}");
        assert!(stderr.contains("cannot write stdout"), "{script}: {stderr}");
    }
}

fn pipe(folder: &TempDir) -> PathBuf {
    let path = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo runs").success());
    path
}

fn started(scanned: &Path, report: &Path, pipe: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_pagescrub"))
        .args(["scan", text(scanned), "--format=csv", "--output", text(pipe)])
        .args(["--format=json", "--output", text(report)])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

#[test]
fn a_pipe_that_nobody_reads_keeps_no_scan_from_ending() {
    let folder = folder();
    let scanned = copy(DAMAGED, &folder, "prod.mdf");
    let (pipe, report) = (pipe(&folder), folder.path().join("r.json"));
    let mut child = started(&scanned, &report, &pipe);
    let since = Instant::now();
    while !report.is_file() && since.elapsed() < Duration::from_mins(1) {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(report.is_file() && child.try_wait().expect("ours").is_none(), "it waits last");
    let signal = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(signal.expect("there is a kill").success());
    let since = Instant::now();
    let ended = child.wait_with_output().expect("it ends");
    assert!(since.elapsed() < Duration::from_secs(20));
    assert_eq!(ended.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(stderr.contains("nobody reads this pipe"), "{stderr}");
}

#[test]
fn a_pipe_that_somebody_reads_gets_the_report() {
    let folder = folder();
    let scanned = copy(DAMAGED, &folder, "prod.mdf");
    let (pipe, report) = (pipe(&folder), folder.path().join("r.json"));
    let child = started(&scanned, &report, &pipe);
    let read = fs::read_to_string(&pipe).expect("a report");
    assert!(read.starts_with("database,file_id"), "{read}");
    assert_eq!(child.wait_with_output().expect("it ends").status.code(), Some(1));
}

#[cfg(target_os = "linux")]
#[test]
fn a_limit_that_is_too_low_is_told_and_no_crash() {
    let folder = folder();
    let scanned = copy(HEALTHY, &folder, "prod.mdf");
    let file = text(&scanned);
    assert_eq!(shell(&format!("ulimit -s 64; pagescrub scan {file} --threads 2")).0, 0);
    let (code, stderr) = shell(&format!("ulimit -v 200000; pagescrub scan {file} --threads 64"));
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("ulimit -v") && stderr.contains("--threads"), "{stderr}");
    for kib in [40_000, 60_000, 80_000, 100_000, 150_000, 400_000] {
        let script = format!("ulimit -v {kib}; pagescrub scan {file} --threads 2");
        let (code, stderr) = shell(&script);
        assert!([0, 3, 127].contains(&code), "{kib}: {code} {stderr}");
        assert!(code != 3 || stderr.contains("ulimit"), "{kib}: {stderr}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_no_text_stay_apart_in_every_report() {
    use std::os::unix::ffi::OsStrExt;
    let folder = folder();
    let path = |name: &[u8]| folder.path().join(OsStr::from_bytes(name));
    let (bad, good) = (path(b"M\xf6ller.mdf"), path(b"M\xfcller.mdf"));
    fs::copy(DAMAGED, &bad).expect("room");
    fs::copy(HEALTHY, &good).expect("room");
    // What looks like an escape is another name.
    fs::copy(HEALTHY, path(b"M\\xf6ller.mdf")).expect("room");
    let (code, report) = scan_json(folder.path(), &[]);
    assert_eq!(code, 1);
    let paths: Vec<_> =
        report["files"].as_array().expect("a list").iter().map(|f| &f["path"]).collect();
    assert_eq!(paths.len(), 3);
    let suspect = report["suspects"][0]["path"].as_str().expect("text");
    assert!(suspect.ends_with("/M\\xf6ller.mdf"), "{suspect}");
    assert_eq!(pagescrub::discover::paths::from_text(suspect), bad);
    assert_eq!(paths.iter().filter(|path| **path == suspect).count(), 1);
    let saved = folder.path().join("saved.json");
    fs::write(&saved, report.to_string()).expect("room");
    let csv = run("report", &saved, &["--format=csv".as_ref()]).stdout;
    assert!(csv.lines().skip(1).all(|line| line.contains("M\\xf6ller.mdf")), "{csv}");
    let plan = run("plan", folder.path(), &["--json".as_ref()]);
    let plan: pagescrub::plan::Plan = serde_json::from_str(&plan.stdout).expect("a plan");
    assert!(plan.files.iter().any(|file| file.path == good));
    assert!(File::open(&plan.files[0].path).is_ok());
}

#[test]
fn what_cannot_be_seen_in_a_name_is_shown_and_read_back() {
    let folder = folder();
    let scanned = copy(DAMAGED, &folder, "a\u{200c}b\u{202e}c\u{3164}.mdf");
    let shown = "a\\u{200c}b\\u{202e}c\\u{3164}.mdf";
    for format in ["terminal", "csv", "html", "prometheus"] {
        let out = run("scan", &scanned, &["--format".as_ref(), format.as_ref()]).stdout;
        let out = out.replace("\\\\", "\\");
        assert!(out.contains(shown) && !out.contains('\u{200c}'), "{format}: {out}");
    }
    for format in ["json", "jsonl"] {
        let out = run("scan", &scanned, &["--format".as_ref(), format.as_ref()]).stdout;
        assert!(out.contains("a\\u200cb\\u202ec\\u3164.mdf"), "{format}: {out}");
        assert!(!out.contains(['\u{200c}', '\u{202e}', '\u{3164}']), "{format}");
    }
    let (_, report) = scan_json(&scanned, &[]);
    assert_eq!(report["files"][0]["path"].as_str(), scanned.to_str());
}

#[test]
fn two_formats_do_not_go_into_one_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let (one, other) = (folder.path().join("r"), folder.path().join("./r"));
    let args = ["scan", "datasets", "--format", "json", "--format", "csv", "--output"];
    let args = args.map(OsStr::new).into_iter().chain([one.as_os_str(), "--output".as_ref()]);
    let run = pagescrub(&args.chain([other.as_os_str()]).collect::<Vec<_>>());
    assert!(run.code == 2 && run.stderr.contains("two formats"), "{}: {}", run.code, run.stderr);
    assert!(!one.exists());
}

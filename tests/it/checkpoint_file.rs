//! The checkpoint as a file: what the program does with it, and every reason to refuse it.

use crate::harness::stopped::{How, part, scan};
use crate::harness::{Run, pagescrub, timeless};
use pagescrub::discover::discover;
use pagescrub::read::open::Reader;
use pagescrub::scrub::checkpoint::{Checkpoint, Checkpointing, Held};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

const NEVER: Duration = Duration::from_hours(1);

/// Damaged files, and the checkpoint of a scan of them that was stopped.
struct Stopped {
    folder: TempDir,
    files: Vec<PathBuf>,
    checkpoint: PathBuf,
}

impl Stopped {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let files =
            vec![damaged(&folder, "a.mdf", "4MiB", "5"), damaged(&folder, "b.mdf", "1MiB", "1")];
        let checkpoint = folder.path().join("checkpoint");
        let how = How { stop_after: 4, threads: 1, ..How::default() };
        part(&files, how, &checkpoint, NEVER);
        Self { folder, files, checkpoint }
    }

    fn scan(&self, more: &[&str]) -> Run {
        let mut args = vec!["scan", "--checkpoint", self.checkpoint.to_str().expect("text")];
        args.extend(self.files.iter().map(|file| file.to_str().expect("text")));
        args.extend(more);
        pagescrub(&args)
    }

    /// Resuming is refused with `code`, and the words tell what differs and what to do.
    fn assert_refused(&self, code: i32, words: &[&str]) {
        let run = self.scan(&["--resume"]);
        assert_eq!((run.code, run.stdout.as_str()), (code, ""), "{}", run.stderr);
        let delete = format!("delete {} to start anew", self.checkpoint.display());
        for word in words.iter().chain([&delete.as_str()]) {
            assert!(run.stderr.contains(word), "{word:?} is not in {}", run.stderr);
        }
        assert!(self.checkpoint.exists());
    }
}

fn damaged(folder: &TempDir, name: &str, size: &str, pages: &str) -> PathBuf {
    let path = folder.path().join(name);
    let text = path.to_str().expect("text");
    assert_eq!(pagescrub(&["generate", text, "--seed=8", "--size", size]).code, 0);
    let inject = ["inject", text, "--seed=8", "--fault=bit-flip", "--random", pages];
    assert_eq!(pagescrub(&inject).code, 0);
    path
}

#[test]
fn a_checkpoint_is_gone_on_from_only_with_resume_and_removed_at_the_end() {
    let stopped = Stopped::new();
    let run = stopped.scan(&[]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("add --resume to go on from it, or delete it"), "{}", run.stderr);
    let resumed = stopped.scan(&["--resume", "--format=json"]);
    assert_eq!(resumed.code, 1);
    assert!(resumed.stderr.starts_with("pagescrub: going on from "), "{}", resumed.stderr);
    assert_eq!(resumed.stderr.lines().count(), 1, "{}", resumed.stderr);
    assert_eq!(resumed.json()["run"]["resumed"], 1);
    assert!(!stopped.checkpoint.exists(), "there is nothing to go on with");
    let anew = stopped.scan(&["--resume", "--format=json"]);
    assert!(anew.stderr.contains("no checkpoint"), "{}", anew.stderr);
    assert!(anew.stderr.contains("starting anew"), "{}", anew.stderr);
    assert_eq!(anew.json()["run"]["resumed"], 0);
    assert_eq!(timeless(anew.json()), timeless(resumed.json()));
    assert!(!stopped.checkpoint.exists());
}

#[test]
fn a_checkpoint_among_the_files_is_not_in_the_report() {
    let stopped = Stopped::new();
    let (folder, checkpoint) = (stopped.folder.path(), &stopped.checkpoint);
    let [folder, checkpoint] = [folder, checkpoint].map(|path| path.to_str().expect("text"));
    let scan = ["scan", folder, "--format=json", "--checkpoint", checkpoint, "--resume"];
    let resumed = pagescrub(&scan).json();
    assert_eq!(resumed["run"]["resumed"], 1);
    assert_eq!(timeless(resumed), timeless(pagescrub(&["scan", folder, "--format=json"]).json()));
}

/// If the report is lost, the work is not.
#[cfg(target_os = "linux")]
#[test]
fn the_checkpoint_stays_until_the_report_is_written() {
    let stopped = Stopped::new();
    let run = stopped.scan(&["--resume", "--format=json", "--output=/dev/full"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(stopped.checkpoint.exists());
}

/// Going on gives what a new scan gives, and the words tell what was scanned again, and why.
fn assert_scanned_again(stopped: &Stopped, file: &Path, words: &[&str]) {
    let resumed = stopped.scan(&["--resume", "--format=json"]);
    let report = resumed.json();
    assert_eq!(report["run"]["resumed"], 1);
    let notes = report["run"]["notes"].to_string();
    let name = file.to_str().expect("text");
    for word in [&[name, "it was scanned from its beginning"], words].concat() {
        assert!(notes.contains(word), "{word:?} is not in {notes}");
    }
    for word in [&[name], words].concat() {
        assert!(resumed.stderr.contains(word), "{word:?} is not in {}", resumed.stderr);
    }
    let checkpoint = stopped.checkpoint.with_extension("none");
    let anew = Stopped { files: stopped.files.clone(), folder: empty(), checkpoint };
    assert_eq!(timeless(anew.scan(&["--format=json"]).json()), timeless(report));
}

fn empty() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

#[test]
fn files_that_are_not_what_they_were_are_scanned_again_and_the_others_go_on() {
    let change = |what: &dyn Fn(&Path), words: &[&str]| {
        let stopped = Stopped::new();
        let file = &stopped.files[1];
        what(file);
        assert_scanned_again(&stopped, file, words);
    };
    let open = |path: &Path| File::options().write(true).open(path).expect("ours");
    let later = SystemTime::now() + Duration::from_secs(7);
    change(&|path| open(path).set_modified(later).expect("ours"), &["last written to at"]);
    let modified = |path: &Path| fs::metadata(path).and_then(|m| m.modified()).expect("ours");
    let longer = |path: &Path| {
        let then = modified(path);
        open(path).set_len((1 << 20) + 8192).expect("ours");
        open(path).set_modified(then).expect("ours");
    };
    change(&longer, &["had 1048576 bytes and has 1056768 now"]);
    let another = |path: &Path| {
        let (copy, then) = (path.with_extension("copy"), modified(path));
        fs::copy(path, &copy).and_then(|_| fs::rename(&copy, path)).expect("ours");
        open(path).set_modified(then).expect("ours");
    };
    change(&another, &["is another file now"]);
}

/// What a page holds was changed, and then the time at which that was put back. The suspect that
/// this makes lies where the first scan had been, and one of those it had found is mended.
#[cfg(unix)]
#[test]
fn a_file_that_was_written_to_is_scanned_again_also_if_its_time_was_put_back() {
    use std::os::unix::fs::FileExt;
    let stopped = Stopped::new();
    let path = &stopped.files[0];
    let then = fs::metadata(path).and_then(|metadata| metadata.modified()).expect("ours");
    let file = File::options().read(true).write(true).open(path).expect("ours");
    file.write_all_at(&[0xff; 64], 20 * 8192 + 4000).expect("ours");
    file.set_modified(then).expect("ours");
    drop(file);
    assert_scanned_again(&stopped, path, &["was changed at", "put back"]);
}

/// Whoever only changed the mode is told that this may be all.
#[cfg(unix)]
#[test]
fn a_file_of_which_only_the_mode_or_a_name_changed_is_scanned_again_in_those_words() {
    use std::os::unix::fs::PermissionsExt;
    let change_mode = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o600));
    let add_name = |path: &Path| fs::hard_link(path, path.with_extension("other"));
    for change in [&change_mode as &dyn Fn(&Path) -> std::io::Result<()>, &add_name] {
        let stopped = Stopped::new();
        change(&stopped.files[0]).expect("ours");
        assert_scanned_again(&stopped, &stopped.files[0], &["only its mode, owner, name or links"]);
    }
}

/// What would lose work by mistake is refused; what is new or gone is no mistake.
#[test]
fn a_set_of_files_that_leaves_out_one_that_is_there_is_refused() {
    let mut stopped = Stopped::new();
    let removed = stopped.files.pop().expect("two files");
    let left_out = format!("{} was among them", removed.display());
    stopped.assert_refused(3, &[&left_out, "give the same paths"]);
    fs::remove_file(&removed).expect("ours");
    let added = damaged(&stopped.folder, "aa.mdf", "1MiB", "1");
    stopped.files.push(added.clone());
    let resumed = stopped.scan(&["--resume", "--format=json"]).json();
    let notes = resumed["run"]["notes"].to_string();
    for (file, words) in [(&removed, "is gone"), (&added, "was not there then")] {
        assert!(notes.contains(&format!("{} {words}", file.display())), "{notes}");
    }
    assert_eq!(resumed["run"]["resumed"], 1);
    assert_eq!(timeless(resumed), timeless(stopped.scan(&["--format=json"]).json()));
}

/// It would go on from counts that another one is making, and overwrite them.
#[test]
fn a_second_scan_with_the_same_checkpoint_is_refused() {
    let stopped = Stopped::new();
    let held = Held::take(&stopped.checkpoint).expect("nobody has it");
    let run = stopped.scan(&["--resume"]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    assert!(run.stderr.contains("another scan writes the checkpoint"), "{}", run.stderr);
    assert!(run.stderr.contains("wait for it, or give another name"), "{}", run.stderr);
    drop(held);
    assert_eq!(stopped.scan(&["--resume"]).code, 1);
    let left: Vec<_> = fs::read_dir(stopped.folder.path()).expect("ours").flatten().collect();
    assert_eq!(left.len(), 2, "only the data files are left: {left:?}");
}

#[test]
fn a_checkpoint_by_another_version_is_refused() {
    for (ours, other) in [("pagescrub 0.", "pagescrub 7."), ("checkpoint/5", "checkpoint/9")] {
        let stopped = Stopped::new();
        let text = fs::read_to_string(&stopped.checkpoint).expect("text");
        fs::write(&stopped.checkpoint, text.replacen(ours, other, 1)).expect("room");
        stopped.assert_refused(3, &["wrote it and this is", "go on with that version"]);
    }
}

#[test]
fn nothing_that_is_no_checkpoint_is_ever_overwritten() {
    let stopped = Stopped::new();
    let folder = stopped.folder.path();
    let database = stopped.files[0].to_str().expect("text");
    let note = folder.join("note.txt");
    fs::write(&note, "important").expect("room");
    let link = folder.join("link");
    fs::hard_link(&stopped.files[0], &link).expect("a hard link");
    let text = |path: &Path| path.to_str().expect("text").to_owned();
    for (checkpoint, words) in [
        (database.to_owned(), "one of the files to read"),
        (text(&folder.join("new.mdf")), "named like a data file"),
        (text(&link), "one of the files to read"),
        (text(&note), "is no checkpoint"),
        (text(folder), "is no checkpoint"),
        (text(&folder.join("out.json")), "is one of the outputs"),
        (text(&folder.join("reports/../reports/report.json")), "is one of the outputs"),
        (text(&folder.join("reports/file-0000.map")), "is one of the outputs"),
    ] {
        for resume in [&[][..], &["--resume"]] {
            let output = text(&folder.join("out.json"));
            let reports = text(&folder.join("reports"));
            let args = ["scan", database, "--checkpoint", &checkpoint, "--format=json"];
            let outputs = ["--output", &output, "--report-dir", &reports];
            let run = pagescrub(&[&args[..], &outputs, resume].concat());
            assert_eq!(run.code, 2, "{checkpoint}: {}", run.stderr);
            assert!(run.stderr.contains(words), "{}", run.stderr);
        }
    }
    assert_eq!(fs::read_to_string(&note).expect("text"), "important");
    assert_eq!(pagescrub(&["scan", database, "--resume"]).code, 2, "--resume needs --checkpoint");
}

#[test]
fn a_checkpoint_that_cannot_be_written_is_known_before_the_scan() {
    let stopped = Stopped::new();
    let database = stopped.files[0].to_str().expect("text");
    let run = pagescrub(&["scan", database, "--checkpoint", "/no/such/folder/checkpoint"]);
    assert_eq!((run.code, run.stdout.as_str()), (3, ""));
    assert!(run.stderr.contains("cannot write checkpoint /no/such/folder"), "{}", run.stderr);
}

#[test]
fn a_checkpoint_that_fails_in_mid_scan_is_told_once_and_the_scan_goes_on() {
    let stopped = Stopped::new();
    let told = AtomicU64::new(0);
    let failed = |_: &std::io::Error| {
        told.fetch_add(1, Ordering::Relaxed);
    };
    let path = Path::new("/no/such/folder/checkpoint");
    let interval = Duration::from_millis(1);
    let checkpoint = Checkpointing { path, interval, resume: None, failed: &failed };
    let slow_suspects = Duration::from_millis(40);
    let how = How { threads: 1, batch_pages: 8, stop_after: 70, slow_suspects, ..How::default() };
    let open = |path: &Path| Reader::Pread.open(path);
    let scrubbed = scan(&discover(&stopped.files), how, &open, Some(checkpoint));
    assert_eq!(told.into_inner(), 1);
    let run = scrubbed.report.run;
    assert!(run.stopped && run.checkpoint.is_none(), "there is none to go on from: {run:?}");
}

#[test]
fn a_damaged_checkpoint_is_refused_wherever_it_is_damaged() {
    let stopped = Stopped::new();
    let whole = fs::read(&stopped.checkpoint).expect("readable");
    let discovery = discover(&stopped.files);
    let refused = |bytes: &[u8], what: &str| {
        fs::write(&stopped.checkpoint, bytes).expect("room");
        let refused = Checkpoint::read(&stopped.checkpoint, &discovery);
        assert!(refused.is_err(), "{what}");
    };
    for at in 0..whole.len() {
        refused(&whole[..at], &format!("cut at {at}"));
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        refused(&bytes, &format!("a bit flipped at {at}"));
    }
    refused(&[&whole[..], b"\n"].concat(), "something after the end");
    refused(&[0; 4096], "zeros");
    let mut bytes = whole.clone();
    bytes[whole.len() / 2] ^= 1;
    fs::write(&stopped.checkpoint, bytes).expect("room");
    stopped.assert_refused(3, &["it is damaged"]);
    fs::write(&stopped.checkpoint, &whole).expect("room");
    assert_eq!(stopped.scan(&["--resume"]).code, 1, "the whole one is good");
}

/// A checksum is no proof: each number replaced, and the checksum made right again.
#[test]
fn numbers_that_no_scan_wrote_never_panic() {
    let stopped = Stopped::new();
    let numbers = ["0", "1", "7", "255", "65536", "4294967295", "18446744073709551615", "1e308"];
    assert_no_number_is_a_panic(&numbers, &stopped.files, &stopped.checkpoint);
}

/// The same of what is kept of backups.
#[test]
fn nor_do_numbers_in_what_is_said_of_backups() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = ["a.bak", "b.bak"].map(|name| {
        let path = folder.path().join(name);
        let text = path.to_str().expect("text");
        let args = ["--backup=full", "--with-checksum", "--size=1MiB", "--seed=8"];
        assert_eq!(pagescrub(&[&["generate", text][..], &args].concat()).code, 0);
        path
    });
    let checkpoint = folder.path().join("checkpoint");
    let mut last = Vec::new();
    for stop_after in 1.. {
        let how = How { stop_after, threads: 1, ..How::default() };
        if !part(&files, how, &checkpoint, NEVER).report.run.stopped {
            break;
        }
        last = fs::read(&checkpoint).expect("readable");
        fs::remove_file(&checkpoint).expect("ours");
    }
    fs::write(&checkpoint, last).expect("room");
    let numbers = ["3", "18446744073709551615"];
    assert_no_number_is_a_panic(&numbers, &files, &checkpoint);
}

/// Scans `files` from `checkpoint`, with each of its numbers replaced by `numbers`.
fn assert_no_number_is_a_panic(numbers: &[&str], files: &[PathBuf], checkpoint: &Path) {
    let text = fs::read_to_string(checkpoint).expect("text");
    let discovery = discover(files);
    let body = &text[..text.rfind("crc32").expect("a last line")];
    let is_digit = |at: usize| body.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
    let starts = (40..body.len()).filter(|&at| is_digit(at) && !is_digit(at - 1));
    let mut accepted = 0;
    for start in starts {
        let end = (start..body.len()).find(|&at| !is_digit(at)).unwrap_or(body.len());
        for number in numbers {
            let changed = [&body[..start], number, &body[end..]].concat();
            let crc = crc32fast::hash(changed.as_bytes());
            fs::write(checkpoint, format!("{changed}crc32 {crc:08x}\n")).expect("room");
            if Checkpoint::read(checkpoint, &discovery).is_ok() {
                accepted += 1;
                part(files, How::default(), checkpoint, NEVER);
            }
        }
    }
    assert!(accepted > 10, "the test changed what it should not");
}

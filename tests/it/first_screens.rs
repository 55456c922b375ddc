//! What whoever has two minutes reads: the first screen of a report at 80 columns, and its end.
//!
//! `PAGESCRUB_BLESS=1 cargo test --release --test it first_screens::` writes tests/golden/screens
//! anew.

use crate::harness::pagescrub;
use crate::harness::scanned::{folder_in_memory, scanned};
use pagescrub::consolidate::report::ScrubReport;
use pagescrub::report::{json, terminal};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Lines that a terminal shows without scrolling.
const LINES: usize = 24;
/// What the folder of a test is called in a screen.
const FOLDER: &str = "/data";

/// A database with a full backup, a differential one and two of its log beside it.
struct Case(TempDir);

impl Case {
    fn new() -> Self {
        // On a disk, what stands beside what would depend on where it put the files.
        let case = Self(folder_in_memory());
        case.made("Drill.mdf", &["--database-files=1,3"]);
        case.made("Drill_3.ndf", &["--file-id=3", "--database-files=1,3"]);
        case
    }

    fn with_backups() -> Self {
        let case = Self::new();
        let files = "--file-id=1,3";
        case.made("full.bak", &["--backup=full", "--with-checksum", files]);
        let base = format!("--base={}", case.text("full.bak"));
        case.made("diff.bak", &["--backup=differential", "--with-checksum", files, &base]);
        for n in ["1", "2"] {
            let number = format!("--log-number={n}");
            case.made(&format!("log{n}.trn"), &["--backup=log", "--with-checksum", files, &number]);
        }
        case
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("text").to_owned()
    }

    fn made(&self, name: &str, more: &[&str]) {
        let path = self.text(name);
        let run = pagescrub(&[&["generate", &path, "--size=4MiB", "--seed=21"], more].concat());
        assert_eq!(run.code, 0, "{}", run.stderr);
    }

    fn damaged(&self, name: &str, fault: &str, target: &str) {
        let (path, fault) = (self.text(name), format!("--fault={fault}"));
        let run = pagescrub(&["inject", &path, &fault, target, "--seed=21"]);
        assert_eq!(run.code, 0, "{}", run.stderr);
    }

    fn cut(&self, name: &str, bytes: u64) {
        let file = fs::File::options().write(true).open(self.path(name)).expect("there");
        file.set_len(bytes).expect("it can be cut");
    }

    /// All lines at 80 columns, with one name for the folder before they are broken.
    fn printed(&self) -> String {
        let report = scanned(&[self.0.path().to_owned()]);
        let mut text = Vec::new();
        json::write(&report, &mut text).expect("memory takes everything");
        let text = String::from_utf8(text).expect("UTF-8");
        let text = text.replace(self.0.path().to_str().expect("text"), FOLDER);
        let report: ScrubReport = json::read(text.as_bytes()).expect("it is a report");
        let look = terminal::Look { width: Some(80), rows_max: 20, verbose: false };
        let mut styled = Vec::new();
        terminal::write(&report, look, &mut styled).expect("memory takes everything");
        let styled = String::from_utf8(styled).expect("UTF-8");
        anstream::adapter::strip_str(&styled).to_string()
    }
}

/// The first screen is that in `name`, and says each of `words`; so does the end, of these in
/// `again`.
fn is_as_before(case: &Case, name: &str, words: &[&str], again: &[&str]) {
    let printed = case.printed();
    let lines: Vec<&str> = printed.lines().map(shown).collect();
    // How long it took is another time another one.
    let run = lines.iter().position(|line| line.starts_with("Coverage"));
    let end = run.unwrap_or(LINES).min(LINES);
    // How much of the plan there is room for is of no interest here.
    let plan = lines.iter().position(|line| line.starts_with("What to do"));
    let first = lines[..plan.unwrap_or(end).min(end)].join("\n") + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/screens").join(name);
    if std::env::var_os("PAGESCRUB_BLESS").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("room");
        fs::write(&path, &first).expect("room");
    }
    let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    holds(&flat(&first), words);
    let last = lines[lines.len().saturating_sub(10)..].join("\n");
    holds(&flat(&last), again);
    let before = fs::read_to_string(path).expect("it is in the repository");
    assert!(before == first, "{name} was\n{before}\nand is\n{first}");
}

/// Without what is no matter of a first screen: how many steps there are, and blanks at the end.
fn shown(line: &str) -> &str {
    let step = line.split_once(" (").filter(|_| line.starts_with("ACTION"));
    step.map_or(line, |(step, _)| step).trim_end()
}

fn holds(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word} is not in\n{text}");
    }
}

const REACHES: &str = "from full.bak, 2 logs: reaches 2024-01-03 03:04:25, LSN (41:458:1)";

#[test]
fn clean() {
    let words = ["CLEAN 1,490 pages verified, none suspect", "Drill clean 2 scanned 2024-01-03"];
    is_as_before(&Case::with_backups(), "clean.txt", &words, &["RESULT verdict=clean"]);
}

#[test]
fn one_bad_page() {
    let case = Case::with_backups();
    case.damaged("Drill.mdf", "bit-flip", "--random=1");
    let back = format!("BACK Drill: 1 suspect page has a clean copy; restore pages {REACHES}");
    let words = ["DAMAGED 1 suspect page", "LOST T2 rows: 1 page of Drill (dbo.", &back, "ACTION "];
    is_as_before(&case, "one_bad_page.txt", &words, &["DAMAGED 1 suspect", &back, "ACTION "]);
}

#[test]
fn a_cut_file() {
    let case = Case::with_backups();
    case.cut("Drill.mdf", 3 << 20);
    let back = format!("have a clean copy; restore file 1 {REACHES}");
    let lost = "LOST cut short: Drill.mdf of Drill (384 of 512 pages are there); T2 rows: ";
    let words = [lost, &back, "ACTION ", "2 scanned, 1 cut", "beyond the end"];
    is_as_before(&case, "cut_file.txt", &words, &["DAMAGED ", "BACK Drill: 75 of 75", &back]);
}

#[test]
fn a_member_of_the_array() {
    let case = Case::with_backups();
    case.damaged("Drill.mdf", "dead-member", "--random=1");
    let back = format!("have a clean copy; restore file 1 {REACHES}");
    let words = ["DAMAGED 44 suspect pages", "pages of Drill (sys.", &back, "ACTION "];
    is_as_before(&case, "array_member.txt", &words, &["BACK Drill: ", &back, "ACTION "]);
}

#[test]
fn ransomware_with_backups_beside_it() {
    let case = Case::with_backups();
    for name in ["Drill.mdf", "Drill_3.ndf"] {
        case.damaged(name, "ransomware-stripe", "--random=1");
        fs::rename(case.path(name), case.path(&format!("{name}.lockbit"))).expect("room");
    }
    let back = format!("have a clean copy; restore pages {REACHES}");
    let encrypts = "a program that encrypts the head of every 128 KiB";
    let words = [
        "DAMAGED 43 suspect pages",
        "pages of Drill (",
        &back,
        "ACTION Isolate the host",
        encrypts,
    ];
    is_as_before(&case, "ransomware.txt", &words, &["BACK Drill: 43 of 43", "ACTION Isolate"]);
}

/// Nothing is suspect, and yet it is not well.
#[test]
fn a_lost_file_is_damage_and_a_missing_one_is_named() {
    let case = Case::with_backups();
    case.cut("Drill_3.ndf", 0);
    let printed = case.printed().split_whitespace().collect::<Vec<_>>().join(" ");
    let words = [
        "DAMAGED 1 lost file, no suspect page LOST T0 the database may not start: file 3 of Drill \
         (Drill_3.ndf, empty) BACK Drill: restore file 3 ",
        "1 of 2 scanned, 1 lost",
        "lost_files=1 databases_damaged=1",
    ];
    holds(&printed, &words);
    for wrong in ["none suspect", "INCOMPLETE", "nothing to restore"] {
        assert!(!printed.contains(wrong), "{wrong} is in\n{printed}");
    }
    fs::remove_file(case.path("Drill_3.ndf")).expect("it is there");
    let printed = case.printed().split_whitespace().collect::<Vec<_>>().join(" ");
    holds(&printed, &["CLEAN ", "MISSING 1 of 2 data files of Drill not in this scan (file 3, "]);
    assert!(!printed.contains("none suspect"), "{printed}");
}

//! What programs read of a report is documented: every key, every column, every metric.

use crate::damaged::{Page, checked};
use crate::harness::pagescrub;
use pagescrub::check::rule::Rule;
use pagescrub::consolidate::report::consistency::NEVER_CHECKED;
use pagescrub::report::csv::COLUMNS;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn document(name: &str) -> String {
    fs::read_to_string(project("docs").join(name)).expect("it is in the repository")
}

/// What stands under `heading`, up to the next one.
fn section<'a>(document: &'a str, heading: &str) -> &'a str {
    let heading = format!("{heading}\n");
    let (_, after) = document.split_once(&heading).unwrap_or_else(|| panic!("no {heading}"));
    after.split("\n#").next().unwrap_or_default()
}

/// Where keys of the report stand: those below a path that is not listed stand where those of the
/// path do. Keys that are names from outside, or values, have no section.
const SECTIONS: [(&str, &str); 38] = [
    ("", "# The JSON report: `pagescrub.report/1`"),
    (".run", "## `run`"),
    (".run.pace[]", "### `run.pace[]`"),
    (".run.gpus[]", "### `run.gpus[]`"),
    (".run.gpus[].errors", ""),
    (".run.calibration", "### `run.calibration`"),
    (".coverage", "## `coverage`"),
    (".coverage.free_detail", ""),
    (".files[]", "## `files[]`"),
    (".files[].coverage", "## `coverage`"),
    (".files[].coverage.free_detail", ""),
    (".files[].backup", "## `files[].backup`"),
    (".files[].backup.not_protected", ""),
    (".files[].backup.sets[]", "### `files[].backup.sets[]`"),
    (".files[].backup.faults[]", "### `files[].backup.faults[]`"),
    (".files[].line", "## `files[]`"),
    (".files[].backup.sets[].line", "## `files[]`"),
    (".files[].database_files[]", "### `files[].database_files[]`"),
    (".databases[]", "## `databases[]`"),
    (".databases[].line", "## `files[]`"),
    (".databases[].files[]", "### `databases[].files[]`"),
    (".databases[].restore", "### `databases[].restore`"),
    (".suspects[]", "## `suspects[]`"),
    (".suspects[].broken", "## `consistency`"),
    (".suspects[].clean_copies[]", "## `suspects[].clean_copies[]`"),
    (".transients[]", "## `transients[]`"),
    (".incidents[]", "## `incidents[]`"),
    (".incidents[].reasons", ""),
    (".incidents[].causes", ""),
    (".shifts[]", "## `shifts[]`"),
    (".patterns[]", "## `patterns[]`"),
    (".sources[]", "## `sources[]`"),
    (".consistency", "## `consistency`"),
    (".consistency.databases[].broken", ""),
    (".consistency.databases[].unsettled", ""),
    (".consistency.databases[].not_checked", ""),
    (".throughput", "## `throughput`"),
    (".throughput.bytes_by_reader", ""),
];

/// The section of the keys at `path`, in which document.
fn section_of(path: &str) -> Option<(&'static str, &'static str)> {
    // Each scan's own account has the keys of the report that it was.
    let path = path.strip_prefix(".sources[]").filter(|rest| !rest.is_empty()).unwrap_or(path);
    if path.starts_with(".suspects[].evidence") {
        return Some(("causes.md", "## The evidence"));
    }
    // Below these are paths of files.
    if path == ".throughput.files" || path == ".throughput.stages" {
        return None;
    }
    let begins = |(of, _): &&(&str, &str)| {
        path.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    let (_, heading) = SECTIONS.iter().filter(begins).max_by_key(|(of, _)| of.len())?;
    (!heading.is_empty()).then_some(("report-schema.md", *heading))
}

/// Every key below `value`, with the path of what has it.
fn keys(value: &Value, path: &str, all: &mut BTreeSet<(String, String)>) {
    match value {
        Value::Array(list) => list.iter().for_each(|item| keys(item, &format!("{path}[]"), all)),
        Value::Object(object) => {
            for (key, value) in object {
                let is_name = section_of(path).is_none();
                if !is_name {
                    all.insert((path.to_owned(), key.clone()));
                }
                let below = if is_name { path.to_owned() } else { format!("{path}.{key}") };
                keys(value, &below, all);
            }
        }
        _ => {}
    }
}

fn run(args: &[&str]) -> String {
    let run = pagescrub(args);
    assert!([0, 1, 3].contains(&run.code), "{args:?}: {}", run.stderr);
    run.stdout
}

/// A scan of everything that the program can make.
fn scanned(folder: &TempDir) -> PathBuf {
    let at = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    let generate = |name: &str, more: &[&str]| {
        run(&[&["generate", &at(name), "--size=4MiB", "--seed=8"][..], more].concat());
    };
    generate("none.mdf", &["--page-verify=none"]);
    generate("full.bak", &["--backup=full", "--with-checksum"]);
    generate("diff.bak", &["--backup=differential"]);
    generate("log.trn", &["--backup=log"]);
    generate("part.bak", &["--backup=full", "--stripes=3"]);
    fs::remove_file(at("part_2.bak")).expect("it was written");
    run(&["inject", &at("full.bak"), "--fault=bit-flip", "--random=3", "--seed=8"]);
    fs::write(at("empty.mdf"), "").expect("room");
    let whole = fs::read(at("none.mdf")).expect("it was written");
    let (before, behind) = whole.split_at(1 << 20);
    fs::write(at("moved.mdf"), [before, b"!", behind].concat()).expect("room");
    fs::write(at("readme.txt"), "text").expect("room");
    let (datasets, out) = (project("datasets"), at("out"));
    let datasets = datasets.to_str().expect("text");
    let scan = ["scan", &at(""), datasets, "--report-dir", &out, "--reader=direct"];
    run(&[&scan[..], &["--deep", "--rate=1GiB/s"]].concat());
    folder.path().join("out/report.json")
}

/// The report at `path`, as if its scan had been a check that found all there is to find.
fn with_check(path: &Path, folder: &TempDir) -> PathBuf {
    let checked = checked(&[Page::rows(1, 300).that_breaks(Rule::P4)]);
    let mut report: Value = serde_json::from_slice(&fs::read(path).expect("there")).expect("JSON");
    report["consistency"] = serde_json::to_value(&checked.consistency).expect("JSON");
    report["suspects"][0]["broken"] =
        serde_json::to_value(&checked.suspects[0].broken).expect("JSON");
    assert_eq!(report["suspects"][0]["broken"]["rule"], "P4");
    let path = folder.path().join("checked.json");
    fs::write(&path, report.to_string()).expect("room");
    path
}

fn reports(folder: &TempDir) -> Vec<PathBuf> {
    let (golden, scanned) = (project("tests/golden/report.json"), scanned(folder));
    let merged = folder.path().join("merged.json");
    let text = |path: &Path| path.to_str().expect("text").to_owned();
    let words = ["merge", &text(&golden), &text(&scanned), "--format=json", "--output"];
    // The golden report has weights of its own.
    let mut other: Value =
        serde_json::from_slice(&fs::read(&scanned).expect("written")).expect("JSON");
    let golden_report: Value =
        serde_json::from_slice(&fs::read(&golden).expect("there")).expect("JSON");
    other["weights"] = golden_report["weights"].clone();
    fs::write(&scanned, other.to_string()).expect("room");
    run(&[&words[..], &[&text(&merged)]].concat());
    let checked = with_check(&scanned, folder);
    vec![golden, scanned, merged, checked]
}

#[test]
fn every_key_column_and_metric_is_in_the_documents() {
    let folder = tempfile::tempdir().expect("a folder");
    let formats = document("formats.md");
    let mut missing = BTreeSet::new();
    for path in reports(&folder) {
        let report = serde_json::from_slice(&fs::read(&path).expect("there")).expect("JSON");
        let mut all = BTreeSet::new();
        keys(&report, "", &mut all);
        assert!(all.len() > 150, "{}", all.len());
        for (path, key) in all {
            let (name, heading) = section_of(&path).expect("names were left out");
            if !section(&document(name), heading).contains(&format!("`{key}`")) {
                missing.insert(format!("{path}.{key} is not in {heading} of {name}"));
            }
        }
        let metrics = run(&["report", path.to_str().expect("text"), "--format=prometheus"]);
        let section = section(&formats, "## prometheus");
        for line in metrics.lines().filter_map(|line| line.strip_prefix("# HELP ")) {
            let name = line.split(' ').next().expect("a name");
            let is_there = ["`", "{"].iter().any(|end| section.contains(&format!("`{name}{end}")));
            if !is_there {
                missing.insert(format!("{name} is not among the metrics"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn the_columns_of_the_table_are_listed_in_their_order() {
    let formats = document("formats.md");
    let section = section(&formats, "## csv");
    let cells = section.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let names = cells.flat_map(|cell| cell.split(", ")).map(|name| name.trim_matches('`'));
    assert_eq!(names.collect::<Vec<_>>(), COLUMNS);
}

/// The names that `impl` of `type_name` gives its values in `file`: the strings of its `name`.
fn names_in(file: &str, type_name: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(project(file)).expect("it is in the repository");
    let (_, text) = text.split_once(&format!("impl {type_name} {{")).expect("it is there");
    let (_, body) = text.split_once("fn name(").expect("it has names");
    let (body, _) = body.split_once("\n    }\n").expect("it ends");
    body.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The cells of the column `nth` in the table of `section`.
fn column(section: &str, nth: usize) -> impl Iterator<Item = &str> {
    let rows = section.lines().filter(|line| line.starts_with("| ")).skip(1);
    rows.filter_map(move |row| row.split(" | ").nth(nth)).map(|cell| cell.trim_matches(['|', ' ']))
}

#[test]
fn every_cause_and_how_sure_it_is_stands_in_the_table_of_causes_and_no_other() {
    let causes = document("causes.md");
    let table = section(&causes, "## The causes, in the order in which they are tried");
    let codes = column(table, 0).flat_map(|cell| cell.split(", "));
    let codes: BTreeSet<String> = codes.map(|code| code.trim_matches('`').to_owned()).collect();
    assert_eq!(codes, names_in("src/diagnose/cause.rs", "Cause"));
    let sure = names_in("src/diagnose/cause.rs", "Confidence");
    let cells: Vec<&str> = column(table, 4).collect();
    let is_told = |cell: &&str| sure.iter().any(|word| cell.contains(&**word));
    assert!(cells.len() > 15 && cells.iter().all(is_told), "{cells:#?}");
    assert!(sure.iter().all(|word| causes.contains(&format!("| `{word}` |"))));
}

#[test]
fn every_rule_stands_in_its_document_with_its_message_in_the_order_of_finding_and_no_other() {
    let document = document("check.md");
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `"));
    let is_rule = |row: &&str| row.starts_with(|c: char| c.is_ascii_uppercase());
    let told = rows.filter(is_rule).map(|row| {
        let mut cells = row.split(" | ");
        let [name, message] = [cells.next(), cells.next()].map(Option::unwrap_or_default);
        (name.trim_end_matches('`').to_owned(), message.to_owned())
    });
    let rules = Rule::ALL.iter().map(|rule| (rule.name().to_owned(), rule.message().to_string()));
    assert_eq!(told.collect::<Vec<_>>(), rules.collect::<Vec<_>>());
    let alone = section(&document, "## Rules of a single page");
    for rule in Rule::ALL {
        let is_there = alone.contains(&format!("| `{}` |", rule.name()));
        assert_eq!(is_there, rule.is_of_one_page(), "{}", rule.name());
    }
    let left_out = section(&document, "## What is not checked, and counted");
    for name in names_in("src/check/outcome.rs", "NotChecked") {
        assert!(left_out.contains(&format!("`{name}`")), "{name}");
    }
    let never = section(&document, "## What is never checked");
    for what in NEVER_CHECKED {
        assert!(never.contains(&format!("- {what}")), "{what}");
    }
}

#[test]
fn every_reason_has_an_event_type_and_a_place_in_the_ranking() {
    let reasons = names_in("src/diagnose/verdict.rs", "SuspectReason");
    assert!(reasons.len() >= 8, "{reasons:?}");
    for name in ["ranking.md", "page-format.md", "report-schema.md"] {
        let text = document(name);
        let missing: Vec<_> =
            reasons.iter().filter(|reason| !text.contains(&format!("`{reason}`"))).collect();
        assert!(missing.is_empty(), "docs/{name} lacks {missing:?}");
    }
}

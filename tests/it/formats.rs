//! Every report format, compared with what it was before and read back by strict readers.
//!
//! `PAGESCRUB_BLESS=1 cargo test --release --test it formats::` writes tests/golden anew, from
//! tests/golden/report.json; read the difference before you keep it.

use crate::harness::pagescrub;
use crate::harness::stopped::{How, json, whole};
use pagescrub::consolidate::report::{ScrubReport, Suspect};
use pagescrub::discover::discover;
use pagescrub::report::{csv as csv_format, jsonl, mapfile, prometheus, terminal, tsql};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

const PAGE_BYTES: u64 = 8192;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn report() -> ScrubReport {
    let bytes = fs::read(golden("report.json")).expect("it is in the repository");
    pagescrub::report::json::read(&bytes).expect("it is a report")
}

/// The golden report as `format`, by the program.
fn rendered(format: &str, output: &Path) -> Vec<u8> {
    let report = golden("report.json");
    let args = ["report".as_ref(), report.as_os_str(), "--format".as_ref(), format.as_ref()];
    let run = pagescrub(&[&args[..], &["--output".as_ref(), output.as_os_str()]].concat());
    assert_eq!((run.code, &*run.stdout, &*run.stderr), (0, "", ""));
    if output.is_dir() { Vec::new() } else { fs::read(output).expect("it was written") }
}

fn text(format: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    String::from_utf8(rendered(format, &folder.path().join("out"))).expect("it is UTF-8")
}

pub(crate) fn is_as_before(name: &str, now: &[u8]) {
    let is_source = name == "report.json";
    if !is_source && std::env::var_os("PAGESCRUB_BLESS").is_some() {
        fs::write(golden(name), now).expect("room");
    }
    let before = fs::read(golden(name)).expect("it is in the repository");
    let [before, now] = [&before, now].map(String::from_utf8_lossy);
    assert!(before == now, "{name} was\n{before}\nand is\n{now}");
}

#[test]
fn every_format_is_as_it_was_before() {
    for (format, name) in [
        ("json", "report.json"),
        ("jsonl", "report.jsonl"),
        ("csv", "suspects.csv"),
        ("tsql", "restore.sql"),
        ("prometheus", "metrics.prom"),
        ("html", "report.html"),
        ("terminal", "report.txt"),
    ] {
        is_as_before(name, text(format).as_bytes());
    }
}

#[test]
fn every_format_but_json_is_free_of_what_a_terminal_obeys() {
    for format in ["csv", "tsql", "prometheus", "terminal"] {
        let text = text(format);
        let is_fine = |c: char| !c.is_control() || c == '\n' || (c == '\r' && format == "csv");
        assert!(text.chars().all(|c| is_fine(c) && c != '\u{202e}'), "{format}");
    }
}

#[test]
fn a_csv_reader_gets_every_suspect_and_a_spreadsheet_no_formula() {
    let text = text("csv");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    assert_eq!(reader.headers().expect("a header"), &csv_format::COLUMNS[..]);
    let rows: Vec<_> = reader.records().map(|row| row.expect("as many cells")).collect();
    let ScrubReport { suspects, transients, .. } = report();
    assert_eq!(rows.len(), suspects.len() + transients.len());
    for (row, healed) in rows.iter().skip(suspects.len()).zip(&transients) {
        let wanted = (healed.page_id, healed.event_type, healed.failures, healed.tries);
        let said = (row[2].parse(), row[3].parse(), row[4].parse(), row[35].parse());
        assert_eq!(said, (Ok(wanted.0), Ok(wanted.1), Ok(wanted.2), Ok(wanted.3)));
        assert_eq!((&row[6], &row[7]), ("", ""), "it has no rank");
    }
    for (row, suspect) in rows.iter().zip(&suspects) {
        assert_eq!(row[2].parse(), Ok(suspect.page_id));
        assert_eq!(row[11].parse(), Ok(suspect.offset_bytes));
        assert_eq!((&row[5], &row[35]), ("2026-01-02T03:04:05.678", ""));
    }
    for row in &rows {
        for cell in row {
            let parts = cell.split(';').map(|part| part.trim_start_matches([' ', '"']));
            parts.for_each(|part| assert!(!part.starts_with(['=', '+', '-', '@']), "{cell}"));
        }
    }
    assert!(rows.iter().any(|row| &row[9] == "C:\\data\\quo'te] ümläut.mdf"));
    assert_eq!(text.matches("\r\n").count(), rows.len() + 1, "a line for each row");
}

#[test]
fn json_lines_begin_with_the_run_and_end_with_the_result() {
    let (report, text) = (report(), text("jsonl"));
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines[0]["type"], "header");
    assert_eq!(lines[0]["schema"], jsonl::SCHEMA);
    let of = |kind: &str| {
        let lines = lines.iter().filter(|line| line["type"] == kind).cloned();
        let untyped = |mut line: Value| {
            line.as_object_mut().expect("an object").remove("type");
            line
        };
        Value::Array(lines.map(untyped).collect())
    };
    assert_eq!(of("suspect"), serde_json::to_value(&report.suspects).expect("JSON"));
    assert_eq!(of("transient"), serde_json::to_value(&report.transients).expect("JSON"));
    assert_eq!(of("incident"), serde_json::to_value(&report.incidents).expect("JSON"));
    assert_eq!(of("file"), serde_json::to_value(&report.files).expect("JSON"));
    let last = lines.last().expect("a result");
    assert_eq!((&last["type"], &last["verdict"]), (&"result".into(), &"damaged".into()));
    assert_eq!(last["coverage"], serde_json::to_value(&report.coverage).expect("JSON"));
}

/// `name{label="value",...} number` as the exposition format wants it; the name and the labels.
fn sample(line: &str) -> (&str, String) {
    let end = line.find(['{', ' ']).expect("a value");
    let name = &line[..end];
    assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{line}");
    let mut rest = &line[end..];
    let mut labels = String::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (key, value) = rest.split_once("=\"").expect("a label");
            assert!(key.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{line}");
            let mut end = 0;
            while value.as_bytes()[end] != b'"' {
                if value.as_bytes()[end] == b'\\' {
                    assert!(b"\\\"n".contains(&value.as_bytes()[end + 1]), "{line}");
                    end += 1;
                }
                end += 1;
            }
            labels += &format!("{key}={};", &value[..end]);
            rest = &value[end + 1..];
            match rest.as_bytes()[0] {
                b',' => rest = &rest[1..],
                b'}' => break,
                _ => panic!("{line}"),
            }
        }
        rest = &rest[1..];
    }
    rest.strip_prefix(' ').expect("a blank").parse::<f64>().expect("a number");
    (name, labels)
}

#[test]
fn metrics_follow_the_grammar_and_name_no_page() {
    let text = text("prometheus");
    let (mut described, mut seen) = (Vec::new(), Vec::new());
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            described.push(help.split(' ').next().expect("a name"));
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            assert_eq!(kind, format!("{} gauge", described.last().expect("help first")));
        } else {
            let (name, labels) = sample(line);
            assert_eq!(Some(&name), described.last(), "a metric's samples stand together");
            assert!(name.starts_with("pagescrub_") && !labels.contains("page_id="), "{line}");
            assert!(!seen.contains(&(name, labels.clone())), "twice: {line}");
            seen.push((name, labels));
        }
    }
    described.sort_unstable();
    assert!(described.windows(2).all(|pair| pair[0] != pair[1]), "{described:?}");
    assert!(text.contains("pagescrub_verdict{verdict=\"damaged\"} 1\n"));
    assert!(text.contains(
        "pagescrub_suspects{priority=\"P1\",tier=\"T0\",reason=\"zeroed\",cause=\"\"} 1\n"
    ));
    assert!(text.ends_with('\n'));
}

#[test]
fn a_fleet_of_files_does_not_become_a_fleet_of_series() {
    let mut report = report();
    let file = report.files[0].clone();
    report.files = (0..=prometheus::FILES_MAX)
        .map(|i| {
            let mut file = file.clone();
            file.path = format!("/data/{i}.mdf").into();
            file
        })
        .collect();
    let mut out = Vec::new();
    prometheus::write(&report, &mut out).expect("memory takes everything");
    assert!(!String::from_utf8_lossy(&out).contains("file_pages"));
    report.run.stopped = true;
    let mut out = Vec::new();
    prometheus::write(&report, &mut out).expect("memory takes everything");
    assert!(!String::from_utf8_lossy(&out).contains("last_completed"), "it has not completed");
}

/// Blocks of a mapfile (position, size, status), which must follow each other without gaps.
fn blocks(map: &str) -> Vec<(u64, u64, char)> {
    let mut lines = map.lines();
    assert!(lines.next().expect("a line").starts_with("# Mapfile. Created by pagescrub "));
    let mut lines = lines.filter(|line| !line.starts_with('#'));
    let hex = |text: &str| u64::from_str_radix(text.strip_prefix("0x").expect("hex"), 16);
    let current: Vec<_> = lines.next().expect("the current position").split_whitespace().collect();
    assert!(matches!(current[..], ["0x00000000", "+" | "?", "1"]), "{current:?}");
    let mut end = 0;
    let block = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let [position, size, status] = words[..] else { panic!("{line}") };
        let (position, size) = (hex(position).expect("hex"), hex(size).expect("hex"));
        assert!(position == end && size > 0 && ["+", "-", "?"].contains(&status), "{line}");
        end = position + size;
        (position, size, status.chars().next().expect("a status"))
    };
    lines.map(block).collect()
}

fn bytes_of(blocks: &[(u64, u64, char)], status: char) -> u64 {
    blocks.iter().filter(|block| block.2 == status).map(|block| block.1).sum()
}

/// The maps of `report` tell what its counts tell.
fn maps_agree(report: &ScrubReport) -> usize {
    let suspects = mapfile::suspect_pages(report);
    let mut maps = 0;
    for (_, file) in mapfile::mapped(report) {
        let pages = suspects.get(&(None, &*file.path)).map_or(&[][..], Vec::as_slice);
        let mut map = Vec::new();
        mapfile::write(report, file, pages, &mut map).expect("memory takes everything");
        let blocks = blocks(&String::from_utf8(map).expect("UTF-8"));
        let coverage = &file.coverage;
        let bytes: u64 = blocks.iter().map(|block| block.1).sum();
        assert_eq!(bytes, coverage.pages_planned * PAGE_BYTES);
        assert_eq!(bytes_of(&blocks, '-'), coverage.suspect * PAGE_BYTES);
        match file.not_reached_ranges {
            Some(_) => assert_eq!(bytes_of(&blocks, '?'), coverage.not_reached * PAGE_BYTES),
            None => assert_eq!(bytes_of(&blocks, '+'), 0, "nothing is good that is not known"),
        }
        maps += 1;
    }
    maps
}

#[test]
fn a_map_covers_its_file_without_gaps() {
    assert_eq!(maps_agree(&report()), 6);
    let folder = tempfile::tempdir().expect("a folder");
    let directory = folder.path().join("maps/deep");
    fs::create_dir_all(&directory).expect("room");
    rendered("mapfile", &directory);
    let mut names: Vec<_> = fs::read_dir(&directory)
        .expect("it was made")
        .map(|entry| entry.expect("readable").file_name().into_string().expect("text"))
        .collect();
    names.sort_unstable();
    assert_eq!(names.len(), 6, "{names:?}");
    for name in names {
        is_as_before(&name, &fs::read(directory.join(&name)).expect("it was written"));
    }
}

#[test]
fn a_list_that_was_cut_makes_nothing_good() {
    let mut report = report();
    report.suspects.retain(|suspect| suspect.page_id != 57);
    let (_, file) =
        mapfile::mapped(&report).find(|(_, f)| &*f.path == "/data/sales.mdf").expect("there");
    let pages = &mapfile::suspect_pages(&report)[&(None, "/data/sales.mdf")];
    let mut map = Vec::new();
    mapfile::write(&report, file, pages, &mut map).expect("memory takes everything");
    let blocks = blocks(&String::from_utf8(map).expect("UTF-8"));
    assert_eq!(bytes_of(&blocks, '+'), 0);
}

#[test]
fn a_scan_that_was_stopped_maps_what_it_has_seen() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.mdf");
    let text = path.to_str().expect("text");
    assert_eq!(pagescrub(&["generate", text, "--size=16MiB", "--seed=3"]).code, 0);
    let inject = ["inject", text, "--fault=bit-flip", "--random=9", "--seed=3"];
    assert_eq!(pagescrub(&inject).code, 0);
    fs::File::options().write(true).open(&path).expect("there").set_len(15 << 20).expect("cut");
    let discovery = discover(&[path]);
    for stop_after in [0, 1, 5, u64::MAX] {
        let scrubbed = whole(&discovery, How { stop_after, ..How::default() });
        assert_eq!(maps_agree(&scrubbed.report), 1);
        assert!(json(&scrubbed)["files"][0]["not_reached_ranges"].is_array());
        let read = serde_json::to_vec(&scrubbed.report).expect("JSON");
        pagescrub::report::json::read(&read).expect("every report of ours can be read");
    }
}

#[test]
#[cfg_attr(not(ddrescue_tests), ignore = "set PAGESCRUB_DDRESCUE_TESTS=1 with ddrescuelog")]
fn ddrescuelog_reads_the_maps() {
    let status = |name: &str, option: &str| {
        let run = std::process::Command::new("ddrescuelog").arg(option).arg(golden(name)).output();
        let run = run.expect("ddrescuelog is installed");
        (run.status.success(), String::from_utf8_lossy(&run.stdout).into_owned())
    };
    for name in ["file-0000.map", "file-0002.map", "file-0004.map", "file-0005.map"] {
        assert!(status(name, "--show-status").0, "{name}");
    }
    let (_, bad) = status("file-0004.map", "--list-blocks=-");
    let blocks: Vec<_> = bad.lines().map(|line| line.parse::<u64>().expect("a block")).collect();
    let sectors = |page: u64| page * 16..page * 16 + 16;
    let expected: Vec<_> = [1, 88, 90].into_iter().flat_map(sectors).collect();
    assert_eq!(blocks, expected);
}

/// How long it takes is for `cargo bench --bench million` to say, which knows a limit.
#[test]
fn the_longest_list_there_is_is_written_whole() {
    let mut report = report();
    let (templates, many) = (report.suspects.clone(), 100_000);
    report.suspects = templates.into_iter().cycle().take(many).collect();
    for (i, suspect) in report.suspects.iter_mut().enumerate() {
        (suspect.rank, suspect.page_id) = (i + 1, 1000 + i as u32);
    }
    report.coverage.suspect = many as u64;
    let lines = |write: &dyn Fn(&mut Vec<u8>) -> std::io::Result<()>, mark: &str| {
        let mut out = Vec::new();
        write(&mut out).expect("memory takes everything");
        String::from_utf8(out).expect("it is UTF-8").matches(mark).count()
    };
    let rows = many + report.transients.len() + 1;
    assert_eq!(lines(&|out| csv_format::write(&report, out), "\r\n"), rows);
    assert_eq!(lines(&|out| jsonl::write(&report, out), r#"{"type":"suspect","#), many);
    let script = |of: &ScrubReport| lines(&|out| tsql::write(of, out), "\n");
    assert!(script(&report) > script(&self::report()));
    let is_of_one = |suspect: &&Suspect| {
        (suspect.host.as_deref(), &*suspect.path) == (None, "/data/sales.mdf")
            && !suspect.is_in_backup()
    };
    let of_one = report.suspects.iter().filter(is_of_one).count();
    let suspects = mapfile::suspect_pages(&report);
    let pages = &suspects[&(None, "/data/sales.mdf")];
    assert_eq!(pages.len(), of_one);
    assert!(lines(&|out| mapfile::write(&report, &report.files[3], pages, out), "\n") > 2);
    // What is for people and for charts stays short.
    let look = terminal::Look { width: Some(80), rows_max: 20, verbose: false };
    assert!(lines(&|out| terminal::write(&report, look, out), "\n") < 1000);
    assert!(lines(&|out| prometheus::write(&report, out), "\n") < 1000);
}

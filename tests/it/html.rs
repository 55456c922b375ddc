//! The report for browsers: read by a strict parser, and used in a real browser.

mod browser;

use pagescrub::consolidate::report::{RunVerdict, ScoreTerms, ScrubReport};
use pagescrub::page::address::{FileId, PageAddress, PageId};
use pagescrub::report::{html, json, terminal};
use scraper::{Html, Selector};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A report with everything in it; names in it are hostile.
fn sample() -> ScrubReport {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/html/sample.json");
    json::read(&fs::read(path).expect("it is in the repository")).expect("it is a report")
}

/// As the reports were before there were tiers, causes, plans and patterns.
fn golden() -> ScrubReport {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/report.json");
    let saved = fs::read(path).expect("it is in the repository");
    let mut report = json::read(&saved).expect("it is a report");
    report.plan.clear();
    report.patterns.clear();
    for suspect in &mut report.suspects {
        suspect.tier = "".into();
        suspect.terms = ScoreTerms::default();
    }
    for incident in &mut report.incidents {
        (incident.tier, incident.score) = ("".into(), 0);
    }
    report
}

/// [`sample`] with so many suspects, each of another page.
fn long(suspects: usize) -> ScrubReport {
    let mut report = sample();
    let some = std::mem::take(&mut report.suspects);
    let renumbered = some.iter().cycle().take(suspects).cloned().enumerate().map(|(i, mut s)| {
        (s.rank, s.page_id) = (i + 1, 3 * i as u32);
        s.offset_bytes = u64::from(s.page_id) * 8192;
        s.address = PageAddress::new(FileId(s.file_id), PageId(s.page_id));
        s
    });
    report.suspects = renumbered.collect();
    report
}

fn clean() -> ScrubReport {
    let mut report = sample();
    (report.verdict, report.exit_code) = (RunVerdict::Clean, 0);
    report.coverage.intact += report.coverage.suspect;
    report.coverage.suspect = 0;
    report.suspects.clear();
    report.incidents.clear();
    report.patterns.clear();
    report.plan.clear();
    report
}

fn page(report: &ScrubReport) -> String {
    let mut out = Vec::new();
    html::write(report, &mut out).expect("memory takes everything");
    String::from_utf8(out).expect("it is UTF-8")
}

fn text(document: &Html, selector: &str) -> String {
    let selector = Selector::parse(selector).expect("a selector");
    document.select(&selector).flat_map(|element| element.text()).collect()
}

fn count(document: &Html, selector: &str) -> usize {
    document.select(&Selector::parse(selector).expect("a selector")).count()
}

fn data(document: &Html) -> Value {
    serde_json::from_str(&text(document, "#data")).expect("it is JSON")
}

#[test]
fn a_strict_parser_finds_no_error_in_any_page() {
    for report in [sample(), golden(), clean(), long(200)] {
        let document = Html::parse_document(&page(&report));
        assert!(document.errors.is_empty(), "{:?}", document.errors);
        assert_eq!(count(&document, "h1"), 1);
    }
}

#[test]
fn every_suspect_is_in_the_data_and_the_first_are_in_the_page() {
    let report = long(200);
    let document = Html::parse_document(&page(&report));
    let data = data(&document);
    let rows = data["rows"].as_array().expect("a list");
    assert_eq!(rows.len(), 200);
    for (row, suspect) in rows.iter().zip(&report.suspects) {
        assert_eq!(row[0], suspect.rank);
        assert_eq!(row[3], suspect.score);
        assert_eq!(row[5], suspect.page_id);
        let known = |at: usize| &data["texts"][row[at].as_u64().expect("a number") as usize];
        assert_eq!(known(1), &*suspect.priority);
        assert_eq!(known(2), &*suspect.tier);
    }
    assert_eq!(count(&document, "#table tbody tr"), 50);
}

#[test]
fn the_first_screen_says_what_the_verdict_does_not_cover() {
    let mut report = sample();
    report.host_findings.push("<b>two engines disagree</b>".to_owned());
    report.run.stopped = true;
    report.suspects_not_listed = 7;
    let document = Html::parse_document(&page(&report));
    let loud = text(&document, "ul.alarm, .verdict, .answer, ul.note");
    for words in [
        "computes wrongly",
        "<b>two engines disagree</b>",
        "STOPPEDbefore the end",
        "120,000 pages not reached",
        "99.913 %",
        "18 pages in use without protection",
        "3 pages were bad and then good (Msg 825)",
        "2 files refused",
        "7 suspect pages counted and not listed",
    ] {
        assert!(loud.contains(words), "{words} is not in {loud}");
    }
    let verdict = text(&document, ".verdict");
    assert!(verdict.starts_with("DAMAGED14 suspect pages in 8 incidents; "), "{verdict}");
    let lost = text(&document, ".answer .damaged");
    assert!(lost.contains("T0 the database may not start: 2 pages of sales"), "{lost}");
}

/// Told once: the words of the page are those of the terminal.
#[test]
fn the_page_and_the_terminal_give_the_same_answer() {
    let look = terminal::Look { width: None, rows_max: 20, verbose: false };
    for report in [sample(), golden(), clean()] {
        let mut styled = Vec::new();
        terminal::write_quiet(&report, look, &mut styled).expect("memory takes everything");
        let styled = String::from_utf8(styled).expect("UTF-8");
        let printed = anstream::adapter::strip_str(&styled).to_string();
        let document = Html::parse_document(&page(&report));
        let shown = text(&document, ".verdict") + &text(&document, ".answer, footer");
        for line in printed.lines() {
            let (_, said) = line.split_once("  ").unwrap_or(("", line));
            // What the verdict does not speak of stands in a list of its own.
            let said = said.split("; ").next().expect("there is always one");
            assert!(shown.contains(said), "{said} is not in {shown}");
        }
        let databases = count(&document, "#databases tbody tr");
        assert_eq!(databases, report.databases.len());
    }
}

#[test]
fn every_table_says_what_it_is_and_damaged_files_come_first() {
    let document = Html::parse_document(&page(&sample()));
    assert!(count(&document, "table") > 3);
    assert_eq!(count(&document, "table"), count(&document, "table > caption:first-child"));
    let selector = Selector::parse("table.files tbody tr td:last-child").expect("a selector");
    let suspects = document.select(&selector).filter_map(|cell| cell.text().next());
    let suspects: Vec<u64> = suspects.map(|n| n.replace(',', "").parse().expect("n")).collect();
    assert!(suspects[0] > 0 && suspects.is_sorted_by(|a, b| a >= b), "{suspects:?}");
    assert_eq!(count(&document, "#file-filter"), 1);
}

#[test]
fn the_run_tells_the_command_as_it_can_be_typed() {
    let mut report = sample();
    let words = ["pagescrub", "scan", "/data/it's here", "--top=5"];
    report.run.command_line = words.map(str::to_owned).to_vec();
    let run = text(&Html::parse_document(&page(&report)), "#run");
    assert!(run.contains(r"pagescrub scan '/data/it'\''s here' --top=5"), "{run}");
}

/// `--name: #abc` in the rule that begins at `from`.
fn colours(style: &str, from: &str) -> BTreeMap<String, [f64; 3]> {
    let rule = style.split_once(from).expect("the rule is there").1;
    let rule = rule.split_once('}').expect("it ends").0;
    let pair = |part: &str| {
        let (name, value) = part.trim().strip_prefix("--")?.split_once(": #")?;
        let doubled = |c: char| [c, c].iter().collect::<String>();
        let value = match value.len() {
            3 => value.chars().map(doubled).collect(),
            _ => value.to_owned(),
        };
        let channel = |i: usize| u8::from_str_radix(&value[i..i + 2], 16).expect("hex");
        Some((name.to_owned(), [0, 2, 4].map(|i| f64::from(channel(i)) / 255.0)))
    };
    rule.split(';').filter_map(pair).collect()
}

/// As WCAG 2 has it.
fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let linear = |c: f64| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) };
    let luminance =
        |[r, g, b]: [f64; 3]| 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn all_text_stands_out_from_its_ground_in_light_and_dark() {
    let style = text(&Html::parse_document(&page(&sample())), "style");
    let light = colours(&style, ":root {");
    let dark = colours(&style, "(prefers-color-scheme: dark) {\n  :root {");
    let on = |ground: &str, inks: &str| -> Vec<(String, String)> {
        inks.split(' ').map(|ink| (ink.to_owned(), ground.to_owned())).collect()
    };
    let tags = ["t0", "t1", "t2", "t3", "t4", "tu"];
    let pairs = [
        on("ground", "ink faint link bad warn good"),
        on("panel", "ink faint link bad warn good"),
        on("bad-ground", "ink bad"),
        on("warn-ground", "ink warn"),
        tags.iter().flat_map(|tag| on(tag, "on-tag")).collect(),
    ];
    for (name, colours) in [("light", light), ("dark", dark)] {
        for (ink, ground) in pairs.iter().flatten() {
            let contrast = contrast(colours[ink], colours[ground]);
            assert!(contrast >= 4.5, "{name}: {ink} on {ground} has {contrast:.2}");
        }
    }
    // What lets its ground through has less; a cell of a map holds no text.
    let pale: Vec<&str> = style.lines().filter(|line| line.contains("opacity")).collect();
    assert!(pale.iter().all(|line| line.starts_with(".cell.")), "{pale:?}");
}

#[test]
fn plan_patterns_incidents_and_maps_need_no_script() {
    let report = sample();
    let document = Html::parse_document(&page(&report));
    assert_eq!(count(&document, "#plan li"), report.plan.len());
    assert!(text(&document, "#patterns").contains("Look at that disk first."));
    assert_eq!(count(&document, "#incidents .card"), report.incidents.len());
    let cards = text(&document, "#incidents");
    for words in ["1 torn write", "lost block", "sdb from byte", "500 consequence + 100 certainty"]
    {
        assert!(cards.contains(words), "{words} is not in {cards}");
    }
    assert_eq!(count(&document, "svg.map"), 5, "four files, and the device that some are on");
    assert!(text(&document, "#map").contains("On the devices"));
    assert!(
        text(&document, "svg.map title").contains("pages 0 to 3,911: 1 suspect, worst #1 P1 T0")
    );
    assert!(text(&document, "svg.map title").contains("not reached"));
    assert_eq!(count(&document, ".chart svg"), 2);
}

#[test]
fn reports_of_before_there_were_tiers_and_plans_have_priorities_and_actions() {
    let document = Html::parse_document(&page(&golden()));
    assert!(text(&document, ".lost").contains("How urgent"));
    assert!(text(&document, "#plan").contains("changed between looks"));
    assert!(!text(&document, "#incidents").contains("Score"));
}

#[test]
fn nothing_is_loaded_and_no_name_becomes_markup() {
    for report in [sample(), golden()] {
        let page = page(&report);
        let document = Html::parse_document(&page);
        for outside in ["[src]", "link", "img", "iframe", "object", "base", "[style]", "a[href^=h]"]
        {
            assert_eq!(count(&document, outside), 0, "{outside}");
        }
        assert_eq!(count(&document, "script"), 2, "the data and ours");
        let policy = Selector::parse("meta[http-equiv=Content-Security-Policy]").expect("fine");
        let policy = document.select(&policy).next().and_then(|meta| meta.attr("content"));
        let policy = policy.expect("there is a policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        let is_fine = |c: char| !c.is_control() || c == '\n';
        assert!(page.chars().all(|c| is_fine(c) && !"\u{202e}\u{2028}".contains(c)));
    }
}

#[test]
fn more_suspects_than_a_page_holds_are_cut_and_that_is_said() {
    let mut report = long(html::SUSPECTS_MAX + 1);
    report.suspects.iter_mut().for_each(|suspect| suspect.evidence = None);
    let page = page(&report);
    assert!(page.len() < 30_000_000, "{} bytes", page.len());
    let document = Html::parse_document(&page);
    assert_eq!(data(&document)["rows"].as_array().map(Vec::len), Some(html::SUSPECTS_MAX));
    assert!(text(&document, "#suspects").contains("Only the first 100,000 are in this page"));
}

#[test]
fn a_saved_report_may_hold_any_number() {
    let mut report = sample();
    for suspect in &mut report.suspects {
        (suspect.rank, suspect.score, suspect.page_id) = (usize::MAX, u32::MAX, u32::MAX);
    }
    for file in &mut report.files {
        file.pages = u64::MAX;
        file.coverage.pages_planned = u64::MAX;
    }
    report.run.elapsed_seconds = f64::MAX;
    report.throughput.bytes_per_second = -1.0;
    report.coverage.not_reached = u64::MAX;
    report.coverage.pages_planned = u64::MAX;
    let document = Html::parse_document(&page(&report));
    assert!(document.errors.is_empty(), "{:?}", document.errors);
}

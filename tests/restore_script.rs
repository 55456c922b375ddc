//! The T-SQL script: what a parser knows must parse, and what it does not know is held against a
//! strict reading of its own.

#![allow(clippy::expect_used, reason = "a test that cannot go on must fail")]

use pagescrub::consolidate::report::ScrubReport;
use pagescrub::report::{json, tsql};
use sqlparser::ast::Statement;
use sqlparser::dialect::MsSqlDialect;
use sqlparser::parser::Parser;
use std::collections::BTreeMap;
use std::path::Path;

fn report() -> ScrubReport {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/report.json");
    json::read(&std::fs::read(path).expect("it is in the repository")).expect("a report")
}

fn script(report: &ScrubReport) -> String {
    let mut out = Vec::new();
    tsql::write(report, &mut out).expect("memory takes everything");
    String::from_utf8(out).expect("UTF-8")
}

/// The statements of `script` without comments, cut at `;` outside of quotes and brackets.
fn statements(script: &str) -> Vec<String> {
    let (mut statements, mut current) = (Vec::new(), String::new());
    let mut rest = script.chars().peekable();
    let mut until: Option<char> = None;
    while let Some(c) = rest.next() {
        match (until, c) {
            (Some('\n'), '\n') => until = None,
            (Some('\n'), _) => continue,
            (Some(end), c) if c == end && rest.peek() == Some(&end) => {
                current.extend([c, c]);
                rest.next();
                continue;
            }
            (Some(end), c) if c == end => until = None,
            (Some(_), c) => assert!(!c.is_control(), "a name reaches over a line: {current}"),
            (None, '\'') => until = Some('\''),
            (None, '[') => until = Some(']'),
            (None, '-') if rest.peek() == Some(&'-') => {
                until = Some('\n');
                continue;
            }
            (None, ';') => {
                statements.push(std::mem::take(&mut current).trim().to_owned());
                continue;
            }
            (None, _) => {}
        }
        current.push(c);
    }
    assert!(until.is_none() && current.trim().is_empty(), "the script ends inside: {current}");
    statements
}

/// Database (as T-SQL calls it) and pages of a RESTORE ... PAGE, which must be nothing else.
fn restored(statement: &str) -> (String, Vec<(u16, u32)>) {
    let rest = statement.strip_prefix("RESTORE DATABASE ").expect("a restore");
    let (database, rest) = rest.split_once(" PAGE = '").expect("of pages");
    let (pages, rest) = rest.split_once('\'').expect("a list of pages");
    let words: Vec<_> = rest.split_whitespace().collect();
    assert_eq!(words.join(" "), "FROM DISK = N'<full backup>' WITH NORECOVERY");
    let inside = database.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    match inside {
        Some(name) => assert!(!name.replace("]]", "").contains(']'), "{database}"),
        None => assert!(database.starts_with("@database_"), "{database}"),
    }
    let page = |page: &str| {
        let (file, page) = page.split_once(':').expect("file:page");
        (file.parse().expect("a file id"), page.parse().expect("a page id"))
    };
    (database.to_owned(), pages.split(", ").map(page).collect())
}

#[test]
fn what_a_parser_knows_parses_and_the_rest_is_page_restores() {
    let script = script(&report());
    let mut restores = BTreeMap::new();
    let mut rows = 0;
    for statement in statements(&script) {
        if statement.starts_with("RESTORE ") {
            let (database, pages) = restored(&statement);
            restores.entry(database).or_insert_with(Vec::new).extend(pages);
            continue;
        }
        if statement == "RETURN" {
            assert!(restores.is_empty(), "nothing is restored before the script returns");
            continue;
        }
        let parsed = Parser::parse_sql(&MsSqlDialect {}, &statement);
        let parsed = parsed.unwrap_or_else(|e| panic!("{e}: {statement}"));
        assert_eq!(parsed.len(), 1, "{statement}");
        if matches!(parsed[0], Statement::Insert(_)) {
            rows += statement.matches("\n(").count();
        }
    }
    let expected = [
        ("@database_1", vec![(1, 200)]),
        ("[<database>]", vec![(4, 64)]),
        ("[quo'te]] ümläut]", vec![(1, 201)]),
        ("[sales]", vec![(1, 57), (1, 58), (1, 202), (3, 90)]),
    ];
    assert_eq!(restores, expected.map(|(name, pages)| (name.to_owned(), pages)).into());
    assert_eq!(rows, report().suspects.len());
    assert!(script.contains("RETURN;") && !script.contains("INTO msdb"));
}

#[test]
fn what_cannot_be_restored_by_page_is_said_with_what_must_be() {
    let script = script(&report());
    for remark in [
        "-- 1:9: never restored alone: restore the file or the database",
        "-- 3:1: never restored alone",
        "-- 1:6: DIFF or ML maps, not restored alone: restore the file",
        "-- 1:300: SIMPLE recovery model, no page restore: restore the database",
        "-- 1:210: not in use",
        "-- 3:88: changed between looks",
        "-- INCOMPLETE: 29 pages were not reached",
    ] {
        assert!(script.contains(remark), "{remark} is missing in\n{script}");
    }
}

#[test]
fn a_file_with_too_many_suspects_is_restored_as_a_whole() {
    let mut report = report();
    let template = report.suspects.iter().find(|s| s.page_id == 57).expect("there").clone();
    for (pages, statements_expected) in [(1000, 20), (1001, 0)] {
        let suspect = |page: u32| {
            let mut suspect = template.clone();
            suspect.page_id = 300 + page;
            suspect
        };
        report.suspects = (0..pages).map(suspect).collect();
        let script = script(&report);
        let restores = statements(&script);
        let restores = restores.iter().filter(|s| s.starts_with("RESTORE ")).map(|s| restored(s));
        assert_eq!(restores.count(), statements_expected);
        assert_eq!(script.contains("more than the 1,000 pages"), pages > 1000);
        assert_eq!(script.matches("INSERT INTO").count(), pages.div_ceil(1000) as usize);
    }
}

#[test]
fn a_clean_report_gives_a_script_that_does_nothing() {
    let mut report = report();
    report.suspects.clear();
    let script = script(&report);
    assert!(statements(&script).is_empty() && script.contains("nothing to restore"), "{script}");
}

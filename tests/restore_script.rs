//! The T-SQL script: what is active only reads, what is commented out is complete and in order, and
//! no name gets out of where it stands.

#![allow(clippy::expect_used, reason = "a test that cannot go on must fail")]

mod tsql;

use pagescrub::consolidate::report::{ScrubReport, Suspect};
use pagescrub::report::{json, tsql as format};
use sqlparser::ast::Statement;
use std::path::Path;
use tsql::{Line, is_known, lines, names, off, parsed, shape};

fn report() -> ScrubReport {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/report.json");
    json::read(&std::fs::read(path).expect("it is in the repository")).expect("a report")
}

fn script(report: &ScrubReport) -> String {
    let mut out = Vec::new();
    format::write(report, &mut out).expect("memory takes everything");
    String::from_utf8(out).expect("UTF-8")
}

/// The part on the database whose heading has `name`.
fn part<'a>(script: &'a str, name: &str) -> &'a str {
    let parts = script.split("\n-- Part ");
    parts
        .into_iter()
        .find(|part| part.lines().next().is_some_and(|line| line.contains(name)))
        .unwrap_or_else(|| panic!("no part on {name} in\n{script}"))
}

/// The statements of a way, by its letter.
fn way(part: &str, letter: char) -> Vec<String> {
    let mut titles = part.split("\n-- ---- ");
    let found = titles.find(|text| text.contains(&format!("Way {letter}: ")));
    off(found.unwrap_or_else(|| panic!("no way {letter} in\n{part}")))
}

fn shapes(statements: &[String]) -> Vec<String> {
    statements.iter().map(|statement| shape(statement)).collect()
}

/// The golden report with nothing but `pages` of sales, file 1.
fn with_pages(pages: impl Iterator<Item = u32>) -> ScrubReport {
    let mut report = report();
    let template = report.suspects.iter().find(|s| s.page_id == 57).expect("there").clone();
    let suspect = |(i, page_id)| Suspect { rank: i + 1, page_id, ..template.clone() };
    report.suspects = pages.enumerate().map(suspect).collect();
    report.coverage.suspect = report.suspects.len() as u64;
    for file in &mut report.files {
        file.pages = 1_000_000;
        file.coverage.suspect =
            if &*file.path == "/data/sales.mdf" { report.coverage.suspect } else { 0 };
    }
    report
}

#[test]
fn what_is_active_are_queries_and_nothing_else() {
    let script = script(&report());
    let active = lines(&script).filter(|(kind, _)| *kind == Line::Active);
    let active = active.map(|(_, line)| line).collect::<Vec<_>>().join("\n");
    let statements = parsed(&active).expect("it parses");
    assert_eq!(statements.len(), 5);
    for statement in &statements {
        assert!(matches!(statement, Statement::Query(_)), "{statement}");
        let text = statement.to_string().to_uppercase();
        assert!(!text.contains(" INTO ") && !text.contains("EXEC"), "{text}");
    }
}

#[test]
fn what_is_commented_out_is_one_of_the_statements_that_are_known() {
    let (script, mut seen) = (script(&report()), std::collections::BTreeSet::new());
    for statement in off(&script) {
        assert!(is_known(&statement), "{statement}\nis {}", shape(&statement));
        seen.insert(shape(&statement).split(' ').take(2).collect::<Vec<_>>().join(" "));
    }
    for expected in ["BACKUP LOG", "RESTORE LOG", "RESTORE DATABASE", "DBCC PAGE", "INSERT INTO"] {
        assert!(seen.contains(expected), "{seen:?}");
    }
}

#[test]
fn a_statement_with_something_to_fill_in_cannot_run_as_it_stands() {
    let mut holes = 0;
    for statement in off(&script(&report())) {
        // Outside of quotes, brackets and comments, `<` and a name is no T-SQL.
        assert_eq!(tsql::holes(&statement), statement.matches('<').count(), "{statement}");
        holes += tsql::holes(&statement);
        for file in [" DISK = ", " FILE = "] {
            let is_filled_in =
                |(at, _): (usize, &str)| statement[at + file.len()..].starts_with('<');
            assert!(statement.match_indices(file).all(is_filled_in), "{statement}");
        }
    }
    assert!(holes > 50, "{holes}");
}

#[test]
fn page_restores_are_whole_sequences_online_and_offline() {
    let script = script(&with_pages([57, 58].into_iter()));
    let part = part(&script, "sales");
    let pages = "RESTORE DATABASE ID PAGE = STR FROM DISK = STR WITH NORECOVERY";
    let rest = [
        "RESTORE DATABASE ID FROM DISK = STR WITH NORECOVERY",
        "RESTORE LOG ID FROM DISK = STR WITH NORECOVERY",
    ];
    let online = shapes(&way(part, 'A'));
    assert_eq!(online[..3], [pages, rest[0], rest[1]]);
    assert_eq!(online[3], "BACKUP LOG ID TO DISK = STR WITH CHECKSUM");
    assert_eq!(online[4], "RESTORE LOG ID FROM DISK = STR WITH RECOVERY");
    let offline = shapes(&way(part, 'B'));
    assert_eq!(offline[0], "BACKUP LOG ID TO DISK = STR WITH NORECOVERY , CHECKSUM");
    assert_eq!(offline[1..4], [pages, rest[0], rest[1]]);
    assert_eq!(offline[4], "RESTORE LOG ID FROM DISK = STR WITH NORECOVERY");
    assert_eq!(offline[5], "RESTORE DATABASE ID WITH RECOVERY");
    assert!(part.contains("PAGE = '1:57, 1:58'"), "{part}");
    assert!(!part.contains("FILE = ") || !part.contains("Way C"), "one way for a file");
}

#[test]
fn of_a_whole_restore_the_tail_is_first_saved_and_last_restored() {
    let script = script(&report());
    let part = part(&script, "sales");
    for letter in ['C', 'D'] {
        let statements = way(part, letter);
        let shapes = shapes(&statements);
        assert_eq!(shapes[0], "BACKUP LOG ID TO DISK = STR WITH NORECOVERY , NO_TRUNCATE");
        let tail = tsql::filled_in(&statements[0]);
        assert_eq!(shapes[shapes.len() - 1], "RESTORE DATABASE ID WITH RECOVERY");
        let last = &statements[statements.len() - 2];
        assert!(last.starts_with("RESTORE LOG") && tsql::filled_in(last) == tail, "{last}");
        let between = &shapes[1..shapes.len() - 1];
        assert!(between.iter().all(|shape| shape.ends_with("WITH NORECOVERY")), "{between:?}");
    }
    assert!(!part.contains("PAGE = "), "no page restore for files that are restored as a whole");
    assert!(!script.contains("REPLACE"), "nothing is overwritten unasked");
}

#[test]
fn under_simple_there_is_no_log_statement_and_no_page_restore() {
    let script = script(&report());
    let statements = off(part(&script, "simple"));
    assert!(!statements.is_empty());
    for statement in &statements {
        assert!(!statement.contains(" LOG [") && !statement.contains("PAGE ="), "{statement}");
    }
    let restored = statements.iter().filter(|s| s.starts_with("RESTORE DATABASE"));
    for statement in restored {
        assert!(!statement.contains("[simple]"), "beside it, not over it: {statement}");
    }
}

#[test]
fn what_is_not_known_is_said_and_both_ways_are_shown() {
    let script = script(&report());
    let part = part(&script, "orphan.ndf");
    for said in ["name is not known", "Recovery model: not known", "IS FULL OR", "IS SIMPLE (S)"] {
        assert!(part.contains(said), "{said} is missing in\n{part}");
    }
    assert!(part.contains("PAGE = '4:64'") && way(part, 'S').len() == 3);
}

#[test]
fn a_thousand_pages_are_one_statement_and_one_more_is_a_file() {
    for (pages, by_page) in [(1000, true), (1001, false)] {
        let script = script(&with_pages(300..300 + pages));
        let part = part(&script, "sales");
        assert_eq!(part.contains("PAGE = "), by_page);
        assert_eq!(part.contains("Way C"), !by_page);
        if by_page {
            let lists = way(part, 'A').iter().filter(|s| s.contains("PAGE = ")).count();
            assert_eq!(lists, 1, "each statement reads the backup anew");
        }
        let rows = off(&script).iter().filter(|s| s.starts_with("INSERT")).count();
        assert_eq!(rows, pages.div_ceil(1000) as usize);
    }
}

#[test]
fn a_twentieth_of_a_file_is_restored_as_a_file() {
    for (pages, by_page) in [(5, true), (6, false)] {
        let mut report = with_pages(300..300 + pages);
        report.files.iter_mut().for_each(|file| file.pages = 100);
        assert_eq!(part(&script(&report), "sales").contains("PAGE = "), by_page);
    }
}

#[test]
fn pages_that_are_in_doubt_or_free_are_left_out() {
    let mut report = with_pages([300, 301, 302, 303].into_iter());
    report.suspects[1].unsettled = true;
    report.suspects[2].allocated = "no".into();
    report.suspects[3].allocated = "unknown".into();
    report.suspects[3].page_type = "unknown".into();
    let script = script(&report);
    let part = part(&script, "sales");
    assert!(part.contains("PAGE = '1:300'\n"), "{part}");
    assert_eq!(part.matches("LEFT OUT").count(), 3, "{part}");
}

#[test]
fn system_databases_are_restored_in_their_own_ways() {
    let cases = [
        ("master", 3, "single-user"),
        ("MSDB", 3, "SQL Server Agent"),
        ("model", 1, "before any restart"),
        ("tempdb", 1, "nothing to restore"),
        ("mssqlsystemresource", 0, "exactly the same build"),
    ];
    for (name, statements, said) in cases {
        let mut report = with_pages([300].into_iter());
        report.suspects[0].database = Some(name.into());
        let script = script(&report);
        let part = part(&script, name);
        let own: Vec<_> = part.split("-- ---- A system database").skip(1).collect();
        assert_eq!(off(own[0]).len(), statements, "{part}");
        assert!(own[0].replace("\n-- ", " ").contains(said) && !part.contains("LOG ["), "{part}");
    }
}

#[test]
fn an_index_that_can_be_made_again_is_looked_at_and_not_dropped() {
    let mut report = with_pages([300].into_iter());
    let index = self::report().suspects.into_iter().find(|s| s.page_id == 202).expect("there");
    report.suspects = vec![Suspect { rank: 1, ..index }];
    let script = script(&report);
    let part = part(&script, "sales");
    assert!(part.contains("i.object_id = 21575115 AND i.index_id = 3"), "{part}");
    assert!(part.contains("N'[dbo].[Orders]'") && part.contains("PAGE = '1:202'"), "{part}");
    assert!(!off(part).iter().any(|statement| statement.contains("DROP")));
}

#[test]
fn copies_of_one_database_are_kept_apart() {
    let mut report = with_pages([300, 301].into_iter());
    report.suspects[1].path = "/copy/sales.mdf".into();
    report.files.iter_mut().for_each(|file| file.coverage.suspect = 1);
    let script = script(&report);
    assert_eq!(script.matches("copies, or databases of").count(), 2);
    assert!(script.contains("PAGE = '1:300'\n") && script.contains("PAGE = '1:301'\n"));
}

#[test]
fn no_name_gets_out_of_where_it_stands() {
    let plain = shapes(&off(&script(&with_pages([300, 301].into_iter()))));
    for seed in 0..400 {
        let name = names::hostile(seed);
        let mut report = with_pages([300, 301].into_iter());
        report.run.id = name.clone();
        report.host_findings = vec![name.clone()];
        for suspect in &mut report.suspects {
            suspect.database = Some(name.as_str().into());
            suspect.object = Some(name.as_str().into());
            suspect.page_type = name.clone().into();
            suspect.reason = name.clone().into();
            suspect.path = name.as_str().into();
        }
        report.files[3].path = name.as_str().into();
        let script = script(&report);
        let forbidden =
            |c: char| (c.is_control() && c != '\n') || ('\u{2028}'..='\u{202e}').contains(&c);
        assert!(!script.contains(forbidden) && !script.contains("$("), "{seed} {name:?}\n{script}");
        let active = lines(&script).filter(|(kind, _)| *kind == Line::Active);
        let active = active.map(|(_, line)| line).collect::<Vec<_>>().join("\n");
        assert_eq!(parsed(&active).expect("it parses").len(), 5, "{seed} {name:?}");
        let statements = off(&script);
        for statement in &statements {
            assert!(is_known(statement), "{seed} {name:?}: {statement}");
        }
        let named = format!("DB_ID({})", pagescrub::report::escape::tsql_text(&name));
        let id = statements.iter().find_map(|s| tsql::argument(s, "DB_ID"));
        assert_eq!(id.as_deref(), Some(&*name), "{seed} {named}");
        let undeclared: Vec<_> =
            statements.iter().filter(|s| !s.starts_with("DECLARE @db1 ")).collect();
        assert!(undeclared.len() <= plain.len(), "{seed} {name:?}: more statements than names");
    }
}

#[test]
fn names_that_no_server_has_are_to_be_filled_in() {
    for name in [String::new(), "x".repeat(129), "\u{1f600}".repeat(65)] {
        let mut report = with_pages([300].into_iter());
        report.suspects[0].database = Some(name.into());
        let script = script(&report);
        assert!(script.contains("RESTORE DATABASE <db1_name, sysname, > PAGE"), "{script}");
    }
}

#[test]
fn a_clean_report_gives_a_script_that_does_nothing() {
    let mut report = report();
    report.suspects.clear();
    let script = script(&report);
    assert!(lines(&script).all(|(kind, _)| kind == Line::Remark), "{script}");
    assert!(script.contains("nothing to restore"), "{script}");
}

//! The T-SQL script: what is active only reads, what is commented out is complete and in order, and
//! no name gets out of where it stands.

use crate::tsql::{
    self, Line, flowing, is_known, lines, names, off, parsed, part, script, shape, way,
};
use pagescrub::consolidate::report::{FileReport, Outcome, ScrubReport, Suspect};
use pagescrub::report::json;
use sqlparser::ast::Statement;
use std::path::Path;

fn report() -> ScrubReport {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/report.json");
    json::read(&std::fs::read(path).expect("it is in the repository")).expect("a report")
}

/// How the tail is saved: as it should be, else as it can be.
const TAILS: [&str; 3] = [
    "BACKUP LOG ID TO DISK = STR WITH NORECOVERY , CHECKSUM",
    "BACKUP LOG ID TO DISK = STR WITH NORECOVERY , CONTINUE_AFTER_ERROR",
    "BACKUP LOG ID TO DISK = STR WITH NORECOVERY , NO_TRUNCATE",
];

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
    assert_eq!(offline[..3], TAILS);
    assert_eq!(offline[3..6], [pages, rest[0], rest[1]]);
    assert_eq!(offline[6], "RESTORE LOG ID FROM DISK = STR WITH NORECOVERY");
    assert_eq!(offline[7], "RESTORE DATABASE ID WITH RECOVERY");
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
        assert_eq!(shapes[..3], TAILS);
        let tail = tsql::filled_in(&statements[0]);
        assert_eq!(shapes[shapes.len() - 1], "RESTORE DATABASE ID WITH RECOVERY");
        let last = &statements[statements.len() - 2];
        assert!(last.starts_with("RESTORE LOG") && tsql::filled_in(last) == tail, "{last}");
        let between = &shapes[3..shapes.len() - 1];
        assert!(between.iter().all(|shape| shape.ends_with("WITH NORECOVERY")), "{between:?}");
    }
    assert!(!part.contains("PAGE = "), "no page restore for files that are restored as a whole");
    assert!(!script.contains("REPLACE"), "nothing is overwritten unasked");
}

/// The golden report with page 57 of file 1 of sales, and page `other` of its file 3.
fn with_files(other: u32) -> ScrubReport {
    let mut report = with_pages([57, other].into_iter());
    report.suspects[1].file_id = 3;
    report.suspects[1].path = "/data/sales_2.ndf".into();
    report.files.iter_mut().for_each(|file| file.coverage.suspect = 1);
    report
}

#[test]
fn files_and_pages_are_one_sequence_and_the_database_is_closed_once() {
    let script = script(&with_files(1));
    let part = part(&script, "sales");
    let shapes = shapes(&way(part, 'C'));
    assert_eq!(shapes[..3], TAILS);
    let both = "RESTORE DATABASE ID PAGE = STR , FILE = STR FROM DISK = STR WITH NORECOVERY";
    assert_eq!(shapes[3], both);
    assert_eq!(shapes[4], "RESTORE DATABASE ID FROM DISK = STR WITH NORECOVERY");
    assert!(part.contains("PAGE = '1:57',\n--    FILE = <db1_file3_logical_name"), "{part}");
    assert!(!part.contains("Way A: ") && !part.contains("Way B: "), "{part}");
    let closings = way(part, 'C').iter().filter(|s| s.contains("WITH NORECOVERY, NO_TR")).count();
    assert_eq!(closings, 1);
    assert!(flowing(part).contains("ONE offline sequence with one tail"), "{part}");
    let pages = self::script(&with_files(64));
    let pages = self::part(&pages, "sales");
    assert!(pages.contains("Way A: ") && pages.contains("PAGE = '1:57, 3:64'"), "{pages}");
}

#[test]
fn no_page_is_restored_online_where_the_database_may_not_start() {
    let mut report = with_pages([57, 58].into_iter());
    report.suspects[1].tier = "T0".into();
    let script = script(&report);
    let part = part(&script, "sales");
    assert!(!part.contains("Way A: ") && part.contains("PAGE = '1:57, 1:58'"), "{part}");
    assert_eq!(shapes(&way(part, 'B'))[..3], TAILS);
}

#[test]
fn of_a_suspect_boot_page_nothing_is_believed_and_both_ways_are_shown() {
    for simple in [true, false] {
        let mut report = with_pages([9].into_iter());
        report.suspects[0].reason = "bad_checksum".into();
        report.files.iter_mut().for_each(|file| file.simple_recovery = Some(simple));
        let script = script(&report);
        let part = part(&script, "sales");
        for said in ["HINTS ONLY", "MODEL IS FULL OR", "MODEL IS SIMPLE (S)", "Way C", "Way S"] {
            assert!(part.contains(said), "{said} is missing in\n{part}");
        }
        assert!(part.contains("WITH COPY_ONLY, CHECKSUM"), "the tail is saved: {part}");
        assert!(!script.contains("d.name IN"), "the queries do not rely on the name");
    }
    let believed = script(&with_pages([57].into_iter()));
    assert!(!believed.contains("HINTS ONLY") && believed.contains("d.name IN (N'sales')"));
}

#[test]
fn the_way_of_simple_opens_with_what_it_is_not_for() {
    let script = script(&report());
    let part = part(&script, "simple");
    let (_, way) = part.split_once("Way S: ").expect("there");
    let (_, opening) = way.split_once('\n').expect("lines");
    assert!(opening.starts_with(
        "--USE [master];\n-- | If the query of part 1 does not say SIMPLE, STOP: BACKUP LOG"
    ));
}

#[test]
fn bulk_logged_is_switched_to_full_before_a_restore() {
    let script = script(&with_pages([57].into_iter()));
    let part = flowing(part(&script, "sales"));
    let said = "BULK_LOGGED: switch to FULL and take a log backup before any restore. It fails if";
    assert!(part.find(said).expect("said") < part.find("Way A").expect("there"), "{part}");
}

#[test]
fn each_statement_that_looks_at_a_page_stands_alone_the_most_urgent_first() {
    let mut report = with_pages(300..330);
    report.suspects.iter_mut().for_each(|suspect| suspect.rank = 31 - suspect.rank);
    let script = script(&report);
    let part = part(&script, "sales");
    let looks = |start: &str| {
        let starts = |statement: &&String| statement.starts_with(start);
        off(part).iter().filter(starts).cloned().collect::<Vec<_>>()
    };
    for (start, first) in [("DBCC PAGE", "(N'sales', 1, 329, "), ("SELECT p.", "'sales'), 1, 329,")]
    {
        let statements = looks(start);
        assert_eq!(statements.len(), 20);
        assert!(statements[0].contains(first), "{}", statements[0]);
        assert!(statements.iter().all(|s| s.contains("N'sales'") && !s.contains('@')));
    }
    assert!(part.contains("-- - and 10 more, by rank\n"), "{part}");
    assert!(part.find("#1 (1:329)") < part.find("#2 (1:328)"), "{part}");
    assert!(flowing(part).contains("DB_ID is NULL"), "{part}");
}

#[test]
fn a_name_that_is_no_literal_is_declared_with_each_page() {
    let mut report = with_pages([300, 301].into_iter());
    report.suspects.iter_mut().for_each(|suspect| suspect.database = Some("a$(b)".into()));
    let statements = off(&script(&report));
    let looks: Vec<_> = statements.iter().filter(|s| s.contains("DBCC PAGE")).collect();
    assert_eq!(looks.len(), 2);
    let start = "DECLARE @db1 sysname = N'a$' + N'(b)'; DBCC PAGE (@db1, 1, 30";
    assert!(looks.iter().all(|s| s.starts_with(start)), "{looks:?}");
}

#[test]
fn the_history_of_backups_tells_what_can_be_restored_and_what_belongs_together() {
    let script = script(&report());
    let part = part(&script, "look (active");
    let columns = [
        "b.is_snapshot",
        "m.device_type",
        "b.database_backup_lsn",
        "b.differential_base_guid",
        "b.backup_set_uuid",
        "b.checkpoint_lsn",
    ];
    assert!(columns.iter().all(|column| part.contains(column)), "{part}");
    let part = flowing(part);
    assert!(part.contains("whose backup_set_uuid is its differential_base_guid"), "{part}");
    assert!(part.contains("device_type 7") && part.contains("cannot be restored FROM DISK"));
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

/// The part on system database `name`, whose boot page says that it is `simple`.
fn system(name: &str, simple: Option<bool>) -> String {
    let mut report = with_pages([300].into_iter());
    report.suspects[0].database = Some(name.to_owned().into());
    report.files.iter_mut().for_each(|file| file.simple_recovery = simple);
    let script = script(&report);
    part(&script, &format!(": {name}")).to_owned()
}

#[test]
fn system_databases_are_restored_in_their_own_ways() {
    let cases = [
        ("master", 4, "single-user mode (startup parameter -m), WITH REPLACE"),
        ("MSDB", 4, "SQL Server Agent"),
        ("model", 4, "before any restart"),
        ("tempdb", 0, "nothing to restore"),
        ("tempdb", 0, "has no backup, and needs no CHECKDB"),
        ("mssqlsystemresource", 0, "exactly the same build"),
        ("mssqlsystemresource", 0, "DBCC CHECKDB of master checks it too"),
    ];
    for (name, statements, said) in cases {
        let part = system(name, Some(true));
        let own: Vec<_> = part.split("-- ---- A system database").skip(1).collect();
        assert_eq!(off(own[0]).len(), statements, "{part}");
        assert!(flowing(own[0]).contains(said) && !part.contains("LOG ["), "{part}");
    }
}

#[test]
fn msdb_is_restored_by_its_recovery_model() {
    let full = system("msdb", Some(false));
    assert!(!full.contains("SIMPLE"), "{full}");
    let shapes = shapes(&way(&full, 'D'));
    assert_eq!(shapes[..3], TAILS);
    assert!(full.contains("WITH COPY_ONLY, CHECKSUM") && full.contains("CHECKDB ("), "{full}");
    let simple = flowing(&system("msdb", Some(true)));
    assert!(simple.contains("does not say so, STOP: BACKUP LOG first"), "{simple}");
    let unknown = system("msdb", None);
    assert!(unknown.contains("MODEL IS FULL OR") && unknown.contains("MODEL IS SIMPLE"));
    assert_eq!(off(&unknown).iter().filter(|s| s.starts_with("BACKUP LOG")).count(), 6);
}

#[test]
fn that_msdb_is_damaged_is_said_where_it_is_read() {
    let mut report = with_pages([300].into_iter());
    assert!(!script(&report).contains("msdb is damaged"));
    report.suspects[0].database = Some("msdb".into());
    let script = script(&report);
    assert!(flowing(part(&script, "look (active")).contains("they may fail, and may add rows"));
    assert!(flowing(part(&script, ": msdb")).contains("part 1 read msdb: they may fail"));
}

#[test]
fn copies_of_one_database_are_kept_apart() {
    let mut report = with_pages([300, 301].into_iter());
    report.suspects[1].path = "/copy/sales.mdf".into();
    report.files.iter_mut().for_each(|file| file.coverage.suspect = 1);
    let file = report.files.iter().find(|file| &*file.path == "/data/sales.mdf").expect("there");
    report.files.push(FileReport { path: "/copy/sales.mdf".into(), ..file.clone() });
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
    report.files.iter_mut().for_each(|file| file.backup = None);
    let incomplete = script(&report);
    assert!(lines(&incomplete).all(|(kind, _)| kind == Line::Remark), "{incomplete}");
    assert!(!incomplete.contains("nothing to restore"), "not all was verified:\n{incomplete}");
    report.files.retain(|file| file.outcome == Outcome::Scanned);
    report.databases.clear();
    report.coverage.not_reached = 0;
    assert!(script(&report).contains("nothing to restore"), "{}", script(&report));
}

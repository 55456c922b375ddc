//! The rules of docs/advice.md, each said alike in the plan, of suspects and incidents, and in
//! restore.sql.

use crate::damaged::{self, Page, plan, sales, script, step, titles};
use crate::harness::{pagescrub as run, scan_json};
use crate::tsql::{flowing, off, part, shape, way};
use pagescrub::consolidate::report::{ScrubReport, Suspect};
use serde_json::Value;
use std::path::Path;

fn rows(count: u32) -> impl Iterator<Item = Page> {
    (0..count).map(|i| Page::rows(1, 1000 + i))
}

fn indexes(count: u32) -> impl Iterator<Item = Page> {
    (0..count).map(|i| Page::index(1, 5000 + i))
}

fn actions(report: &ScrubReport) -> Vec<&str> {
    report.suspects.iter().map(|suspect| &*suspect.action).collect()
}

/// The pages of file 1 that `statements` restore one by one.
fn listed(statements: &[String]) -> usize {
    let lists = statements.iter().filter(|statement| statement.contains("PAGE = "));
    lists.map(|statement| statement.matches("1:").count()).sum()
}

#[test]
fn one_sequence_restores_a_thousand_pages_of_a_file_those_of_indexes_counted() {
    let report = sales(rows(600).chain(indexes(400)));
    assert!(actions(&report)[0].starts_with("RESTORE DATABASE ... PAGE"));
    let text = script(&report);
    let (sales_part, in_doubt) = (part(&text, "sales"), "right after the first RESTORE DATABASE");
    assert!(flowing(sales_part).contains(in_doubt), "{sales_part}");
    assert_eq!(listed(&way(sales_part, 'B')), 600);
    assert!(!sales_part.contains("Way C: "), "{sales_part}");
    // One more, and nothing but a file restore brings all of them back.
    let report = sales(rows(600).chain(indexes(401)));
    assert!(actions(&report)[0].contains("those of indexes counted"), "{:?}", actions(&report)[0]);
    assert!(report.incidents[0].action.starts_with("restore the file"));
    assert!(titles(&report).contains(&"Restore files or databases as a whole"));
    let text = script(&report);
    assert!(!text.contains("PAGE = ") && part(&text, "sales").contains("Way C: "), "{text}");
}

#[test]
fn indexes_alone_cost_no_file_and_in_doubt_more_than_a_thousand_pages_do() {
    for (count, by_page) in [(1000, true), (1001, false)] {
        let report = sales(indexes(count));
        assert!(!titles(&report).iter().any(|title| title.starts_with("Restore")));
        assert_eq!(step(&report, "Make indexes again").suspects, u64::from(count));
        let text = script(&report);
        let part = part(&text, "sales");
        assert_eq!(part.contains("PAGE = "), by_page, "{part}");
        assert_eq!(part.contains("Way C: "), !by_page, "{part}");
    }
    // Of one file there are too many, of another one there are rows.
    let report = sales(indexes(1001).chain([Page::rows(3, 800)]));
    let text = script(&report);
    let part = part(&text, "sales");
    assert!(flowing(part).contains("of file 1 these are more than the 1,000 pages"), "{part}");
    assert_eq!(listed(&off(part)), 0, "{part}");
}

#[test]
fn nothing_but_a_database_that_does_not_open_needs_no_truncate() {
    let every = [vec![Page::rows(1, 300)], vec![Page::at(1, 9)], vec![Page::at(3, 0)]];
    for pages in every {
        let report = sales(pages.into_iter());
        let said = step(&report, "Save the tail of the log").text;
        let order = ["COPY_ONLY, CHECKSUM;", "CONTINUE_AFTER_ERROR", "NO_TRUNCATE only if"];
        let at = order.map(|words| said.find(words).unwrap_or_else(|| panic!("{said}")));
        assert!(at.is_sorted(), "{said}");
        let text = script(&report);
        let lines: Vec<&str> = text.lines().collect();
        let is_it = |line: &&&str| line.starts_with("--") && line.contains("NO_TRUNCATE;");
        assert!(lines.iter().filter(is_it).count() > 1, "{text}");
        for (i, _) in lines.iter().enumerate().filter(|(_, line)| is_it(line)) {
            let before = lines[i.saturating_sub(3)..i].join(" ");
            assert!(before.contains("only if the database does not open"), "{before}\n{text}");
        }
        let saved: Vec<String> =
            off(&text).iter().filter(|s| s.starts_with("BACKUP LOG")).map(|s| shape(s)).collect();
        let expected = ["COPY_ONLY , CHECKSUM", "COPY_ONLY , CHECKSUM , CONTINUE_AFTER_ERROR"];
        for (saved, options) in saved.iter().zip(expected) {
            assert_eq!(*saved, format!("BACKUP LOG ID TO DISK = STR WITH {options}"));
        }
    }
}

#[test]
fn each_system_database_has_one_way_that_plan_suspects_and_script_know() {
    let cases = [
        ("master", "WITH REPLACE", Some("WITH REPLACE, RECOVERY")),
        ("model", "as a user database", Some("WITH NORECOVERY, CHECKSUM")),
        ("msdb", "as a user database", Some("WITH NORECOVERY, CHECKSUM")),
        ("tempdb", "made anew", None),
        ("mssqlsystemresource", "of the same build", None),
    ];
    for (name, said, statement) in cases {
        let pages = [Page::rows(1, 300), Page::index(1, 301), Page::at(1, 9)];
        let report = damaged::named(name, pages.into_iter());
        let text = step(&report, "Restore system databases").text;
        assert!(text.starts_with(name) && text.contains(said), "{text}");
        assert!(!titles(&report).iter().any(|title| title.contains("single pages")));
        for action in actions(&report).into_iter().chain([&*report.incidents[0].action]) {
            assert!(action.contains(said) && action.contains(name), "{name}: {action}");
            assert!(!action.contains("PAGE"), "{name}: {action}");
        }
        let text = script(&report);
        let part = part(&text, &format!(": {name}"));
        let statements = off(part.split_once("A system database").expect("a title").1);
        let flat = statements.join("\n").replace("\n    ", " ");
        assert!(statement.is_none_or(|statement| flat.contains(statement)), "{name}: {flat}");
        assert_eq!(statement.is_some(), flat.contains("RESTORE DATABASE"), "{name}: {flat}");
        assert!(!flat.contains("PAGE = "), "{name}: {flat}");
    }
}

#[test]
fn in_an_availability_group_the_other_replicas_are_asked_before_anything_is_restored() {
    let report = sales([Page::rows(1, 300)].into_iter());
    let order = ["Copy the damaged files as they are", "Ask the other replicas first"];
    let titles = titles(&report);
    let at = |title: &str| titles.iter().position(|t| *t == title).expect("there");
    assert!(at(order[0]) < at(order[1]) && at(order[1]) < at("Restore single pages"));
    let said = step(&report, order[1]).text;
    for words in ["Msg 3104", "seeded anew, never restored", "pages 0 and 9 and GAM"] {
        assert!(said.contains(words), "{said}");
    }
    assert!(actions(&report)[0].contains("in an availability group RESTORE is refused"));
    assert!(flowing(&script(&report)).contains("Never restore a secondary"));
    // Nothing is in a group under SIMPLE.
    let simple = damaged::under_simple([Page::rows(1, 300)].into_iter());
    assert!(!plan(&simple).iter().any(|step| step.title.starts_with("Ask")));
    assert!(!actions(&simple)[0].contains("availability group"));
}

/// Automatic page repair begins where a server notices: that is where a check fails.
#[test]
fn no_replica_mends_by_itself_what_passes_its_own_check() {
    let mut report = sales(rows(3));
    let said = |report: &ScrubReport| {
        let step = step(report, "Ask the other replicas first");
        step.text.contains("are fetched by no read")
    };
    assert!(!said(&report));
    report.suspects[1].reason = "stale_page".into();
    pagescrub::consolidate::advice::advise(&mut report);
    assert!(said(&report));
}

#[test]
fn a_damaged_secondary_filegroup_is_restored_while_the_rest_is_in_use() {
    let report = sales([Page::at(3, 0), Page::rows(3, 800)].into_iter());
    let said = step(&report, "Restore files or databases as a whole").text;
    assert!(said.contains("a secondary filegroup ONLINE (way F)"), "{said}");
    assert!(actions(&report)[1].ends_with("in Enterprise edition its filegroup online"));
    assert!(report.incidents[0].action.contains("Enterprise edition: its filegroup online"));
    let text = script(&report);
    let statements: Vec<_> = way(part(&text, "sales"), 'F').iter().map(|s| shape(s)).collect();
    let expected = [
        "RESTORE DATABASE ID FILE = STR FROM DISK = STR WITH NORECOVERY",
        "RESTORE DATABASE ID FILE = STR FROM DISK = STR WITH NORECOVERY",
        "RESTORE LOG ID FROM DISK = STR WITH NORECOVERY",
        "BACKUP LOG ID TO DISK = STR WITH CHECKSUM",
        "RESTORE LOG ID FROM DISK = STR WITH RECOVERY",
    ];
    assert_eq!(statements, expected, "the rest of the database is never closed");
    // The primary filegroup takes the whole database with it.
    for pages in [vec![Page::at(1, 0)], vec![Page::at(1, 0), Page::at(3, 0)]] {
        let report = sales(pages.into_iter());
        assert!(!step(&report, "Restore files or databases as a whole").text.contains("ONLINE"));
        assert!(!script(&report).contains("Way F: ") && !actions(&report)[0].contains("online"));
    }
}

#[test]
fn every_way_begins_by_leaving_the_database() {
    let reports = [
        sales([Page::rows(1, 300)].into_iter()),
        sales([Page::at(3, 0)].into_iter()),
        sales([Page::at(1, 6)].into_iter()),
        sales([Page::at(1, 9)].into_iter()),
        damaged::under_simple([Page::rows(1, 300)].into_iter()),
    ];
    let mut seen = std::collections::BTreeSet::new();
    for text in reports.iter().map(script) {
        for (at, _) in text.match_indices("-- ---- Way ") {
            let mut lines = text[at..].lines();
            let title = lines.next().expect("a title");
            seen.insert(title["-- ---- Way ".len()..].chars().next().expect("a letter"));
            let first = lines.find(|line| !line.starts_with("-- ")).expect("a statement");
            assert_eq!(first, "--USE [master];", "{title}");
        }
    }
    assert_eq!(seen.into_iter().collect::<String>(), "ABCDFMS");
}

#[test]
fn maps_that_change_with_every_backup_may_be_restored_by_page_on_a_copy_first() {
    for page in [6, 7] {
        let report = sales([Page::at(1, page), Page::rows(1, 300)].into_iter());
        let said = step(&report, "Restore files or databases as a whole").text;
        assert!(said.contains("page restore is not excluded by the documentation"), "{said}");
        for action in [actions(&report)[1], &*report.incidents[0].action] {
            assert!(action.contains("on a copy first"), "{action}");
        }
        let text = script(&report);
        let part = part(&text, "sales");
        let lists: Vec<_> = way(part, 'M').into_iter().filter(|s| s.contains("PAGE =")).collect();
        assert!(lists[0].contains(&format!("PAGE = '1:{page}, 1:300'")), "{lists:?}");
        assert!(part.find("Way M: ") < part.find("Way C: "), "the sure way is there as well");
        assert!(flowing(part).contains("ANOTHER server"), "{part}");
    }
    // Another page that cannot be restored alone: nothing is gained.
    for other in [Page::at(1, 9), Page::at(3, 1)] {
        let text = script(&sales([Page::at(1, 6), other].into_iter()));
        assert!(!text.contains("Way M: "), "{text}");
    }
}

#[test]
fn an_index_is_made_again_in_one_transaction_or_disabled_and_rebuilt() {
    let report = sales([Page::index(1, 300)].into_iter());
    let said = step(&report, "Make indexes again").text;
    let never = "Never DISABLE a clustered index: the table becomes inaccessible";
    for words in ["in one transaction", "DISABLE and REBUILD", "WITH CHECK CHECK", never] {
        assert!(said.contains(words), "{said}");
    }
    assert!(report.incidents[0].action.contains("DISABLE and REBUILD them (never a clustered"));
    let text = script(&report);
    let part = part(&text, "sales");
    assert!(flowing(part).contains("in ONE explicit transaction") && flowing(part).contains(never));
    let statements = off(part);
    let written: Vec<_> = statements.iter().filter(|s| s.contains("DISABLE;")).collect();
    assert_eq!(written.len(), 1, "{part}");
    assert!(written[0].contains("i.index_id > 1 AND i.type IN (2, 6)"), "{}", written[0]);
    assert!(written[0].contains("i.object_id = 21575115 AND i.index_id = 3"), "{}", written[0]);
    let is_check = |s: &&String| s.contains("WITH CHECK CHECK CONSTRAINT");
    let keys = statements.iter().find(is_check).expect("foreign keys are enabled again");
    assert!(keys.contains("k.key_index_id = i.index_id"), "{keys}");
    assert!(!statements.iter().any(|s| s.starts_with("ALTER") || s.contains("DROP")), "{part}");
}

#[test]
fn an_index_that_can_be_made_again_is_looked_at_and_not_dropped() {
    let script = script(&sales([Page::index(1, 202), Page::index(1, 203)].into_iter()));
    let part = part(&script, "sales");
    assert!(part.contains("N'[dbo].[Orders]'") && part.contains("PAGE = '1:202, 1:203'"));
    let at = |text: &str| part.find(text).unwrap_or_else(|| panic!("no {text} in\n{part}"));
    let order =
        ["DBCC CHECKTABLE (", "Then script the index", "IN DOUBT, OR", "Way A: ", "Way B: "];
    assert!(order.map(at).is_sorted(), "{part}");
}

#[test]
fn pages_of_indexes_stand_in_a_list_of_their_own() {
    let pages = [Page::rows(1, 57), Page::index(1, 202), Page::index(1, 203)];
    let script = script(&sales(pages.into_iter()));
    let part = part(&script, "sales");
    for letter in ['A', 'B'] {
        let lists: Vec<_> =
            way(part, letter).into_iter().filter(|s| s.contains("PAGE = ")).collect();
        assert_eq!(lists.len(), 1, "{lists:?}");
        assert!(lists[0].contains("PAGE = '1:57'\n"), "{lists:?}");
    }
    let (before, after) = part.split_once("Indexes that can be made again").expect("there");
    assert!(!before.contains("PAGE = '1:202"), "{before}");
    assert_eq!(after.matches("PAGE = '1:202, 1:203'\n").count(), 1, "{after}");
    assert!(flowing(after).contains("In doubt, or if that fails: restore these pages as well"));
}

/// Whatever a damaged page says that it is.
#[test]
fn no_statement_ever_disables_a_clustered_index_or_one_that_is_not_known() {
    let kinds = [
        Some("clustered_index"),
        Some("heap"),
        Some("clustered_columnstore"),
        Some("lob_data"),
        Some("nonclustered_index"),
        None,
    ];
    for kind in kinds {
        for index in [None, Some(-1), Some(0), Some(1), Some(2)] {
            let is_safe = kind == Some("nonclustered_index") && index == Some(2);
            let change = |suspect: &mut Suspect| {
                suspect.object_kind = kind.map(Into::into);
                suspect.index_id = index;
            };
            let text = script(&damaged::changed([Page::index(1, 300)].into_iter(), change));
            let written = off(&text).iter().filter(|s| s.contains("DISABLE")).count();
            assert_eq!(written, usize::from(is_safe), "{kind:?} {index:?}\n{text}");
        }
    }
}

#[test]
fn of_a_file_of_which_nothing_is_left_the_plan_says_what_to_keep_and_what_to_restore() {
    let report = damaged::with_lost("/data/sales_2.ndf", "zeros", [].into_iter());
    let keep = step(&report, "Copy the damaged files as they are").text;
    assert!(
        keep.contains("Nothing of its pages is left in /data/sales_2.ndf: keep that"),
        "{keep}"
    );
    let whole = step(&report, "Restore files or databases as a whole").text;
    assert!(whole.starts_with("file 3 of sales (nothing of its pages is left)."), "{whole}");
    assert!(whole.contains("to another path (MOVE), not over it"), "{whole}");
    let text = script(&report);
    let part = part(&text, "sales");
    assert!(flowing(part).contains("/data/sales_2.ndf: nothing is left of it, KEEP it"), "{part}");
    assert!(part.contains("Way C: ") && part.contains("Way D: "), "{part}");
    assert!(!flowing(&text).contains("nothing to restore"), "{text}");
}

#[test]
fn lost_files_of_noise_are_an_attack_if_a_name_or_a_second_one_says_so() {
    let first = |path: &str, content: &'static str, pages: Vec<Page>| {
        plan(&damaged::with_lost(path, content, pages.into_iter()))[0].title.clone()
    };
    assert_eq!(first("/data/sales_2.ndf.lockbit", "noise", vec![]), "Isolate the host");
    for (path, content) in [
        ("/data/sales_2.ndf", "noise"),
        ("/data/sales_2.ndf.old", "noise"),
        ("/data/sales_2.ndf.gpg", "noise"),
        ("/data/sales_2.ndf.lockbit", "zeros"),
    ] {
        assert_eq!(first(path, content, vec![]), "Freeze the array", "{path} {content}");
    }
    // The head of a second file is noise.
    let head = [0, 1, 2, 3, 6].map(|page| Page::encrypted(1, page));
    assert_eq!(first("/data/sales_2.ndf", "noise", head.to_vec()), "Isolate the host");
}

#[test]
fn no_step_repeats_a_list_of_many_databases() {
    let report = damaged::many_databases(20);
    assert!(!report.plan.is_empty());
    for step in &report.plan {
        let named = (0..20).filter(|i| step.text.contains(&format!("db{i:02}"))).count();
        assert!(named <= 5, "{}: {}", step.title, step.text);
    }
    let told = step(&report, "Leave the databases as they are").text;
    assert!(told.contains("and 15 more"), "{told}");
}

/// A database of `seed` in `folder`, damaged or not, and its full backup, which is damaged.
fn with_backup(folder: &Path, seed: u32, data: Option<&str>) {
    let (seed_is, at) = (format!("--seed={seed}"), |name: &str| folder.join(name));
    let text = |name: String| at(&name).to_str().expect("text").to_owned();
    let make = |name: String, more: &[&str]| {
        let path = text(name);
        let words = ["generate", &path, "--size=4MiB", &seed_is];
        assert_eq!(run(&[&words[..], more].concat()).code, 0);
        path
    };
    let inject = |path: &str, place: &str| {
        let words = ["inject", path, "--fault=bit-flip", place, &seed_is];
        assert_eq!(run(&words).code, 0, "{path}");
    };
    let backup = make(format!("{seed}.bak"), &["--backup=full", "--with-checksum"]);
    inject(&backup, "--random=2");
    if let Some(damage) = data {
        let data = make(format!("{seed}.mdf"), &[]);
        if damage != "none" {
            inject(&data, damage);
        }
    }
}

fn words<'a>(report: &'a Value, list: &str, key: &str) -> Vec<&'a str> {
    let list = report[list].as_array().expect("a list");
    list.iter().map(|entry| entry[key].as_str().expect("text")).collect()
}

/// Each of them is judged alone: one has a sound data file, one a damaged one, one has none.
#[test]
fn a_new_full_backup_is_step_one_of_a_sound_database_and_never_of_a_damaged_one() {
    let scanned = |databases: &[(u32, Option<&str>)]| {
        let folder = tempfile::tempdir().expect("a folder");
        for (seed, data) in databases {
            with_backup(folder.path(), *seed, *data);
        }
        let (code, report) = scan_json(folder.path(), &[]);
        assert_eq!(code, 1);
        report
    };
    let (sound, damaged, unknown) = ((1, Some("none")), (2, Some("--random=2")), (3, None));
    let (now, look) = ("Take a new full backup now", "Scan the data files of these backups");
    let mended = "Take a new full backup of what is mended";
    for (databases, expected) in [
        (vec![sound], vec![now]),
        (vec![damaged], vec![mended]),
        (vec![unknown], vec![look]),
        (vec![sound, damaged, unknown], vec![now, look, mended]),
    ] {
        let report = scanned(&databases);
        let titles = words(&report, "plan", "title");
        let at = |title: &&str| titles.iter().position(|t| t == title);
        let told: Vec<&str> = [now, look, mended].into_iter().filter(|t| at(t).is_some()).collect();
        assert_eq!(told, expected, "{titles:?}");
        assert!(at(&now).is_none_or(|at| at == 0), "{titles:?}");
        assert!(at(&mended) > at(&"Run CHECKDB") || at(&mended).is_none(), "{titles:?}");
        for suspect in report["suspects"].as_array().expect("a list") {
            let (path, action) = (&suspect["path"], suspect["action"].as_str().expect("text"));
            let is_of = |name: &str| path.as_str().is_some_and(|path| path.ends_with(name));
            let is_now = action.contains("take a new full backup WITH CHECKSUM now");
            assert_eq!(is_now, is_of("1.bak"), "{path} {action}");
            let is_later = action.contains("before a new full backup") || action.contains("No new");
            assert_eq!(is_later, is_of("2.bak"), "{path} {action}");
        }
        for action in words(&report, "incidents", "action") {
            assert!(!action.contains("take a new full backup") || action.contains("where these"));
        }
    }
}

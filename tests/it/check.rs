//! Pages that break rules, through all of a report: what it says of them, what it advises, and what
//! it counts. What finds them is tested beside it.

use crate::damaged::{Page, checked, plan, sales, script, step};
use crate::formats::is_as_before;
use crate::harness::{pagescrub, real};
use pagescrub::check::rule::Rule;
use pagescrub::consolidate::merge::merge;
use pagescrub::consolidate::only::only;
use pagescrub::consolidate::report::database::WayBack;
use pagescrub::consolidate::report::{RunVerdict, ScrubReport};
use pagescrub::page::address::PageId;
use pagescrub::page::allocation::{PfsByte, pfs_page_of};
use pagescrub::page::checksum::seal;
use pagescrub::page::header::PageHeader;
use pagescrub::page::{Page as Bytes, torn};
use pagescrub::report::{csv, html, jsonl, prometheus, terminal};
use serde_json::Value;
use std::fs;
use std::io;
use std::path::Path;

/// Rows in a heap that overlap, and a page of an index that nobody refers to.
fn found() -> ScrubReport {
    checked(&[Page::rows(1, 300).that_breaks(Rule::P4), Page::index(1, 400).that_breaks(Rule::T4)])
}

/// Nothing but what recovery may put right.
fn unsettled() -> ScrubReport {
    let mut report = checked(&[]);
    (report.verdict, report.exit_code) = (RunVerdict::Clean, 0);
    report
}

fn written(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).expect("memory takes everything");
    String::from_utf8(out).expect("it is UTF-8")
}

fn printed(report: &ScrubReport, width: u16) -> String {
    let look = terminal::Look { width: Some(width), rows_max: 20, verbose: false };
    let styled = written(|out| terminal::write(report, look, out));
    anstream::adapter::strip_str(&styled).to_string()
}

/// The block of the terminal, up to the next heading.
fn block(report: &ScrubReport, width: u16) -> String {
    let text = printed(report, width);
    let (_, block) = text.split_once("\nConsistency").expect("it was checked");
    format!("Consistency{}\n", block.split("\n\n").next().expect("it ends").trim_end())
}

#[test]
fn the_block_of_the_terminal_is_as_it_was_before() {
    for width in [80, 160] {
        let name = format!("screens/consistency-{width}.txt");
        is_as_before(&name, block(&found(), width).as_bytes());
    }
    assert!(!printed(&sales([Page::rows(1, 300)].into_iter()), 80).contains("Consistency"));
}

#[test]
fn a_page_that_breaks_a_rule_is_a_suspect_with_rule_and_message_and_without_a_cause() {
    let report = found();
    let [rows, index] = &report.suspects[..] else { panic!("{:?}", report.suspects) };
    for (suspect, rule) in [(rows, Rule::P4), (index, Rule::T4)] {
        assert_eq!((&*suspect.reason, suspect.event_type), ("inconsistent", 1));
        let broken = suspect.broken.as_ref().expect("it says which");
        assert_eq!((broken.rule, broken.dbcc_message), (rule, rule.message()));
        assert!(suspect.cause.is_none() && suspect.clean_copies.is_empty());
        let begins = format!("pagescrub: like Msg {} of DBCC CHECKDB", rule.message());
        assert!(suspect.message.to_string().starts_with(&begins), "{:?}", suspect.message);
    }
    assert_eq!((&*rows.tier, &*index.tier), ("T2", "T3"));
    assert_eq!(report.verdict, RunVerdict::Damaged);
    let saved = serde_json::to_vec(&report).expect("JSON");
    let read: ScrubReport = serde_json::from_slice(&saved).expect("it is a report");
    assert_eq!((read.consistency, read.suspects), (report.consistency, report.suspects));
}

/// What a server wrote is the same in its backups.
#[test]
fn page_restore_is_advised_nowhere_and_indexes_are_made_again() {
    let report = found();
    let confirm = step(&report, "Have CHECKDB confirm what is inconsistent");
    let rebuild = step(&report, "Make indexes again");
    assert_eq!((&*confirm.ranks, &*rebuild.ranks), ("1", "2"));
    assert!(confirm.text.contains("DBCC CHECKDB"));
    assert!(plan(&report).iter().all(|step| step.title != "Restore single pages"));
    assert!(report.suspects[0].action.contains("DBCC CHECKDB confirm it on a restored copy"));
    assert!(report.suspects[1].action.contains("index can be made again"));
    assert_eq!(report.databases[0].way_back, WayBack::Confirm);
    let script = script(&report);
    assert!(!script.contains("PAGE = '1:300") && !script.contains(", 1:300"), "{script}");
    assert!(script.contains("--DBCC CHECKDB (<db1_restored_copy, sysname, >) WITH NO_INFOMSGS"));
    assert!(script.contains("; LEFT OUT: have DBCC CHECKDB"), "{script}");
}

/// They are neither damage nor forgotten.
#[test]
fn what_recovery_may_put_right_is_no_suspect_and_is_told() {
    let report = unsettled();
    assert_eq!((report.suspects.len(), report.verdict_by_content()), (0, RunVerdict::Clean));
    let text = printed(&report, 160);
    for words in [
        "1 database checked for consistency",
        "UNSETTLED  1 broken rule",
        "recovery may put it right: T3, once",
        "(1:90) dbo.Orders.IX_Date, T3: its links are not the order of its parents (page (1:91))",
        " rules_broken=0 rules_unsettled=1\n",
    ] {
        assert!(text.contains(words), "{words} is not in\n{text}");
    }
}

#[test]
fn every_format_tells_of_it() {
    let report = found();
    let page = written(|out| html::write(&report, out));
    for words in ["id=\"consistency\"", "P4, once: two records overlap", "Never checked: "] {
        assert!(page.contains(words), "{words}");
    }
    let table = written(|out| csv::write(&report, out));
    assert_eq!(table.matches(",inconsistent,").count(), 2, "{table}");
    let metrics = written(|out| prometheus::write(&report, out));
    for line in [
        "pagescrub_rules_broken{rule=\"P4\",state=\"broken\"} 1\n",
        "pagescrub_rules_broken{rule=\"T3\",state=\"unsettled\"} 1\n",
        "pagescrub_not_checked{what=\"compressed_pages\"} 12\n",
        "pagescrub_checked_records 56789\n",
    ] {
        assert!(metrics.contains(line), "{line}");
    }
    let lines = written(|out| jsonl::write(&report, out));
    let mut lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let line = lines.find(|line| line["type"] == "consistency").expect("there is one");
    assert_eq!(line["databases"][0]["broken"], serde_json::json!({ "P4": 1, "T4": 1 }));
    let plain = sales([Page::rows(1, 300)].into_iter());
    let metrics = written(|out| prometheus::write(&plain, out));
    assert!(!metrics.contains("checked") && !metrics.contains("rules_broken"));
}

#[test]
fn merged_and_of_one_database_it_is_told_of_what_was_checked() {
    let of_host = |mut report: ScrubReport, host: &str| {
        (report.run.host, report.run.id) = (Some(host.into()), host.into());
        report
    };
    let plain = sales([Page::rows(1, 300)].into_iter());
    let merged = merge(vec![of_host(plain.clone(), "a"), of_host(found(), "b")]).expect("merged");
    let checked = merged.consistency.expect("one was checked");
    assert_eq!(checked.databases.len(), 1);
    assert_eq!(checked.databases[0].host.as_deref(), Some("b"));
    let merged = merge(vec![of_host(plain.clone(), "a"), of_host(plain, "b")]).expect("merged");
    assert!(merged.consistency.is_none());
    let kept = only(found(), &["sales".to_owned()]).expect("it is there");
    assert_eq!(kept.consistency.expect("it was checked").databases.len(), 1);
}

#[test]
fn a_check_is_a_scan_with_one_more_section_and_no_checkpoint() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.mdf");
    let (path, ckpt) = (path.to_str().expect("text"), folder.path().join("a.ckpt"));
    assert_eq!(pagescrub(&["generate", path, "--size=4MiB", "--seed=3"]).code, 0);
    let json = |words: &[&str]| pagescrub(&[words, &[path, "--format=json"]].concat()).json();
    assert!(json(&["scan"]).get("consistency").is_none());
    for words in [&["check"][..], &["scan", "--check"]] {
        let report = json(words);
        assert!(report["consistency"]["never_checked"].as_array().is_some_and(|l| l.len() > 5));
        let ckpt = ckpt.to_str().expect("text");
        let refused = pagescrub(&[words, &[path, "--checkpoint", ckpt]].concat());
        assert_eq!((refused.code, &*refused.stdout), (2, ""));
        assert!(refused.stderr.contains("leave out --checkpoint"), "{}", refused.stderr);
    }
}

/// A real data file in which one page of a clustered index, with one after it, was changed and got
/// a checksum that is right; what a scan and a check say of it, and the page's id.
fn of_changed(change: impl Fn(&mut Bytes)) -> (Value, Value, usize) {
    let is_wanted = |path: &&std::path::PathBuf| path.ends_with("Subtext2.6_655.mdf");
    let files = real::real_files();
    let mut pages = real::pages(files.iter().find(is_wanted).expect("it is there"));
    let is_one = |index: &usize| {
        let header = PageHeader::of(&pages[*index]);
        let id = PageId(*index as u32);
        let pfs = torn::restored(&pages[pfs_page_of(id).0 as usize]);
        let is_in_use = PfsByte::of(&pfs, id).is_allocated();
        is_in_use && header.page_type == 1 && header.next_page != 0 && header.slot_count > 2
    };
    let changed = (200..pages.len()).find(is_one).expect("there is one");
    change(&mut pages[changed]);
    seal(&mut pages[changed]);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.mdf");
    fs::write(&path, bytes_of(&pages)).expect("room");
    let said = |command| said(command, &path);
    (said("scan"), said("check"), changed)
}

fn bytes_of(pages: &[Bytes]) -> Vec<u8> {
    pages.iter().flat_map(|page| page.bytes().to_vec()).collect()
}

fn said(command: &str, path: &Path) -> Value {
    pagescrub(&[command, path.to_str().expect("text"), "--format=json"]).json()
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn a_check_finds_what_a_right_checksum_hides_and_says_of_what_it_is() {
    type Change = fn(&mut Bytes);
    let ghosts: Change = |page| PageHeader::of_mut(page).ghost_record_count += 1;
    let no_next: Change = |page| {
        let header = PageHeader::of_mut(page);
        (header.next_page, header.next_file) = (0, 0);
    };
    for (change, rule, message) in [(ghosts, "P9", 8927), (no_next, "T3", 8936)] {
        let (scan, check, page) = of_changed(change);
        assert_eq!((&scan["verdict"], &scan["exit_code"]), (&"clean".into(), &0.into()));
        assert_eq!((&check["verdict"], &check["exit_code"]), (&"damaged".into(), &1.into()));
        let suspect = &check["suspects"][0];
        let said = ["reason", "page_id", "cause"].map(|key| suspect[key].clone());
        assert_eq!(said, ["inconsistent".into(), page.into(), Value::Null], "{check:#}");
        assert_eq!(suspect["broken"]["rule"], rule);
        assert_eq!(suspect["broken"]["dbcc_message"], message);
        assert!(suspect["table"].is_string() && suspect["index"].is_string(), "{suspect}");
        let database = &check["consistency"]["databases"][0];
        assert_eq!(database["broken"][rule], 1);
        assert_eq!(check["databases"][0]["way_back"], "confirm");
    }
}

//! What is pinned: the order of a fixed set.

use super::*;
use crate::catalog::object::{Object, ObjectKind};
use crate::consolidate::score::Tier;
use crate::diagnose::verdict::{Allocation, SuspectReason};
use crate::page::Page;
use crate::page::address::PageAddress;
use crate::page::address::{FileId, PageId};
use crate::page::header::Lsn;
use crate::page::torn::TornCheck;
use crate::read::ReadError;
use std::sync::Arc;

fn finding(file: usize, page: u32, page_type: u8, allocation: Allocation) -> Finding {
    Finding::made(file, page, page_type, (100, 256), allocation)
}

fn of_object(mut finding: Finding, index_id: i32, kind: ObjectKind) -> Finding {
    finding.is_of(&Arc::new(Object::unnamed(1000, index_id, kind)));
    finding
}

fn file(database: &str, database_id: u16) -> FileFacts {
    FileFacts {
        path: format!("/data/{database}.mdf").into(),
        database: Some(database.into()),
        database_id,
        simple_recovery: Some(false),
        is_log: false,
        part: None,
        placement: None,
        sound_pages: 1000,
        has_primary: true,
        is_boot_suspect: false,
        database_files: Vec::new(),
        is_of_unknown_database: false,
        moved_pages: 0,
    }
}

fn concluded(mut findings: Vec<Finding>, weights: &Weights) -> Conclusions {
    findings.sort_by_key(|finding| (finding.file, finding.place));
    conclude(findings, &[file("a", 5), file("b", 6), file("tempdb", 2)], weights, None, &|_, _| {
        None
    })
}

/// Single pages, far from each other.
fn fixed_set() -> Vec<Finding> {
    let used = |file, page, page_type| finding(file, page, page_type, Allocation::Allocated);
    let unknown = |page, page_type| finding(0, page, page_type, Allocation::Unknown);
    let doubtful = Finding::new(
        0,
        PageAddress::new(FileId(1), PageId(6000)),
        SuspectReason::BadHeader,
        Allocation::Unknown,
        Some(&Page::ZERO),
    );
    let mut upper = used(1, 3000, 2);
    upper.level = 1;
    vec![
        of_object(used(0, 1000, 2), 2, ObjectKind::NonclusteredIndex),
        used(1, 2000, 1),
        unknown(1500, 1),
        of_object(upper, 1, ObjectKind::ClusteredIndex),
        used(0, 2500, 1),
        used(1, 4000, 10),
        used(0, 5000, 2),
        used(1, 1, 11),
        used(2, 5000, 1),
        doubtful,
        finding(0, 7000, 1, Allocation::Free),
        used(0, 9, 13),
    ]
}

#[test]
fn the_order_is_pinned_on_a_fixed_set() {
    let Conclusions { suspects, incidents, .. } = concluded(fixed_set(), &Weights::default());
    let order: Vec<_> = suspects
        .iter()
        .map(|s| (s.database.as_deref().unwrap_or_default(), s.page_id, &*s.tier, s.score))
        .collect();
    let expected = [
        ("a", 9, "T0", 838),
        ("b", 1, "T0", 838),
        ("b", 4000, "T1", 787),
        ("b", 3000, "T1", 707),
        ("a", 2500, "T2", 616),
        ("a", 5000, "T2", 616),
        ("b", 2000, "T2", 616),
        ("a", 1500, "T2", 492),
        ("a", 1000, "T3", 390),
        ("tempdb", 5000, "T4", 275),
        ("a", 6000, "T2", 78),
        ("a", 7000, "U", 18),
    ];
    assert_eq!(order, expected);
    for suspect in &suspects {
        assert_eq!(suspect.terms.sum(), suspect.score, "{suspect:?}");
    }
    let priorities: String = suspects.iter().map(|s| &s.priority[1..]).collect();
    assert_eq!(priorities, "111122223344");
    assert_eq!(incidents.len(), suspects.len());
}

/// The reasons there are, in the order of their names; the compiler says if one is forgotten.
fn reasons() -> Vec<SuspectReason> {
    use crate::check::{Breach, rule::Rule};
    use crate::page::checksum::Checksum;
    let lsn = |slot| Lsn { vlf: 1, block: 1, slot };
    let place = |page| PageAddress::new(FileId(1), PageId(page));
    let all = vec![
        SuspectReason::BadChecksum { stored: Checksum(1), computed: Checksum(2) },
        SuspectReason::BadHeader,
        SuspectReason::Inconsistent(Breach::of(Rule::P4, place(2000))),
        SuspectReason::StalePage { lsn: lsn(1), copy_lsn: lsn(2), copy: "a.bak".into() },
        SuspectReason::TornPage(TornCheck { expected: 0, actual: 1 }),
        SuspectReason::Unreadable(ReadError::Ended),
        SuspectReason::WrongObject { unit: 1, owner: 2 },
        SuspectReason::WrongPageId { expected: place(2000), found: place(3) },
        SuspectReason::Zeroed,
    ];
    let nth = |reason: &SuspectReason| match reason {
        SuspectReason::BadChecksum { .. } => 0,
        SuspectReason::BadHeader => 1,
        SuspectReason::Inconsistent(_) => 2,
        SuspectReason::StalePage { .. } => 3,
        SuspectReason::TornPage(_) => 4,
        SuspectReason::Unreadable(_) => 5,
        SuspectReason::WrongObject { .. } => 6,
        SuspectReason::WrongPageId { .. } => 7,
        SuspectReason::Zeroed => 8,
    };
    assert!(all.iter().map(nth).eq(0..9));
    all
}

#[test]
fn what_is_certain_and_stable_ranks_with_a_bad_checksum_and_above_what_other_pages_say() {
    let rows = |page, reason| {
        let mut rows = finding(0, page, 1, Allocation::Allocated);
        rows.reason = reason;
        rows
    };
    let all = reasons().into_iter().zip(1..).map(|(reason, n)| rows(n * 2000, reason));
    let mut unsettled = rows(100_000, SuspectReason::Zeroed);
    unsettled.unsettled = true;
    let concluded = concluded(all.chain([unsettled]).collect(), &Weights::default());
    let order: Vec<_> =
        concluded.suspects.iter().map(|s| (&*s.reason, s.unsettled, s.terms.certainty)).collect();
    let stable = ["bad_checksum", "bad_header", "torn_page", "unreadable", "wrong_page_id"];
    let expected = stable.into_iter().chain(["zeroed"]).map(|reason| (reason, false, 220));
    let by_others =
        ["inconsistent", "stale_page", "wrong_object"].map(|reason| (reason, false, 176));
    assert!(order.into_iter().eq(expected.chain(by_others).chain([("zeroed", true, 55)])));
}

/// The document says by which number each reason counts.
#[test]
fn each_reason_is_as_certain_as_the_document_of_ranking_says() {
    let text = include_str!("../../../docs/ranking.md");
    let (_, text) = text.split_once("**Reasons.**").unwrap();
    let (text, _) = text.split_once("\n\n").unwrap();
    for reason in reasons() {
        let (_, after) = text.split_once(&format!("`{}`", reason.name())).unwrap();
        let (_, key) = after.split_once(" by `").unwrap();
        let mut rows = finding(0, 2000, 1, Allocation::Allocated);
        rows.reason = reason.clone();
        let suspects = concluded(vec![rows], &Weights::default()).suspects;
        let expected = match key.split('`').next().unwrap() {
            "stable" => 220,
            "by_others" => 176,
            other => panic!("{other}"),
        };
        assert_eq!(suspects[0].terms.certainty, expected, "{}", reason.name());
    }
}

#[test]
fn the_tiers_are_those_of_the_document() {
    let text = include_str!("../../../docs/ranking.md");
    let (_, text) = text.split_once("## Tiers").unwrap();
    let (table, _) = text.split_once("\n\nWhat is wrong").unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| ")).skip(1);
    let told = rows.map(|row| row.split(" | ").next().unwrap());
    assert!(told.eq(crate::consolidate::score::TIERS.map(|(tier, _)| tier)));
}

#[test]
fn only_tables_that_lead_to_all_others_keep_a_database_from_starting() {
    let tier_of = |object_id: u32, index_id: u16| {
        let finding = Finding::made(0, 200, 1, (object_id, index_id), Allocation::Allocated);
        Tier::of(&finding, false).name()
    };
    // sysrscols, sysrowsets, sysallocunits, syshobts, sysprufiles; sysschobjs, syscolpars,
    // sysobjvalues; two of users, one of which has a low id.
    assert_eq!([(3, 0), (5, 0), (7, 0), (15, 1), (24, 1)].map(|(o, i)| tier_of(o, i)), ["T0"; 5]);
    assert_eq!([(34, 1), (41, 1), (60, 1)].map(|(o, i)| tier_of(o, i)), ["T1"; 3]);
    assert_eq!([(100, 256), (7, 256)].map(|(o, i)| tier_of(o, i)), ["T2"; 2]);
}

#[test]
fn a_root_that_was_wiped_is_a_whole_object_unless_it_is_its_only_page() {
    let place = PageAddress::new(FileId(1), PageId(200));
    let tier_of = |kind, index_id, root: u32, pages: Option<u64>| {
        let (reason, in_use) = (SuspectReason::Zeroed, Allocation::Allocated);
        let mut wiped = Finding::new(0, place, reason, in_use, Some(&Page::ZERO));
        wiped.is_of(&Arc::new(Object {
            root: Some(PageAddress::new(FileId(1), PageId(root))),
            unit_pages: pages,
            ..Object::unnamed(1000, index_id, kind)
        }));
        (Tier::of(&wiped, false).name(), wiped.is_root)
    };
    let clustered = |root, pages| tier_of(ObjectKind::ClusteredIndex, 1, root, pages);
    assert_eq!(clustered(200, Some(50)), ("T1", true));
    assert_eq!(clustered(200, None), ("T1", true));
    assert_eq!(clustered(200, Some(2)), ("T2", true), "its rows, and the page that maps them");
    assert_eq!(clustered(201, Some(50)), ("T2", false));
    let rebuildable = tier_of(ObjectKind::NonclusteredIndex, 2, 200, Some(50));
    assert_eq!(rebuildable, ("T3", true));
}

#[test]
fn weights_change_the_order_and_nothing_else() {
    let built_in = concluded(fixed_set(), &Weights::default());
    let weights = Weights::from_toml("[consequence]\nT3 = 1.0\n[recovery]\nfrom_rows = 1.0");
    let changed = concluded(fixed_set(), &weights.unwrap());
    let rank = |conclusions: &Conclusions| {
        let index = |s: &&Suspect| s.page_id == 1000;
        conclusions.suspects.iter().find(index).map(|s| (s.rank, s.priority.to_string()))
    };
    assert_eq!(rank(&built_in), Some((9, "P3".to_owned())));
    assert_eq!(rank(&changed), Some((4, "P1".to_owned())));
    assert_eq!(changed.suspects.len(), built_in.suspects.len());
}

#[test]
fn each_suspect_knows_its_incident_and_is_counted_in_it() {
    let used = |page, page_type| finding(0, page, page_type, Allocation::Allocated);
    let neighbours = vec![used(3000, 2), used(100, 1), used(101, 1), used(130, 10)];
    let Conclusions { suspects, incidents, .. } = concluded(neighbours, &Weights::default());
    assert_eq!(incidents.iter().map(|i| i.pages).collect::<Vec<_>>(), [3, 1]);
    for incident in &incidents {
        for rank in &incident.suspects {
            assert_eq!(suspects[rank - 1].incident, incident.rank);
        }
    }
    let first = &incidents[0];
    let (from, to) = (first.first.to_string(), first.last.to_string());
    assert_eq!((&*from, &*to, &*first.tier), ("(1:100)", "(1:130)", "T1"));
    assert_eq!(first.score, suspects[0].score);
    assert_eq!(first.reasons["bad_header"], 3);
    // Three neighbours weigh more than one.
    assert_eq!(suspects[0].terms.incident, 36);
    assert_eq!(suspects[3].terms.incident, 18);
}

#[test]
fn a_page_in_a_backup_counts_less_and_least_where_redo_may_cure_it() {
    use crate::consolidate::score::{Copied, Surroundings, Tier, priority, terms};
    let weights = Weights::default();
    let mut rows = finding(0, 2000, 1, Allocation::Allocated);
    rows.reason = SuspectReason::BadChecksum {
        stored: crate::page::checksum::Checksum(1),
        computed: crate::page::checksum::Checksum(2),
    };
    let scored = |finding: &Finding, copy| {
        let around = Surroundings {
            incident_pages: 1,
            incident_files: 1,
            share_of_object: 0.0,
            is_tempdb: false,
            copy,
        };
        terms(finding, &around, &weights)
    };
    let own = scored(&rows, None);
    let verified = scored(&rows, Some(Copied::Verified));
    let curable = scored(&rows, Some(Copied::Unverified));
    assert!(own.sum() > verified.sum() && verified.sum() > curable.sum());
    assert_eq!((own.certainty, verified.certainty, curable.certainty), (220, 176, 88));
    assert_eq!(verified.consequence, curable.consequence);
    // No log makes another page's content this one's.
    rows.reason = SuspectReason::Zeroed;
    assert_eq!(scored(&rows, Some(Copied::Unverified)), scored(&rows, Some(Copied::Verified)));
    let boot = finding(0, 9, 13, Allocation::Allocated);
    assert_eq!(Tier::of(&boot, false), Tier::T0);
    let score = scored(&boot, Some(Copied::Verified)).sum();
    assert_eq!([true, false].map(|first| priority(first, score, &weights)), ["P1", "P2"]);
}

/// The most urgent page there is: nobody acts on it before it was looked at again.
#[test]
fn a_page_in_flux_is_never_to_be_acted_on_now() {
    let mut boot = finding(0, 9, 13, Allocation::Allocated);
    boot.unsettled = true;
    let rows = finding(0, 2000, 1, Allocation::Allocated);
    // With so low a limit its score alone would make it P1.
    let mut weights = Weights::default();
    weights.priority.p1 = 1;
    for weights in [Weights::default(), weights] {
        let suspects = concluded(vec![boot.clone(), rows.clone()], &weights).suspects;
        let of = |page| suspects.iter().find(|suspect| suspect.page_id == page).unwrap();
        let flux = of(9);
        assert_eq!((&*flux.tier, &*flux.priority), ("T0", "P2"));
        let scores: Vec<u32> = suspects.iter().map(|suspect| suspect.score).collect();
        assert!(scores.is_sorted_by(|a, b| a >= b), "its tier puts it before nothing: {scores:?}");
        assert!(flux.action.starts_with("changed between looks: scan"), "{}", flux.action);
    }
    boot.unsettled = false;
    let settled = concluded(vec![boot, rows], &Weights::default()).suspects;
    assert_eq!((settled[0].page_id, &*settled[0].priority), (9, "P1"));
}

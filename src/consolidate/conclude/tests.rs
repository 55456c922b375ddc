//! What is pinned: the order of a fixed set.

use super::*;
use crate::catalog::object::{Object, ObjectKind};
use crate::diagnose::verdict::{Allocation, SuspectReason};
use crate::page::Page;
use crate::page::address::PageAddress;
use crate::page::address::{FileId, PageId};
use crate::page::header::PageHeader;
use std::sync::Arc;

fn finding(file: usize, page: u32, page_type: u8, allocation: Allocation) -> Finding {
    let place = PageAddress::new(FileId(1), PageId(page));
    let mut bytes = Page::ZERO;
    *PageHeader::of_mut(&mut bytes) = PageHeader {
        header_version: 1,
        page_type,
        free_data: 96,
        file_id: 1,
        page_id: page,
        object_id: 100,
        index_id: 256,
        ..bytemuck::Zeroable::zeroed()
    };
    Finding::new(file, place, SuspectReason::BadHeader, allocation, Some(&bytes))
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
    }
}

fn concluded(mut findings: Vec<Finding>, weights: &Weights) -> Conclusions {
    findings.sort_by_key(|finding| (finding.file, finding.place));
    conclude(findings, &[file("a", 5), file("b", 6), file("tempdb", 2)], weights, None)
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
        ("a", 9, "T0", 794),
        ("b", 1, "T0", 794),
        ("b", 4000, "T1", 743),
        ("b", 3000, "T1", 663),
        ("a", 2500, "T2", 572),
        ("a", 5000, "T2", 572),
        ("b", 2000, "T2", 572),
        ("a", 1500, "T2", 457),
        ("a", 1000, "T3", 346),
        ("tempdb", 5000, "T4", 231),
        ("a", 6000, "T2", 72),
        ("a", 7000, "U", 18),
    ];
    assert_eq!(order, expected);
    for suspect in &suspects {
        assert_eq!(suspect.terms.sum(), suspect.score, "{suspect:?}");
    }
    let priorities: String = suspects.iter().map(|s| &s.priority[1..]).collect();
    assert_eq!(priorities, "111222223344");
    assert_eq!(incidents.len(), suspects.len());
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
    assert_eq!(rank(&changed), Some((4, "P2".to_owned())));
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

//! Chains against a planner that tries everything.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::copies::obstacle;
use super::sets::{Medium, MediumState};
use crate::backup::BackupKind;
use crate::consolidate::backup::SetReport;
use crate::consolidate::report::database::Restore;
use crate::page::header::Lsn;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use std::collections::BTreeSet;

fn lsn(block: u32) -> Lsn {
    Lsn { vlf: 40, block, slot: 1 }
}

fn set(kind: BackupKind, first: u32, last: u32, id: &str, base: Option<&str>) -> SetReport {
    SetReport {
        position: 1,
        kind,
        first_lsn: Some(lsn(first)),
        last_lsn: Some(lsn(last)),
        checkpoint_lsn: Some(lsn(first)),
        set_id: Some(id.into()),
        differential_base_id: base.map(Into::into),
        finished: Some(format!("2026-11-{:02}T00:00:00", last % 28 + 1)),
        is_complete: true,
        ..SetReport::default()
    }
}

/// Some weeks of backups, of which some are missing, damaged or incomplete.
fn weeks(seed: u64) -> Vec<(String, SetReport, MediumState)> {
    let mut dice = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut below = |n: u64| dice.next_u64() % n;
    let (mut sets, mut full, mut log_end) = (Vec::new(), None::<String>, 0);
    for day in 0..(4 + below(12)) as u32 {
        let at = 10 * day;
        let name = format!("{day}");
        let (kind, base) = match (below(4), &full) {
            (0, _) | (_, None) => (BackupKind::Full, None),
            (1, Some(full)) => (BackupKind::Differential, Some(full.clone())),
            _ => (BackupKind::Log, None),
        };
        let first = if kind == BackupKind::Log { log_end } else { at + 3 };
        let last = at + 4 + below(3) as u32;
        match kind {
            BackupKind::Full => full = Some(name.clone()),
            BackupKind::Log => log_end = last,
            _ => {}
        }
        let state = match below(12) {
            0 => MediumState::Damaged,
            1 => MediumState::MemberMissing,
            2 => MediumState::Incomplete,
            _ => MediumState::Sound,
        };
        if below(6) > 0 {
            let set = set(kind, first, last, &name, base.as_deref());
            sets.push((name, set, state));
        }
    }
    sets
}

fn media(sets: &[(String, SetReport, MediumState)]) -> Vec<Medium<'_>> {
    let mut media = Vec::new();
    for (path, set, state) in sets {
        media.push(Medium {
            paths: vec![path],
            set,
            is_one_of_several: false,
            state: *state,
            binding_id: None,
            simple_recovery: None,
            last_lsn: set.last_lsn.unwrap(),
        });
    }
    media
}

/// Every LSN that can be reached, with the fewest sets that lead there: all ways are tried.
fn reached(sets: &[(String, SetReport, MediumState)]) -> Option<(Lsn, usize)> {
    let sound = |kind| {
        sets.iter().filter(move |(_, set, state)| set.kind == kind && *state == MediumState::Sound)
    };
    let mut ways: BTreeSet<(Lsn, usize)> = BTreeSet::new();
    for (_, full, _) in sound(BackupKind::Full) {
        ways.insert((full.last_lsn?, 1));
        for (_, differential, _) in sound(BackupKind::Differential) {
            let is_based = differential.differential_base_id == full.set_id;
            if is_based && differential.last_lsn > full.last_lsn {
                ways.insert((differential.last_lsn?, 2));
            }
        }
    }
    loop {
        let further = ways.iter().flat_map(|(at, count)| {
            let fits = |log: &&(String, SetReport, MediumState)| {
                log.1.first_lsn <= Some(*at) && log.1.last_lsn > Some(*at)
            };
            sound(BackupKind::Log)
                .filter(move |log| fits(log))
                .filter_map(|log| Some((log.1.last_lsn?, count + 1)))
                .collect::<Vec<_>>()
        });
        let before = ways.len();
        let all: BTreeSet<_> = ways.iter().copied().chain(further).collect();
        ways = all;
        if ways.len() == before {
            break;
        }
    }
    let end = ways.iter().map(|(at, _)| *at).max()?;
    ways.into_iter().find(|(at, _)| *at == end)
}

#[test]
fn no_other_sequence_reaches_further_or_as_far_with_fewer_sets() {
    let mut gaps = 0;
    for seed in 0..2_000 {
        let sets = weeks(seed);
        let restore = Restore::by(&media(&sets));
        let best = reached(&sets);
        let found = restore.reachable_to_lsn.map(|end| (end, restore.sets.len()));
        assert_eq!(found, best, "seed {seed}: {restore:#?}");
        let newest = sets.iter().filter_map(|(_, set, _)| set.last_lsn).max();
        let is_gap = best.is_some_and(|(end, _)| newest > Some(end));
        assert_eq!(restore.gap, is_gap, "seed {seed}");
        let unusable = sets.iter().filter(|(_, _, state)| *state != MediumState::Sound).count();
        assert_eq!(restore.missing.len(), unusable, "seed {seed}");
        gaps += usize::from(is_gap);
    }
    assert!((200..1_800).contains(&gaps), "{gaps} of 2,000 have a gap");
}

#[test]
fn a_gap_that_a_differential_makes_up_for_is_told_and_is_none() {
    let of = |sets: Vec<SetReport>| {
        let sets: Vec<_> = sets
            .into_iter()
            .map(|set| (set.set_id.as_deref().unwrap().to_owned(), set, MediumState::Sound))
            .collect();
        Restore::by(&media(&sets))
    };
    let full = || set(BackupKind::Full, 10, 12, "f", None);
    let log = |first, last| set(BackupKind::Log, first, last, &format!("l{first}"), None);
    let differential = || set(BackupKind::Differential, 30, 32, "d", Some("f"));
    let bridged = of(vec![full(), log(5, 15), log(20, 31), differential(), log(31, 40)]);
    assert!(!bridged.gap && bridged.bridged.len() == 1, "{bridged:?}");
    assert_eq!(bridged.bridged[0].first_lsn, lsn(15));
    assert_eq!(bridged.reachable_to_lsn, Some(lsn(40)));
    let gap = of(vec![full(), log(5, 15), log(20, 31), log(31, 40)]);
    assert!(gap.gap && gap.bridged.is_empty());
    let log_gap = gap.gap_log.unwrap();
    assert_eq!((log_gap.first_lsn, log_gap.end_lsn), (lsn(15), lsn(20)));
    // Logs before the base, or without any, are no gap.
    let before = of(vec![log(1, 5), full()]);
    assert!(!before.gap && before.sets.len() == 1);
    let alone = of(vec![log(1, 5), log(9, 10)]);
    assert!(!alone.gap && alone.sets.is_empty() && alone.reachable_to.is_none());
}

#[test]
fn a_damaged_log_that_would_come_next_is_told() {
    let with = |state| {
        let sets = vec![
            ("f".to_owned(), set(BackupKind::Full, 10, 12, "f", None), MediumState::Sound),
            ("1".to_owned(), set(BackupKind::Log, 5, 15, "1", None), MediumState::Sound),
            ("2".to_owned(), set(BackupKind::Log, 15, 20, "2", None), state),
            ("3".to_owned(), set(BackupKind::Log, 20, 25, "3", None), MediumState::Damaged),
        ];
        let restore = Restore::by(&media(&sets));
        restore.damaged_log.map(|set| set.paths[0].to_string())
    };
    assert_eq!(with(MediumState::Damaged).as_deref(), Some("2"), "not the one behind it");
    assert_eq!(with(MediumState::Sound).as_deref(), Some("3"));
    assert_eq!(with(MediumState::MemberMissing), None, "of that nothing can be restored");
}

#[test]
fn a_copy_can_be_restored_if_its_set_is_whole_and_so_is_what_it_is_based_on() {
    use MediumState::{Damaged, Incomplete, MemberMissing, Sound};
    let why_not = |full, differential| {
        let sets = vec![
            ("f".to_owned(), set(BackupKind::Full, 10, 12, "f", None), full),
            ("d".to_owned(), set(BackupKind::Differential, 20, 22, "d", Some("f")), differential),
        ];
        let media = media(&sets);
        media.iter().map(|medium| obstacle(medium, &media)).collect::<Vec<_>>()
    };
    assert_eq!(why_not(Sound, Sound), [None, None]);
    let base = Some("the full backup that it is based on is not sound, or not here");
    assert_eq!(why_not(Damaged, Sound), [Some("its backup set is damaged"), base]);
    let members = Some("members of its backup set are not in this scan");
    assert_eq!(why_not(MemberMissing, Sound), [members, base]);
    let unread = Some("not all of its backup set could be read");
    assert_eq!(why_not(Sound, Incomplete), [None, unread]);
}

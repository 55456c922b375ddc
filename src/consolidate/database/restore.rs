//! The shortest sequence of backup sets that brings a database as far as the sets of the scan can:
//! full, differential, log backups (docs/page-format.md, section 9.5).

use super::forks;
use super::sets::{Medium, MediumState};
use crate::backup::BackupKind;
use crate::consolidate::backup::kind_words;
use crate::consolidate::report::database::{LogGap, Restore, RestoreSet};
use crate::page::header::Lsn;
use std::cmp::Reverse;
use std::sync::Arc;

/// Sets named as not usable at most.
const UNUSABLE_MAX: usize = 100;

impl Restore {
    /// By `sets`, which are all of one line.
    pub fn by(sets: &[Medium<'_>]) -> Self {
        let on_path = forks::paths(sets).into_iter().map(|path| (shortest(&path), path));
        let reach = |(chain, _): &(Vec<&Medium<'_>>, Vec<&Medium<'_>>)| {
            (Reverse(chain.last().map(|last| last.last_lsn)), chain.len())
        };
        let (chosen, path) = on_path.min_by_key(reach).unwrap_or_default();
        let end = chosen.last().map(|medium| medium.last_lsn);
        let gap = end.is_some_and(|end| sets.iter().any(|medium| medium.last_lsn > end));
        let mut missing: Vec<String> = sets.iter().filter_map(unusable).collect();
        missing.truncate(UNUSABLE_MAX);
        Self {
            gap,
            gap_log: end.filter(|_| gap).and_then(|end| follow(logs(&path), end).1),
            bridged: bridged(&path, &chosen),
            damaged_log: end.and_then(|end| damaged_log(&path, end)).map(named),
            reachable_to: chosen.last().and_then(|medium| medium.set.finished.clone()),
            reachable_to_lsn: end,
            sets: chosen.into_iter().map(named).collect(),
            missing,
        }
    }
}

fn named(medium: &Medium<'_>) -> RestoreSet {
    RestoreSet {
        paths: medium.paths.iter().map(|path| Arc::from(*path)).collect(),
        position: medium.set.position,
        kind: medium.set.kind,
    }
}

/// The log backup that would follow at `end` if it were sound.
fn damaged_log<'m, 'a>(sets: &[&'m Medium<'a>], end: Lsn) -> Option<&'m Medium<'a>> {
    let is_log = |medium: &&Medium<'_>| {
        medium.set.kind == BackupKind::Log && medium.state == MediumState::Damaged
    };
    let follows = |medium: &&Medium<'_>| medium.set.first_lsn <= Some(end) && medium.last_lsn > end;
    newest(sets.iter().copied().filter(is_log).filter(follows))
}

/// What is not sound, in words.
fn unusable(medium: &Medium<'_>) -> Option<String> {
    let why = match medium.state {
        MediumState::Sound => return None,
        MediumState::Incomplete => "not all of it could be read",
        MediumState::MemberMissing => "members of it are not in this scan",
        MediumState::Damaged => "it is damaged",
    };
    let (kind, paths) = (kind_words(medium.set.kind), medium.paths.join(", "));
    Some(format!("{kind}, set {} of {paths}: {why}", medium.set.position))
}

/// Of all sequences that work, those that reach furthest, and of these one of the fewest sets. A
/// base that ends later never reaches less far, so that the newest ones are enough to look at.
fn shortest<'m, 'a>(sets: &[&'m Medium<'a>]) -> Vec<&'m Medium<'a>> {
    let of_kind = |kind| sets.iter().copied().filter(move |m: &&Medium<'_>| m.set.kind == kind);
    let sound = |kind| of_kind(kind).filter(|m| m.is_sound());
    let fulls: Vec<_> = sound(BackupKind::Full).collect();
    let differentials: Vec<_> = sound(BackupKind::Differential).collect();
    let based = |differential: &Medium<'_>| {
        let bases = fulls.iter().copied().filter(|full| differential.is_based_on(full));
        newest(bases.filter(|full| full.last_lsn < differential.last_lsn))
    };
    let pairs = || differentials.iter().filter_map(|d| Some((based(d)?, *d)));
    let full = newest(fulls.iter().copied());
    let of_full = full.and_then(|full| {
        let own = pairs().filter(|(base, _)| std::ptr::eq(*base, full)).map(|(_, d)| d);
        Some(vec![full, newest(own)?])
    });
    let newest_pair = pairs().min_by_key(|(_, differential)| age(differential));
    // Of equally many sets, a differential is restored faster than the logs that it spares.
    let begun = [of_full, newest_pair.map(|(f, d)| vec![f, d]), full.map(|full| vec![full])];
    let whole = begun.into_iter().flatten().map(|mut base| {
        let end = base.last().map_or_else(Lsn::default, |last| last.last_lsn);
        base.extend(follow(logs(sets), end).0);
        base
    });
    whole
        .min_by_key(|chain| (Reverse(chain.last().map(|last| last.last_lsn)), chain.len()))
        .unwrap_or_default()
}

/// Sound log backups.
fn logs<'m, 'a>(sets: &[&'m Medium<'a>]) -> impl Iterator<Item = &'m Medium<'a>> {
    sets.iter().copied().filter(|medium| medium.set.kind == BackupKind::Log && medium.is_sound())
}

type Age<'m> = (Reverse<Lsn>, Reverse<Option<&'m str>>, &'m [&'m str], u32);

/// By the end of its log; of equal ones always the same.
fn age<'m>(medium: &'m Medium<'_>) -> Age<'m> {
    let finished = medium.set.finished.as_deref();
    (Reverse(medium.last_lsn), Reverse(finished), &medium.paths, medium.set.position)
}

/// The one that ends last.
fn newest<'m, 'a: 'm>(media: impl Iterator<Item = &'m Medium<'a>>) -> Option<&'m Medium<'a>> {
    media.min_by(|a, b| age(a).cmp(&age(b)))
}

/// Log backups whose log does not end before it begins, by where it begins.
fn sorted<'m, 'a: 'm>(logs: impl Iterator<Item = &'m Medium<'a>>) -> Vec<&'m Medium<'a>> {
    let is_log = |medium: &&Medium<'_>| medium.set.first_lsn.is_some_and(|f| f <= medium.last_lsn);
    let mut logs: Vec<_> = logs.filter(is_log).collect();
    logs.sort_by(|a, b| {
        let key = |medium: &Medium<'_>| (medium.set.first_lsn, Reverse(medium.last_lsn));
        key(a).cmp(&key(b)).then_with(|| a.paths.cmp(&b.paths))
    });
    logs
}

/// Those of `logs` that follow each other from `from` on, of those that begin in time always the
/// one that ends last; and the log that is missing before the next one, if one is left.
fn follow<'m, 'a: 'm>(
    logs: impl Iterator<Item = &'m Medium<'a>>,
    from: Lsn,
) -> (Vec<&'m Medium<'a>>, Option<LogGap>) {
    let (mut chosen, mut reached) = (Vec::new(), from);
    let mut waiting = sorted(logs).into_iter().peekable();
    loop {
        let mut best: Option<&Medium<'_>> = None;
        while let Some(next) = waiting.next_if(|next| next.set.first_lsn <= Some(reached)) {
            if best.is_none_or(|best| next.last_lsn > best.last_lsn) {
                best = Some(next);
            }
        }
        let Some(best) = best.filter(|best| best.last_lsn > reached) else { break };
        reached = best.last_lsn;
        chosen.push(best);
    }
    let next = waiting.peek().and_then(|next| next.set.first_lsn);
    (chosen, next.map(|end_lsn| LogGap { first_lsn: reached, end_lsn }))
}

/// Gaps between the logs behind the full backup that is `chosen` and its differential.
fn bridged(sets: &[&Medium<'_>], chosen: &[&Medium<'_>]) -> Vec<LogGap> {
    let [full, differential, ..] = chosen else { return Vec::new() };
    if differential.set.kind != BackupKind::Differential {
        return Vec::new();
    }
    let (mut reached, mut gaps) = (full.last_lsn, Vec::new());
    for log in sorted(logs(sets)) {
        let has_more = log.last_lsn > reached && log.set.first_lsn < Some(log.last_lsn);
        let Some(first) = log.set.first_lsn.filter(|_| has_more) else { continue };
        if first > differential.last_lsn {
            break;
        }
        if first > reached {
            gaps.push(LogGap { first_lsn: reached, end_lsn: first });
        }
        reached = log.last_lsn;
    }
    gaps
}

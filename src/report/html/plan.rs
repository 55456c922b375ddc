//! What to do, in order, and regularities in where the damage is.

use super::super::terminal::layout::counted;
use super::safe;
use super::words::runs;
use crate::consolidate::report::{Pattern, ScrubReport, ShiftReport, Step, Suspect};
use crate::report::file_names::FileNames;
use maud::{Markup, html};
use std::collections::BTreeMap;

/// Steps, patterns and actions shown at most.
const SHOWN_MAX: usize = 50;

pub(super) fn section(report: &ScrubReport, names: &FileNames<'_>) -> Markup {
    let has_nothing = report.plan.is_empty() && report.suspects.is_empty();
    html! {
        @if !has_nothing {
            section #plan {
                h2 { "What to do" }
                @if report.plan.is_empty() {
                    (actions(&report.suspects))
                } @else {
                    ol.steps { @for step in report.plan.iter().take(SHOWN_MAX) { (one(step)) } }
                }
            }
        }
        @if !report.shifts.is_empty() {
            section #shifts {
                h2 { "Shifts" small { "content that is all there, and not in its place" } }
                ul.patterns {
                    @for shift in report.shifts.iter().take(SHOWN_MAX) { (moved(shift, names)) }
                }
            }
        }
        @if !report.patterns.is_empty() {
            section #patterns {
                h2 { "Patterns" small { "regularities that chance does not explain" } }
                ul.patterns {
                    @for pattern in report.patterns.iter().take(SHOWN_MAX) { (regular(pattern)) }
                }
            }
        }
    }
}

fn moved(shift: &ShiftReport, names: &FileNames<'_>) -> Markup {
    html! {
        li {
            b { (names.name(shift.host.as_deref(), &shift.path)) } ": " (safe(&shift.text))
            " (" (counted(shift.pages, "suspect")) ")"
        }
    }
}

fn one(step: &Step) -> Markup {
    html! {
        li {
            h3 { (safe(&step.title)) }
            p { (safe(&step.text)) }
            @if step.suspects > 0 { (shown_for(&safe(&step.ranks), step.suspects)) }
        }
    }
}

fn shown_for(ranks: &str, suspects: u64) -> Markup {
    html! {
        p.ranks {
            (counted(suspects, "suspect")) ": " span { "#" (ranks) }
            button.jump type="button" hidden data-filter={ "#" (ranks) } { "Show" }
        }
    }
}

/// Reports of before there were plans have an action for each suspect.
fn actions(suspects: &[Suspect]) -> Markup {
    let mut by_action: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for suspect in suspects {
        by_action.entry(&suspect.action).or_default().push(suspect.rank);
    }
    let mut by_rank: Vec<_> = by_action.into_iter().collect();
    by_rank.sort_by_key(|(_, ranks)| ranks.first().copied());
    html! {
        p.first { "Freeze repairs and rebuilds on the array first." }
        ol.steps {
            @for (action, ranks) in by_rank.iter().take(SHOWN_MAX) {
                li { p { (safe(action)) } (shown_for(&runs(ranks), ranks.len() as u64)) }
            }
        }
    }
}

fn regular(pattern: &Pattern) -> Markup {
    let place = match &*pattern.kind {
        "stripe_member" => format!(
            "member {} of {} (from 0), stripe unit {}",
            pattern.member,
            pattern.members,
            super::words::size(pattern.unit_bytes)
        ),
        "period" => format!("every {} pages", pattern.members),
        other => safe(other).into_owned(),
    };
    let counts = format!("{} of {} damaged units", pattern.hits, pattern.events);
    let given = if pattern.given { "geometry given" } else { "geometry searched for" };
    let on = if pattern.on_device { "device" } else { "file" };
    html! {
        li {
            p { (safe(&pattern.text)) }
            p.facts {
                (on) " " code { (safe(&pattern.scope)) } " · " (place) " · " (counts)
                " · p " (format!("{:.1e}", pattern.p_value)) " · " (given)
            }
        }
    }
}

//! Incidents: neighbouring suspects as one card, with the evidence of the most urgent page.

use super::super::terminal::layout::{counted, number};
use super::details::{self, Line};
use super::safe;
use super::words::{colour, words};
use crate::consolidate::report::{IncidentReport, ScrubReport, Suspect};
use crate::report::file_names::FileNames;
use crate::report::view::wrong;
use maud::{Markup, html};
use std::collections::BTreeMap;

/// Cards at most; the rest is in the table of suspects.
const CARDS_MAX: usize = 200;
/// Cards that are open from the start.
const OPEN: usize = 3;
/// Spans of one incident shown at most.
const SPANS_MAX: usize = 20;

pub(super) fn section(report: &ScrubReport, names: &FileNames<'_>) -> Markup {
    let by_rank: BTreeMap<usize, &Suspect> =
        report.suspects.iter().map(|suspect| (suspect.rank, suspect)).collect();
    let hidden = report.incidents.len().saturating_sub(CARDS_MAX);
    html! {
        @if !report.incidents.is_empty() {
            section #incidents {
                h2 { "Incidents" small { "neighbouring suspects, the most urgent first" } }
                @for (i, incident) in report.incidents.iter().take(CARDS_MAX).enumerate() {
                    (card(incident, i < OPEN, &by_rank, names))
                }
                @if hidden > 0 {
                    p.more {
                        "And " (counted(hidden as u64, "more incident")) ": see the suspects."
                    }
                }
            }
        }
    }
}

fn card(
    incident: &IncidentReport,
    is_open: bool,
    by_rank: &BTreeMap<usize, &Suspect>,
    names: &FileNames<'_>,
) -> Markup {
    let top = incident.suspects.iter().min().and_then(|rank| by_rank.get(rank));
    let class = colour(&incident.tier, &incident.priority);
    html! {
        details.card open[is_open] {
            summary {
                span.rank { (incident.rank) }
                span.tag.(class) { (tag(incident)) }
                span.place {
                    b { (names.name(incident.host.as_deref(), &incident.path)) }
                    " " (place(incident))
                }
                span.size { (counted(incident.pages as u64, "page")) }
            }
            div.card-body {
                div {
                    (about(incident, names))
                    @if !incident.action.is_empty() { p.action { (safe(&incident.action)) } }
                    @if let Some(top) = top { @if incident.action.is_empty() {
                        p.action { (safe(&top.action)) }
                    } }
                    button.jump type="button" hidden data-filter={ "incident:" (incident.rank) } {
                        "Show its suspects"
                    }
                }
                @if let Some(top) = top { (evidence(top)) }
            }
        }
    }
}

fn tag(incident: &IncidentReport) -> String {
    let (priority, tier) = (safe(&incident.priority), safe(&incident.tier));
    if tier.is_empty() { priority.into_owned() } else { format!("{priority} {tier}") }
}

fn place(incident: &IncidentReport) -> String {
    let (first, last) = (incident.first.to_string(), incident.last.to_string());
    if first == last { first } else { format!("{first} to {last}") }
}

fn about(incident: &IncidentReport, names: &FileNames<'_>) -> Markup {
    let counts = |counts: &BTreeMap<String, usize>| {
        let count = |(code, n): (&String, &usize)| format!("{} {}", number(*n as u64), words(code));
        counts.iter().map(count).collect::<Vec<_>>().join(", ")
    };
    html! {
        dl.facts {
            div { dt { "Reasons" } dd { (counts(&incident.reasons)) } }
            @if !incident.causes.is_empty() {
                div { dt { "Causes" } dd { (counts(&incident.causes)) } }
            }
            @if incident.score > 0 { div { dt { "Score" } dd { (incident.score) } } }
            @for span in incident.spans.iter().take(SPANS_MAX) {
                div {
                    dt { "Where" }
                    dd {
                        (names.name(incident.host.as_deref(), &span.path)) " " (span.first)
                        @if span.first != span.last { " to " (span.last) }
                        ", " (counted(span.pages as u64, "page"))
                        @if let Some(device) = &span.device {
                            "; " code { (safe(device)) }
                            @if let Some(at) = span.device_offset_bytes { " from byte " (at) }
                            @if let Some(last) = span.device_last_byte { " to " (last) }
                        }
                    }
                }
            }
            @if incident.spans.len() > SPANS_MAX {
                div { dt { "" } dd { "and " (incident.spans.len() - SPANS_MAX) " more places" } }
            }
        }
    }
}

fn evidence(top: &Suspect) -> Markup {
    let lines: Vec<Line> = details::cause(top).into_iter().chain(details::evidence(top)).collect();
    let terms = details::terms(top);
    html! {
        div.evidence {
            h3 { "Its most urgent page: #" (top.rank) " " (top.address) }
            dl.facts {
                div { dt { "Wrong" } dd { (wrong(top, false)) } }
                @for line in &lines {
                    div { dt { (line.label) } dd { (value(line)) } }
                }
                @if !terms.is_empty() {
                    div { dt { "Score" } dd { (sum(&terms)) " = " (top.score) } }
                }
            }
        }
    }
}

/// `600 consequence + 40 certainty`.
fn sum(terms: &[(&str, u32)]) -> String {
    let known = terms.iter().filter(|(_, points)| *points > 0);
    known.map(|(name, points)| format!("{points} {name}")).collect::<Vec<_>>().join(" + ")
}

/// Sectors are drawn; all else is text.
fn value(line: &Line) -> Markup {
    if line.label != "Sectors" {
        return html! { (line.value) };
    }
    html! {
        span.sectors role="img" aria-label={ "sectors: " (line.value) } {
            @for letter in line.value.chars() {
                @match letter {
                    '0' => i.zero { "0" },
                    'p' => i.fill { "p" },
                    'n' => i.noise { "n" },
                    _ => i { "·" },
                }
            }
        }
    }
}

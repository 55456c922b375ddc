//! The first screen: the answer in words, what it does not speak of, and what is lost.

use super::super::terminal::layout::{counted, number};
use super::super::view::{Point, Remark, Tone, View};
use super::words::{PRIORITIES, TIERS, colour};
use crate::consolidate::harm::Harm;
use crate::consolidate::report::{RunVerdict, ScrubReport, Suspect};
use crate::consolidate::tally::Coverage;
use maud::{Markup, html};

/// Width of the bar of coverage.
const BAR: f64 = 1000.0;
/// What is there is seen, however little it is.
const BAR_LEAST: f64 = 8.0;

pub(super) fn section(report: &ScrubReport, view: &View) -> Markup {
    let (alarms, points): (Vec<_>, Vec<_>) =
        view.points.iter().partition(|point| point.word == "HOST FAULT");
    html! {
        section.summary #summary {
            @if !alarms.is_empty() {
                ul.remarks.alarm {
                    @for alarm in alarms {
                        li {
                            strong { "This machine computes wrongly." }
                            " Trust no verdict below, unless it is a GPU that is named here: "
                            (alarm.text)
                        }
                    }
                }
            }
            (answer(report, &points))
            div.pair {
                (coverage(&report.coverage))
                (lost(report))
            }
            (notes(report, view))
        }
    }
}

/// The verdict, and what goes with it.
fn answer(report: &ScrubReport, points: &[&Point]) -> Markup {
    let (state, rest) = points.split_first().unzip();
    html! {
        div.verdict.(class(report.verdict)) {
            @if let Some(state) = state {
                h1 { (state.word) }
                p { (sentence(&state.text)) }
            }
        }
        @if let Some(rest) = rest { @if !rest.is_empty() {
            dl.answer {
                @for Point { tone, word, text } in rest {
                    div.(tone_class(*tone)) { dt { (word) } dd { (sentence(text)) } }
                }
            }
        } }
    }
}

/// The class that colours a verdict.
pub(super) fn class(verdict: RunVerdict) -> &'static str {
    match verdict {
        RunVerdict::Clean => "clean",
        RunVerdict::Damaged => "damaged",
        RunVerdict::Incomplete | RunVerdict::Unverified => "incomplete",
    }
}

fn tone_class(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "clean",
        Tone::Bad => "damaged",
        Tone::Unsure => "incomplete",
        Tone::Help => "help",
    }
}

/// With a full stop.
fn sentence(text: &str) -> String {
    format!("{}.", text.trim_end_matches('.'))
}

/// With a capital letter, too.
fn whole_sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    sentence(&first.chain(letters).collect::<String>())
}

/// What the verdict does not speak of, and what should be known of how it was found.
fn notes(report: &ScrubReport, view: &View) -> Markup {
    let of_page = page_notes(report);
    html! {
        @if !view.unspoken.is_empty() || !of_page.is_empty() {
            ul.remarks.note {
                @for Remark { what, text } in view.unspoken.iter().chain(&of_page) {
                    li { strong { (what) "." } " " @if !text.is_empty() { (whole_sentence(text)) } }
                }
            }
        }
    }
}

fn page_notes(report: &ScrubReport) -> Vec<Remark> {
    let coverage = &report.coverage;
    let mut notes = Vec::new();
    let mut say = |n: u64, what: &str, end: &str, text: String| {
        let what = format!("{} {end}", counted(n, what));
        notes.extend((n > 0).then_some(Remark { what, text }));
    };
    let torn = "Torn bits see a write that stopped half-way, and hardly anything else";
    say(coverage.intact_torn, "page", "verified by torn bits only", torn.to_owned());
    let unknown = match coverage.allocation_unknown.saturating_sub(coverage.pfs_absent) {
        0 => "The PFS page that would tell is not in the backup, or in another member of it",
        _ if coverage.pfs_absent > 0 => "The PFS page that would tell is damaged or not there",
        _ => "The PFS page that would tell is damaged",
    };
    say(coverage.allocation_unknown, "page", "perhaps free", unknown.to_owned());
    let in_backups = report.suspects_in_backups().count() as u64;
    let harm = || format!("Those are copies. {}", Harm::of(report).of_pages());
    let harm = if in_backups > 0 { harm() } else { String::new() };
    say(in_backups, "suspect page", "in backups", harm);
    let list = "The list holds the most urgent ones; incidents are those of the list";
    let end = "counted and not listed";
    say(report.suspects_not_listed, "suspect page", end, list.to_owned());
    notes
}

fn coverage(coverage: &Coverage) -> Markup {
    let classes = [
        ("suspect", "bad", coverage.suspect),
        ("not reached", "missed", coverage.not_reached),
        ("transient", "unsure", coverage.transient),
        ("unprotected", "blind", coverage.unprotected),
        ("free", "free", coverage.free),
        ("intact", "good", coverage.intact),
    ];
    html! {
        div.coverage {
            h2 { "Coverage" small { (counted(coverage.pages_planned, "page")) " planned" } }
            svg.bar viewBox="0 0 1000 24" preserveAspectRatio="none" aria-hidden="true" {
                @for (class, x, width) in bars(&classes.map(|(_, class, n)| (class, n))) {
                    rect.(class) x=(format!("{x:.1}")) y="0" height="24"
                        width=(format!("{width:.1}")) {}
                }
            }
            dl.counts {
                @for (name, class, n) in classes {
                    div.none[n == 0] {
                        dt { span.swatch.(class) {} (name) }
                        dd { (number(n)) }
                    }
                }
            }
        }
    }
}

/// Class, left edge and width of each part.
fn bars<'a>(parts: &[(&'a str, u64)]) -> Vec<(&'a str, f64, f64)> {
    let shown = || parts.iter().filter(|(_, n)| *n > 0);
    let sum: f64 = shown().map(|(_, n)| *n as f64).sum();
    let room = BAR - BAR_LEAST * shown().count() as f64;
    let mut x = 0.0;
    let part = |&(class, n): &(&'a str, u64)| {
        let left = x;
        x += BAR_LEAST + room * n as f64 / sum;
        (class, left, x - left)
    };
    shown().map(part).collect()
}

/// How many suspects of which tier, or of which priority in reports without tiers.
fn lost(report: &ScrubReport) -> Markup {
    let suspects: Vec<&Suspect> =
        report.suspects.iter().filter(|suspect| !suspect.is_in_backup()).collect();
    let count = |is: &dyn Fn(&str, &str) -> bool| {
        suspects.iter().filter(|suspect| is(&suspect.tier, &suspect.priority)).count()
    };
    let has_tiers = suspects.iter().any(|suspect| !suspect.tier.is_empty());
    let tiers = TIERS.map(|(name, lost)| (name, lost, count(&|tier, _| tier == name)));
    let priorities = PRIORITIES.map(|(name, asks)| (name, asks, count(&|_, p| p == name)));
    let (rows, heading) =
        if has_tiers { (&tiers[..], "What is lost") } else { (&priorities[..], "How urgent") };
    html! {
        @if !suspects.is_empty() {
            div.lost {
                h2 { (heading) small { "suspect pages" } }
                dl.counts.rows {
                    @for (name, words, n) in rows {
                        @let class = if has_tiers { colour(name, "") } else { colour("", name) };
                        div.none[*n == 0] {
                            dt { span.tag.(class) { (name) } (words) }
                            dd { (number(*n as u64)) }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_page_of_a_trillion_is_seen_and_the_bar_is_filled() {
        let bars = bars(&[("bad", 1), ("free", 0), ("good", 1_000_000_000_000)]);
        assert_eq!(bars.len(), 2);
        assert!(bars[0].2 >= BAR_LEAST);
        assert!((bars[1].1 + bars[1].2 - BAR).abs() < 0.01);
    }
}

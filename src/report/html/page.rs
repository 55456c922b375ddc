//! The frame of the page: what the browser may load (nothing), style, script, and the header.

use super::safe;
use super::summary::class;
use super::words::moment;
use crate::consolidate::report::ScrubReport;
use base64::{Engine, engine::general_purpose::STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// Everything up to the body's content.
pub(super) fn head(report: &ScrubReport) -> String {
    let (style, script) = (lines_as_browsers_count(STYLE), lines_as_browsers_count(SCRIPT));
    let policy = format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'",
        hash(&style),
        hash(&script),
    );
    let title = format!("pagescrub: {}", report.verdict.name());
    let head = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (title) }
                style { (PreEscaped(style)) }
            }
            body {}
        }
    };
    head.0.trim_end_matches("</body></html>").to_owned()
}

/// Everything after the data.
pub(super) fn tail() -> String {
    let script = lines_as_browsers_count(SCRIPT);
    format!("<script>{script}</script></body></html>\n")
}

/// The name of this report, and where its parts are.
pub(super) fn header(report: &ScrubReport) -> Markup {
    let has_suspects = !report.suspects.is_empty();
    html! {
        header.(class(report.verdict)) {
            div.title {
                strong { "pagescrub" } " report"
                span.when { (safe(&moment(&report.run.started_at))) }
            }
            nav aria-label="Parts of this report" {
                @if !report.databases.is_empty() { a href="#databases" { "Databases" } }
                @if has_suspects || !report.plan.is_empty() {
                    a href="#plan" { "What to do" }
                }
                @if has_suspects {
                    a href="#incidents" { "Incidents" }
                    a href="#suspects" { "Suspects" }
                    a href="#map" { "Map" }
                }
                @if report.consistency.is_some() {
                    a href="#consistency" { "Consistency" }
                }
                @if report.backups().next().is_some() { a href="#backups" { "Backups" } }
                a href="#files" { "Files" }
                a href="#speed" { "Speed" }
                a href="#run" { "Run" }
            }
        }
    }
}

/// A browser hashes lines that end with a line feed, whatever an editor made of them.
fn lines_as_browsers_count(text: &str) -> String {
    text.replace('\r', "")
}

fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_as_in_the_standards_example() {
        // Content Security Policy Level 3, section 2.3.1.
        let example = "alert('Hello, world.');";
        assert_eq!(hash(example), "sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng=");
    }

    #[test]
    fn neither_script_nor_style_ends_its_own_element() {
        let ends = |text: &str| text.contains("</") || text.contains("<!--");
        assert!(!ends(STYLE) && !ends(SCRIPT));
    }
}

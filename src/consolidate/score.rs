//! How urgent a suspect is: its tier, and a score that is the sum of its terms (docs/ranking.md).

use super::findings::{Consequence, Finding, Usage};
use super::report::ScoreTerms;
use super::weights::Weights;
use crate::diagnose::verdict::SuspectReason;
use crate::page::kind::PageType;
use std::fmt;

/// Levels of an index above its leaf until a page counts as all of it.
const LEVELS_FULL: f64 = 3.0;

/// What is lost with a page; in order of urgency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// The database may not start.
    T0,
    /// A whole object, or the backup chain.
    T1,
    /// Rows.
    T2,
    /// What can be made again from rows.
    T3,
    /// What nobody needs to keep.
    T4,
    /// Nothing: the page is not in use.
    U,
}

/// Names of tiers with what is lost, worst first.
pub const TIERS: [(&str, &str); 6] = [
    ("T0", "the database may not start"),
    ("T1", "a whole object, or the backup chain"),
    ("T2", "rows"),
    ("T3", "what can be made again from rows"),
    ("T4", "what nobody needs to keep"),
    ("U", "nothing: not in use"),
];

/// What a score needs to know beside the finding.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings {
    /// Suspects of its incident, itself included.
    pub incident_pages: usize,
    /// Files that the incident spans.
    pub incident_files: usize,
    /// Share of its object's pages that are suspect, 0 if that is not known.
    pub share_of_object: f64,
    /// Made anew whenever the server starts.
    pub is_tempdb: bool,
    /// In which kind of copy it is, if it is in one.
    pub copy: Option<Copied>,
}

/// A backup that a page is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copied {
    /// Taken WITH CHECKSUM: BACKUP verified each page that it read and would have stopped at this
    /// one, so the damage came after the backup was written.
    Verified,
    /// Taken without: BACKUP may have read the page while it was being written. RESTORE then redoes
    /// that write from the log, and nothing is lost.
    Unverified,
}

impl Tier {
    /// The tier of `finding`.
    pub fn of(finding: &Finding, is_tempdb: bool) -> Self {
        let is_sort = finding.page_type == Some(PageType::Sort);
        match finding.consequence {
            Consequence::NotInUse => Self::U,
            _ if is_tempdb || is_sort => Self::T4,
            Consequence::StopsDatabase | Consequence::EngineTable => Self::T0,
            Consequence::SystemOrMap => Self::T1,
            // Rows hang on it: its object is known, and cannot be made again.
            Consequence::Rows if finding.is_upper() && finding.object.is_some() => Self::T1,
            // Whose index it is, is not known: it may lead to rows.
            Consequence::Index if finding.object.is_none() => Self::T2,
            Consequence::Rows => Self::T2,
            Consequence::Index => Self::T3,
        }
    }

    /// Its name, as in JSON.
    pub fn name(self) -> &'static str {
        TIERS[self as usize].0
    }
}

/// P1 act now, P2 today, P3 plan, P4 note; of a page that comes first whatever its score, or not.
pub fn priority(is_first: bool, score: u32, weights: &Weights) -> &'static str {
    let least = weights.priority;
    match score {
        _ if is_first => "P1",
        score if score >= least.p1 => "P1",
        score if score >= least.p2 => "P2",
        score if score >= least.p3 => "P3",
        _ => "P4",
    }
}

/// The priority of a page that changed between looks: nobody acts on it before it was looked at
/// again.
pub fn in_flux(priority: &'static str) -> &'static str {
    if priority == "P1" { "P2" } else { priority }
}

/// The terms of the score of `finding`.
pub fn terms(finding: &Finding, around: &Surroundings, weights: &Weights) -> ScoreTerms {
    let tier = Tier::of(finding, around.is_tempdb);
    let copied = if around.copy.is_some() { weights.backup.copy } else { 1.0 };
    let factor = in_use(finding.usage, weights) * copied;
    let points = |most: u32, share: f64| (f64::from(most) * share * factor).round() as u32;
    let most = weights.points;
    // What loses nothing is not lifted above rows by what is damaged around it.
    let rows = weights.consequence.t2.max(f64::MIN_POSITIVE);
    let loss = (consequence(tier, weights) / rows).min(1.0);
    ScoreTerms {
        consequence: points(most.consequence, consequence(tier, weights)),
        certainty: points(
            most.certainty,
            certainty(finding, tier, weights) * cure(finding, around, weights),
        ),
        incident: points(most.incident, incident(around, weights) * loss),
        recovery: points(most.recovery, recovery(tier, weights)),
        blast: points(most.blast, blast(finding, tier, around)),
    }
}

impl ScoreTerms {
    /// The score that they make.
    pub fn sum(&self) -> u32 {
        let Self { consequence, certainty, incident, recovery, blast } = *self;
        let terms = [consequence, certainty, incident, recovery, blast];
        terms.into_iter().fold(0, u32::saturating_add).min(1000)
    }
}

/// `consequence 238, certainty 220, incident 18, recovery 140, blast 0`
impl fmt::Display for ScoreTerms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { consequence, certainty, incident, recovery, blast } = self;
        write!(
            f,
            "consequence {consequence}, certainty {certainty}, incident {incident}, \
             recovery {recovery}, blast {blast}"
        )
    }
}

fn in_use(usage: Usage, weights: &Weights) -> f64 {
    match usage {
        Usage::Certain => weights.in_use.certain,
        Usage::Likely => weights.in_use.likely,
        Usage::Doubtful => weights.in_use.doubtful,
    }
}

fn consequence(tier: Tier, weights: &Weights) -> f64 {
    let by_tier = weights.consequence;
    match tier {
        Tier::T0 => by_tier.t0,
        Tier::T1 => by_tier.t1,
        Tier::T2 => by_tier.t2,
        Tier::T3 => by_tier.t3,
        Tier::T4 => by_tier.t4,
        Tier::U => by_tier.u,
    }
}

fn certainty(finding: &Finding, tier: Tier, weights: &Weights) -> f64 {
    let certainty = weights.certainty;
    match finding.reason {
        _ if tier == Tier::U => 0.0,
        _ if finding.unsettled => certainty.changing,
        SuspectReason::BadChecksum { .. }
        | SuspectReason::TornPage(_)
        | SuspectReason::WrongPageId { .. }
        | SuspectReason::Zeroed
        | SuspectReason::BadHeader
        | SuspectReason::Unreadable(_) => certainty.stable,
        SuspectReason::WrongObject { .. }
        | SuspectReason::StalePage { .. }
        | SuspectReason::Inconsistent(_) => certainty.by_others,
    }
}

/// Below 1 if redo may cure what is wrong: half a write, not a wrong page.
fn cure(finding: &Finding, around: &Surroundings, weights: &Weights) -> f64 {
    use SuspectReason::{BadChecksum, TornPage};
    let is_half = matches!(finding.reason, BadChecksum { .. } | TornPage(_));
    match around.copy {
        Some(Copied::Unverified) if is_half => weights.backup.curable,
        _ => 1.0,
    }
}

fn incident(around: &Surroundings, weights: &Weights) -> f64 {
    let full = f64::from(weights.incident.pages_full).log2();
    let pages = (1.0 + around.incident_pages as f64).log2() / full;
    let files = if around.incident_files > 1 { weights.incident.several_files } else { 0.0 };
    (pages + files).min(1.0)
}

fn recovery(tier: Tier, weights: &Weights) -> f64 {
    match tier {
        Tier::T0 | Tier::T1 | Tier::T2 => weights.recovery.no_copy,
        Tier::T3 => weights.recovery.from_rows,
        Tier::T4 | Tier::U => weights.recovery.by_itself,
    }
}

fn blast(finding: &Finding, tier: Tier, around: &Surroundings) -> f64 {
    let is_whole = finding.consequence == Consequence::SystemOrMap && tier == Tier::T1;
    match tier {
        Tier::T0 => return 1.0,
        Tier::T1 if is_whole || finding.is_root => return 1.0,
        Tier::T3 | Tier::T4 | Tier::U => return 0.0,
        Tier::T1 | Tier::T2 => {}
    }
    (f64::from(finding.level) / LEVELS_FULL).max(around.share_of_object).min(1.0)
}

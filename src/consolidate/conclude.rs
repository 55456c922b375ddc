//! Findings in, conclusions out: ranked suspects, incidents, patterns, and what to do.

use super::advice;
use super::incident;
use super::message;
use super::rank::Finding;
use super::report::{IncidentReport, ScoreTerms, Span, Suspect};
use super::score::{self, Surroundings, Tier, priority};
use super::weights::Weights;
use crate::catalog::object::Object;
use crate::diagnose::verdict::{Allocation, SuspectReason};
use crate::page::address::PageAddress;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What a finding needs to know of its file.
#[derive(Clone, Debug)]
pub struct FileFacts {
    /// As reported.
    pub path: Arc<str>,
    /// If known.
    pub database: Option<Arc<str>>,
    /// 0 if not known.
    pub database_id: u16,
    /// SIMPLE recovery model: no page restore. `None` where the boot page does not tell.
    pub simple_recovery: Option<bool>,
    /// A transaction log.
    pub is_log: bool,
}

/// The id that tempdb has on every server.
const TEMPDB_ID: u16 = 2;

impl FileFacts {
    /// A file of tempdb, which is made anew whenever the server starts.
    fn is_tempdb(&self) -> bool {
        self.database_id == TEMPDB_ID && self.database.as_deref() == Some("tempdb")
    }
}

/// What follows from all findings together.
pub struct Conclusions {
    /// The most urgent first.
    pub suspects: Vec<Suspect>,
    /// The one with the most urgent page first.
    pub incidents: Vec<IncidentReport>,
}

/// Concludes from `findings`, which are in order of their places.
pub fn conclude(findings: Vec<Finding>, files: &[FileFacts], weights: &Weights) -> Conclusions {
    let groups = incident::group(&findings);
    let mut ranked = ranked(findings, &groups, files, weights);
    let mut suspects = Vec::with_capacity(ranked.len());
    let mut rank_of = vec![0; ranked.len()];
    let mut names = Names::default();
    // From the back, so that what is done with goes away: there may be a million.
    ranked.reverse();
    while let Some(next) = ranked.pop() {
        let (rank, file) = (suspects.len() + 1, &files[next.finding.file]);
        suspects.push(suspect(rank, &next, file, weights, &mut names));
        rank_of[next.position] = suspects.len();
        if ranked.len().is_multiple_of(SHRINK_EVERY) {
            ranked.shrink_to_fit();
        }
    }
    let incidents = incident_reports(&groups, &rank_of, &mut suspects);
    Conclusions { suspects, incidents }
}

/// Findings between two times that their memory is given back.
const SHRINK_EVERY: usize = 65_536;

/// A finding, where it was in the order of places, and what it scores.
struct Ranked {
    finding: Finding,
    position: usize,
    tier: Tier,
    terms: ScoreTerms,
}

fn ranked(
    findings: Vec<Finding>,
    groups: &[incident::Incident],
    files: &[FileFacts],
    weights: &Weights,
) -> Vec<Ranked> {
    let mut incident_pages = vec![0_u32; findings.len()];
    for group in groups {
        group.findings.iter().for_each(|&i| incident_pages[i] = group.findings.len() as u32);
    }
    let hits = hits(&findings);
    let rate = |(position, finding): (usize, Finding)| {
        let file = &files[finding.file];
        let around = Surroundings {
            incident_pages: incident_pages[position] as usize,
            incident_files: 1,
            share_of_object: share_of_object(&finding, &hits),
            is_tempdb: file.is_tempdb(),
        };
        let tier = Tier::of(&finding, around.is_tempdb);
        let terms = score::terms(&finding, &around, weights);
        Ranked { finding, position, tier, terms }
    };
    let mut ranked: Vec<Ranked> = findings.into_iter().enumerate().map(rate).collect();
    ranked.sort_unstable_by_key(Ranked::urgency);
    ranked
}

/// How many of the findings belong to each object.
fn hits(findings: &[Finding]) -> HashMap<*const Object, u64> {
    let mut hits = HashMap::new();
    for object in findings.iter().filter_map(|finding| finding.object.as_ref()) {
        *hits.entry(Arc::as_ptr(object)).or_default() += 1;
    }
    hits
}

/// The share of the pages of its allocation unit that are suspect; 0 if these are not counted.
fn share_of_object(finding: &Finding, hits: &HashMap<*const Object, u64>) -> f64 {
    let share = finding.object.as_ref().and_then(|object| {
        let pages = object.unit_pages.filter(|pages| *pages > 0)?;
        Some(*hits.get(&Arc::as_ptr(object))? as f64 / pages as f64)
    });
    share.unwrap_or_default().min(1.0)
}

impl Ranked {
    /// T0 first, then by score; equal only for the same page.
    fn urgency(&self) -> (bool, Reverse<u32>, Tier, usize, PageAddress) {
        let Self { finding, tier, terms, .. } = self;
        (*tier != Tier::T0, Reverse(terms.sum()), *tier, finding.file, finding.place)
    }
}

fn suspect(
    rank: usize,
    ranked: &Ranked,
    file: &FileFacts,
    weights: &Weights,
    names: &mut Names,
) -> Suspect {
    let Ranked { finding, tier, terms, .. } = ranked;
    let score = terms.sum();
    let object = finding.object.as_deref();
    let (stored, computed) = match finding.reason {
        SuspectReason::BadChecksum { stored, computed } => (Some(stored), Some(computed)),
        _ => (None, None),
    };
    Suspect {
        rank,
        priority: priority(*tier, score, weights).into(),
        tier: tier.name().into(),
        score,
        terms: *terms,
        incident: 0,
        host: None,
        path: Arc::clone(&file.path),
        database: file.database.clone(),
        address: finding.place,
        file_id: finding.place.file.0,
        page_id: finding.place.page.0,
        offset_bytes: finding.place.page.offset_bytes(),
        device: None,
        device_offset_bytes: None,
        reason: finding.reason.name().into(),
        event_type: finding.reason.event_type(),
        stored,
        computed,
        found: found(&finding.reason),
        page_type: finding.page_type.map_or("unknown", |kind| kind.name()).into(),
        allocated: allocated(finding.allocation).into(),
        object: names.of(finding),
        schema: object.and_then(|object| object.schema.clone()),
        table: object.and_then(|object| object.table.clone()),
        index: object.and_then(|object| object.index.clone()),
        object_kind: object.map(|object| object.kind.name().into()),
        object_id: object.map(|object| object.object_id),
        index_id: object.map(|object| object.index_id),
        partition: object.and_then(|object| object.partition),
        allocation_unit_id: finding.allocation_unit,
        named_by: finding.named_by().map(|by| by.name().into()),
        iam_claims: finding.iam_claims,
        cause: finding.cause.map(|(cause, _)| cause.name().into()),
        confidence: finding.cause.map(|(_, confidence)| confidence.name().into()),
        evidence: finding.evidence.clone(),
        unsettled: finding.unsettled,
        message: message::of(finding, file),
        action: advice::action(finding, file).into(),
    }
}

/// Names of objects, each written once: many suspects belong to few objects.
#[derive(Default)]
struct Names(HashMap<u64, Arc<str>>, HashMap<*const Object, Arc<str>>);

impl Names {
    /// What `finding` belongs to.
    fn of(&mut self, finding: &Finding) -> Option<Arc<str>> {
        if let Some(object) = &finding.object {
            let name = self.1.entry(Arc::as_ptr(object));
            return Some(Arc::clone(name.or_insert_with(|| object.to_string().into())));
        }
        let id = finding.allocation_unit?;
        let name = self.0.entry(id).or_insert_with(|| format!("allocation unit {id}").into());
        Some(Arc::clone(name))
    }
}

fn found(reason: &SuspectReason) -> Option<PageAddress> {
    match reason {
        SuspectReason::WrongPageId { found, .. } => Some(*found),
        _ => None,
    }
}

fn allocated(allocation: Allocation) -> &'static str {
    match allocation {
        Allocation::Allocated => "yes",
        Allocation::Free => "no",
        Allocation::Unknown => "unknown",
    }
}

/// The incidents, the one with the most urgent page first, and each suspect's among them.
fn incident_reports(
    groups: &[incident::Incident],
    rank_of: &[usize],
    suspects: &mut [Suspect],
) -> Vec<IncidentReport> {
    let most_urgent = |group: &incident::Incident| {
        group.findings.iter().map(|&i| rank_of[i]).min().unwrap_or(usize::MAX)
    };
    let mut by_urgency: Vec<_> = groups.iter().map(|group| (most_urgent(group), group)).collect();
    by_urgency.sort_unstable_by_key(|(rank, _)| *rank);
    let report = |(position, (most_urgent, group)): (usize, &(usize, &incident::Incident))| {
        let ranks: Vec<usize> = group.findings.iter().map(|&i| rank_of[i]).collect();
        ranks.iter().for_each(|rank| suspects[rank - 1].incident = position + 1);
        incident_report(position + 1, *most_urgent, ranks, suspects)
    };
    by_urgency.iter().enumerate().map(report).collect()
}

/// The incident of the suspects with `ranks`, which are in order of their places.
fn incident_report(
    rank: usize,
    most_urgent: usize,
    ranks: Vec<usize>,
    suspects: &[Suspect],
) -> IncidentReport {
    let members = || ranks.iter().map(|rank| &suspects[rank - 1]);
    let (mut reasons, mut causes) = (BTreeMap::new(), BTreeMap::new());
    for suspect in members() {
        count(&mut reasons, &suspect.reason);
        suspect.cause.iter().for_each(|cause| count(&mut causes, cause));
    }
    let top = &suspects[most_urgent - 1];
    let spans = spans(members());
    IncidentReport {
        rank,
        priority: top.priority.clone(),
        host: None,
        tier: top.tier.clone(),
        score: top.score,
        path: Arc::clone(&spans[0].path),
        first: spans[0].first,
        last: spans[0].last,
        pages: ranks.len(),
        reasons,
        causes,
        spans,
        action: String::new(),
        suspects: ranks,
    }
}

fn count(counts: &mut BTreeMap<String, usize>, what: &str) {
    match counts.get_mut(what) {
        Some(count) => *count += 1,
        None => drop(counts.insert(what.to_owned(), 1)),
    }
}

/// One span for each file; `members` are in order of their places.
fn spans<'a>(members: impl Iterator<Item = &'a Suspect>) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for suspect in members {
        match spans.last_mut() {
            Some(span) if span.path == suspect.path => {
                span.last = suspect.address;
                span.pages += 1;
            }
            _ => spans.push(Span {
                path: Arc::clone(&suspect.path),
                first: suspect.address,
                last: suspect.address,
                pages: 1,
                device: suspect.device.clone(),
                device_offset_bytes: suspect.device_offset_bytes,
            }),
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::object::ObjectKind;
    use crate::page::Page;
    use crate::page::address::{FileId, PageId};
    use crate::page::header::PageHeader;

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
        finding.is_of(&Arc::new(Object {
            object_id: 1000,
            index_id,
            kind,
            schema: None,
            table: None,
            index: None,
            is_view: false,
            is_internal: false,
            unit_pages: None,
            partition: None,
        }));
        finding
    }

    fn file(database: &str, database_id: u16) -> FileFacts {
        FileFacts {
            path: format!("/data/{database}.mdf").into(),
            database: Some(database.into()),
            database_id,
            simple_recovery: Some(false),
            is_log: false,
        }
    }

    fn concluded(mut findings: Vec<Finding>, weights: &Weights) -> Conclusions {
        findings.sort_by_key(|finding| (finding.file, finding.place));
        conclude(findings, &[file("a", 5), file("b", 6), file("tempdb", 2)], weights)
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
        let Conclusions { suspects, incidents } = concluded(fixed_set(), &Weights::default());
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
            ("a", 1000, "T3", 355),
            ("a", 1500, "T2", 286),
            ("tempdb", 5000, "T4", 245),
            ("a", 6000, "T2", 72),
            ("a", 7000, "U", 35),
        ];
        assert_eq!(order, expected);
        for suspect in &suspects {
            assert_eq!(suspect.terms.sum(), suspect.score, "{suspect:?}");
        }
        let priorities: String = suspects.iter().map(|s| &s.priority[1..]).collect();
        assert_eq!(priorities, "111222233344");
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
        assert_eq!(rank(&built_in), Some((8, "P3".to_owned())));
        assert_eq!(rank(&changed), Some((4, "P2".to_owned())));
        assert_eq!(changed.suspects.len(), built_in.suspects.len());
    }

    #[test]
    fn each_suspect_knows_its_incident_and_is_counted_in_it() {
        let used = |page, page_type| finding(0, page, page_type, Allocation::Allocated);
        let neighbours = vec![used(3000, 2), used(100, 1), used(101, 1), used(130, 10)];
        let Conclusions { suspects, incidents } = concluded(neighbours, &Weights::default());
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
}

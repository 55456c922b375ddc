//! Incidents as the report tells them.

use crate::consolidate::incident::{Incidents, Place, spans};
use crate::consolidate::report::{IncidentReport, Span, Suspect};
use crate::page::PAGE_BYTES;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Incidents listed at most; those with the most urgent pages.
pub(super) const INCIDENTS_MAX: usize = 100_000;

/// The incidents, the one with the most urgent page first, and how many more there are. Tells each
/// suspect its own.
pub(super) fn reports(
    grouped: &Incidents,
    places: &[Place],
    rank_of: &[usize],
    suspects: &mut [Suspect],
) -> (Vec<IncidentReport>, u64) {
    let most_urgent = |incident: &[usize]| incident.iter().map(|&i| rank_of[i]).min();
    let mut by_urgency: Vec<_> =
        grouped.iter().filter_map(|incident| Some((most_urgent(incident)?, incident))).collect();
    by_urgency.sort_unstable_by_key(|(rank, _)| *rank);
    let not_listed = by_urgency.len().saturating_sub(INCIDENTS_MAX);
    by_urgency.truncate(INCIDENTS_MAX);
    let report = |(position, (most_urgent, incident)): (usize, &(usize, &[usize]))| {
        let ranks: Vec<usize> = incident.iter().map(|&i| rank_of[i]).collect();
        for rank in &ranks {
            suspects[rank - 1].incident = position + 1;
        }
        let spans = spans(incident, places).filter_map(|span| {
            let of_span: Vec<&Suspect> = span.iter().map(|&i| &suspects[rank_of[i] - 1]).collect();
            span_report(&of_span)
        });
        let spans = spans.collect();
        incident_report(position + 1, *most_urgent, ranks, spans, suspects)
    };
    (by_urgency.iter().enumerate().map(report).collect(), not_listed as u64)
}

/// The incident of the suspects with `ranks`, which are in the order of their places.
fn incident_report(
    rank: usize,
    most_urgent: usize,
    ranks: Vec<usize>,
    spans: Vec<Span>,
    suspects: &[Suspect],
) -> IncidentReport {
    let (mut reasons, mut causes) = (BTreeMap::new(), BTreeMap::new());
    for suspect in ranks.iter().map(|rank| &suspects[rank - 1]) {
        count(&mut reasons, &suspect.reason);
        suspect.cause.iter().for_each(|cause| count(&mut causes, cause));
    }
    let top = &suspects[most_urgent - 1];
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

/// The span of `suspects`, which are of one file, by page.
fn span_report(suspects: &[&Suspect]) -> Option<Span> {
    let (first, last) = (suspects.first()?, suspects.last()?);
    // What is one piece in a file may be in many on its device.
    let offsets = || suspects.iter().filter_map(|suspect| suspect.device_offset_bytes);
    Some(Span {
        path: Arc::clone(&first.path),
        first: first.address,
        last: last.address,
        pages: suspects.len(),
        device: suspects.iter().find_map(|suspect| suspect.device.clone()),
        device_offset_bytes: offsets().min(),
        device_last_byte: offsets().max().map(|at| at + PAGE_BYTES as u64 - 1),
    })
}

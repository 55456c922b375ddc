//! A finding as the report tells it.

use crate::catalog::object::Object;
use crate::consolidate::file_facts::FileFacts;
use crate::consolidate::rank::Ranked;
use crate::consolidate::report::Suspect;
use crate::consolidate::report::consistency::BrokenRule;
use crate::consolidate::score::{in_flux, priority};
use crate::consolidate::weights::Weights;
use crate::consolidate::{advice, message};
use crate::diagnose::verdict::Allocation;
use crate::page::kind::PageType;
use std::collections::HashMap;
use std::sync::Arc;

/// What the report says of a finding.
pub(super) fn suspect(
    rank: usize,
    ranked: &Ranked,
    file: &FileFacts,
    weights: &Weights,
    names: &mut Names,
) -> Suspect {
    let Ranked { finding, tier, terms, is_first, .. } = ranked;
    let score = terms.sum();
    let settled = priority(*is_first, score, weights);
    let priority = if finding.unsettled { in_flux(settled) } else { settled };
    let object = finding.object.as_deref();
    let (stored, computed) = finding.reason.checksums().unzip();
    let offset_bytes = file.offset_bytes(finding.place.page);
    let placement = file.placement.as_ref();
    let on_device = placement.and_then(|placement| placement.device_offset(offset_bytes));
    Suspect {
        rank,
        priority: priority.into(),
        tier: tier.name().into(),
        score,
        terms: *terms,
        incident: 0,
        host: None,
        path: Arc::clone(&file.path),
        backup_set: file.part.as_ref().map(|part| part.position),
        database: file.database.clone(),
        address: finding.place,
        file_id: finding.place.file.0,
        page_id: finding.place.page.0,
        offset_bytes,
        offset_unpacked: file.is_unpacked(),
        device: on_device.and(placement.map(|placement| Arc::clone(&placement.device))),
        device_offset_bytes: on_device,
        reason: finding.reason.name().into(),
        event_type: finding.reason.event_type(),
        stored,
        computed,
        found: finding.found(),
        found_allocation_unit_id: finding.says_unit(),
        found_object: names.of(finding.says_object.as_ref(), finding.says_unit()),
        broken: finding.reason.breach().map(BrokenRule::of).map(Box::new),
        page_type: finding.page_type.map_or("unknown", |kind| kind.name()).into(),
        level: (finding.page_type == Some(PageType::Index)).then_some(finding.level),
        is_root: finding.is_root,
        allocated: allocated(finding.allocation).into(),
        object: names.of(finding.object.as_ref(), finding.allocation_unit),
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
        clean_copies: finding.copies.clone(),
        other_hosts: Vec::new(),
    }
}

/// Names of objects, each written once: many suspects belong to few objects.
#[derive(Default)]
pub(super) struct Names(HashMap<u64, Arc<str>>, HashMap<*const Object, Arc<str>>);

impl Names {
    /// The name of `object`, else that of the allocation unit `id`.
    fn of(&mut self, object: Option<&Arc<Object>>, id: Option<u64>) -> Option<Arc<str>> {
        if let Some(object) = object {
            let name = self.1.entry(Arc::as_ptr(object));
            return Some(Arc::clone(name.or_insert_with(|| object.to_string().into())));
        }
        let id = id?;
        let name = self.0.entry(id).or_insert_with(|| format!("allocation unit {id}").into());
        Some(Arc::clone(name))
    }
}

fn allocated(allocation: Allocation) -> &'static str {
    match allocation {
        Allocation::Allocated => "yes",
        Allocation::Free => "no",
        Allocation::Unknown => "unknown",
    }
}

//! All pages of two copies, a batch at a time by several threads. Batches of a wave are put
//! together in their order, so that what comes out does not depend on the threads.

use super::class::Class;
use super::compare::{Both, Seen, class};
use super::found::{Found, Owner};
use super::report::PageDiff;
use super::side::{Judged, Side};
use crate::catalog::Lead;
use crate::diagnose::verdict::SuspectReason;
use crate::page::Page;
use crate::page::address::{PageAddress, PageId, PageRange};
use crate::page::checksum::Checksum;
use crate::page::header::PageHeader;
use crate::page::kind::PageType;
use crate::plan::DoneRanges;
use crate::scrub::{CatalogPages, Progress};
use crate::verify::engine::Engine;
use rayon::prelude::*;

/// Pages of a batch: 2 MiB of each copy.
const BATCH_PAGES: u32 = 256;
/// Batches of a wave for each thread.
const BATCHES_PER_THREAD: usize = 16;

/// Batches that a thread takes at once, with one set of buffers.
const BATCHES_TOGETHER: usize = 4;

/// Two copies, and what is needed to compare them.
pub(super) struct Walk<'a> {
    pub(super) a: &'a Side<'a>,
    pub(super) b: &'a Side<'a>,
    pub(super) engine: &'a Engine,
    pub(super) progress: &'a dyn Progress,
}

/// Memory to read into.
#[derive(Default)]
struct Buffers {
    a: Vec<Page>,
    b: Vec<Page>,
    sums: Vec<Checksum>,
}

impl Walk<'_> {
    /// Compares all pages with `threads` of the pool that this runs in; also which pages of each
    /// copy tell of others.
    pub(super) fn all(&self, threads: usize) -> (Found, [CatalogPages; 2]) {
        let batches = self.batches();
        let mut found = Found::default();
        let mut catalogs = [CatalogPages::default(), CatalogPages::default()];
        for wave in batches.chunks((threads * BATCHES_PER_THREAD).max(1)) {
            let wave = wave.par_iter().with_min_len(BATCHES_TOGETHER);
            let compared = wave.map_init(Buffers::default, |buffers, batch| {
                let compared = self.batch(*batch, buffers);
                self.progress.advance(batch.bytes() * 2);
                compared
            });
            let compared: Vec<Found> = compared.collect();
            for mut batch in compared {
                for (catalog, leads) in catalogs.iter_mut().zip(std::mem::take(&mut batch.leads)) {
                    catalog.add(leads);
                }
                found.add_all(batch);
            }
        }
        (found, catalogs)
    }

    /// The pages that one of the two has, in pieces.
    fn batches(&self) -> Vec<PageRange> {
        let mut there = DoneRanges::default();
        self.a.ranges().chain(self.b.ranges()).for_each(|range| there.add(range));
        let ranges = Vec::from(there).into_iter();
        ranges.flat_map(|range: PageRange| range.pieces(BATCH_PAGES)).collect()
    }

    fn batch(&self, range: PageRange, buffers: &mut Buffers) -> Found {
        let pages = range.pages as usize;
        for buffer in [&mut buffers.a, &mut buffers.b] {
            buffer.resize(pages, Page::ZERO);
        }
        buffers.sums.resize(pages, Checksum(0));
        let Buffers { a, b, sums } = buffers;
        let states = (self.a.read(range, a), self.b.read(range, b));
        self.engine.checksums(a, sums);
        let is_alike = a.iter().zip(&*b).all(|(a, b)| a.bytes() == b.bytes());
        let judged_a = self.a.judge(range, a, states.0, sums);
        if !is_alike {
            self.engine.checksums(b, sums);
        }
        let judged_b = self.b.judge(range, b, states.1, sums);
        let mut found = Found::default();
        let sides = a.iter().zip(judged_a).zip(b.iter().zip(judged_b));
        for (id, (a, b)) in range.ids().zip(sides) {
            let (a, b) = (seen(a), seen(b));
            self.page(id, (a.as_ref(), b.as_ref()), &mut found);
        }
        self.progress.suspects(found.pages.len() as u64 + found.pages_not_listed);
        found
    }

    fn page(&self, id: PageId, both: Both<'_>, found: &mut Found) {
        let place = PageAddress::new(self.a.file.file_id, id);
        let Some(class) = class(place, both, (self.a.checkpoint, self.b.checkpoint)) else {
            return;
        };
        let owner = owner(class, both);
        found.add(class, owner, id);
        if class.is_listed() {
            found.list(PageDiff::of(place, class, both), owner);
        }
        for (seen, leads) in [both.0, both.1].into_iter().zip(&mut found.leads) {
            let Some(seen) = seen else { continue };
            let lead = seen.sound().and_then(|page| Lead::of(PageHeader::of(page)));
            leads.extend(lead.map(|lead| (lead, id)));
            found.has_wrong_ids |= matches!(seen.reason, Some(SuspectReason::WrongPageId { .. }));
        }
    }
}

fn seen((page, judged): (&Page, Option<Judged>)) -> Option<Seen<'_>> {
    let Judged { allocation, pfs, reason } = judged?;
    let is_lost = matches!(reason, Some(SuspectReason::Unreadable(_)));
    Some(Seen { page: (!is_lost).then_some(page), allocation, pfs, reason })
}

/// What the page belongs to, by the copy that is newer, or that is in order.
fn owner(class: Class, (a, b): Both<'_>) -> Owner {
    let is_of_a = matches!(
        class,
        Class::NewerInA | Class::StaleInB | Class::OnlyInA | Class::FreeInB | Class::DamagedInB
    );
    let (first, second) = if is_of_a { (a, b) } else { (b, a) };
    let sound = first.and_then(Seen::sound).or_else(|| second.and_then(Seen::sound));
    sound.map_or(Owner::Unknown, |page| {
        let header = PageHeader::of(page);
        if PageType::of(header.page_type).has_fixed_place() {
            Owner::NoObject
        } else {
            Owner::Unit(header.allocation_unit_id())
        }
    })
}

//! Counting out the batches of a plan.

use super::{DoneRanges, ExtentBatch, Plan, PlannedFile};
use crate::page::address::PageRange;
use crate::page::allocation::PFS_INTERVAL_PAGES;
use crate::page::ranges::PageRanges;
use std::collections::{BTreeMap, VecDeque};

/// The batches of a plan: one from each device in turn.
pub struct Batches<'a> {
    /// Devices with work left, the next one in front.
    devices: VecDeque<DeviceBatches<'a>>,
}

/// The batches of one device: its files one after another.
pub struct DeviceBatches<'a> {
    plan: &'a Plan,
    device: u64,
    files: VecDeque<FileCursor>,
}

/// How far one file has been counted out.
struct FileCursor {
    file: usize,
    /// Not done, or the end of the file.
    next_page: u32,
    /// The stored range at or after `next_page`.
    stored_index: usize,
    /// What was done before.
    done: DoneRanges,
}

impl<'a> DeviceBatches<'a> {
    /// One for each device that holds pages which are not `done`, given by file.
    pub(super) fn of(plan: &'a Plan, done: &[DoneRanges]) -> impl Iterator<Item = Self> {
        let mut by_device: BTreeMap<u64, VecDeque<FileCursor>> = BTreeMap::new();
        for (file, planned) in plan.files.iter().enumerate() {
            let cursor = FileCursor::new(file, done.get(file).cloned().unwrap_or_default());
            if cursor.next_page < planned.pages {
                by_device.entry(planned.device).or_default().push_back(cursor);
            }
        }
        by_device.into_iter().map(move |(device, files)| Self { plan, device, files })
    }

    /// Which device, as the operating system numbers it.
    pub fn device(&self) -> u64 {
        self.device
    }
}

impl Iterator for DeviceBatches<'_> {
    type Item = ExtentBatch;

    fn next(&mut self) -> Option<ExtentBatch> {
        loop {
            let cursor = self.files.front_mut()?;
            let file = &self.plan.files[cursor.file];
            let batch = cursor.next_batch(file, self.plan.batch_pages);
            if cursor.next_page == file.pages {
                self.files.pop_front();
            }
            if batch.is_some() {
                return batch;
            }
        }
    }
}

impl<'a> Batches<'a> {
    pub(super) fn new(plan: &'a Plan, done: &[DoneRanges]) -> Self {
        Self { devices: DeviceBatches::of(plan, done).collect() }
    }
}

impl Iterator for Batches<'_> {
    type Item = ExtentBatch;

    fn next(&mut self) -> Option<ExtentBatch> {
        loop {
            let mut device = self.devices.pop_front()?;
            if let Some(batch) = device.next() {
                self.devices.push_back(device);
                return Some(batch);
            }
        }
    }
}

impl FileCursor {
    fn new(file: usize, done: DoneRanges) -> Self {
        Self { file, next_page: done.next_left(0), stored_index: 0, done }
    }

    /// The next batch; `None` if nothing was left.
    fn next_batch(&mut self, file: &PlannedFile, batch_pages: u32) -> Option<ExtentBatch> {
        let index = self.file;
        let of = |ranges, stored| ExtentBatch { file: index, ranges, stored };
        if file.only_stored {
            return PageRanges::of(&self.stored(file, batch_pages)).map(|ranges| of(ranges, true));
        }
        let (range, stored) = self.advance(file, batch_pages);
        Some(of(range.into(), stored))
    }

    /// The next stored ranges, of `pages_max` pages at most.
    fn stored(&mut self, file: &PlannedFile, pages_max: u32) -> Vec<PageRange> {
        let (mut ranges, mut room) = (Vec::new(), pages_max);
        while room > 0 && self.next_page < file.pages {
            let (range, stored) = self.advance(file, room);
            if stored {
                room -= range.pages;
                ranges.push(range);
            }
        }
        ranges
    }

    /// The next range of at most `batch_pages` pages, and whether it is stored.
    fn advance(&mut self, file: &PlannedFile, batch_pages: u32) -> (PageRange, bool) {
        let start = self.next_page;
        let is_behind = |range: &PageRange| range.end() <= start;
        while file.stored.get(self.stored_index).is_some_and(is_behind) {
            self.stored_index += 1;
        }
        let upcoming = file.stored.get(self.stored_index);
        let stored = upcoming.filter(|range| range.first.0 <= start);
        let hole_end = upcoming.map_or(file.pages, |range| range.first.0);
        let part_end = if file.only_stored { hole_end } else { next_pfs_interval(start) };
        let end = stored.map_or(hole_end.min(part_end), |range| {
            range.end().min(start.saturating_add(batch_pages))
        });
        let end = self.done.next_done(start).map_or(end, |done| done.min(end));
        self.next_page = self.done.next_left(end);
        (PageRange::between(start, end), stored.is_some())
    }
}

fn next_pfs_interval(page: u32) -> u32 {
    (page / PFS_INTERVAL_PAGES + 1).saturating_mul(PFS_INTERVAL_PAGES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discover::FileKind;
    use crate::page::address::{FileId, PageId};

    fn file(device: u64, pages: u32, stored: &[(u32, u32)]) -> PlannedFile {
        PlannedFile {
            path: format!("/{device}/{pages}").into(),
            device,
            file_id: FileId(1),
            kind: FileKind::Data,
            pages,
            missing_pages: 0,
            tail_bytes: 0,
            stored: stored.iter().map(|&(a, b)| PageRange::between(a, b)).collect(),
            only_stored: false,
        }
    }

    fn plan(files: Vec<PlannedFile>, batch_pages: u32) -> Plan {
        Plan { batch_pages, files }
    }

    /// Every page once, in order within its file; batches keep to one kind, and holes to one PFS
    /// interval.
    fn assert_covers(plan: &Plan) {
        assert_covers_what_is_left(plan, &[]);
    }

    fn assert_covers_what_is_left(plan: &Plan, done: &[DoneRanges]) {
        let mut reached = done.to_vec();
        reached.resize(plan.files.len(), DoneRanges::default());
        let mut bytes_left = plan.stored_bytes_left(done);
        let mut next = vec![0; plan.files.len()];
        for batch in plan.batches_left(done) {
            let file = &plan.files[batch.file];
            assert!(file.only_stored || batch.ranges.only().is_some());
            assert!(!batch.stored || batch.ranges.pages() <= plan.batch_pages);
            bytes_left -= if batch.stored { batch.ranges.bytes() } else { 0 };
            for range in batch.ranges.iter() {
                assert!(range.first >= PageId(next[batch.file]), "in order");
                assert!(range.pages > 0);
                let (first, last) = (range.first.0, range.end() - 1);
                assert!(batch.stored || first / PFS_INTERVAL_PAGES == last / PFS_INTERVAL_PAGES);
                let inside =
                    |page: PageId| file.stored.iter().any(|r| r.first <= page && page.0 < r.end());
                assert!(range.ids().all(|page| inside(page) == batch.stored));
                assert_eq!(reached[batch.file].left_in(range), range.pages, "only once");
                reached[batch.file].add(range);
                next[batch.file] = range.end();
            }
        }
        let pages: Vec<u32> = reached.iter().map(DoneRanges::pages).collect();
        let planned = plan.files.iter().map(PlannedFile::pages_to_look_at);
        assert_eq!(pages, planned.collect::<Vec<_>>());
        assert_eq!(bytes_left, 0);
    }

    #[test]
    fn what_is_done_is_not_counted_out_again_and_all_else_is() {
        let sparse = [(0, 64), (8088, 8089), (16_001, 30_000)];
        let files = || vec![file(1, 40_003, &sparse), file(1, 9, &[(0, 9)]), file(2, 0, &[])];
        let done = |ranges: &[(u32, u32)]| {
            let mut done = DoneRanges::default();
            for &(first, end) in ranges {
                done.add(PageRange::between(first, end));
            }
            done
        };
        for batch_pages in [8, 64, 2048] {
            let plan = plan(files(), batch_pages);
            for ranges in [
                &[(0, 8)][..],
                &[(8, 16), (24, 72), (8000, 8096)],
                &[(64, 8088), (8096, 16_001), (20_000, 20_008), (29_992, 30_008)],
                &[(0, 16_000), (30_000, 40_003)],
                &[(40_000, 40_003)],
                &[(0, 40_003)],
            ] {
                assert_covers_what_is_left(&plan, &[done(ranges)]);
                assert_covers_what_is_left(&plan, &[done(ranges), done(&[(0, 8)])]);
                assert_covers_what_is_left(&plan, &[done(ranges), done(&[(0, 9)]), done(&[])]);
            }
        }
        let all = [done(&[(0, 40_003)]), done(&[(0, 9)])];
        assert_eq!(plan(files(), 64).batches_left(&all).count(), 0);
    }

    #[test]
    fn every_page_is_in_exactly_one_batch() {
        for batch_pages in [8, 16, 64, 2048] {
            assert_covers(&plan(vec![file(1, 1, &[(0, 1)])], batch_pages));
            assert_covers(&plan(vec![file(1, 20_003, &[(0, 20_003)])], batch_pages));
            assert_covers(&plan(vec![file(1, 30_000, &[])], batch_pages));
            let sparse = [(0, 64), (8088, 8089), (16_001, 30_000)];
            assert_covers(&plan(
                vec![file(1, 40_000, &sparse), file(1, 9, &[(0, 9)])],
                batch_pages,
            ));
        }
    }

    /// A batch of a backup is as large as any, however short its runs are.
    #[test]
    fn runs_of_a_backup_share_batches() {
        let runs: Vec<_> = (0..100).map(|n| (n * 80, n * 80 + 8 + n % 3 * 8)).collect();
        let backup = PlannedFile { only_stored: true, ..file(1, 9000, &runs) };
        for batch_pages in [8, 64, 256, 2048] {
            let plan = plan(vec![backup.clone(), file(1, 64, &[(0, 64)])], batch_pages);
            assert_covers(&plan);
            let pages = backup.pages_to_look_at();
            let of_backup = plan.batches().filter(|batch| batch.file == 0);
            assert_eq!(of_backup.count() as u32, pages.div_ceil(batch_pages));
            let mut done = DoneRanges::default();
            for range in [(0, 40), (84, 168), (2000, 5606), (7920, 9000)] {
                let inside = backup.stored.iter().flat_map(|stored| stored.ids());
                let inside = inside.filter(|page| (range.0..range.1).contains(&page.0));
                inside.for_each(|page| done.add(PageRange::between(page.0, page.0 + 1)));
                assert_covers_what_is_left(&plan, &[done.clone()]);
            }
        }
    }

    #[test]
    fn devices_take_turns() {
        let files =
            vec![file(7, 64, &[(0, 64)]), file(7, 64, &[(0, 64)]), file(9, 640, &[(0, 640)])];
        let plan = plan(files, 64);
        let order: Vec<_> = plan.batches().map(|batch| batch.file).take(5).collect();
        assert_eq!(order, [0, 2, 1, 2, 2]);
        assert_covers(&plan);
    }

    #[test]
    fn a_plan_of_nothing_has_no_batches() {
        assert_eq!(plan(vec![file(1, 0, &[])], 64).batches().count(), 0);
        assert_eq!(plan(vec![], 64).batches().count(), 0);
    }

    #[test]
    fn a_plan_survives_being_written_down() {
        let plan = plan(vec![file(1, 30_000, &[(0, 64), (8088, 8096)])], 64);
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
    }
}

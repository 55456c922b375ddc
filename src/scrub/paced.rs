//! Files that are opened once more when all pages have been looked at: at the pace of their
//! devices, and only until the user wants the report.

use super::stop::Stop;
use super::{Open, Settings};
use crate::backup::layout::Layout;
use crate::backup::source::Turns;
use crate::discover::{DataFile, Discovery};
use crate::page::address::{PageId, PageRange};
use crate::page::{PAGE_BYTES, Page};
use crate::plan::pace::{Throttle, Turn};
use crate::read::direct::DirectFile;
use crate::read::{PageSource, ReadError, Way};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A wish to stop is seen after so long, however long the device must rest.
const NAP: Duration = Duration::from_millis(50);

/// Opens them.
pub(super) struct Paced<'a> {
    open: Open<'a>,
    /// By path: what its device is held to.
    throttles: BTreeMap<PathBuf, Arc<Throttle>>,
    until: Until,
}

/// How long there is reading.
#[derive(Clone)]
struct Until {
    stop: Stop,
    /// Something was not read for that.
    was_cut: Arc<AtomicBool>,
}

impl<'a> Paced<'a> {
    /// The files of `discovery`.
    pub(super) fn new(discovery: &Discovery, settings: &Settings<'a>) -> Self {
        let throttle = |file: &DataFile| settings.throttles.of(file.device);
        let throttles = discovery.files.iter().map(|file| (file.path.clone(), throttle(file)));
        let throttles = throttles.collect();
        let until = Until { stop: settings.stop.clone(), was_cut: Arc::default() };
        Self { open: settings.open, throttles, until }
    }

    /// Opens the file at `path`.
    pub(super) fn open(&self, path: &Path) -> io::Result<Box<dyn PageSource>> {
        self.until.check()?;
        let source = (self.open)(path)?;
        Ok(match self.throttles.get(path) {
            Some(throttle) => {
                let (throttle, until) = (Arc::clone(throttle), self.until.clone());
                Box::new(PacedSource { source, turns: LookUps { throttle, until } })
            }
            None => source,
        })
    }

    /// True if something was not read because the user wanted the report.
    pub(super) fn was_cut(&self) -> bool {
        self.until.was_cut.load(Ordering::Relaxed)
    }
}

impl Until {
    fn check(&self) -> io::Result<()> {
        if self.stop.ends_looking() {
            self.was_cut.store(true, Ordering::Relaxed);
            return Err(io::Error::other("the scan was stopped"));
        }
        Ok(())
    }
}

/// The turns of who looks up.
#[derive(Clone)]
struct LookUps {
    throttle: Arc<Throttle>,
    until: Until,
}

impl LookUps {
    /// Does `read`, which reads `bytes`, when its turn has come.
    fn paced<T>(&self, bytes: u64, read: impl FnOnce() -> T) -> io::Result<T> {
        loop {
            self.until.check()?;
            // Nothing else is under way: there is always a time after which it may begin.
            match self.throttle.may_begin(bytes, 0) {
                Turn::Now => break,
                Turn::After(wait) => std::thread::sleep(wait.min(NAP)),
                Turn::WhenOneReturns => std::thread::sleep(NAP),
            }
        }
        let started = Instant::now();
        let outcome = read();
        self.throttle.returned(started.elapsed());
        Ok(outcome)
    }
}

impl Turns for LookUps {
    fn in_turn(&self, bytes: u64, read: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        self.paced(bytes, read)?
    }
}

/// A file of which each read waits for its turn.
struct PacedSource {
    source: Box<dyn PageSource>,
    turns: LookUps,
}

impl PacedSource {
    /// Reads `pages` pages when their turn has come.
    fn read<T>(
        &self,
        pages: usize,
        read: impl FnOnce() -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        self.turns.paced((pages * PAGE_BYTES) as u64, read)?
    }
}

impl PageSource for PacedSource {
    fn fill(&self, first: PageId, pages: &mut [Page]) -> Result<(), ReadError> {
        self.read(pages.len(), || self.source.fill(first, pages))
    }

    fn fill_uncached(&self, page: PageId) -> Result<Page, ReadError> {
        self.read(1, || self.source.fill_uncached(page))
    }

    fn fill_range_uncached(&self, first: PageId, pages: &mut [Page]) -> Result<(), ReadError> {
        self.read(pages.len(), || self.source.fill_range_uncached(first, pages))
    }

    fn may_have_used_cache(&self) -> bool {
        self.source.may_have_used_cache()
    }

    fn has(&self, page: PageId) -> bool {
        self.source.has(page)
    }

    fn visit_pieces(
        &self,
        range: PageRange,
        buffer: &mut Vec<Page>,
        visit: &mut dyn FnMut(PageId, &[Page]),
    ) -> Result<(), ReadError> {
        self.read(range.pages as usize, || self.source.visit_pieces(range, buffer, visit))
    }

    fn direct(&self) -> Option<&Arc<DirectFile>> {
        self.source.direct()
    }

    fn way(&self) -> Way {
        self.source.way()
    }

    fn laid_out(self: Box<Self>, layout: Layout) -> Box<dyn PageSource> {
        let Self { source, turns } = *self;
        Box::new(Self { source: source.laid_out(layout), turns })
    }

    fn turns(&self) -> Option<Arc<dyn Turns>> {
        Some(Arc::new(self.turns.clone()))
    }
}

//! A GPU: its memory and the kernel, the bus and the ways over it, and the CPU in comparison.
//!
//! The kernel is held against a shader that merely reads the same pages, and whole buffers, through
//! the thread that a scan uses, against the faster of two ways to merely move bytes.

use super::memory::in_parallel;
use super::report::{Clock, GpuMeasured, Section};
use super::rounds::{Limit, Rounds, Sample, Variant, timed};
use super::verdict::gpu::{
    BUS_COPIED, BUS_READ, CPU_CHECKSUM, DEVICE_READ, end_to_end, goals, resident,
};
use super::{BenchError, Settings};
use crate::drill::{Recipe, SyntheticFile};
use crate::page::address::PageId;
use crate::page::checksum::Checksum;
use crate::read::arena::{Arena, BUFFER_BYTES, BUFFER_PAGES, PageBuffer};
use crate::verify::engine::Engine;
use crate::verify::gpu::adapter::Adapter;
use crate::verify::gpu::job::{Answer, GpuError, Job};
use crate::verify::gpu::pool::{CHECK_ONE_IN_DEFAULT, Gpus, Share};
use crate::verify::gpu::select::ARENA_BUFFERS;
use crate::verify::gpu::upload::Upload;
use crate::verify::gpu::worker::{Drill, start};
use crate::verify::gpu::yardstick::{Expected, Measured, NotMeasured, Yardstick};
use bytesize::ByteSize;
use rayon::prelude::*;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

/// Pages in the memory of a real GPU, in bytes: far more than its caches hold.
const BYTES_DEFAULT: u64 = 4 << 30;
/// The same for software, which is slow and proves nothing.
const SOFTWARE_BYTES_DEFAULT: u64 = 256 << 20;
/// The smallest data file.
const ARENA_BUFFERS_MIN: u64 = 2;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_mins(1);
const SEED: u64 = 7;

/// A section for each GPU that can be opened.
pub(super) fn measure(
    settings: &Settings<'_>,
    rounds: &Rounds<'_>,
    notes: &mut Vec<String>,
) -> Result<Vec<Section>, BenchError> {
    let mut sections = Vec::new();
    for adapter in settings.gpus {
        let name = &adapter.facts.name;
        (rounds.progress)(&format!("{name}: filling it with pages"));
        match Subject::new(adapter, settings, notes) {
            Ok(subject) => sections.push(subject.section(sections.len(), rounds)?),
            Err(BenchError::Work(why)) => notes.push(format!("{name} is not measured: {why}")),
            Err(wrong) => return Err(wrong),
        }
    }
    Ok(sections)
}

/// A GPU under measurement.
struct Subject<'a> {
    adapter: &'a Adapter,
    yardstick: Yardstick,
    /// Each open for some of the ways that bytes can take to it; every one has the adapter to
    /// itself in its turn.
    at_work: Vec<Gpus>,
    /// What they look at: all buffers of their arena.
    buffers: RefCell<Vec<PageBuffer>>,
    expected: Arc<Expected>,
    engine: Engine,
    threads: usize,
    bus_bytes: u64,
    arena_bytes: u64,
}

impl<'a> Subject<'a> {
    fn new(
        adapter: &'a Adapter,
        settings: &Settings<'_>,
        notes: &mut Vec<String>,
    ) -> Result<Self, BenchError> {
        let software = adapter.facts.is_software();
        let default = if software { SOFTWARE_BYTES_DEFAULT } else { BYTES_DEFAULT };
        let bytes = settings.gpu_bytes.unwrap_or(default);
        let count = arena_buffers(bytes, adapter.facts.binding_bytes_max());
        let arena_bytes = (count * BUFFER_BYTES) as u64;
        // Two arenas: not every driver imports the same memory twice.
        let (pages, buffers) = (pages(count)?, pages(count)?);
        let expected = Arc::new(Expected::of(&pages));
        Ok(Self {
            adapter,
            yardstick: Yardstick::new(adapter, pages, &expected, bytes).map_err(|e| failure(&e))?,
            at_work: at_work(adapter, buffers[0].arena(), notes),
            buffers: RefCell::new(buffers),
            expected,
            engine: Engine::named("auto").map_err(|e| BenchError::Work(e.to_string()))?,
            threads: settings.threads.max(1),
            bus_bytes: (bytes / arena_bytes).max(1) * arena_bytes,
            arena_bytes,
        })
    }

    fn section(&self, place: usize, rounds: &Rounds<'_>) -> Result<Section, BenchError> {
        let name = if place == 0 { "gpu".to_owned() } else { format!("gpu{}", place + 1) };
        let size = |bytes| ByteSize(bytes).display().iec();
        let title = format!(
            "GPU {}, {} resident, {} over the bus",
            self.adapter.facts.name,
            size(self.yardstick.resident_bytes()),
            size(self.bus_bytes)
        );
        let mut section = rounds.section(&name, title, self.variants())?;
        section.gpu = Some(self.measured(&section));
        section.goals = goals(&section);
        Ok(section)
    }

    fn variants(&self) -> Vec<Variant<'_>> {
        let (of_memory, of_bus) = (self.of_memory(), self.of_bus());
        let cpu = Variant::new(CPU_CHECKSUM, Limit::Nothing, || self.time_summing());
        of_memory.into_iter().chain(of_bus).chain(self.of_scan()).chain([cpu]).collect()
    }

    /// The GPU's own memory, and the kernels on it.
    fn of_memory(&self) -> Vec<Variant<'_>> {
        let yardstick = &self.yardstick;
        let read = Box::new(|| yardstick.read_resident());
        let mut variants = vec![self.alone(DEVICE_READ, Limit::Itself, read)];
        for (i, shader) in yardstick.shaders().iter().enumerate() {
            let limit = Limit::Row(DEVICE_READ.to_owned());
            let measure = Box::new(move || yardstick.checksum_resident(i));
            variants.push(self.alone(&resident(shader.name()), limit, measure));
        }
        variants
    }

    /// Bytes that are moved and no more.
    fn of_bus(&self) -> Vec<Variant<'_>> {
        let copy = Box::new(|| self.yardstick.copy(self.bus_bytes));
        let mut variants = vec![self.alone(BUS_COPIED, Limit::Itself, copy)];
        if self.yardstick.is_imported() {
            let read = Box::new(|| self.yardstick.read_imported(self.bus_bytes));
            variants.push(self.alone(BUS_READ, Limit::Itself, read));
        }
        variants
    }

    /// Whole buffers, as in a scan.
    fn of_scan(&self) -> impl Iterator<Item = Variant<'_>> {
        let ways = self
            .at_work
            .iter()
            .flat_map(|gpus| gpus.gpu(0).ways().enumerate().map(move |way| (gpus, way)));
        ways.map(move |(gpus, (way, upload))| {
            let limit = Limit::OneOf(vec![BUS_COPIED.to_owned(), BUS_READ.to_owned()]);
            let measure = move || {
                gpus.gpu(0).take_way(way);
                self.time_streaming(gpus)
            };
            Variant::new(end_to_end(upload.name()), limit, measure)
        })
    }

    /// Something that the GPU does alone.
    fn alone<'b>(&'b self, name: &str, limit: Limit, measure: Measure<'b>) -> Variant<'b> {
        let what = format!("{}, {name}", self.adapter.facts.name);
        let clock = if self.yardstick.has_clock() { Clock::Timestamps } else { Clock::Wall };
        Variant::new(name, limit, move || match measure() {
            Ok(Measured { bytes, seconds }) => Ok(Sample::of_gpu(bytes, seconds, clock)),
            Err(NotMeasured::Wrong(why)) => Err(BenchError::Wrong(format!("{what}: {why}"))),
            Err(NotMeasured::Failed(why)) => Err(BenchError::Work(format!("{what}: {why}"))),
        })
    }

    fn time_streaming(&self, gpus: &Gpus) -> Result<Sample, BenchError> {
        let buffers = self.buffers.take();
        let (outcome, sample) = timed(self.bus_bytes, || self.stream(gpus, buffers));
        self.buffers.replace(outcome.map_err(|error| match failure(&error) {
            BenchError::Wrong(why) => BenchError::Wrong(self.of_this(&why)),
            BenchError::Work(why) => BenchError::Work(self.of_this(&why)),
        })?);
        Ok(sample)
    }

    /// Hands `buffers` to `gpus`, again and again, until enough has gone over the bus.
    fn stream(
        &self,
        gpus: &Gpus,
        mut buffers: Vec<PageBuffer>,
    ) -> Result<Vec<PageBuffer>, NotMeasured> {
        let (answer_to, answers) = channel();
        let count = buffers.len();
        let mut offers_left = self.bus_bytes / BUFFER_BYTES as u64;
        offers_left -= count as u64;
        for buffer in buffers.drain(..) {
            offer(gpus, buffer, &answer_to)?;
        }
        while buffers.len() < count {
            let answer = answers.recv_timeout(PATIENCE).map_err(|_| GpuError::TimedOut)?;
            self.expected.check(answer.buffer.index(), &answer.sums?)?;
            if offers_left > 0 {
                offers_left -= 1;
                offer(gpus, answer.buffer, &answer_to)?;
            } else {
                buffers.push(answer.buffer);
            }
        }
        Ok(buffers)
    }

    /// The same pages with all threads of the CPU.
    fn time_summing(&self) -> Result<Sample, BenchError> {
        let buffers = self.buffers.borrow();
        let parts = buffers.chunks(buffers.len().div_ceil(self.threads));
        let passes = self.bus_bytes / self.arena_bytes;
        let (engine, expected) = (&self.engine, &*self.expected);
        let is_wrong = AtomicBool::new(false);
        let sum = |part: &[PageBuffer]| {
            for buffer in (0..passes).flat_map(|_| part) {
                is_wrong.fetch_or(!is_right(engine, expected, buffer), Ordering::Relaxed);
            }
        };
        let ((), sample) = timed(self.bus_bytes, || in_parallel(parts, sum));
        if is_wrong.into_inner() {
            let kernels = self.engine.kernel_names().join(" ");
            return Err(BenchError::Wrong(format!("{kernels}: a wrong sum of a page in memory")));
        }
        Ok(sample)
    }

    fn of_this(&self, what: &str) -> String {
        format!("{}: {what}", self.adapter.facts.name)
    }

    /// The way that a scan takes: the first that works, or the faster one where it measures two.
    fn upload(&self, section: &Section) -> &'static str {
        let Some(gpus) = self.at_work.first() else { return "none" };
        let speed = |upload: &Upload| {
            section.row(&end_to_end(upload.name())).map_or(0.0, |row| row.gb_per_second.median)
        };
        let ways: Vec<_> = gpus.gpu(0).ways().collect();
        let fastest = ways.iter().copied().reduce(|a, b| if speed(&b) > speed(&a) { b } else { a });
        let chosen = fastest.filter(|_| self.adapter.facts.has_own_memory());
        chosen.or(ways.first().copied()).map_or("none", Upload::name)
    }

    fn measured(&self, section: &Section) -> GpuMeasured {
        let facts = &self.adapter.facts;
        GpuMeasured {
            name: facts.name.clone(),
            driver: format!("{} {}", facts.driver, facts.driver_info),
            backend: facts.backend.to_string(),
            is_software: facts.is_software(),
            upload: self.upload(section).to_owned(),
            shader: self.yardstick.shaders()[0].name().to_owned(),
            subgroup_min: facts.subgroup_min_size,
            subgroup_max: facts.subgroup_max_size,
            resident_bytes: self.yardstick.resident_bytes(),
            bus_bytes: self.bus_bytes,
            arena_bytes: self.arena_bytes,
            timestamps: self.yardstick.has_clock(),
        }
    }
}

fn is_right(engine: &Engine, expected: &Expected, buffer: &PageBuffer) -> bool {
    let mut sums = [Checksum(0); BUFFER_PAGES as usize];
    engine.checksums(buffer, &mut sums);
    sums == expected.checksums(buffer.index())
}

type Measure<'a> = Box<dyn Fn() -> Result<Measured, NotMeasured> + 'a>;

/// Buffers of an arena, of which there are two copies at least in `bytes`.
fn arena_buffers(bytes: u64, binding_bytes_max: u64) -> usize {
    let buffers = |bytes: u64| bytes / BUFFER_BYTES as u64;
    let most = buffers(binding_bytes_max).clamp(ARENA_BUFFERS_MIN, ARENA_BUFFERS as u64);
    buffers(bytes / 2).clamp(ARENA_BUFFERS_MIN, most) as usize
}

/// All buffers of a new arena, with the pages of a data file in them.
fn pages(count: usize) -> Result<Vec<PageBuffer>, BenchError> {
    let work = |error: &dyn std::fmt::Display| BenchError::Work(error.to_string());
    let bytes = (count * BUFFER_BYTES) as u64;
    let synthetic = SyntheticFile::new(Recipe::new(bytes, SEED)).map_err(|e| work(&e))?;
    let arena = Arena::new(count).map_err(|e| work(&e))?;
    let mut buffers = arena.take(count).ok_or_else(|| work(&"an arena without its buffers"))?;
    buffers.par_iter_mut().for_each(|buffer| {
        let first = buffer.index() as u32 * BUFFER_PAGES;
        let pages = buffer.iter_mut().zip(first..);
        pages.for_each(|(page, id)| *page = synthetic.page(PageId(id)));
    });
    Ok(buffers)
}

/// `adapter` as a scan has it, so often that it is open for each way that bytes can take: both ways
/// of imported memory together, since not every driver imports it twice.
fn at_work(adapter: &Adapter, arena: &Arc<Arena>, notes: &mut Vec<String>) -> Vec<Gpus> {
    let uploads = adapter.facts.uploads();
    let mut at_work = Vec::new();
    for ways in uploads.chunk_by(|a, b| a.is_import() && b.is_import()) {
        let drill = Drill { uploads: Some(ways.to_vec()), ..Drill::default() };
        let mut lost = |upload: Upload, why: &str| {
            let name = &adapter.facts.name;
            notes.push(format!("{name}, {}: not measured: {why}", upload.words()));
        };
        match start(adapter, 0, arena, &drill) {
            Ok(gpu) => {
                gpu.lost_ways().iter().for_each(|way| lost(way.upload, &way.why));
                let arena = Arc::clone(arena);
                at_work.push(Gpus::new(arena, vec![gpu], Share::Gpu, CHECK_ONE_IN_DEFAULT));
            }
            Err(error) => ways.iter().for_each(|way| lost(*way, &error.to_string())),
        }
    }
    at_work
}

fn offer(gpus: &Gpus, buffer: PageBuffer, answer_to: &Sender<Answer>) -> Result<(), GpuError> {
    let (token, answer_to) = (buffer.index() as u64, answer_to.clone());
    let job = Job { buffer, pages: BUFFER_PAGES, token, answer_to };
    gpus.give(job).map(drop).map_err(|_| GpuError::Retired)
}

fn failure(why: &NotMeasured) -> BenchError {
    match why {
        NotMeasured::Wrong(what) => BenchError::Wrong(what.clone()),
        NotMeasured::Failed(error) => BenchError::Work(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arena_fits_into_a_binding_and_twice_into_what_is_asked_for() {
        const MIB: u64 = 1 << 20;
        assert_eq!(arena_buffers(4 << 30, 2 << 30), ARENA_BUFFERS);
        assert_eq!(arena_buffers(4 << 30, 64 * MIB), 128);
        assert_eq!(arena_buffers(8 * MIB, 128 * MIB), 8);
        assert_eq!(arena_buffers(0, 128 * MIB), 2);
    }
}

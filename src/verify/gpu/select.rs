//! From what the user asks for to GPUs that work.

use super::adapter::choice::NoAdapter;
use super::adapter::{Adapter, Wish, choose};
use super::calibration::{self, Calibration, Speed};
use super::pool::{Gpu, Gpus, Share};
use super::worker::{Drill, start};
use super::{BUSY_JOBS, SLOT_JOBS, ways};
use crate::read::arena::{Arena, BUFFER_BYTES};
use crate::verify::engine::Engine;
use std::fmt;

/// Buffers that those who read and all GPUs share, as far as every GPU can bind them: 512 MiB, half
/// of which keeps two GPUs busy that leave the other half to the CPU.
pub const ARENA_BUFFERS: usize = 1024;
/// Buffers that each thread has at least.
const THREAD_BUFFERS_MIN: usize = 3;
/// What `auto` does not look at GPUs for: drivers may take seconds to answer, and a scan must not
/// wait for them where the CPU is through in about ten, at the speed of memory.
const AUTO_BYTES_MIN: u64 = 256 << 30;

/// Buffers of a test: 32 MiB, two submissions.
const TEST_BUFFERS: usize = 2 * SLOT_JOBS;
/// How often GPUs are measured that fail at it.
const ATTEMPTS: usize = 3;

/// GPUs at work, and what the user should know of those that are not.
#[derive(Default)]
pub struct Selected {
    /// Those that work; `None` if there are none, or if they are not worth it.
    pub gpus: Option<Gpus>,
    /// How `auto` chose.
    pub calibration: Option<Calibration>,
    /// One for each that cannot be had.
    pub notes: Vec<String>,
    /// What one was wrong about while it was measured.
    pub wrong: Option<String>,
}

/// How GPUs are to be used.
pub struct Terms<'a> {
    /// Threads that will read.
    pub threads: usize,
    /// Of the pages that are not suspect, one in so many is checked by the reference.
    pub check_one_in: u32,
    /// Asked before drivers are loaded, since one that hangs or crashes takes the process with it.
    pub drivers_answer: &'a dyn Fn() -> Result<(), String>,
    /// Ways in which the GPUs are to fail; for tests.
    pub drill: Drill,
}

/// The GPUs of `wish`, for `share`. Those that do not start are left out and noted.
///
/// # Errors
/// If no adapter is what was asked for.
pub fn select(wish: &Wish, share: Share, terms: &Terms<'_>) -> Result<Selected, NoAdapter> {
    Ok(start_all(&chosen(wish, terms)?, share, terms))
}

fn chosen(wish: &Wish, terms: &Terms<'_>) -> Result<Vec<Adapter>, NoAdapter> {
    let failed = |why| NoAdapter {
        asked: wish.names.first().cloned(),
        searched: vec![format!("a driver fails: {why}; pagescrub devices shows it")],
        ..NoAdapter::default()
    };
    (terms.drivers_answer)().map_err(failed)?;
    choose(wish)
}

/// The GPUs of `wish` if they are worth it for `bytes` of pages; otherwise none.
///
/// # Errors
/// If adapters were named and none is what was asked for.
pub fn auto(
    wish: &Wish,
    bytes: u64,
    engine: &Engine,
    terms: &Terms<'_>,
) -> Result<Selected, NoAdapter> {
    if bytes < AUTO_BYTES_MIN && wish.names.is_empty() {
        return Ok(Selected::default());
    }
    let adapters = match chosen(wish, terms) {
        Err(no_adapter) if no_adapter.asked.is_some() => return Err(no_adapter),
        Err(no_adapter) => return Ok(Selected::cpu_because(&no_adapter, Vec::new())),
        Ok(_) if bytes < AUTO_BYTES_MIN => return Ok(Selected::default()),
        Ok(adapters) => adapters,
    };
    let Selected { gpus, notes, .. } = start_all(&adapters, Share::Hybrid, terms);
    Ok(match gpus {
        Some(gpus) => measured(gpus, engine, terms, notes),
        None => Selected::cpu_because(&"no GPU could be started", notes),
    })
}

/// Keeps `gpus` if they are worth it. One that fails is left out of the next attempt; one that is
/// wrong is a fault of this machine, which then has no GPU to be believed.
fn measured(gpus: Gpus, engine: &Engine, terms: &Terms<'_>, mut notes: Vec<String>) -> Selected {
    let mut last_failure = String::new();
    for _ in 0..ATTEMPTS {
        match calibrate(&gpus, engine, terms.threads) {
            Ok(calibration) => {
                let gpus = calibration.is_for_gpus().then_some(gpus);
                return Selected { gpus, calibration: Some(calibration), notes, wrong: None };
            }
            Err(why) => last_failure = why,
        }
        notes.push(format!("a GPU is not used: {last_failure}"));
        if let Some(wrong) = gpus.wrong().map(str::to_owned) {
            return Selected { wrong: Some(wrong), ..Selected::cpu_because(&last_failure, notes) };
        }
        if gpus.are_retired() {
            break;
        }
    }
    Selected::cpu_because(&last_failure, notes)
}

impl Selected {
    fn cpu_because(why: &dyn fmt::Display, notes: Vec<String>) -> Self {
        let calibration = Some(Calibration::cpu_because(why));
        Self { calibration, notes, ..Self::default() }
    }
}

fn calibrate(gpus: &Gpus, engine: &Engine, threads: usize) -> Result<Calibration, String> {
    let arena = gpus.arena();
    let enough = gpus.members().len() * BUSY_JOBS;
    let buffers = arena.take(arena.buffers().min(enough)).ok_or("its memory is in use")?;
    let cpu = calibration::cpu(engine, threads, &buffers);
    let gpu = calibration::gpus(gpus, buffers).map_err(|why| format!("a GPU failed: {why}"))?;
    Ok(Calibration::of(cpu, gpu))
}

/// What came of testing a GPU.
pub struct Tested {
    /// As its driver calls it.
    pub name: String,
    /// How fast it was, or what went wrong.
    pub outcome: Result<Speed, String>,
    /// It works, and computes wrongly.
    pub is_wrong: bool,
}

/// Has each GPU of `wish` look at pages made for it, and compares what it says.
///
/// # Errors
/// If no adapter is what was asked for.
pub fn self_test(wish: &Wish) -> Result<Vec<Tested>, NoAdapter> {
    Ok(choose(wish)?.iter().map(tested).collect())
}

fn tested(adapter: &Adapter) -> Tested {
    let name = adapter.facts.name.clone();
    let started = Arena::new(TEST_BUFFERS).map_err(|error| error.to_string()).and_then(|arena| {
        let gpu = start(adapter, 0, &arena, &Drill::default()).map_err(|e| e.to_string())?;
        Ok(Gpus::new(arena, vec![gpu], Share::Gpu, 1))
    });
    let gpus = match started {
        Ok(gpus) => gpus,
        Err(why) => return Tested { name, outcome: Err(why), is_wrong: false },
    };
    let buffers = gpus.arena().take(TEST_BUFFERS).ok_or("its memory is in use".to_owned());
    let outcome = buffers.and_then(|buffers| calibration::gpus(&gpus, buffers));
    Tested { name, outcome, is_wrong: gpus.wrong().is_some() }
}

/// Starts what can be started of `adapters`.
pub fn start_all(adapters: &[Adapter], share: Share, terms: &Terms<'_>) -> Selected {
    let arena = match Arena::new(arena_buffers(adapters, terms.threads)) {
        Ok(arena) => arena,
        Err(error) => {
            let note = format!("GPUs are not used: no memory for them ({error})");
            return Selected { notes: vec![note], ..Selected::default() };
        }
    };
    let (mut started, mut members, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    for adapter in adapters {
        match start(adapter, members.len(), &arena, &terms.drill) {
            Ok(gpu) => {
                notes.extend(lost_ways(&gpu));
                started.push(adapter);
                members.push(gpu);
            }
            Err(error) => notes.push(format!(
                "GPU {} is not used, the CPU looked at its pages: {error}",
                adapter.facts.name
            )),
        }
    }
    if started.is_empty() {
        return Selected { notes, ..Selected::default() };
    }
    let mut gpus = Gpus::new(arena, members, share, terms.check_one_in);
    for (index, adapter) in started.into_iter().enumerate() {
        if adapter.facts.has_own_memory() {
            ways::choose(&mut gpus, index);
        }
    }
    Selected { gpus: Some(gpus), notes, ..Selected::default() }
}

/// As many as a shader of each of `adapters` sees at a time, if `threads` can do with that.
fn arena_buffers(adapters: &[Adapter], threads: usize) -> usize {
    let bindings = adapters.iter().map(|adapter| adapter.facts.binding_bytes_max());
    let most = bindings.min().unwrap_or(u64::MAX) / BUFFER_BYTES as u64;
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    ARENA_BUFFERS.min(most).max(THREAD_BUFFERS_MIN * threads)
}

/// What the user should know of the ways for which `gpu` could not be opened.
fn lost_ways(gpu: &Gpu) -> Option<String> {
    let lost = gpu.lost_ways().iter();
    let lost: Vec<_> = lost.map(|lost| format!("{} ({})", lost.upload.name(), lost.why)).collect();
    let identity = gpu.identity();
    let why = format!(
        "pages cannot take the better way to GPU {}, which is {}: they take {}",
        identity.name,
        lost.join(", or "),
        identity.upload
    );
    (!lost.is_empty()).then_some(why)
}

//! Whether the GPUs are worth it: a fraction of a second on pages in memory, CPU against GPUs.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a GPU must be better by: starting one costs something, and measuring is never exact.
const MARGIN: f64 = 1.1;

/// How fast something looks at pages that are in memory, and at what cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Speed {
    /// Bytes of pages, in 10^9 per second.
    pub gb_per_second: f64,
    /// CPU time of the whole process.
    pub cpu_seconds_per_gib: Option<f64>,
}

/// What `auto` has chosen, and by what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// `cpu` or `hybrid`.
    pub chosen: String,
    /// Why, in words.
    pub why: String,
    /// All threads together, if measured.
    pub cpu: Option<Speed>,
    /// All GPUs together, if measured.
    pub gpu: Option<Speed>,
}

impl Calibration {
    /// The CPU, because there is nothing to measure.
    pub fn cpu_because(why: impl fmt::Display) -> Self {
        Self { chosen: "cpu".to_owned(), why: why.to_string(), cpu: None, gpu: None }
    }

    /// The GPUs too if they are faster than all threads, or if they spare CPU time.
    pub fn of(cpu: Speed, gpu: Speed) -> Self {
        let is_faster = gpu.gb_per_second > MARGIN * cpu.gb_per_second;
        let costs = gpu.cpu_seconds_per_gib.zip(cpu.cpu_seconds_per_gib);
        let is_cheaper = costs.is_some_and(|(gpu, cpu)| MARGIN * gpu < cpu);
        let (chosen, why) = match (is_faster, is_cheaper) {
            (true, _) => ("hybrid", "the GPU is faster than all CPU threads"),
            (false, true) => ("hybrid", "the GPU takes less CPU time"),
            (false, false) => ("cpu", "the GPU is neither faster nor takes less CPU time"),
        };
        Self { chosen: chosen.to_owned(), why: why.to_owned(), cpu: Some(cpu), gpu: Some(gpu) }
    }

    /// True if GPUs are to be used.
    pub fn is_for_gpus(&self) -> bool {
        self.chosen == "hybrid"
    }
}

#[cfg(feature = "gpu")]
pub use measure::{cpu, gpu, gpus};

#[cfg(feature = "gpu")]
mod measure {
    use super::Speed;
    use crate::page::address::{FileId, PageAddress, PageId};
    use crate::page::checksum::Checksum;
    use crate::read::arena::{BUFFER_BYTES, BUFFER_PAGES, PageBuffer};
    use crate::verify::cpu_time::cpu_seconds;
    use crate::verify::engine::Engine;
    use crate::verify::gpu::job::{Answer, Job};
    use crate::verify::gpu::pool::Gpus;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::{Duration, Instant};

    const BYTES_PER_GIB: f64 = (1_u64 << 30) as f64;
    /// How long each is measured.
    const ENOUGH: Duration = Duration::from_millis(200);
    /// How long an answer may take.
    const PATIENCE: Duration = Duration::from_secs(10);
    const FILE: FileId = FileId(1);

    /// Measures `engine` with `threads` threads, each going round in its part of `buffers`.
    pub fn cpu(engine: &Engine, threads: usize, buffers: &[PageBuffer]) -> Speed {
        let done = AtomicU64::new(0);
        timed(|started| {
            std::thread::scope(|scope| {
                for part in buffers.chunks(buffers.len().div_ceil(threads).max(1)) {
                    scope.spawn(|| {
                        let mut sums = [Checksum(0); BUFFER_PAGES as usize];
                        for buffer in part.iter().cycle() {
                            engine.checksums(buffer, &mut sums);
                            done.fetch_add(BUFFER_BYTES as u64, Ordering::Relaxed);
                            if started.elapsed() > ENOUGH {
                                break;
                            }
                        }
                    });
                }
            });
            done.load(Ordering::Relaxed)
        })
    }

    /// Measures `gpus` together on `buffers`, and checks what they say of them.
    ///
    /// # Errors
    /// If a GPU failed, or was wrong: then it is not used any more.
    pub fn gpus(gpus: &Gpus, buffers: Vec<PageBuffer>) -> Result<Speed, String> {
        measured(gpus, None, buffers)
    }

    /// The same, of the GPU `index` alone.
    ///
    /// # Errors
    /// As above.
    pub fn gpu(gpus: &Gpus, index: usize, buffers: Vec<PageBuffer>) -> Result<Speed, String> {
        measured(gpus, Some(index), buffers)
    }

    fn measured(
        gpus: &Gpus,
        only: Option<usize>,
        mut buffers: Vec<PageBuffer>,
    ) -> Result<Speed, String> {
        for (number, buffer) in buffers.iter_mut().enumerate() {
            fill(buffer, number as u32);
        }
        let (answer_to, answers) = channel();
        let mut desk = Desk { gpus, only, answer_to, answers, out: 0 };
        let measured = desk.measure(buffers);
        // Readers want their buffers back, whatever came of it.
        while desk.out > 0 && desk.next().is_ok() {}
        measured
    }

    /// What has been given to GPUs and not come back is counted.
    struct Desk<'a> {
        gpus: &'a Gpus,
        /// All of them if it is none.
        only: Option<usize>,
        answer_to: Sender<Answer>,
        answers: Receiver<Answer>,
        out: usize,
    }

    impl Desk<'_> {
        fn measure(&mut self, buffers: Vec<PageBuffer>) -> Result<Speed, String> {
            // The first round is for what a driver does only once, and for checking.
            for (token, buffer) in buffers.into_iter().enumerate() {
                self.give(buffer, token as u64)?;
            }
            let mut idle = Vec::new();
            while self.out > 0 {
                let answer = self.next()?;
                idle.push(checked(self.gpus, answer)?);
            }
            let mut worked = Ok(0);
            let speed = timed(|started| {
                worked = self.work(idle, started);
                worked.clone().unwrap_or_default()
            });
            worked.map(|_| speed)
        }

        /// Keeps GPUs busy for long enough; bytes done.
        fn work(&mut self, idle: Vec<(PageBuffer, u64)>, started: Instant) -> Result<u64, String> {
            let mut done = 0;
            for (buffer, token) in idle {
                self.give(buffer, token)?;
            }
            while self.out > 0 {
                let answer = self.next()?;
                answer.sums.map_err(|error| error.to_string())?;
                done += BUFFER_BYTES as u64;
                if started.elapsed() < ENOUGH {
                    self.give(answer.buffer, answer.token)?;
                }
            }
            Ok(done)
        }

        fn give(&mut self, buffer: PageBuffer, token: u64) -> Result<(), String> {
            let answer_to = self.answer_to.clone();
            let job = Job { buffer, pages: BUFFER_PAGES, token, answer_to };
            let given = match self.only {
                Some(index) => self.gpus.give_to(index, job),
                None => self.gpus.give(job).map(drop),
            };
            given.map_err(|_| "the device is not used any more".to_owned())?;
            self.out += 1;
            Ok(())
        }

        fn next(&mut self) -> Result<Answer, String> {
            let answer = self.answers.recv_timeout(PATIENCE);
            self.out -= 1;
            answer.map_err(|_| "no answer".to_owned())
        }
    }

    /// Pages that differ from each other, and that no kernel calls good by chance.
    fn fill(buffer: &mut PageBuffer, number: u32) {
        let mut state = 0x9e37_79b9 ^ number;
        for page in buffer.iter_mut() {
            let words: &mut [u32] = bytemuck::cast_slice_mut(page.bytes_mut());
            for word in words {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                *word = state;
            }
        }
    }

    fn checked(gpus: &Gpus, answer: Answer) -> Result<(PageBuffer, u64), String> {
        let gpu = gpus.gpu(answer.gpu);
        let sums = answer.sums.map_err(|error| error.to_string())?;
        let first = answer.token as u32 * BUFFER_PAGES;
        for ((page, &sum), id) in answer.buffer.iter().zip(&sums).zip(first..) {
            let place = PageAddress::new(FILE, PageId(id));
            gpu.check(page, sum, place, "pages made for measuring")?;
        }
        Ok((answer.buffer, answer.token))
    }

    fn timed(work: impl FnOnce(Instant) -> u64) -> Speed {
        let cpu_before = cpu_seconds();
        let started = Instant::now();
        let bytes = work(started).max(1) as f64;
        let seconds = started.elapsed().as_secs_f64().max(1e-9);
        let cpu = cpu_seconds().zip(cpu_before).map(|(after, before)| after - before);
        Speed {
            gb_per_second: bytes / 1e9 / seconds,
            cpu_seconds_per_gib: cpu.map(|cpu| cpu * BYTES_PER_GIB / bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speed(gb_per_second: f64, cpu: f64) -> Speed {
        Speed { gb_per_second, cpu_seconds_per_gib: Some(cpu) }
    }

    #[test]
    fn a_gpu_must_be_faster_or_cheaper_to_be_chosen() {
        let cpu = speed(20.0, 0.08);
        let chosen = |gpu| Calibration::of(cpu, gpu).chosen;
        assert_eq!(chosen(speed(50.0, 0.1)), "hybrid");
        assert_eq!(chosen(speed(10.0, 0.02)), "hybrid");
        assert_eq!(chosen(speed(2.0, 0.9)), "cpu");
        assert_eq!(chosen(speed(21.0, 0.079)), "cpu");
        let unknown = Speed { gb_per_second: 10.0, cpu_seconds_per_gib: None };
        assert_eq!(chosen(unknown), "cpu");
    }
}

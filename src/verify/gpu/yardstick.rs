//! The yardstick of GPUs: a device that only reads its memory, only computes, or only moves bytes.
//!
//! Nothing can be faster than the first and the last of these. All that is read is checked, and
//! timed by the device's own clock where it has one.

mod clock;
mod expected;
mod parts;
mod region;

pub use expected::Expected;

use super::adapter::Adapter;
use super::device::OpenDevice;
use super::job::GpuError;
use super::pipeline::{Pipeline, Shader};
use crate::read::arena::{BUFFER_BYTES, PageBuffer};
use clock::{Clock, PATIENCE};
use parts::Parts;
use region::Region;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;
use wgpu::{CommandEncoder, CommandEncoderDescriptor, PollType};

/// What is measured for less is repeated: an idle GPU takes a while to run at full speed.
const ENOUGH_SECONDS: f64 = 0.1;
const PASSES_MAX: u64 = 1000;

/// An open device, with pages in its memory and pages on its way there.
pub struct Yardstick {
    resident: Vec<Region>,
    /// Where copies go.
    landing: Region,
    /// The arena, if shaders can read it.
    imported: Option<Region>,
    /// Where copies start.
    source: wgpu::Buffer,
    shaders: Vec<Shader>,
    kernels: Vec<Pipeline>,
    reader: Pipeline,
    clock: Option<Clock>,
    device: OpenDevice,
    expected: Arc<Expected>,
    /// The device may read them until it is closed.
    _pages: Vec<PageBuffer>,
}

/// What was moved or looked at, and how long that took.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Bytes of pages.
    pub bytes: u64,
    /// Of the device, or of the wall.
    pub seconds: f64,
}

/// Why there is no measurement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotMeasured {
    /// The device does not do it.
    Failed(GpuError),
    /// The device did it wrongly: what was wrong.
    Wrong(String),
}

impl Yardstick {
    /// Opens `adapter` with `pages`, all buffers of an arena, and `expected` of them; and with up
    /// to `resident_bytes` of copies of them in its own memory: as many as it has room for.
    ///
    /// # Errors
    /// If the device cannot be opened, has not even room for the arena, or copies wrongly.
    pub fn new(
        adapter: &Adapter,
        pages: Vec<PageBuffer>,
        expected: &Arc<Expected>,
        resident_bytes: u64,
    ) -> Result<Self, NotMeasured> {
        let parts = Parts::open(adapter, &pages)?;
        let resident = parts.resident(adapter, &pages, resident_bytes)?;
        let whole = 0..pages.len();
        let landing = parts.device.watch(|| {
            let bytes = (pages.len() * BUFFER_BYTES) as u64;
            Region::on_device(&parts.device, &parts.reader, bytes, whole.clone().collect())
        })?;
        let imported = parts.is_imported.then(|| {
            let (device, source) = (&parts.device, parts.source.clone());
            device.watch(|| Region::new(device, &parts.reader, source, whole.collect()))
        });
        let Parts { device, source, reader, shaders, kernels, .. } = parts;
        let mut yardstick = Self {
            resident,
            landing,
            imported: imported.transpose()?,
            source,
            shaders,
            kernels,
            reader,
            clock: Clock::new(&device, adapter.facts.features)?,
            device,
            expected: Arc::clone(expected),
            _pages: pages,
        };
        yardstick.fill()?;
        yardstick.distrust_clock()?;
        Ok(yardstick)
    }

    /// Bytes of pages in the device's own memory.
    pub fn resident_bytes(&self) -> u64 {
        self.resident.iter().map(Region::bytes).sum()
    }

    /// The shaders that compute checksums here, the one of a scan first.
    pub fn shaders(&self) -> &[Shader] {
        &self.shaders
    }

    /// True if the device itself takes the time.
    pub fn has_clock(&self) -> bool {
        self.clock.is_some()
    }

    /// True if shaders can read the arena.
    pub fn is_imported(&self) -> bool {
        self.imported.is_some()
    }

    /// Reads the resident pages.
    pub fn read_resident(&self) -> Result<Measured, NotMeasured> {
        self.read(self.resident.iter().collect(), 0)
    }

    /// Computes the words of the resident pages, with the kernel `kernel` of [`Self::shaders`].
    pub fn checksum_resident(&self, kernel: usize) -> Result<Measured, NotMeasured> {
        let pipeline = &self.kernels[kernel];
        let regions: Vec<_> = self.resident.iter().collect();
        let measured = self.shade(&regions, pipeline, 0)?;
        for region in regions {
            region.check_words(&region.words(&self.device)?, &self.expected)?;
        }
        Ok(measured)
    }

    /// Reads `bytes` or more where a disk would have put them, if [`Self::is_imported`].
    pub fn read_imported(&self, bytes: u64) -> Result<Measured, NotMeasured> {
        self.read(self.imported.iter().collect(), bytes)
    }

    /// Copies `bytes` or more into the device's memory.
    pub fn copy(&self, bytes: u64) -> Result<Measured, NotMeasured> {
        let size = self.landing.bytes();
        let pass = |encoder: &mut CommandEncoder| {
            encoder.copy_buffer_to_buffer(&self.source, 0, self.landing.pages(), 0, Some(size));
        };
        let measured = self.measured(size, bytes, &pass)?;
        self.read(vec![&self.landing], 0)?;
        Ok(measured)
    }

    fn read(&self, regions: Vec<&Region>, bytes: u64) -> Result<Measured, NotMeasured> {
        let measured = self.shade(&regions, &self.reader, bytes)?;
        for region in regions {
            region.check_sums(&region.words(&self.device)?, &self.expected)?;
        }
        Ok(measured)
    }

    /// Lets `pipeline` look at `regions`, until that was `bytes` or more.
    fn shade(
        &self,
        regions: &[&Region],
        pipeline: &Pipeline,
        bytes: u64,
    ) -> Result<Measured, GpuError> {
        let clear = |encoder: &mut CommandEncoder| {
            for region in regions {
                region.clear(encoder);
            }
        };
        let pass = |encoder: &mut CommandEncoder| {
            for region in regions {
                region.encode(pipeline, encoder);
            }
        };
        self.timed(1, None, &clear)?;
        self.measured(regions.iter().map(|region| region.bytes()).sum(), bytes, &pass)
    }

    /// Measures as many passes, each of `pass_bytes`, as `bytes` and a sure clock need.
    fn measured(
        &self,
        pass_bytes: u64,
        bytes: u64,
        pass: &dyn Fn(&mut CommandEncoder),
    ) -> Result<Measured, GpuError> {
        let once = self.timed(1, self.clock.as_ref(), pass)?.max(1e-9);
        let enough = ((ENOUGH_SECONDS / once) as u64).min(PASSES_MAX);
        let passes = bytes.div_ceil(pass_bytes.max(1)).max(enough).max(1);
        let seconds = self.timed(passes, self.clock.as_ref(), pass)?;
        Ok(Measured { bytes: passes * pass_bytes, seconds: seconds.max(1e-9) })
    }

    /// Seconds that `passes` took, of `clock` or of the wall.
    fn timed(
        &self,
        passes: u64,
        clock: Option<&Clock>,
        pass: &dyn Fn(&mut CommandEncoder),
    ) -> Result<f64, GpuError> {
        let device = &self.device;
        let (done, seconds) = device.watch(|| {
            let mut encoder =
                device.device.create_command_encoder(&CommandEncoderDescriptor::default());
            clock.inspect(|clock| clock.start(&mut encoder));
            (0..passes).for_each(|_| pass(&mut encoder));
            clock.inspect(|clock| clock.stop(&mut encoder));
            let commands = encoder.finish();
            let started = Instant::now();
            let submission_index = Some(device.queue.submit([commands]));
            let wait = PollType::Wait { submission_index, timeout: Some(PATIENCE) };
            (device.device.poll(wait), started.elapsed().as_secs_f64())
        })?;
        done.map_err(|_| GpuError::TimedOut)?;
        clock.map_or(Ok(seconds), |clock| clock.seconds(device))
    }

    /// Puts copies of the arena's pages into the device's memory.
    fn fill(&self) -> Result<(), NotMeasured> {
        for region in &self.resident {
            self.timed(1, None, &|encoder| region.fill(encoder, &self.source))?;
        }
        Ok(())
    }

    /// There are clocks that stand still, or run faster than time.
    fn distrust_clock(&mut self) -> Result<(), NotMeasured> {
        let Some(clock) = &self.clock else { return Ok(()) };
        let pass = |encoder: &mut CommandEncoder| {
            for region in &self.resident {
                region.encode(&self.reader, encoder);
            }
        };
        let started = Instant::now();
        let seconds = self.timed(1, Some(clock), &pass)?;
        if !(0.0 < seconds && seconds <= started.elapsed().as_secs_f64()) {
            self.clock = None;
        }
        Ok(())
    }
}

impl From<GpuError> for NotMeasured {
    fn from(error: GpuError) -> Self {
        Self::Failed(error)
    }
}

impl fmt::Display for NotMeasured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Wrong(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for NotMeasured {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::arena::Arena;
    use crate::verify::gpu::adapter::{Wish, choose};
    use crate::verify::gpu::upload::Upload;

    /// The best adapter, in software if need be.
    fn adapter() -> Adapter {
        let wish = Wish { names: Vec::new(), allow_software: true };
        choose(&wish).unwrap().remove(0)
    }

    /// 1 MiB of pages, all different.
    fn pages() -> Vec<PageBuffer> {
        let mut pages = Arena::new(2).unwrap().take(2).unwrap();
        for (i, page) in pages.iter_mut().flat_map(|buffer| buffer.iter_mut()).enumerate() {
            page.bytes_mut().iter_mut().enumerate().for_each(|(b, byte)| *byte = (b * i / 9) as u8);
        }
        pages
    }

    fn yardstick(adapter: &Adapter) -> Yardstick {
        let pages = pages();
        let expected = Arc::new(Expected::of(&pages));
        Yardstick::new(adapter, pages, &expected, 3 << 20).unwrap()
    }

    fn measure_all(yardstick: &Yardstick) -> Result<(), NotMeasured> {
        let resident = [yardstick.read_resident()?, yardstick.checksum_resident(0)?];
        assert!(resident.iter().all(|m| m.bytes.is_multiple_of(3 << 20) && m.seconds > 0.0));
        let mut over_the_bus = vec![yardstick.copy(5 << 20)?];
        if yardstick.is_imported() {
            over_the_bus.push(yardstick.read_imported(5 << 20)?);
        }
        assert!(over_the_bus.iter().all(|m| m.bytes >= 5 << 20 && m.seconds > 0.0));
        Ok(())
    }

    #[test]
    #[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
    fn everything_is_measured_with_and_without_import_and_clock() {
        let mut adapter = adapter();
        let best = yardstick(&adapter);
        assert_eq!(best.is_imported(), adapter.facts.upload() == Upload::HostImport);
        assert_eq!(best.resident_bytes(), 3 << 20);
        assert_eq!(measure_all(&best), Ok(()));
        adapter.facts.import_alignment = Err("not today".to_owned());
        adapter.facts.features.remove(Clock::FEATURES);
        let plain = yardstick(&adapter);
        assert!(!plain.is_imported() && !plain.has_clock());
        assert_eq!(measure_all(&plain), Ok(()));
    }

    #[test]
    #[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
    fn what_is_not_as_expected_is_wrong() {
        let mut yardstick = yardstick(&adapter());
        let mut other = pages();
        other[1][9].bytes_mut()[4000] ^= 1;
        yardstick.expected = Arc::new(Expected::of(&other));
        let outcomes =
            [yardstick.read_resident(), yardstick.checksum_resident(0), yardstick.copy(1)];
        for outcome in outcomes {
            assert!(matches!(outcome, Err(NotMeasured::Wrong(_))), "{outcome:?}");
        }
    }
}

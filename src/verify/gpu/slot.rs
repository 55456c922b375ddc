//! One submission: the buffers it uses, the jobs in it, and how far it has come.

use super::device::OpenDevice;
use super::job::{GpuError, Job};
use super::pipeline::Pipeline;
use super::upload::Upload;
use super::word::{GROUP_PAGES, Group, Word};
use crate::page::PAGE_BYTES;
use crate::page::checksum::Checksum;
use crate::read::arena::{BUFFER_BYTES, BUFFER_PAGES};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use wgpu::{BufferUsages, CommandEncoder, MapMode};

/// Workgroups that one job needs at most.
const JOB_GROUPS: usize = (BUFFER_PAGES / GROUP_PAGES) as usize;

/// Buffers on the device for one submission.
pub(super) struct Slot {
    groups: wgpu::Buffer,
    words: wgpu::Buffer,
    /// Where the words can be read from.
    readback: wgpu::Buffer,
    /// The ways that the device is open for.
    routes: Vec<Route>,
}

/// A way for pages to where the shader reads them.
struct Route {
    /// What the CPU writes, mapped while it may.
    written: Option<wgpu::Buffer>,
    /// What the device copies: that, or the arena.
    source: Option<wgpu::Buffer>,
    /// What the shader reads: copies, what was written, or the arena.
    pages: wgpu::Buffer,
    bind_group: wgpu::BindGroup,
}

/// What every slot of a device is made of.
pub(super) struct Parts<'a> {
    pub(super) device: &'a wgpu::Device,
    pub(super) pipeline: &'a Pipeline,
    /// The arena, if the device has imported it; some ways need that.
    pub(super) arena: Option<&'a wgpu::Buffer>,
    pub(super) ways: &'a [Upload],
}

/// A submission that is on its way.
pub(super) struct InFlight {
    pub(super) slot: Slot,
    pub(super) jobs: Vec<Job>,
    pub(super) index: wgpu::SubmissionIndex,
    pub(super) since: Instant,
    nonce: u16,
    /// Mappings that are not there yet.
    pending: Arc<AtomicUsize>,
}

impl Parts<'_> {
    /// Buffers for `jobs` jobs.
    pub(super) fn slot(&self, jobs: usize) -> Slot {
        let groups_max = jobs * JOB_GROUPS;
        let groups_bytes = groups_max * size_of::<Group>();
        let words_bytes = groups_max * GROUP_PAGES as usize * size_of::<Word>();
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
        let groups = self.buffer("groups", groups_bytes, usage);
        let words = self.buffer("words", words_bytes, usage | BufferUsages::COPY_SRC);
        let of_readback = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
        let readback = self.buffer("readback", words_bytes, of_readback);
        let route = |upload| self.route(upload, jobs * BUFFER_BYTES, &groups, &words);
        let routes = self.ways.iter().filter_map(|&upload| route(upload)).collect();
        Slot { groups, words, readback, routes }
    }

    fn route(
        &self,
        upload: Upload,
        bytes: usize,
        groups: &wgpu::Buffer,
        words: &wgpu::Buffer,
    ) -> Option<Route> {
        let copies = || self.buffer("pages", bytes, BufferUsages::STORAGE | BufferUsages::COPY_DST);
        let written = |usage| self.buffer("written", bytes, BufferUsages::MAP_WRITE | usage);
        let (written, source, pages) = match upload {
            Upload::HostImport => (None, None, self.arena?.clone()),
            Upload::ImportCopy => (None, Some(self.arena?.clone()), copies()),
            Upload::Mappable => {
                let pages = written(BufferUsages::STORAGE);
                (Some(pages.clone()), None, pages)
            }
            Upload::Copy => {
                let staging = written(BufferUsages::COPY_SRC);
                (Some(staging.clone()), Some(staging), copies())
            }
        };
        let bind_group = self.pipeline.bind(self.device, &pages, groups, words);
        Some(Route { written, source, pages, bind_group })
    }

    fn buffer(&self, label: &str, bytes: usize, usage: BufferUsages) -> wgpu::Buffer {
        self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: bytes as u64,
            usage,
            mapped_at_creation: usage.contains(BufferUsages::MAP_WRITE),
        })
    }
}

impl Slot {
    /// Sends `jobs` off by the way `way` of those that the device is open for, their words marked
    /// with `nonce`.
    pub(super) fn submit(
        self,
        (device, pipeline): (&OpenDevice, &Pipeline),
        way: usize,
        jobs: Vec<Job>,
        nonce: u16,
    ) -> Result<InFlight, (GpuError, Vec<Job>)> {
        let Some(route) = self.routes.get(way) else {
            return Err((GpuError::Refused("there is no such way".to_owned()), jobs));
        };
        if let Err(error) = route.write(&jobs) {
            return Err((error, jobs));
        }
        let groups = route.groups_of(&jobs, nonce);
        device.queue.write_buffer(&self.groups, 0, bytemuck::cast_slice(&groups));
        let mut encoder = device.device.create_command_encoder(&wgpu::CommandEncoderDescriptor {
            label: Some("page checksums"),
        });
        // What is not written must not look like what was written for another submission.
        let words_bytes = (groups.len() * GROUP_PAGES as usize * size_of::<Word>()) as u64;
        encoder.clear_buffer(&self.words, 0, Some(words_bytes));
        route.copy(&mut encoder, &jobs);
        pipeline.encode(&mut encoder, &route.bind_group, groups.len() as u32);
        encoder.copy_buffer_to_buffer(&self.words, 0, &self.readback, 0, Some(words_bytes));
        let pending = self.map_on_submit(&encoder, route.written.as_ref(), words_bytes);
        let index = device.queue.submit([encoder.finish()]);
        Ok(InFlight { slot: self, jobs, index, since: Instant::now(), nonce, pending })
    }

    /// Asks for the words, and for the memory that the next pages go to, once all is done.
    fn map_on_submit(
        &self,
        encoder: &CommandEncoder,
        written: Option<&wgpu::Buffer>,
        words_bytes: u64,
    ) -> Arc<AtomicUsize> {
        let pending = Arc::new(AtomicUsize::new(1 + usize::from(written.is_some())));
        let arrived = |pending: &Arc<AtomicUsize>| {
            let pending = Arc::clone(pending);
            // That a mapping succeeded is not to be relied on: a lost device says so, too.
            move |_| {
                pending.fetch_sub(1, Ordering::Release);
            }
        };
        let words = ..words_bytes;
        encoder.map_buffer_on_submit(&self.readback, MapMode::Read, words, arrived(&pending));
        if let Some(written) = written {
            encoder.map_buffer_on_submit(written, MapMode::Write, .., arrived(&pending));
        }
        pending
    }
}

impl Route {
    /// Copies the pages, unless the device has them from where they are.
    fn write(&self, jobs: &[Job]) -> Result<(), GpuError> {
        let Some(to) = &self.written else { return Ok(()) };
        let mut view =
            to.get_mapped_range_mut(..).map_err(|error| GpuError::Refused(error.to_string()))?;
        for (place, job) in jobs.iter().enumerate() {
            let pages = &job.buffer[..job.pages as usize];
            view.slice(place * BUFFER_BYTES..place * BUFFER_BYTES + size_of_val(pages))
                .copy_from_slice(bytemuck::cast_slice(pages));
        }
        drop(view);
        to.unmap();
        Ok(())
    }

    /// Lets the device copy the pages, if the shader reads copies: at once what was written one
    /// after another, else buffer by buffer from wherever in the arena they are.
    fn copy(&self, encoder: &mut CommandEncoder, jobs: &[Job]) {
        let Some(source) = &self.source else { return };
        if self.written.is_some() {
            let bytes = (jobs.len() * BUFFER_BYTES) as u64;
            return encoder.copy_buffer_to_buffer(source, 0, &self.pages, 0, Some(bytes));
        }
        for (place, job) in jobs.iter().enumerate() {
            let [from, to] = [job.buffer.index(), place].map(|at| (at * BUFFER_BYTES) as u64);
            let bytes = u64::from(job.pages) * PAGE_BYTES as u64;
            encoder.copy_buffer_to_buffer(source, from, &self.pages, to, Some(bytes));
        }
    }

    fn groups_of(&self, jobs: &[Job], nonce: u16) -> Vec<Group> {
        let is_arena = self.written.is_none() && self.source.is_none();
        let groups = |(place, job): (usize, &Job)| {
            let place = if is_arena { job.buffer.index() } else { place };
            Group::of_pages(place as u32 * BUFFER_PAGES, job.pages, nonce)
        };
        jobs.iter().enumerate().flat_map(groups).collect()
    }
}

impl InFlight {
    /// True once the device says that it is done.
    pub(super) fn is_done(&self) -> bool {
        self.pending.load(Ordering::Acquire) == 0
    }

    /// The checksums of each job; for use once, when done.
    pub(super) fn sums(&self) -> Result<Vec<Vec<Checksum>>, GpuError> {
        let words_of = |job: &Job| job.pages.next_multiple_of(GROUP_PAGES) as usize;
        let count: usize = self.jobs.iter().map(words_of).sum();
        let view = self
            .slot
            .readback
            .get_mapped_range(..(count * size_of::<Word>()) as u64)
            .map_err(|error| GpuError::Refused(error.to_string()))?;
        let all: Vec<Word> = bytemuck::pod_collect_to_vec(&view);
        drop(view);
        self.slot.readback.unmap();
        let mut rest = &all[..];
        let own = |job: &Job| {
            let (own, others) = rest.split_at(words_of(job));
            rest = others;
            self.sums_of(&own[..job.pages as usize])
        };
        self.jobs.iter().map(own).collect()
    }

    fn sums_of(&self, words: &[Word]) -> Result<Vec<Checksum>, GpuError> {
        let sum = |word: &Word| word.is_done(self.nonce).then(|| word.checksum());
        words.iter().map(sum).collect::<Option<_>>().ok_or(GpuError::Silent)
    }
}

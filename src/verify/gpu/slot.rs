//! One submission: the buffers it uses, the jobs in it, and how far it has come.

use super::adapter::facts::Upload;
use super::device::OpenDevice;
use super::job::{GpuError, Job};
use super::pipeline::Pipeline;
use super::word::{GROUP_PAGES, Group, Word};
use crate::read::arena::{BUFFER_BYTES, BUFFER_PAGES};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use wgpu::{BufferUsages, MapMode};

/// Workgroups that one job needs at most.
const JOB_GROUPS: usize = (BUFFER_PAGES / GROUP_PAGES) as usize;

/// Buffers on the device for one submission.
pub(super) struct Slot {
    groups: wgpu::Buffer,
    words: wgpu::Buffer,
    /// Where the words can be read from.
    readback: wgpu::Buffer,
    pages: Pages,
    bind_group: wgpu::BindGroup,
}

/// How pages get to where the shader reads them.
enum Pages {
    /// It reads our own memory.
    Imported,
    /// Into memory that the shader reads and we write.
    Mapped(wgpu::Buffer),
    /// Into memory that we write, and from there into the device's own.
    Staged { staging: wgpu::Buffer, pages: wgpu::Buffer },
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

impl Slot {
    /// Buffers for `jobs` jobs. `imported` is the arena, as far as the device can read it.
    pub(super) fn new(
        device: &wgpu::Device,
        pipeline: &Pipeline,
        imported: Option<&wgpu::Buffer>,
        upload: Upload,
        jobs: usize,
    ) -> Self {
        let buffer = |label, bytes: usize, usage, is_mapped| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size: bytes as u64,
                usage,
                mapped_at_creation: is_mapped,
            })
        };
        let groups_max = jobs * JOB_GROUPS;
        let groups_bytes = groups_max * size_of::<Group>();
        let words_bytes = groups_max * GROUP_PAGES as usize * size_of::<Word>();
        let pages_bytes = jobs * BUFFER_BYTES;
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
        let groups = buffer("groups", groups_bytes, usage, false);
        let words = buffer("words", words_bytes, usage | BufferUsages::COPY_SRC, false);
        let readback =
            buffer("readback", words_bytes, BufferUsages::MAP_READ | BufferUsages::COPY_DST, false);
        let to_write = BufferUsages::MAP_WRITE;
        let pages = match upload {
            Upload::HostImport => Pages::Imported,
            Upload::Mappable => {
                Pages::Mapped(buffer("pages", pages_bytes, to_write | BufferUsages::STORAGE, true))
            }
            Upload::Copy => Pages::Staged {
                staging: buffer("staging", pages_bytes, to_write | BufferUsages::COPY_SRC, true),
                pages: buffer("pages", pages_bytes, usage, false),
            },
        };
        let read = match &pages {
            Pages::Imported => imported.unwrap_or(&words),
            Pages::Mapped(pages) | Pages::Staged { pages, .. } => pages,
        };
        let bind_group = pipeline.bind(device, read, &groups, &words);
        Self { groups, words, readback, pages, bind_group }
    }

    /// Sends `jobs` off, their words marked with `nonce`.
    pub(super) fn submit(
        self,
        device: &OpenDevice,
        pipeline: &Pipeline,
        jobs: Vec<Job>,
        nonce: u16,
    ) -> Result<InFlight, (GpuError, Vec<Job>)> {
        if let Err(error) = self.upload(&jobs) {
            return Err((error, jobs));
        }
        let groups = self.groups_of(&jobs, nonce);
        device.queue.write_buffer(&self.groups, 0, bytemuck::cast_slice(&groups));
        let mut encoder = device.device.create_command_encoder(&wgpu::CommandEncoderDescriptor {
            label: Some("page checksums"),
        });
        // What is not written must not look like what was written for another submission.
        let words_bytes = (groups.len() * GROUP_PAGES as usize * size_of::<Word>()) as u64;
        encoder.clear_buffer(&self.words, 0, Some(words_bytes));
        if let Pages::Staged { staging, pages } = &self.pages {
            let bytes = (jobs.len() * BUFFER_BYTES) as u64;
            encoder.copy_buffer_to_buffer(staging, 0, pages, 0, Some(bytes));
        }
        pipeline.encode(&mut encoder, &self.bind_group, groups.len() as u32);
        encoder.copy_buffer_to_buffer(&self.words, 0, &self.readback, 0, Some(words_bytes));
        let pending = self.map_on_submit(&encoder, words_bytes);
        let index = device.queue.submit([encoder.finish()]);
        Ok(InFlight { slot: self, jobs, index, since: Instant::now(), nonce, pending })
    }

    /// Copies the pages, unless the device reads them where they are.
    fn upload(&self, jobs: &[Job]) -> Result<(), GpuError> {
        let to = match &self.pages {
            Pages::Imported => return Ok(()),
            Pages::Mapped(pages) => pages,
            Pages::Staged { staging, .. } => staging,
        };
        let mut view =
            to.get_mapped_range_mut(..).map_err(|error| GpuError::Refused(error.to_string()))?;
        for (i, job) in jobs.iter().enumerate() {
            let bytes = job.range.bytes() as usize;
            let pages = &job.buffer[..job.range.pages as usize];
            view.slice(i * BUFFER_BYTES..i * BUFFER_BYTES + bytes)
                .copy_from_slice(bytemuck::cast_slice(pages));
        }
        drop(view);
        to.unmap();
        Ok(())
    }

    fn groups_of(&self, jobs: &[Job], nonce: u16) -> Vec<Group> {
        let first_page = |position: usize, job: &Job| match self.pages {
            Pages::Imported => job.buffer.index() as u32 * BUFFER_PAGES,
            Pages::Mapped(_) | Pages::Staged { .. } => position as u32 * BUFFER_PAGES,
        };
        let groups = |(position, job): (usize, &Job)| {
            Group::of_range(first_page(position, job), job.file, job.range, nonce)
        };
        jobs.iter().enumerate().flat_map(groups).collect()
    }

    /// Asks for the words, and for the memory that the next pages go to, once all is done.
    fn map_on_submit(&self, encoder: &wgpu::CommandEncoder, words_bytes: u64) -> Arc<AtomicUsize> {
        let written = match &self.pages {
            Pages::Imported => None,
            Pages::Mapped(pages) => Some(pages),
            Pages::Staged { staging, .. } => Some(staging),
        };
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

impl InFlight {
    /// True once the device says that it is done.
    pub(super) fn is_done(&self) -> bool {
        self.pending.load(Ordering::Acquire) == 0
    }

    /// The words of each job; for use once, when done.
    pub(super) fn words(&self) -> Result<Vec<Vec<Word>>, GpuError> {
        let job_bytes = |job: &Job| {
            let groups = job.range.pages.div_ceil(GROUP_PAGES);
            (groups * GROUP_PAGES) as usize * size_of::<Word>()
        };
        let bytes = self.jobs.iter().map(job_bytes).sum::<usize>() as u64;
        let view = self
            .slot
            .readback
            .get_mapped_range(..bytes)
            .map_err(|error| GpuError::Refused(error.to_string()))?;
        let all: Vec<Word> = bytemuck::pod_collect_to_vec(&view);
        drop(view);
        self.slot.readback.unmap();
        let mut rest = &all[..];
        let words = |job: &Job| {
            let (own, others) = rest.split_at(job_bytes(job) / size_of::<Word>());
            rest = others;
            own[..job.range.pages as usize].to_vec()
        };
        let words: Vec<_> = self.jobs.iter().map(words).collect();
        let is_written = |word: &Word| word.is_done(self.nonce);
        if words.iter().flatten().all(is_written) { Ok(words) } else { Err(GpuError::Silent) }
    }
}

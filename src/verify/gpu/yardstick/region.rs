//! Pages where a shader reads them, copies of an arena's buffers, and what it says about them.

use super::clock::contents;
use super::{Expected, NotMeasured};
use crate::read::arena::{BUFFER_BYTES, BUFFER_PAGES};
use crate::verify::gpu::device::OpenDevice;
use crate::verify::gpu::job::GpuError;
use crate::verify::gpu::pipeline::Pipeline;
use crate::verify::gpu::word::{GROUP_PAGES, Group, Word};
use wgpu::{Buffer, BufferUsages, CommandEncoder, CommandEncoderDescriptor};

/// Words are cleared before they are written, so one will do.
const NONCE: u16 = 0x5ca1;
const BUFFER_GROUPS: usize = (BUFFER_PAGES / GROUP_PAGES) as usize;

pub(super) struct Region {
    pages: Buffer,
    /// For each buffer's worth of pages, the arena's buffer that it is a copy of.
    origins: Vec<usize>,
    words: Buffer,
    bind_group: wgpu::BindGroup,
}

impl Region {
    /// Room for copies of `origins` in the device's own memory.
    pub(super) fn on_device(
        device: &OpenDevice,
        pipeline: &Pipeline,
        bytes: u64,
        origins: Vec<usize>,
    ) -> Self {
        let pages = buffer(device, bytes, BufferUsages::STORAGE | BufferUsages::COPY_DST);
        Self::new(device, pipeline, pages, origins)
    }

    /// `pages`, which are copies of `origins`. Every pipeline has the bindings of `pipeline`.
    pub(super) fn new(
        device: &OpenDevice,
        pipeline: &Pipeline,
        pages: Buffer,
        origins: Vec<usize>,
    ) -> Self {
        let groups: Vec<_> = (0..origins.len()).flat_map(groups).collect();
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
        let entries = buffer(device, size_of_val(&groups[..]) as u64, usage);
        device.queue.write_buffer(&entries, 0, bytemuck::cast_slice(&groups));
        let words_bytes = (origins.len() * BUFFER_PAGES as usize * size_of::<Word>()) as u64;
        let words = buffer(device, words_bytes, usage | BufferUsages::COPY_SRC);
        let bind_group = pipeline.bind(&device.device, &pages, &entries, &words);
        Self { pages, origins, words, bind_group }
    }

    pub(super) fn bytes(&self) -> u64 {
        (self.origins.len() * BUFFER_BYTES) as u64
    }

    pub(super) fn pages(&self) -> &Buffer {
        &self.pages
    }

    /// Copies every buffer to its place; `arena` has them in their order.
    pub(super) fn fill(&self, encoder: &mut CommandEncoder, arena: &Buffer) {
        let bytes = BUFFER_BYTES as u64;
        for (place, &origin) in self.origins.iter().enumerate() {
            let (from, to) = (origin as u64 * bytes, place as u64 * bytes);
            encoder.copy_buffer_to_buffer(arena, from, &self.pages, to, Some(bytes));
        }
    }

    /// Forgets what was said.
    pub(super) fn clear(&self, encoder: &mut CommandEncoder) {
        encoder.clear_buffer(&self.words, 0, None);
    }

    /// Lets `pipeline` look at all pages.
    pub(super) fn encode(&self, pipeline: &Pipeline, encoder: &mut CommandEncoder) {
        let groups = self.origins.len() * BUFFER_GROUPS;
        pipeline.encode(encoder, &self.bind_group, groups as u32);
    }

    /// What was said of each page.
    pub(super) fn words(&self, device: &OpenDevice) -> Result<Vec<Word>, GpuError> {
        let readback = device.watch(|| {
            let usage = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
            let readback = buffer(device, self.words.size(), usage);
            let mut encoder =
                device.device.create_command_encoder(&CommandEncoderDescriptor::default());
            encoder.copy_buffer_to_buffer(&self.words, 0, &readback, 0, None);
            device.queue.submit([encoder.finish()]);
            readback
        })?;
        contents(device, &readback)
    }

    /// Holds the words of a kernel against those of the reference.
    pub(super) fn check_words(
        &self,
        words: &[Word],
        expected: &Expected,
    ) -> Result<(), NotMeasured> {
        if !words.iter().all(|word| word.is_done(NONCE)) {
            return Err(NotMeasured::Wrong(GpuError::Silent.to_string()));
        }
        let sums: Vec<_> = words.iter().map(|word| word.checksum()).collect();
        let mut buffers = sums.chunks(BUFFER_PAGES as usize).zip(&self.origins);
        buffers.try_for_each(|(sums, &origin)| expected.check(origin, sums))
    }

    /// Holds the sums of the yardstick against those of the reference.
    pub(super) fn check_sums(
        &self,
        words: &[Word],
        expected: &Expected,
    ) -> Result<(), NotMeasured> {
        let sums = self
            .origins
            .iter()
            .flat_map(|&origin| (0..BUFFER_GROUPS).map(move |group| expected.sum(origin, group)));
        let mut groups = words.chunks(GROUP_PAGES as usize).zip(sums).enumerate();
        let wrong =
            groups.find(|(_, (words, sum))| words[0].checksum != *sum || !words[0].is_done(NONCE));
        match wrong {
            None => Ok(()),
            Some((group, (words, sum))) => Err(NotMeasured::Wrong(format!(
                "{:?} for extent {group} of the pages read; the sum is {sum:#010x}",
                words[0]
            ))),
        }
    }
}

fn groups(place: usize) -> impl Iterator<Item = Group> {
    Group::of_pages(place as u32 * BUFFER_PAGES, BUFFER_PAGES, NONCE)
}

fn buffer(device: &OpenDevice, size: u64, usage: BufferUsages) -> Buffer {
    device.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("yardstick"),
        size,
        usage,
        mapped_at_creation: false,
    })
}

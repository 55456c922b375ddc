//! Every shader on every adapter that can run it, software ones included, one batch at a time.

use bytemuck::Zeroable;
use pagescrub::page::Page;
use pagescrub::verify::gpu::pipeline::{Pipeline, Shader};
use pagescrub::verify::gpu::word::{GROUP_PAGES, Group, Word};
use std::sync::LazyLock;
use wgpu::util::{BufferInitDescriptor, DeviceExt};
use wgpu::{BufferUsages, CommandEncoderDescriptor};

/// What the words are before a kernel runs.
pub const UNTOUCHED: Word = Word { checksum: 0xdead_beef, mark: 0x5555_5554 };

/// A device of some adapter.
pub struct Gpu {
    /// The adapter's.
    pub name: String,
    /// What of ours it can run.
    pub shaders: Vec<Shader>,
    /// Everything it is asked to do goes through these.
    pub device: wgpu::Device,
    queue: wgpu::Queue,
}

/// All there are, at least one.
pub static GPUS: LazyLock<Vec<Gpu>> = LazyLock::new(|| {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        flags: wgpu::InstanceFlags::empty().with_env(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    assert!(!adapters.is_empty(), "these tests were asked for, and there is no adapter");
    adapters.iter().map(Gpu::new).collect()
});

impl Gpu {
    fn new(adapter: &wgpu::Adapter) -> Self {
        let best = Shader::for_adapter(adapter.features(), &adapter.get_info());
        let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
            required_features: best.features(adapter.features()),
            required_limits: adapter.limits(),
            ..Default::default()
        }))
        .expect("a device");
        let mut shaders = vec![Shader::Portable, best];
        shaders.dedup();
        Self { name: adapter.get_info().name, shaders, device, queue }
    }

    /// The words of `groups`, and of one group more that nobody asked for.
    pub fn words(&self, pipeline: &Pipeline, arena: &[Page], groups: &[Group]) -> Vec<Word> {
        let words = vec![UNTOUCHED; (groups.len() + 1) * GROUP_PAGES as usize];
        let storage = BufferUsages::STORAGE;
        let pages = self.buffer(bytemuck::cast_slice(arena), storage);
        let groups_buffer = self.buffer(bytemuck::cast_slice(groups), storage);
        let words = self.buffer(bytemuck::cast_slice(&words), storage | BufferUsages::COPY_SRC);
        let bound = pipeline.bind(&self.device, &pages, &groups_buffer, &words);
        let mut encoder = self.device.create_command_encoder(&CommandEncoderDescriptor::default());
        pipeline.encode(&mut encoder, &bound, groups.len() as u32);
        self.read_back(encoder, &words)
    }

    fn buffer(&self, contents: &[u8], usage: BufferUsages) -> wgpu::Buffer {
        self.device.create_buffer_init(&BufferInitDescriptor { label: None, contents, usage })
    }

    fn read_back(&self, mut encoder: wgpu::CommandEncoder, words: &wgpu::Buffer) -> Vec<Word> {
        let copy = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: words.size(),
            usage: BufferUsages::COPY_DST | BufferUsages::MAP_READ,
            mapped_at_creation: false,
        });
        encoder.copy_buffer_to_buffer(words, 0, &copy, 0, words.size());
        encoder.map_buffer_on_submit(&copy, wgpu::MapMode::Read, .., |mapped| {
            mapped.expect("words that can be read");
        });
        self.queue.submit([encoder.finish()]);
        self.device.poll(wgpu::PollType::wait_indefinitely()).expect("a device that goes on");
        let mut read = vec![Word::zeroed(); words.size() as usize / size_of::<Word>()];
        let mapped = copy.get_mapped_range(..).expect("mapped");
        bytemuck::cast_slice_mut(&mut read).copy_from_slice(&mapped);
        read
    }
}

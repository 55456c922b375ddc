//! Which of the adapters to use, decided on facts alone.

use super::facts::Facts;
use std::collections::{BTreeSet, HashSet};
use std::fmt;
use wgpu::{Backend, Backends, DeviceType};

/// Which backends wgpu is to use.
pub(super) const BACKEND_VARIABLE: &str = "WGPU_BACKEND";
/// Numbers below are places in the list of adapters.
const PLACES_MAX: usize = 100;

/// No adapter is what was asked for: what there is, and what to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoAdapter {
    /// The name that fits none, if one was asked for.
    pub asked: Option<String>,
    /// What each backend said, if there is no adapter at all.
    pub searched: Vec<String>,
    /// Each adapter with its place and why it is not used.
    pub seen: Vec<String>,
}

impl NoAdapter {
    /// What cannot be had, without what there is.
    pub fn headline(&self) -> String {
        let name = self.asked.as_ref().map(|name| format!(" matches '{name}'"));
        format!("no usable GPU{}", name.unwrap_or_default())
    }
}

impl fmt::Display for NoAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.headline())?;
        if self.seen.is_empty() {
            let searched = self.searched.join(", ");
            let next = if searched.contains(BACKEND_VARIABLE) {
                "unset it"
            } else {
                "install the GPU's driver and the loader of its interface (for Vulkan on Linux, \
                 libvulkan.so.1)"
            };
            return write!(f, ": none was found ({searched}); {next}, or use --engine cpu");
        }
        let next = "name a usable one by part of its name, its number or its PCI bus id, or use \
             --engine cpu";
        write!(f, "; there is {}; {next}", self.seen.join("; "))
    }
}

impl std::error::Error for NoAdapter {}

/// The best first, and each device once. What the user allows makes no difference, so that a place
/// in the list always means the same adapter.
pub(super) fn rank<T>(adapters: &mut Vec<T>, facts: impl Fn(&T) -> &Facts) {
    adapters.sort_by_cached_key(|adapter| {
        let facts = facts(adapter);
        let is_unfit = facts.unfit().is_some();
        let kind = (facts.is_software(), type_rank(facts.device_type));
        (is_unfit, kind, backend_rank(facts.backend), facts.pci_bus_id.clone())
    });
    let mut seen = HashSet::new();
    adapters.retain(|adapter| {
        let bus_id = &facts(adapter).pci_bus_id;
        bus_id.is_empty() || seen.insert(bus_id.to_lowercase())
    });
}

fn type_rank(device_type: DeviceType) -> u8 {
    match device_type {
        DeviceType::DiscreteGpu => 0,
        DeviceType::VirtualGpu => 1,
        DeviceType::IntegratedGpu => 2,
        DeviceType::Other => 3,
        DeviceType::Cpu => 4,
    }
}

fn backend_rank(backend: Backend) -> u8 {
    match backend {
        Backend::Vulkan => 0,
        Backend::Metal => 1,
        Backend::Dx12 => 2,
        Backend::Gl | Backend::BrowserWebGpu | Backend::Noop => 3,
    }
}

/// The places of the usable adapters that `names` name, each of which must name one; without
/// names, of all real GPUs or else, where that is allowed, of one in software.
pub(super) fn choose(
    adapters: &[&Facts],
    names: &[String],
    allow_software: bool,
) -> Result<Vec<usize>, NoAdapter> {
    let none =
        |asked| NoAdapter { asked, searched: Vec::new(), seen: seen(adapters, allow_software) };
    let is_usable = |&place: &usize| adapters[place].unusable(allow_software).is_none();
    let mut chosen = BTreeSet::new();
    for name in names {
        let usable: Vec<_> = named(adapters, name).into_iter().filter(is_usable).collect();
        if usable.is_empty() {
            return Err(none(Some(name.clone())));
        }
        chosen.extend(usable);
    }
    if names.is_empty() {
        chosen.extend(unnamed(adapters, (0..adapters.len()).filter(is_usable).collect()));
    }
    if chosen.is_empty() { Err(none(None)) } else { Ok(chosen.into_iter().collect()) }
}

/// Several programs would only fight for the same cores.
fn unnamed(adapters: &[&Facts], mut usable: Vec<usize>) -> Vec<usize> {
    match usable.first() {
        Some(&best) if adapters[best].is_software() => usable.truncate(1),
        _ => usable.retain(|&place| !adapters[place].is_software()),
    }
    usable
}

/// The places that `name` may mean: one by number or PCI bus id, or all with it in their names.
fn named(adapters: &[&Facts], name: &str) -> Vec<usize> {
    // A place, and never the digits of some version; RTX 4090 may still be called by its number.
    if let Some(place) = name.parse().ok().filter(|&place: &usize| place < PLACES_MAX) {
        return if place < adapters.len() { vec![place] } else { Vec::new() };
    }
    let is_at = |gpu: &&Facts| gpu.pci_bus_id.eq_ignore_ascii_case(name);
    if let Some(place) = adapters.iter().position(is_at) {
        return vec![place];
    }
    let part = name.to_lowercase();
    let has_part = |place: &usize| adapters[*place].name.to_lowercase().contains(&part);
    (0..adapters.len()).filter(has_part).collect()
}

fn seen(adapters: &[&Facts], allow_software: bool) -> Vec<String> {
    let line = |(place, gpu): (usize, &&Facts)| {
        let why = gpu.unusable(allow_software).unwrap_or_else(|| "usable".to_owned());
        format!("{place} {} ({why})", gpu.name)
    };
    adapters.iter().enumerate().map(line).collect()
}

pub(super) fn names(backends: Backends) -> Vec<&'static str> {
    let set = Backend::ALL.into_iter().filter(|&backend| backends.contains(backend.into()));
    set.map(Backend::to_str).collect()
}

/// The parts of wgpu's answer that are about one of `backends`; it speaks of all there are.
pub(super) fn searched(answer: &str, backends: Backends) -> Vec<String> {
    let names = names(backends);
    let is_ours = |part: &&str| names.iter().any(|name| part.starts_with(name));
    let parts = answer.split([',', ';']).map(str::trim).filter(is_ours);
    parts.map(|part| part.replacen(' ', ": ", 1)).collect()
}

#[cfg(test)]
mod tests;

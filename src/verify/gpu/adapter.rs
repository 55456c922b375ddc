//! Which GPUs this machine has, and which of them to use.
//!
//! wgpu's own choice takes software for a GPU, knows one adapter only and panics at a name that
//! fits none; so everything is enumerated, and [`choice`] judges it by plain [`Facts`].

pub mod choice;
pub mod facts;

use choice::NoAdapter;
use facts::Facts;
use wgpu::{Backends, Instance, InstanceDescriptor, InstanceFlags};

/// What the user wants of the GPUs.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Each is part of a name, a place in the listing of `pagescrub devices` or a PCI bus id;
    /// empty for `WGPU_ADAPTER_NAME` or, without that, for all real GPUs.
    pub names: Vec<String>,
    /// Software that poses as a GPU is welcome too.
    pub allow_software: bool,
}

impl Wish {
    /// The names asked for, on the command line or else in the environment.
    fn asked(&self) -> Vec<String> {
        if !self.names.is_empty() {
            return self.names.clone();
        }
        let name = std::env::var("WGPU_ADAPTER_NAME").ok();
        name.filter(|name| !name.is_empty()).into_iter().collect()
    }
}

/// A GPU as one backend shows it.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// To open the device with.
    pub wgpu: wgpu::Adapter,
    /// What is known of it.
    pub facts: Facts,
    /// Why it cannot be used, if so.
    pub unusable: Option<String>,
}

/// What a search for GPUs came to.
#[derive(Debug)]
pub struct Found {
    /// Every adapter, the best first; the places are what `Wish::names` may name.
    pub adapters: Vec<Adapter>,
    /// What each backend said, if there is no adapter.
    pub searched: Vec<String>,
}

/// Every adapter of this machine, also those that cannot be used.
pub fn find(wish: &Wish) -> Found {
    let built = Instance::enabled_backend_features();
    // An empty variable is none, as everywhere.
    let is_named =
        std::env::var_os(choice::BACKEND_VARIABLE).is_some_and(|names| !names.is_empty());
    let wanted = if is_named { Backends::all().with_env() } else { Backends::all() };
    let backends = wanted & built;
    if backends.is_empty() {
        // To make an instance without a backend is a panic.
        let why = format!(
            "{} names none of: {}",
            choice::BACKEND_VARIABLE,
            choice::names(built).join(", ")
        );
        return Found { adapters: Vec::new(), searched: vec![why] };
    }
    let instance = instance(backends);
    let found = pollster::block_on(instance.enumerate_adapters(backends));
    let mut adapters: Vec<_> = found.into_iter().map(|found| adapter(found, wish)).collect();
    choice::rank(&mut adapters, |adapter| &adapter.facts);
    let searched = if adapters.is_empty() { searched(&instance, backends) } else { Vec::default() };
    Found { adapters, searched }
}

/// The adapters to use: those named, or all real GPUs.
pub fn choose(wish: &Wish) -> Result<Vec<Adapter>, NoAdapter> {
    let found = find(wish);
    let chosen = found.chosen(wish)?;
    Ok(chosen.into_iter().map(|place| found.adapters[place].clone()).collect())
}

impl Found {
    /// The places of the adapters to use, the best first.
    pub fn chosen(&self, wish: &Wish) -> Result<Vec<usize>, NoAdapter> {
        let facts: Vec<_> = self.adapters.iter().map(|adapter| &adapter.facts).collect();
        choice::choose(&facts, &wish.asked(), wish.allow_software)
            .map_err(|no| NoAdapter { searched: self.searched.clone(), ..no })
    }
}

/// Without the validation that debug builds have by default: it changes shaders and limits.
fn instance(backends: Backends) -> Instance {
    Instance::new(InstanceDescriptor {
        backends,
        flags: InstanceFlags::empty().with_env(),
        ..InstanceDescriptor::new_without_display_handle()
    })
}

fn adapter(wgpu: wgpu::Adapter, wish: &Wish) -> Adapter {
    let facts = Facts::of(&wgpu);
    let unusable = facts.unusable(wish.allow_software);
    Adapter { wgpu, facts, unusable }
}

/// What `backends` say to a request, which is more than an enumeration tells.
fn searched(instance: &Instance, backends: Backends) -> Vec<String> {
    let request = instance.request_adapter(&wgpu::RequestAdapterOptions::default());
    let Err(error) = pollster::block_on(request) else { return Vec::new() };
    choice::searched(&error.to_string(), backends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_wish_come_before_the_environment() {
        let wish = Wish { names: vec!["a".to_owned(), "b".to_owned()], allow_software: false };
        assert_eq!(wish.asked(), ["a", "b"]);
    }
}

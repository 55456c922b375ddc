//! What computes checksums: the CPU, GPUs, or both.

#[cfg(feature = "gpu")]
use super::drivers;
use super::exit::Failure;
use super::options::GpuArgs;
use pagescrub::verify::engine::Engine;
use pagescrub::verify::gpu::calibration::Calibration;
use pagescrub::verify::gpu::pool::{CHECK_ONE_IN_DEFAULT, Gpus};

/// Who computes.
#[derive(clap::Args)]
pub(crate) struct EngineArgs {
    /// What computes checksums: cpu, gpu, hybrid (both), auto (cpu, unless 256 GiB or more are to
    /// be read and a measurement speaks for hybrid), one CPU kernel (scalar, sse2, avx2, avx512),
    /// or cycle (all CPU kernels in turn)
    #[arg(long, default_value = "auto", value_name = "NAME")]
    pub(crate) engine: String,

    #[command(flatten)]
    gpu: GpuArgs,

    /// Let the CPU check one in so many of the pages that a GPU calls good
    #[arg(long, value_name = "N", default_value_t = CHECK_ONE_IN_DEFAULT,
        value_parser = clap::value_parser!(u32).range(1..))]
    check_gpu_one_in: u32,
}

/// What will compute.
pub(crate) struct Chosen {
    pub(crate) engine: Engine,
    pub(crate) gpus: Option<Gpus>,
    pub(crate) calibration: Option<Calibration>,
    pub(crate) notes: Vec<String>,
    /// What a GPU was wrong about while it was measured.
    pub(crate) wrong: Option<String>,
}

impl EngineArgs {
    /// The CPU's part, which must be there in any case.
    pub(crate) fn kernel(&self) -> Result<Engine, Failure> {
        let name = match self.engine.as_str() {
            "gpu" | "hybrid" if !cfg!(feature = "gpu") => {
                let why = "is not in this build (built without the feature gpu); try auto";
                return Err(Failure::usage(format!("--engine {} {why}", self.engine)));
            }
            "gpu" | "hybrid" => "cpu",
            name => name,
        };
        Engine::named(name).map_err(Failure::usage)
    }

    /// Everything for a scan of `bytes` with `threads`.
    #[cfg(feature = "gpu")]
    pub(crate) fn choose(&self, bytes: u64, threads: usize) -> Result<Chosen, Failure> {
        use pagescrub::verify::gpu::pool::Share;
        use pagescrub::verify::gpu::select::{Selected, Terms, auto, select};
        use pagescrub::verify::gpu::worker::Drill;
        let (engine, wish) = (self.kernel()?, (&self.gpu).into());
        let terms = Terms {
            threads,
            check_one_in: self.check_gpu_one_in,
            drivers_answer: &|| drivers::answer(&self.gpu),
            drill: Drill::default(),
        };
        let selected = match self.engine.as_str() {
            name if !matches!(name, "auto" | "gpu" | "hybrid") && self.gpu.names_any() => {
                let why = "names a GPU, which only --engine gpu, hybrid and auto use";
                return Err(Failure::usage(format!("--adapter {why}")));
            }
            "auto" => auto(&wish, bytes, &engine, &terms).map_err(Failure::usage)?,
            "gpu" => select(&wish, Share::Gpu, &terms).map_err(Failure::usage)?,
            "hybrid" => select(&wish, Share::Hybrid, &terms).map_err(Failure::usage)?,
            _ => Selected::default(),
        };
        let Selected { gpus, calibration, notes, wrong } = selected;
        Ok(Chosen { engine, gpus, calibration, notes, wrong })
    }

    /// There are no GPUs in this build.
    #[cfg(not(feature = "gpu"))]
    pub(crate) fn choose(&self, _: u64, _: usize) -> Result<Chosen, Failure> {
        let engine = self.kernel()?;
        Ok(Chosen { engine, gpus: None, calibration: None, notes: Vec::new(), wrong: None })
    }
}

//! `pagescrub devices`: what could compute checksums here.

use super::exit::{Exit, Failure};
use super::options::GpuArgs;
use super::output::width;
use super::say::print;
#[cfg(feature = "gpu")]
use super::say::print_line;
use pagescrub::devices::{Devices, Gpus, terminal};
#[cfg(feature = "gpu")]
use pagescrub::report::escape;
use pagescrub::report::json_text::write_pretty;
use pagescrub::report::terminal::Look;
use std::io::{self, Write};

/// List the CPU kernels and GPUs of this machine, and which of them a scan would use
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    gpu: GpuArgs,

    /// Print everything as JSON, schema pagescrub.devices/1
    #[arg(long)]
    json: bool,

    /// Have each selected GPU compute checksums and compare them with the CPU's: exit code 4 if one
    /// is wrong, 3 if one fails, 2 if there is none
    #[arg(long)]
    self_test: bool,

    /// Test, and say nothing: for this program's own use
    #[arg(long, hide = true, conflicts_with_all = ["json", "self_test"])]
    probe: bool,
}

/// Looks and prints.
pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    #[cfg(feature = "gpu")]
    if args.probe {
        super::drivers::probe(&args.gpu);
        return Ok(Exit::Clean);
    }
    if args.self_test {
        return test(&args.gpu);
    }
    let devices = Devices::of_this_machine(gpus(&args.gpu));
    print(|out| write(&devices, args.json, out))?;
    Ok(Exit::Clean)
}

fn write(devices: &Devices, json: bool, out: &mut dyn Write) -> io::Result<()> {
    if json {
        return write_pretty(devices, out).and_then(|()| writeln!(out));
    }
    let look = Look { width: width(), rows_max: usize::MAX, verbose: false };
    terminal::write(devices, look, out)
}

/// One line for each GPU.
#[cfg(feature = "gpu")]
fn test(gpu: &GpuArgs) -> Result<Exit, Failure> {
    let all = pagescrub::verify::gpu::select::self_test(&gpu.into()).map_err(Failure::usage)?;
    let mut exit = Exit::Clean;
    for tested in &all {
        let said = match &tested.outcome {
            Ok(speed) => format!("right, {:.1} GB/s", speed.gb_per_second),
            Err(why) => why.clone(),
        };
        let name = escape::terminal(&tested.name);
        print_line(format!("SELF-TEST {name}: {}", escape::terminal(&said)))?;
        exit = match (&tested.outcome, tested.is_wrong, exit) {
            (_, true, _) | (_, _, Exit::Internal) => Exit::Internal,
            (Err(_), _, _) => Exit::Incomplete,
            (Ok(_), _, exit) => exit,
        };
    }
    Ok(exit)
}

#[cfg(not(feature = "gpu"))]
fn test(_: &GpuArgs) -> Result<Exit, Failure> {
    Err(Failure::usage("there are no GPUs in this build (built without the feature gpu)"))
}

#[cfg(feature = "gpu")]
fn gpus(args: &GpuArgs) -> Gpus {
    Gpus::find(&args.into())
}

#[cfg(not(feature = "gpu"))]
fn gpus(_: &GpuArgs) -> Gpus {
    Gpus::default()
}

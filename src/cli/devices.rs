//! `pagescrub devices`: what could compute checksums here.

use super::exit::{Exit, Failure};
use super::options::GpuArgs;
use pagescrub::devices::{Devices, Gpus, terminal};
use pagescrub::report::terminal::Look;
use std::io::{self, BufWriter, IsTerminal, Write};

/// List the CPU kernels and GPUs of this machine, and which of them a scan would use
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    gpu: GpuArgs,

    /// Print everything as JSON, schema pagescrub.devices/1
    #[arg(long)]
    json: bool,
}

/// Looks and prints.
pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let devices = Devices::of_this_machine(gpus(&args.gpu));
    let mut out = BufWriter::new(anstream::stdout().lock());
    let printed = if args.json {
        serde_json::to_writer_pretty(&mut out, &devices)
            .map_err(io::Error::from)
            .and_then(|()| writeln!(out))
    } else {
        let is_terminal = io::stdout().is_terminal();
        let width = is_terminal.then(|| console::Term::stdout().size().1);
        terminal::write(&devices, Look { width, rows_max: usize::MAX, verbose: false }, &mut out)
    };
    match printed.and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(Failure::work(e)),
        _ => Ok(Exit::Clean),
    }
}

#[cfg(feature = "gpu")]
fn gpus(args: &GpuArgs) -> Gpus {
    Gpus::find(&args.into())
}

#[cfg(not(feature = "gpu"))]
fn gpus(_: &GpuArgs) -> Gpus {
    Gpus::default()
}

//! `pagescrub plan`

use super::exit::{Exit, Failure};
use super::options::{Paths, batch_pages};
use super::say::{print, say};
use pagescrub::discover::paths;
use pagescrub::plan::{BATCH_PAGES_DEFAULT, Plan};
use pagescrub::report::escape::terminal as safe;
use pagescrub::report::json_text::write_pretty;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Show what a scan would read, from which devices, without reading it
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    paths: Paths,

    /// Bytes read and verified in one go, whole extents of 64 KiB [default: 2MiB]
    #[arg(long, value_name = "SIZE", value_parser = batch_pages)]
    batch_size: Option<u32>,

    /// The plan as JSON
    #[arg(long)]
    json: bool,
}

/// What one device has to deliver.
#[derive(Default)]
struct DeviceLoad {
    files: u64,
    stored_bytes: u64,
}

/// A rate to reckon with; `pagescrub scan` shows the real one as it runs.
const ASSUMED_BYTES_PER_SECOND: u64 = 1_000_000_000;

/// Plans and prints.
pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let discovery = args.paths.discover(&|_| None)?;
    let plan = Plan::new(&discovery.files, args.batch_size.unwrap_or(BATCH_PAGES_DEFAULT));
    print(|out| {
        if args.json {
            return write_pretty(&plan, out).and_then(|()| writeln!(out));
        }
        write(&plan, out)
    })?;
    for refusal in &discovery.refusals {
        say(format!("{}: {}", paths::text(&refusal.path), refusal.why));
    }
    let complete = !plan.files.is_empty() && !discovery.refusals.iter().any(|r| r.counts);
    Ok(if complete { Exit::Clean } else { Exit::Incomplete })
}

fn write(plan: &Plan, out: &mut dyn Write) -> io::Result<()> {
    for file in &plan.files {
        let stored: u64 = file.stored.iter().map(|range| range.bytes()).sum();
        let path = paths::text(&file.path);
        writeln!(
            out,
            "{}: {} pages, {} to read, device {}",
            safe(&path),
            file.promised_pages(),
            bytesize::ByteSize(stored).display().iec(),
            device_name(file.device),
        )?;
    }
    let loads = loads(plan);
    for (device, load) in &loads {
        let seconds = load.stored_bytes.div_ceil(ASSUMED_BYTES_PER_SECOND);
        writeln!(
            out,
            "device {}: {} files, {}, {seconds} s at 1 GB/s",
            device_name(*device),
            load.files,
            bytesize::ByteSize(load.stored_bytes).display().iec(),
        )?;
    }
    let slowest = loads.values().map(|load| load.stored_bytes).max().unwrap_or(0);
    writeln!(
        out,
        "PLAN files={} pages={} bytes_to_read={} batch_pages={} devices={} seconds_at_1GBps={}",
        plan.files.len(),
        plan.pages(),
        plan.stored_bytes(),
        plan.batch_pages,
        loads.len(),
        slowest.div_ceil(ASSUMED_BYTES_PER_SECOND),
    )
}

fn loads(plan: &Plan) -> BTreeMap<u64, DeviceLoad> {
    let mut loads: BTreeMap<u64, DeviceLoad> = BTreeMap::new();
    for file in &plan.files {
        let load = loads.entry(file.device).or_default();
        load.files += 1;
        load.stored_bytes += file.stored.iter().map(|range| range.bytes()).sum::<u64>();
    }
    loads
}

/// `major:minor`, as the kernel and `lsblk` write it.
#[cfg(target_os = "linux")]
fn device_name(device: u64) -> String {
    format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device))
}

#[cfg(not(target_os = "linux"))]
fn device_name(device: u64) -> String {
    device.to_string()
}

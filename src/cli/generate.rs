//! `pagescrub generate`: a synthetic data file.

use bytesize::ByteSize;
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use pagescrub::drill::{Generated, Recipe, generate};
use pagescrub::page::{address::FileId, boot::PageVerify};
use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Write a synthetic, self-consistent data file to practise on.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The file to write
    file: PathBuf,
    /// Length, such as 64MiB or 4GiB; rounded down to whole extents of 64 KiB
    #[arg(long)]
    size: ByteSize,
    /// The same seed gives the same file; files of one seed belong to one database
    #[arg(long)]
    seed: u64,
    /// How the pages are protected
    #[arg(long, value_enum, default_value_t = Protection::Checksum)]
    page_verify: Protection,
    /// Leave free extents as holes and allocate a small part of the file only
    #[arg(long)]
    sparse: bool,
    /// 1 for the primary file, 3 and above for secondary files
    #[arg(long, default_value_t = 1)]
    file_id: u16,
    /// Overwrite an existing file
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Protection {
    Checksum,
    Torn,
    None,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let bar = ProgressBar::new(args.size.as_u64());
    let style = "{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
    bar.set_style(ProgressStyle::with_template(style)?);
    bar.enable_steady_tick(Duration::from_millis(200));
    let start = Instant::now();
    let generated = generate(&args.file, recipe(args), args.force, &|bytes| bar.inc(bytes));
    bar.finish_and_clear();
    println!("{}", summary(args, generated?, start.elapsed()));
    Ok(())
}

fn recipe(args: &Args) -> Recipe {
    let page_verify = match args.page_verify {
        Protection::Checksum => PageVerify::Checksum,
        Protection::Torn => PageVerify::Torn,
        Protection::None => PageVerify::None,
    };
    let (sparse, file_id) = (args.sparse, FileId(args.file_id));
    Recipe { page_verify, sparse, file_id, ..Recipe::new(args.size.as_u64(), args.seed) }
}

fn summary(args: &Args, generated: Generated, elapsed: Duration) -> String {
    let rate = generated.written_bytes as f64 / 1e9 / elapsed.as_secs_f64().max(1e-9);
    format!(
        "{}: {} long, {} written, seed {}, {rate:.2} GB/s",
        args.file.display(),
        ByteSize(generated.file_bytes),
        ByteSize(generated.written_bytes),
        args.seed,
    )
}

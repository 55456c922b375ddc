//! `pagescrub generate`: a synthetic data file.

use super::exit::{Exit, Failure};
use super::progress::bar;
use bytesize::ByteSize;
use clap::ValueEnum;
use pagescrub::drill::{GenerateError, Generated, Recipe, generate};
use pagescrub::page::{address::FileId, boot::PageVerify};
use pagescrub::report::escape::terminal as safe;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Write a synthetic, self-consistent data file to practise on
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

/// Generates and says what was written.
pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let bar = bar(args.size.as_u64());
    let start = Instant::now();
    let generated = generate(&args.file, recipe(args), args.force, &|bytes| bar.inc(bytes));
    bar.finish_and_clear();
    let generated = generated.map_err(|error| match error {
        GenerateError::Io(..) => Failure::work(error),
        _ => Failure::usage(error),
    })?;
    anstream::println!("{}", safe(&summary(args, generated, start.elapsed())));
    Ok(Exit::Clean)
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

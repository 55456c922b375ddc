//! `pagescrub generate`: a synthetic data file, or a backup of one or several.

use super::exit::{Exit, Failure};
use super::generate_backup::{Options, database, only};
use super::limits::start_threads;
use super::progress::bar;
use super::say::print_line;
use bytesize::ByteSize;
use clap::ValueEnum;
use pagescrub::drill::{GenerateError, Generated, OtherFiles, Recipe, generate};
use pagescrub::page::boot::PageVerify;
use pagescrub::report::escape::terminal as safe;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Write a synthetic, self-consistent data file or backup to practise on
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The file to write
    file: PathBuf,
    /// Length of each data file, such as 64MiB or 4GiB; rounded down to whole extents of 64 KiB
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
    /// 1 for the primary file, 3 and above for secondary files; for a backup several, as 1,3
    #[arg(long, value_delimiter = ',', default_value = "1")]
    file_id: Vec<u16>,
    /// All data files of the database, as 1,3: the primary file names them, each of this size
    #[arg(long, value_delimiter = ',', value_name = "FILE_IDS")]
    database_files: Vec<u16>,
    /// Overwrite an existing file
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    backup: Options,
}

#[derive(Clone, Copy, ValueEnum)]
enum Protection {
    Checksum,
    Torn,
    None,
}

/// Generates and says what was written.
pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    start_threads()?;
    args.backup.spare_base(&args.file)?;
    let bar = bar(args.size.as_u64());
    let start = Instant::now();
    let progress = |bytes| bar.inc(bytes);
    let generated = match args.backup.backup {
        None => generate(&args.file, recipe(args)?, args.force, &progress),
        Some(kind) => {
            let files = database(base_recipe(args), &args.file_id);
            args.backup.generate(&args.file, kind, files, args.force, &progress)
        }
    };
    bar.finish_and_clear();
    let generated = generated.map_err(|error| match error {
        GenerateError::Io(..) => Failure::work(error),
        _ => Failure::usage(error),
    })?;
    print_line(safe(&summary(args, generated, start.elapsed())))?;
    Ok(Exit::Clean)
}

fn recipe(args: &Args) -> Result<Recipe, Failure> {
    let (base, file_id) = (base_recipe(args), only(&args.file_id)?);
    let others = OtherFiles::among(&database(base, &args.database_files), file_id);
    Ok(Recipe { file_id, others, ..base })
}

fn base_recipe(args: &Args) -> Recipe {
    let page_verify = match args.page_verify {
        Protection::Checksum => PageVerify::Checksum,
        Protection::Torn => PageVerify::Torn,
        Protection::None => PageVerify::None,
    };
    Recipe { page_verify, sparse: args.sparse, ..Recipe::new(args.size.as_u64(), args.seed) }
}

fn summary(args: &Args, generated: Generated, elapsed: Duration) -> String {
    let rate = generated.written_bytes as f64 / 1e9 / elapsed.as_secs_f64().max(1e-9);
    format!(
        "{}: {} long, {} written, seed {}, {rate:.2} GB/s",
        args.backup.names(&args.file),
        ByteSize(generated.file_bytes),
        ByteSize(generated.written_bytes),
        args.seed,
    )
}

//! `pagescrub diff`

use super::exit::{Exit, ExitStyle, Failure};
use super::limits;
use super::options::When;
use super::output::{Guard, width};
use super::progress::Bar;
use super::say::print;
use super::scan::cores;
use clap::ValueEnum;
use pagescrub::discover::paths;
use pagescrub::inspect::diff::report::{Answer, Diff};
use pagescrub::inspect::diff::{Refused, Settings, diff};
use pagescrub::inspect::{Asked, NotOpened};
use pagescrub::page::address::FileId;
use pagescrub::report::diff::{terminal, write_csv, write_json};
use pagescrub::report::terminal::Look;
use pagescrub::verify::engine::Engine;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Compare two copies of a data file page by page: files, backups, members of an availability group
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The one copy: a data file or a backup
    a: PathBuf,

    /// The other one
    b: PathBuf,

    /// Of A when it is a backup file of several sets: the position of the set
    #[arg(long, value_name = "N")]
    set_a: Option<u32>,

    /// The same of B
    #[arg(long, value_name = "N")]
    set_b: Option<u32>,

    /// More files of A: the other members of a striped backup, or the primary data file; may be
    /// given more than once
    #[arg(long, value_name = "FILE")]
    with_a: Vec<PathBuf>,

    /// The same of B
    #[arg(long, value_name = "FILE")]
    with_b: Vec<PathBuf>,

    /// Of two backups only the data file with this file id [default: all that both have]
    #[arg(long, value_name = "ID")]
    file: Option<u16>,

    /// Worker threads [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,

    /// What to write
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Terminal)]
    format: Format,

    /// Where to write [default: stdout]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Rows of each table in the text for people
    #[arg(long, default_value_t = 20, value_name = "N")]
    top: usize,

    /// Of the text for people, the answer and the last line only; no progress
    #[arg(short, long)]
    quiet: bool,

    /// Draw a progress bar on stderr
    #[arg(long, value_enum, default_value_t = When::Auto)]
    progress: When,

    /// What the exit code says
    #[arg(long, value_enum, value_name = "STYLE", default_value_t = ExitStyle::Plain)]
    #[allow(dead_code, reason = "found before parsing, so that usage errors follow it too")]
    exit_style: ExitStyle,
}

/// The forms of the outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Terminal,
    /// Everything, schema pagescrub.diff/1
    Json,
    /// Runs of pages that differ, and each page that is wrong, for spreadsheets and imports
    Csv,
}

const AFTER_HELP: &str = "\
Each page is damaged in one or both; or equal, byte by byte; or newer in one by its LSN; or free or
absent in one; or it contradicts its copy: other bytes under the same LSN, or older although the
checkpoint of its own copy covers the change (stale). The boot page, page 0, (1:32) and the pages of
sysprufiles may differ under one LSN.

Examples:
  pagescrub diff /snap/primary/sales.mdf /snap/secondary/sales.mdf
  pagescrub diff full.bak diff.bak                    what has changed since the full backup
  pagescrub diff sales.mdf full.bak --format csv --output sales.csv
  pagescrub diff a_1.bak b_1.bak --with-a a_2.bak --with-b b_2.bak      striped backups

Exit codes: 0 equal, or different as copies of two moments are; 1 a page is damaged, or \
contradicts its copy; 2 wrong usage, or no copies of one file; 3 something that should be there \
could not be read.";

/// Compares and writes.
pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let threads = args.threads.map_or_else(cores, usize::from);
    limits::check(threads as u64 * BYTES_PER_THREAD)?;
    let files = [&args.a, &args.b].into_iter().chain(&args.with_a).chain(&args.with_b);
    let guard = Guard::default().and(files.map(PathBuf::as_path));
    if let Some(output) = &args.output {
        guard.check_file(output)?;
    }
    if let Some(folder) = [&args.a, &args.b].into_iter().find(|path| path.is_dir()) {
        let why = "is a directory: name a file in it";
        return Err(Failure::usage(format!("{} {why}", paths::text(folder))));
    }
    let engine = Engine::named("auto").map_err(Failure::usage)?;
    let shows_progress = args.progress == When::Auto && !args.quiet;
    let settings = Settings { engine: &engine, threads, progress: &Bar::new(shows_progress) };
    let a = Asked { path: &args.a, with: &args.with_a, set: args.set_a };
    let b = Asked { path: &args.b, with: &args.with_b, set: args.set_b };
    let compared = diff((a, b), args.file.map(FileId), &settings).map_err(refusal)?;
    write(args, &compared, &guard)?;
    Ok(exit(compared.answer))
}

/// Buffers of a thread, of both copies, with its stack.
const BYTES_PER_THREAD: u64 = 8 << 20;

fn refusal(why: Refused) -> Failure {
    match why {
        Refused::NotOpened(NotOpened::Failed(why)) => Failure::work(why),
        Refused::NotOpened(NotOpened::Choose(why)) | Refused::Different(why) => Failure::usage(why),
    }
}

fn exit(answer: Answer) -> Exit {
    match answer {
        Answer::Equal | Answer::Different => Exit::Clean,
        Answer::Contradictory | Answer::Damaged => Exit::Damaged,
        Answer::Incomplete => Exit::Incomplete,
    }
}

fn write(args: &Args, diff: &Diff, guard: &Guard) -> Result<(), Failure> {
    match &args.output {
        None => print(|out| render(args, diff, width(), out)),
        Some(path) => write_file(args, diff, path, guard),
    }
}

fn write_file(args: &Args, diff: &Diff, path: &Path, guard: &Guard) -> Result<(), Failure> {
    guard.write_file(path, &|out| {
        let mut text = anstream::StripStream::new(Vec::new());
        render(args, diff, None, &mut text)?;
        out.write_all(&text.into_inner())
    })
}

fn render(args: &Args, diff: &Diff, width: Option<u16>, out: &mut dyn Write) -> io::Result<()> {
    let look = Look { width, rows_max: args.top, verbose: false };
    match args.format {
        Format::Json => write_json(diff, out),
        Format::Csv => write_csv(diff, out),
        Format::Terminal if args.quiet => terminal::write_quiet(diff, look, out),
        Format::Terminal => terminal::write(diff, look, out),
    }
}

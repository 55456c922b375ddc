//! `pagescrub page`

use super::exit::{Exit, Failure};
use super::image::{self, open_for};
use super::report::read;
use super::say::print;
use clap::ValueEnum;
use pagescrub::discover::paths;
use pagescrub::inspect::against::Against;
use pagescrub::inspect::catalog::Catalog;
use pagescrub::inspect::owner::Owners;
use pagescrub::inspect::place::{Message, Place};
use pagescrub::inspect::view::{Beside, PageView};
use pagescrub::inspect::{Asked, Missing};
use pagescrub::report::json_text::write_pretty;
use pagescrub::report::page::{PrintOption, write};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Show one page of a data file or a backup as DBCC PAGE does, and what is wrong with it
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A data file or a backup; with --rank, a report that scan wrote with --format json
    file: PathBuf,

    /// The page: (1:1314), 1:1314 or 1314; or the byte of its data file at which it is, as
    /// offset:10764288 or 0xa44000; or - for a message of SQL Server (824, 823, 605, ...) on stdin
    #[arg(required_unless_present = "rank", conflicts_with = "rank")]
    page: Option<String>,

    /// The suspect of this rank in the report
    #[arg(long, value_name = "N")]
    rank: Option<usize>,

    #[command(flatten)]
    image: image::Options,

    /// How much to print, as the last argument of DBCC PAGE
    #[arg(long, value_enum, default_value_t = StyleName::Columns)]
    style: StyleName,

    /// Hold it against the same page in this file or backup, and mark the bytes that differ
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,

    /// Of a backup with several sets to hold it against: the position of the one
    #[arg(long, value_name = "N", requires = "against")]
    against_set: Option<u32>,

    /// Text for people, or JSON, schema pagescrub.page/1
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Text)]
    format: Format,
}

const EXAMPLES: &str = "\
Examples:
  pagescrub page sales.mdf '(1:1314)'
  pagescrub page sales.mdf 0xa44000 --style 2 --against sales_full.bak
  pagescrub page sales_2.ndf 3:88 --with sales.mdf
  pagescrub page scan.json --rank 1
  echo \"...incorrect checksum... of page (1:392)...\" | pagescrub page lab.mdf -

Exit codes: 0 the page is no suspect; 1 it is; 2 wrong usage; 3 it could not be read.";

#[derive(Clone, Copy, ValueEnum)]
enum StyleName {
    /// The header, allocation and owner
    #[value(name = "0")]
    Header,
    /// The same, each record in hexadecimal, and the slot array
    #[value(name = "1")]
    Rows,
    /// The same, the whole page in hexadecimal, and the slot array
    #[value(name = "2")]
    Whole,
    /// The same, and each record with its columns
    #[value(name = "3")]
    Columns,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// What is asked for, wherever it was said.
struct Wanted {
    path: PathBuf,
    set: Option<u32>,
    place: Place,
    message: Option<Message>,
}

/// Looks and prints.
pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let wanted = wanted(args)?;
    let asked = args.image.asked(&wanted.path);
    let asked = Asked { set: asked.set.or(wanted.set), ..asked };
    let (image, place) = open_for(asked, |image| wanted.place.address(image))?;
    let missing = |path: &Path, why: &Missing| {
        Failure::work(format!("{}: page {place}: {why}", paths::text(path)))
    };
    let looked = image.look(place).map_err(|why| missing(&wanted.path, &why))?;
    let against = args.against.as_deref().map(|path| {
        let copy = Asked { path, with: &[], set: args.against_set };
        let (copies, _) = open_for(copy, |_| Ok(place))?;
        let copy = copies.look(place).map_err(|why| missing(path, &why))?;
        Ok(Against::of((&image, &looked), (&copies, &copy)))
    });
    let beside = Beside { against: against.transpose()?, message: wanted.message };
    let catalog = Catalog::of(&image);
    let view = PageView::of(&image, &Owners::new(&image, &catalog), looked, beside)
        .map_err(|why| missing(&wanted.path, &why))?;
    print(|out| match args.format {
        Format::Text => write(&view, args.style.into(), out),
        Format::Json => write_pretty(&view, out).and_then(|()| writeln!(out)),
    })?;
    Ok(if view.is_suspect { Exit::Damaged } else { Exit::Clean })
}

fn wanted(args: &Args) -> Result<Wanted, Failure> {
    if let Some(rank) = args.rank {
        return of_report(&args.file, rank);
    }
    let text = args.page.as_deref().unwrap_or_default();
    let (place, message) = match text {
        "-" => of_message()?,
        text => (Place::of(text).map_err(Failure::usage)?, None),
    };
    Ok(Wanted { path: args.file.clone(), set: None, place, message })
}

/// The suspect of `rank` in the report at `path`.
fn of_report(path: &Path, rank: usize) -> Result<Wanted, Failure> {
    let report = read(path)?;
    let suspect = report.suspects.iter().find(|suspect| suspect.rank == rank);
    let suspect = suspect.ok_or_else(|| {
        let (shown, count) = (paths::text(path), report.suspects.len());
        Failure::usage(format!("{shown} lists no suspect of rank {rank}: it has {count}"))
    })?;
    let (path, place) = (paths::from_text(&suspect.path), Place::Address(suspect.address));
    Ok(Wanted { path, set: suspect.backup_set, place, message: None })
}

/// A message is no longer than this.
const MESSAGE_BYTES_MAX: u64 = 1 << 20;

/// The page that a message on stdin names.
fn of_message() -> Result<(Place, Option<Message>), Failure> {
    let mut bytes = Vec::new();
    let read = io::stdin().lock().take(MESSAGE_BYTES_MAX).read_to_end(&mut bytes);
    read.map_err(|error| Failure::work(format!("cannot read stdin: {error}")))?;
    let refused = |why: String| Failure::usage(format!("the message on stdin {why}"));
    let message = Message::of(&String::from_utf8_lossy(&bytes)).map_err(refused)?;
    let place = message.place().ok_or_else(|| refused("names no page".to_owned()))?;
    Ok((place, Some(message)))
}

impl From<StyleName> for PrintOption {
    fn from(name: StyleName) -> Self {
        match name {
            StyleName::Header => Self::Header,
            StyleName::Rows => Self::Rows,
            StyleName::Whole => Self::Whole,
            StyleName::Columns => Self::Columns,
        }
    }
}

//! `pagescrub pages`

use super::exit::{Exit, Failure};
use super::image::{self, failure};
use super::say::{print, say};
use clap::ValueEnum;
use pagescrub::catalog::object::Object;
use pagescrub::catalog::units::Unit;
use pagescrub::discover::paths;
use pagescrub::inspect::Image;
use pagescrub::inspect::catalog::Catalog;
use pagescrub::inspect::listing::{Claimed, Listed, Listing};
use pagescrub::page::kind::PageType;
use pagescrub::report::pages::{Csv, Json, Sheet, Text};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// List the pages of each object with their links and what is wrong with them, as DBCC IND does
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A data file or a backup
    file: PathBuf,

    #[command(flatten)]
    image: image::Options,

    #[arg(long, value_name = "NAME", help = OBJECT)]
    object: Option<String>,

    #[arg(long = "type", value_name = "TYPE", value_parser = page_type, help = TYPE)]
    types: Vec<PageType>,

    /// A table for people; CSV or JSON (schema pagescrub.pages/1) with the columns of DBCC IND
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Text)]
    format: Format,
}

const OBJECT: &str = "\
Only of this object: Orders, dbo.Orders, dbo.Orders.PK_Orders, in upper or lower case, or its \
object id";
const TYPE: &str = "\
Only pages of this type, by its name (data, index, text_mix, text_tree, iam) or m_type; may be \
given more than once";

const EXAMPLES: &str = "\
Examples:
  pagescrub pages sales.mdf --object dbo.Orders
  pagescrub pages sales.mdf --format csv > pages.csv
  pagescrub pages sales_full.bak --set 2 --type index

Exit codes: 0 no page listed is suspect; 1 some are; 2 wrong usage, or no such object; 3 a \
chain of IAM pages could not be followed, or pages could not be read.";

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Csv,
    Json,
}

const NOT_ALL: &str = "not every page is listed: a chain of IAM pages could not be followed, or \
    pages are not here";

/// What was seen while listing.
#[derive(Default)]
struct Seen {
    suspects: bool,
    gaps: bool,
}

/// Lists and prints.
pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    // All places of a backup are asked for, so that a look at each extent costs little.
    let image = Image::open_with_each_extent(args.image.asked(&args.file)).map_err(failure)?;
    let catalog = Catalog::of(&image);
    let units = catalog.units();
    if units.is_empty() {
        let why = "its system tables cannot be found: they are in the primary file (--with)";
        return Err(Failure::work(format!("{}: {why}", paths::text(&args.file))));
    }
    let objects = catalog.objects(&units.keys().copied().collect());
    let wanted = wanted(args, &units, &objects)?;
    let mut seen = Seen::default();
    let mut sheet = sheet(args, &image);
    print(|out| {
        list(args, &image, &wanted, &mut seen, &mut |listing| sheet.add(listing, out))?;
        sheet.end(out)
    })?;
    Ok(match seen {
        Seen { gaps: true, suspects: true } => Exit::DamagedSoFar,
        Seen { gaps: true, .. } => Exit::Incomplete,
        Seen { suspects: true, .. } => Exit::Damaged,
        Seen { .. } => Exit::Clean,
    })
}

fn sheet(args: &Args, image: &Image) -> Box<dyn Sheet> {
    let part = image.data_files().next().and_then(|file| file.part.as_ref());
    let set = part.map(|part| part.set().position);
    match args.format {
        Format::Text => Box::new(Text::default()),
        Format::Csv => Box::new(Csv::default()),
        Format::Json => Box::new(Json::of(paths::text(&args.file).into_owned(), set)),
    }
}

type Objects = BTreeMap<u64, Arc<Object>>;
type Wanted<'a> = Vec<(&'a Unit, Option<Arc<Object>>)>;

/// The units that are asked for, by object, index and partition.
fn wanted<'a>(
    args: &Args,
    units: &'a BTreeMap<u64, Unit>,
    objects: &Objects,
) -> Result<Wanted<'a>, Failure> {
    let is_asked = |(unit, object): &(&Unit, Option<Arc<Object>>)| match &args.object {
        None => true,
        Some(name) => is_named(name, unit, object.as_deref()),
    };
    let all = units.values().map(|unit| (unit, objects.get(&unit.id).cloned()));
    let mut wanted: Vec<_> = all.filter(is_asked).collect();
    if let (true, Some(name)) = (wanted.is_empty(), &args.object) {
        let why = "there is no object of this name or id";
        return Err(Failure::usage(format!("--object {name}: {why}; pages without it lists all")));
    }
    wanted.sort_by_key(|(unit, _)| {
        (unit.object_id, unit.index_id, unit.partition, unit.content, unit.id)
    });
    Ok(wanted)
}

fn is_named(name: &str, unit: &Unit, object: Option<&Object>) -> bool {
    let is_id = name.parse().is_ok_and(|id: i32| unit.object_id == Some(id));
    is_id || object.is_some_and(|object| object.is_called(name))
}

fn list(
    args: &Args,
    image: &Image,
    wanted: &[(&Unit, Option<Arc<Object>>)],
    seen: &mut Seen,
    add: &mut dyn FnMut(&Listing) -> io::Result<()>,
) -> io::Result<()> {
    let mut claimed = Claimed::default();
    for (unit, object) in wanted {
        let listing = Listing::of(image, unit, object.clone(), &mut claimed);
        show(args, listing, seen, add)?;
    }
    // What nobody claims can be told only where it is known what everybody claims.
    if args.object.is_some() || seen.gaps {
        if seen.gaps {
            say(NOT_ALL);
        }
        return Ok(());
    }
    claimed.settle();
    let of_nobody = Listing::of_nobody(image, &claimed);
    if of_nobody.pages.is_empty() { Ok(()) } else { show(args, of_nobody, seen, add) }
}

/// Adds those pages of `listing` that are asked for, and those units that have none.
fn show(
    args: &Args,
    mut listing: Listing,
    seen: &mut Seen,
    add: &mut dyn FnMut(&Listing) -> io::Result<()>,
) -> io::Result<()> {
    seen.gaps |= listing.broken.is_some() || listing.pages.iter().any(Listed::is_missing);
    let is_asked =
        |page: &Listed| page.says.is_some_and(|says| args.types.contains(&says.page_type));
    listing.pages.retain(|page| args.types.is_empty() || is_asked(page));
    seen.suspects |= listing.pages.iter().any(|page| page.is_suspect);
    let is_left_out = !args.types.is_empty() && listing.pages.is_empty();
    if is_left_out && listing.broken.is_none() { Ok(()) } else { add(&listing) }
}

/// A type by its name or number.
fn page_type(text: &str) -> Result<PageType, String> {
    let by_number = text.parse().map(PageType::of).ok();
    let by_name = || (0..=u8::MAX).map(PageType::of).find(|kind| kind.name() == text);
    by_number.or_else(by_name).ok_or_else(|| {
        "must be a number or one of data, index, text_mix, text_tree, iam".to_owned()
    })
}

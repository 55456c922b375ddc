//! Damages a few pages of a file and writes down what a scan must find.
//!
//! Everything follows from the file's bytes, the fault, the target and the seed: the same
//! injection into the same file does the same damage. Files that were not generated here are
//! refused unless forced.

use super::answer_key::{AnswerKey, Expected, InjectedFault, SideEffect};
use super::backup::{self, BackupFault};
use super::chance::{Purpose, below, dice};
use super::damage::{Conditions, Damage, damage};
use super::fault::Fault;
use super::generate::is_generated;
use super::positioned::read_page;
use super::signature;
use super::target::{DrillFile, Target, is_meant};
use super::witness::Testimony;
use super::zone;
use crate::discover::paths;
use crate::page::address::{FileId, PageId};
use crate::page::file_header::FileHeader;
use crate::page::header::{PageHeader, Protection};
use crate::page::{PAGE_BYTES, Page, kind::PageType};
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::{fmt, io};

/// Pages from one ransomware stripe to the next: 128 KiB.
const STRIPE_PAGES: u32 = 16;

/// What to damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Injection {
    /// The kind of damage.
    pub fault: Fault,
    /// Where.
    pub target: Target,
    /// Decides bits, sectors and pages.
    pub seed: u64,
    /// Damage a file that was not generated here.
    pub force: bool,
}

/// An injection that was refused or failed. Refusals leave the file as it was.
#[derive(Debug)]
pub enum InjectError {
    /// The file is neither a backup nor has it a data file's first pages.
    NotADataFile(PathBuf),
    /// The file carries no mark of a generated file.
    NotGenerated(PathBuf),
    /// The page asked for lies past the end; the file has so many pages.
    PageBeyondEnd(PathBuf, PageId, u32),
    /// The file cannot be opened for writing.
    ReadOnly(PathBuf, io::Error),
    /// So many suitable pages were wanted, and only so many are there.
    TooFewPages(PathBuf, Fault, u32, usize),
    /// The backup does not have this page.
    NotInBackup(PathBuf, PageId),
    /// The fault strikes whole data files.
    NotForBackups(PathBuf, Fault),
    /// The fault is one of backups, and this is none.
    NotABackup(PathBuf),
    /// The file has no backup set of this number, or an earlier drill hides it.
    NoSuchSet(PathBuf, u16),
    /// Where pages are in a backup that was not generated here is not known.
    PlacesUnknown(PathBuf),
    /// So many places for a fault of backups were wanted, and only so many are there.
    TooFewPlaces(PathBuf, BackupFault, u32, u64),
    /// The fault of backups cannot be aimed at a page.
    NotAtPage(BackupFault),
    /// Reading or writing failed.
    Io(PathBuf, io::Error),
}

/// Damages the file at `path` and returns the answer key.
///
/// # Errors
/// If the file is not a data file, was not generated here and `force` is not set, cannot be
/// written, has no such page or too few suitable pages, or if reading or writing fails.
pub fn inject(path: &Path, injection: &Injection) -> Result<AnswerKey, InjectError> {
    let file = open(path)?;
    let failed = |error| InjectError::Io(path.to_owned(), error);
    if backup::is_backup(&file).map_err(failed)? {
        return backup::inject_pages(path, file, injection, 1);
    }
    let mut file = data_file(file, path, injection.force)?;
    let (faults, side_effects) = damage_pages(&mut file, path, injection)?;
    Ok(AnswerKey::new(name_of(path), injection.seed, faults, side_effects))
}

/// The name of the file as answer keys have it.
pub(super) fn name_of(path: &Path) -> String {
    paths::text(Path::new(path.file_name().unwrap_or_default())).into_owned()
}

/// Entries of an answer key: pages that were struck, and free pages that cannot be told from
/// damaged ones any more.
pub(super) type Entries = (Vec<InjectedFault>, Vec<SideEffect>);

/// Damages pages and says what must be found.
pub(super) fn damage_pages(
    file: &mut DrillFile,
    path: &Path,
    injection: &Injection,
) -> Result<Entries, InjectError> {
    let strikes = plan(file, path, injection)?;
    write_strikes(file, strikes).map_err(|error| InjectError::Io(path.to_owned(), error))
}

/// Makes all of `pages` zeros, whatever they are.
pub(super) fn zero_pages(file: &mut DrillFile, pages: &[PageId], seed: u64) -> io::Result<Entries> {
    let strike = |&page: &PageId| Ok(strike(file, Fault::ZeroPage, page, seed, false)?.0);
    let strikes = pages.iter().map(strike).collect::<io::Result<_>>()?;
    write_strikes(file, strikes)
}

fn write_strikes(file: &mut DrillFile, strikes: Vec<Strike>) -> io::Result<Entries> {
    for (entry, page) in &strikes {
        file.write(entry.page_id, page)?;
    }
    let mut side_effects = Vec::new();
    for (entry, _) in &strikes {
        side_effects.extend(file.lost_track_of(entry.page_id)?);
    }
    Ok((strikes.into_iter().map(|(entry, _)| entry).collect(), side_effects))
}

/// One page to write, and what the key says about it.
type Strike = (InjectedFault, Box<Page>);

/// Opens a file for reading and writing.
pub(super) fn open(path: &Path) -> Result<File, InjectError> {
    let opened = OpenOptions::new().read(true).write(true).open(path);
    opened.map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            InjectError::ReadOnly(path.to_owned(), error)
        }
        _ => InjectError::Io(path.to_owned(), error),
    })
}

fn data_file(file: File, path: &Path, force: bool) -> Result<DrillFile, InjectError> {
    let failed = |error| InjectError::Io(path.to_owned(), error);
    let bytes = file.metadata().map_err(failed)?.len();
    let pages = u32::try_from(bytes / PAGE_BYTES as u64).unwrap_or(u32::MAX);
    let file_id = (pages > 1).then(|| data_file_id(&file)).transpose().map_err(failed)?.flatten();
    let file_id = file_id.ok_or_else(|| InjectError::NotADataFile(path.to_owned()))?;
    if !force && !is_generated(&file).map_err(failed)? {
        return Err(InjectError::NotGenerated(path.to_owned()));
    }
    Ok(DrillFile::new(file, file_id, pages))
}

/// The file id by page 0, or by the first PFS page if an earlier drill struck page 0; `None` if
/// the file is no data file.
fn data_file_id(file: &File) -> io::Result<Option<FileId>> {
    let first = read_page(file, PageId(0))?;
    let second = read_page(file, PageId(1))?;
    let kind = |page: &Page| PageType::of(PageHeader::of(page).page_type);
    let is_log = FileHeader::of(&first).is_some_and(|header| header.is_log());
    Ok(if kind(&first) == PageType::FileHeader && !is_log {
        Some(PageHeader::of(&first).address().file)
    } else if kind(&second) == PageType::Pfs {
        Some(PageHeader::of(&second).address().file)
    } else {
        None
    })
}

/// Decides on all damage before any is done.
fn plan(
    file: &mut DrillFile,
    path: &Path,
    injection: &Injection,
) -> Result<Vec<Strike>, InjectError> {
    let failed = |error| InjectError::Io(path.to_owned(), error);
    let Injection { fault, target, seed, .. } = *injection;
    if let Target::Page(page) = target
        && page.0 >= file.pages
    {
        return Err(InjectError::PageBeyondEnd(path.to_owned(), page, file.pages));
    }
    if let Target::Page(page) = target
        && !file.has(page)
    {
        return Err(InjectError::NotInBackup(path.to_owned(), page));
    }
    let (pages, aimed) = match (fault, target) {
        (Fault::RansomwareStripe, _) => (stripes(file, target, seed), false),
        (Fault::DeadMember | Fault::DeadZone, _) => {
            (zone::pages(file, fault, target, seed).map_err(failed)?, false)
        }
        (_, Target::Page(page)) => (vec![page], false),
        (_, Target::Random(wanted)) => {
            let pages = aim(file, fault, wanted, seed).map_err(failed)?;
            if pages.len() < wanted as usize {
                let found = pages.len();
                return Err(InjectError::TooFewPages(path.to_owned(), fault, wanted, found));
            }
            (pages, true)
        }
    };
    let strike = |page| Ok(strike(file, fault, page, seed, aimed)?.0);
    pages.into_iter().map(strike).collect::<io::Result<_>>().map_err(failed)
}

/// Pages on which the fault makes sense and leads to what it is meant to.
fn aim(file: &mut DrillFile, fault: Fault, wanted: u32, seed: u64) -> io::Result<Vec<PageId>> {
    let chosen = file.choose(wanted as usize, seed ^ fault as u64, |file, page| {
        Ok(file.suits(fault, page)? && is_meant(fault, strike(file, fault, page, seed, true)?.1))
    })?;
    Ok(chosen.into_iter().collect())
}

fn stripes(file: &DrillFile, target: Target, seed: u64) -> Vec<PageId> {
    let start = match target {
        Target::Page(page) => page.0,
        Target::Random(_) => below(&mut dice(seed, Purpose::Target, 0), STRIPE_PAGES.into()) as u32,
    };
    (start..file.pages).step_by(STRIPE_PAGES as usize).map(PageId).collect()
}

/// Damages one page in memory and asks the witness about it.
fn strike(
    file: &mut DrillFile,
    fault: Fault,
    page: PageId,
    seed: u64,
    aimed: bool,
) -> io::Result<(Strike, Testimony)> {
    let before = file.read(page)?;
    let source = if takes_source(fault) { file.source_for(page, seed)? } else { None };
    let source = source.map(|id| file.read(id).map(|page| (id, page))).transpose()?;
    let mut dice = dice(seed ^ fault as u64, Purpose::Damage, page.0.into());
    let reads_as_zeros = zone::reads_as_zeros(seed);
    let conditions = Conditions { aimed, source: source.as_ref(), reads_as_zeros };
    let Damage { page: after, mut detail } = damage(fault, &before, page, &mut dice, conditions);
    let allocation = file.allocation(page)?;
    detail.push_str(&side_effects(file, page, allocation));
    let testimony = file.testimony(&after, page, allocation);
    let mut entry = InjectedFault::new(fault, file.place(page), detail);
    entry.offset_bytes = file.offset_bytes(page).unwrap_or_default();
    (entry.expected, entry.reason) = testimony.expected();
    entry.why = why(&entry, &before, &after);
    if matches!(fault, Fault::MisdirectedWrite | Fault::StaleHome) {
        entry.source_page_id = source.map(|(id, _)| id);
    }
    if let Some(reason) = entry.reason {
        let was_healthy = file.testimony(&before, page, None).is_healthy();
        let facts = signature::Facts { fault, before: &before, after: &after, reason };
        entry.sign(signature::of(&facts, was_healthy));
    }
    Ok(((entry, after), testimony))
}

/// True for faults that may bring another page's bytes.
fn takes_source(fault: Fault) -> bool {
    matches!(fault, Fault::MisdirectedWrite | Fault::StaleHome | Fault::LostBlock)
}

/// What the damage means for other pages, or other damage for this one.
fn side_effects(file: &DrillFile, page: PageId, allocation: Option<bool>) -> String {
    let mut text = match file.described_by(page) {
        Some((first, last)) => {
            format!("; the allocation of pages {first} to {last} cannot be trusted any more")
        }
        None => String::new(),
    };
    if allocation.is_none() {
        text += "; its own PFS page is damaged or absent, so it counts as allocated";
    }
    text
}

fn why(entry: &InjectedFault, before: &Page, after: &Page) -> Option<String> {
    let text = match entry.expected {
        Expected::Suspect => return None,
        Expected::Free => "its PFS byte says that it is not allocated",
        Expected::Unprotected => "it carries neither a checksum nor torn bits",
        Expected::Undetectable if before.bytes() == after.bytes() => "it held these bytes before",
        Expected::Undetectable if PageHeader::of(after).protection() == Protection::Torn => {
            "torn-page detection sees only the lowest two bits of the last byte of a sector"
        }
        Expected::Undetectable => "checksum, header and page id still agree",
    };
    Some(text.to_owned())
}

impl fmt::Display for InjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotADataFile(path) => {
                let path = paths::text(path);
                write!(f, "{path} is no data file or backup; make one with `pagescrub generate`")
            }
            Self::NotGenerated(path) => {
                let path = paths::text(path);
                write!(f, "{path} was not made by pagescrub; damage a copy of it with --force")
            }
            Self::PageBeyondEnd(path, page, pages) => {
                let (path, last) = (paths::text(path), pages - 1);
                write!(f, "{path} has no page {page}; its last page is {last}")
            }
            Self::ReadOnly(path, error) => {
                let path = paths::text(path);
                write!(f, "{path} cannot be written ({error}); use a writable copy")
            }
            Self::TooFewPages(path, fault, wanted, found) => {
                let path = paths::text(path);
                write!(f, "{path} has {found} pages for {fault}, not {wanted}; ask for fewer, ")?;
                write!(f, "or name one with --page (pages whose PFS page is damaged do not count)")
            }
            Self::NotInBackup(path, page) => {
                write!(f, "{} has no copy of page {page}", paths::text(path))
            }
            Self::NotForBackups(path, fault) => {
                write!(f, "{} is a backup, and {fault} strikes whole data files", paths::text(path))
            }
            Self::NotABackup(path) => write!(f, "{} is no backup", paths::text(path)),
            Self::NoSuchSet(path, set) => {
                write!(f, "{} has no readable backup set {set}", paths::text(path))
            }
            Self::PlacesUnknown(path) => {
                let path = paths::text(path);
                write!(f, "where pages are in {path} is known of generated backups only")
            }
            Self::TooFewPlaces(path, fault, wanted, found) => {
                let path = paths::text(path);
                write!(f, "{path} has {found} places for {fault}, not {wanted}; ask for fewer")
            }
            Self::NotAtPage(fault) => write!(f, "{fault} strikes no page; use --random"),
            Self::Io(path, error) => write!(f, "cannot damage {}: {error}", paths::text(path)),
        }
    }
}

impl std::error::Error for InjectError {}

#[cfg(test)]
mod tests;

//! How damage is made good: which pages can be restored alone, and which file or database must be
//! restored as a whole (docs/page-format.md, section 10.3).
//!
//! Suspects and files may come from a saved report, so nothing here relies on what they say of
//! each other.

use super::report::database::DatabaseReport;
use super::report::{FileReport, ScrubReport, Suspect};
use crate::discover::FileKind;
use crate::page::address::{FileId, PageId};
use crate::page::allocation::fixed_page_type;
use crate::page::kind::PageType;
use std::collections::{BTreeMap, BTreeSet};

/// Pages of one file that RESTORE ... PAGE takes at most.
pub const PAGE_RESTORE_MAX: usize = 1000;
/// A file with more suspects, in percent of its pages, is restored as a whole.
pub const SHARE_PERCENT_MAX: u64 = 5;
/// UTF-16 units in the longest name that SQL Server knows.
const NAME_UNITS_MAX: usize = 128;
/// Object ids below this belong to the system tables.
const SYSTEM_OBJECT_ID_END: i32 = 100;

/// How one suspect page is made good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Remedy {
    /// Cannot be restored alone: its file is.
    File,
    /// RESTORE ... PAGE.
    Page,
    /// Of an index that can be made again, if the table is sound; RESTORE ... PAGE as well.
    Rebuild,
    /// It passes its check and breaks a rule: if a server wrote it so, its copies in backups do as
    /// well. DBCC CHECKDB has to confirm it before anything is restored.
    Confirm,
    /// Changed between looks: to be looked at again.
    Unsettled,
    /// Perhaps old content of a free page: to be looked at again.
    Doubtful,
    /// Not in use.
    Nothing,
}

impl Remedy {
    /// The remedy of `suspect`, as far as it does not depend on its file.
    pub fn of(suspect: &Suspect) -> Self {
        match suspect {
            _ if suspect.allocated == "no" => Self::Nothing,
            _ if suspect.unsettled => Self::Unsettled,
            _ if suspect.is_inconsistent() && !can_be_rebuilt(suspect) => Self::Confirm,
            _ if is_control_page(suspect) => Self::File,
            _ if suspect.allocated != "yes" && suspect.page_type == "unknown" => Self::Doubtful,
            _ if can_be_rebuilt(suspect) => Self::Rebuild,
            _ => Self::Page,
        }
    }

    /// Something has to be restored.
    fn is_restored(self) -> bool {
        matches!(self, Self::File | Self::Page)
    }
}

/// A page that SQL Server restores with its whole file only. For DIFF and ML maps that is not
/// documented; what is documented is that they change with every backup.
pub fn is_control_page(suspect: &Suspect) -> bool {
    use PageType::{Boot, DiffMap, FileHeader, Gam, MlMap, Pfs, Sgam};
    let fixed = fixed_page_type(FileId(suspect.file_id), PageId(suspect.page_id));
    matches!(fixed, Some(FileHeader | Boot | Gam | Sgam | Pfs | DiffMap | MlMap))
}

/// A DIFF or ML map: Microsoft's list of what page restore cannot restore does not name it.
pub fn is_extent_map(suspect: &Suspect) -> bool {
    let fixed = fixed_page_type(FileId(suspect.file_id), PageId(suspect.page_id));
    matches!(fixed, Some(PageType::DiffMap | PageType::MlMap))
}

/// A page of a system table; online restores of such pages may fail.
pub fn is_system_page(suspect: &Suspect) -> bool {
    suspect.object_id.is_some_and(|id| (0..SYSTEM_OBJECT_ID_END).contains(&id))
}

/// It belongs to an index that can be made again; in reports of before there were tiers, its own
/// header led to a nonclustered index of a user's table.
fn can_be_rebuilt(suspect: &Suspect) -> bool {
    let is_nonclustered = suspect.object_kind.as_deref() == Some("nonclustered_index")
        && suspect.page_type == "index"
        && suspect.index_id.is_some_and(|id| id > 1)
        && !is_system_page(suspect);
    suspect.tier == "T3" || (suspect.tier.is_empty() && is_nonclustered)
}

/// How a file is made good. Never two ways at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Nothing to restore.
    None,
    /// Its pages alone.
    Pages,
    /// As a whole.
    File(Why),
    /// With its database: a log file.
    Database,
}

/// Why a file is restored as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It has a suspect that cannot be restored alone.
    ControlPage,
    /// Of those that are not restored alone it has DIFF and ML maps, and no other.
    ExtentMap,
    /// More suspects than [`PAGE_RESTORE_MAX`], with those of indexes that can be made again: if
    /// these are restored after all, it is in the same sequence.
    TooMany,
    /// More suspects than [`SHARE_PERCENT_MAX`] of its pages.
    TooLarge,
    /// Not all of its suspects are listed.
    NotListed,
    /// It holds nothing of its pages.
    Lost,
    /// Most of its suspects are content that has moved: it was copied wrongly.
    Shifted,
}

impl Why {
    /// In words, after the name of the file.
    pub fn text(self) -> &'static str {
        match self {
            Self::ControlPage => "it has a damaged page that cannot be restored alone",
            Self::ExtentMap => "it has a damaged DIFF or ML map",
            Self::TooMany => "more than the 1,000 pages that page restore takes are damaged",
            Self::TooLarge => "more than 5 % of its pages are damaged",
            Self::NotListed => "not all of its suspects are listed",
            Self::Lost => "nothing of its pages is left",
            Self::Shifted => {
                "its content has moved; copy it again from its source, and restore it only if \
                 there is none"
            }
        }
    }
}

/// What is damaged of one file.
#[derive(Clone, Debug)]
pub struct FileLoss<'a> {
    /// The machine that scanned it, in a merged report.
    pub host: Option<&'a str>,
    /// The file.
    pub path: &'a str,
    /// Its id in its database.
    pub file_id: u16,
    /// What is known of it.
    pub file: Option<&'a FileReport>,
    /// It holds nothing of its pages.
    pub is_lost: bool,
    /// Its suspects, by page; empty only if it is lost.
    pub suspects: Vec<&'a Suspect>,
}

impl<'a> FileLoss<'a> {
    /// Its path, after the machine's name in a merged report.
    pub fn called(&self) -> String {
        self.host.map_or_else(|| self.path.to_owned(), |host| format!("{host}:{}", self.path))
    }

    /// Suspects with one of `remedies`, by page.
    pub fn with(&self, remedies: &[Remedy]) -> Vec<&'a Suspect> {
        let has = |suspect: &&&Suspect| remedies.contains(&Remedy::of(suspect));
        self.suspects.iter().filter(has).copied().collect()
    }

    /// How it is made good, if its database's recovery model allows all ways.
    pub fn route(&self) -> Route {
        let lost = self.suspects.iter().filter(|s| Remedy::of(s).is_restored()).count();
        let (control, rebuilds) = (self.with(&[Remedy::File]), self.with(&[Remedy::Rebuild]).len());
        let pages = self.file.map_or(0, |file| file.pages);
        match () {
            () if self.is_log() => Route::Database,
            () if self.is_lost => Route::File(Why::Lost),
            () if self.is_shifted() => Route::File(Why::Shifted),
            () if !control.iter().all(|page| is_extent_map(page)) => Route::File(Why::ControlPage),
            () if self.not_listed() > 0 => Route::File(Why::NotListed),
            () if lost > 0 && lost + rebuilds > PAGE_RESTORE_MAX => Route::File(Why::TooMany),
            () if is_too_large(lost, pages) => Route::File(Why::TooLarge),
            () if !control.is_empty() => Route::File(Why::ExtentMap),
            () if lost + rebuilds > 0 => Route::Pages,
            () => Route::None,
        }
    }

    /// Most of its suspects are where others should be.
    pub fn is_shifted(&self) -> bool {
        let shifted = self.suspects.iter().filter(|suspect| suspect.is_shifted()).count();
        2 * shifted > self.suspects.len()
    }

    fn is_log(&self) -> bool {
        self.file.is_some_and(|file| file.kind == FileKind::Log)
    }

    /// Suspects that are counted and not listed.
    pub fn not_listed(&self) -> u64 {
        let counted = self.file.map_or(0, |file| file.coverage.suspect);
        counted.saturating_sub(self.suspects.len() as u64)
    }
}

/// True if so many suspects are too large a part of `pages` to be restored one by one.
pub fn is_too_large(suspects: usize, pages: u64) -> bool {
    pages > 0 && suspects as u64 * 100 > pages.saturating_mul(SHARE_PERCENT_MAX)
}

/// What is known of a database's recovery model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// SIMPLE: no log backups, no page restore.
    Simple,
    /// FULL, or `BULK_LOGGED`.
    Logged,
    /// No boot page told.
    Unknown,
}

/// A database that SQL Server brings along; each is restored in a way of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// Logins and databases.
    Master,
    /// Jobs and the history of backups.
    Msdb,
    /// What new databases begin as.
    Model,
    /// Made anew at every start.
    Tempdb,
    /// SQL Server's own objects; never changed, and never backed up.
    Resource,
}

impl System {
    fn of(name: &str) -> Option<Self> {
        Some(match name.trim_end().to_ascii_lowercase().as_str() {
            "master" => Self::Master,
            "msdb" => Self::Msdb,
            "model" => Self::Model,
            "tempdb" => Self::Tempdb,
            "mssqlsystemresource" => Self::Resource,
            _ => return None,
        })
    }
}

/// What is damaged of one database.
#[derive(Clone, Debug)]
pub struct DatabaseLoss<'a> {
    /// Its place among the databases of the report, unless it is a copy of a file that the report
    /// lists with another one ...
    pub index: Option<usize>,
    /// ... and all that is known of it.
    pub database: Option<&'a DatabaseReport>,
    /// The machine that scanned it, in a merged report.
    pub host: Option<&'a str>,
    /// `None` if not known, or if no server can have such a name.
    pub name: Option<&'a str>,
    /// Its recovery model.
    pub model: Model,
    /// Set if it is a system database.
    pub system: Option<System>,
    /// There are other files with this name and the same id: copies, each of which stands alone.
    pub is_copy: bool,
    /// There are other databases of its name on its machine.
    pub is_namesake: bool,
    /// Its damaged files, by id.
    pub files: Vec<FileLoss<'a>>,
}

impl<'a> DatabaseLoss<'a> {
    /// Server and clients hold it to be one that SQL Server brings along and backs up.
    pub fn has_backups(&self) -> bool {
        !matches!(self.system, Some(System::Tempdb | System::Resource))
    }

    fn new(
        (index, database): (Option<usize>, Option<&'a DatabaseReport>),
        is_copy: bool,
        mut files: Vec<FileLoss<'a>>,
    ) -> Self {
        files.sort_by_key(|loss| (loss.file_id, loss.path));
        let mut by_suspects = files.iter().flat_map(|loss| &loss.suspects);
        let name = database.and_then(|database| database.name.as_deref());
        let name = name.or_else(|| by_suspects.find_map(|s| s.database.as_deref()));
        let possible = |name: &&str| (1..=NAME_UNITS_MAX).contains(&name.encode_utf16().count());
        let simple = |loss: &FileLoss<'_>| loss.file.and_then(|file| file.simple_recovery);
        let mut models: BTreeSet<bool> = files.iter().filter_map(simple).collect();
        if files.iter().all(|loss| loss.is_lost) {
            models.extend(database.and_then(|database| database.simple_recovery));
        }
        let model = match models.first() {
            Some(is_simple) if models.len() == 1 && *is_simple => Model::Simple,
            Some(_) if models.len() == 1 => Model::Logged,
            _ => Model::Unknown,
        };
        let system = name.and_then(System::of);
        Self {
            index,
            database,
            host: files.first().and_then(|loss| loss.host),
            name: name.filter(possible),
            model,
            system,
            // Those of system databases are alike on all servers.
            is_copy: is_copy && system.is_none(),
            is_namesake: false,
            files,
        }
    }

    /// Its name for people.
    pub fn called(&self) -> String {
        let path = self.files.first().map_or("", |loss| loss.path);
        let name = match self.name {
            None => format!("the database of {path}"),
            Some(name) if self.is_namesake => format!("{name} of {path}"),
            Some(name) => name.to_owned(),
        };
        self.host.map_or_else(|| name.clone(), |host| format!("{name} on {host}"))
    }

    /// All its suspects.
    pub fn suspects(&self) -> impl Iterator<Item = &'a Suspect> {
        self.files.iter().flat_map(|loss| loss.suspects.iter().copied())
    }

    /// Files that are restored as a whole, with the reasons.
    pub fn whole_files(&self) -> impl Iterator<Item = (&FileLoss<'a>, Why)> {
        self.files.iter().filter_map(|loss| match loss.route() {
            Route::File(why) => Some((loss, why)),
            _ => None,
        })
    }

    /// Files of which nothing is left.
    pub fn lost_files(&self) -> impl Iterator<Item = &FileLoss<'a>> {
        self.files.iter().filter(|loss| loss.is_lost)
    }

    /// Files whose pages are restored alone.
    pub fn files_by_page(&self) -> impl Iterator<Item = &FileLoss<'a>> {
        self.files.iter().filter(|loss| loss.route() == Route::Pages)
    }

    /// Nothing less than all of it can be restored.
    pub fn is_whole(&self) -> bool {
        self.has_log() || (self.model == Model::Simple && self.needs_restore())
    }

    /// Something of it has to be restored.
    pub fn needs_restore(&self) -> bool {
        let is_lost = |suspect| matches!(Remedy::of(suspect), Remedy::File | Remedy::Page);
        self.has_log() || self.files.iter().any(|loss| loss.is_lost) || self.suspects().any(is_lost)
    }

    /// One of its log files is damaged.
    pub fn has_log(&self) -> bool {
        self.files.iter().any(|loss| loss.route() == Route::Database)
    }

    /// A file that is lost comes before every page.
    fn first_rank(&self) -> usize {
        let is_lost = self.files.iter().any(|loss| loss.is_lost);
        let first = self.suspects().map(|suspect| suspect.rank).min().unwrap_or(usize::MAX);
        if is_lost { 0 } else { first }
    }
}

/// What is damaged in `report`, by database and file; the database with the most urgent page first.
/// Files of which there are copies stand alone. Pages in backups are left out: they are no pages of
/// a database, and nothing is restored because of them.
pub fn databases(report: &ScrubReport) -> Vec<DatabaseLoss<'_>> {
    let copied = copied(&report.files);
    let is_copy =
        |loss: &FileLoss<'_>| loss.file.and_then(seat).is_some_and(|seat| copied.contains(&seat));
    let mut left = by_file(report);
    let mut losses = Vec::new();
    for (index, database) in report.databases.iter().enumerate() {
        let host = database.host.as_deref();
        let paths = database.files.iter().filter_map(|file| file.path.as_deref());
        let files: Vec<_> = paths.filter_map(|path| left.remove(&(host, path))).collect();
        let (twins, own): (Vec<_>, Vec<_>) = files.into_iter().partition(is_copy);
        let told = (Some(index), Some(database));
        losses.extend(twins.into_iter().map(|loss| DatabaseLoss::new(told, true, vec![loss])));
        if !own.is_empty() {
            losses.push(DatabaseLoss::new(told, false, own));
        }
    }
    // Further copies of a file of one database, and what a report from elsewhere does not place.
    let others = left.into_values();
    losses.extend(others.map(|loss| DatabaseLoss::new((None, None), is_copy(&loss), vec![loss])));
    tell_apart(&mut losses);
    losses.sort_by_key(DatabaseLoss::first_rank);
    losses
}

/// Files with suspects, and those that hold nothing of their pages.
fn by_file(report: &ScrubReport) -> BTreeMap<(Option<&str>, &str), FileLoss<'_>> {
    let own = report.files.iter().filter(|file| file.backup_set.is_none());
    let reports = own.map(|file| ((file.host.as_deref(), &*file.path), file));
    let reports: BTreeMap<(Option<&str>, &str), &FileReport> = reports.collect();
    let mut losses: BTreeMap<(Option<&str>, &str), FileLoss<'_>> = BTreeMap::new();
    let new = |(host, path), file_id, is_lost| {
        let file = reports.get(&(host, path)).copied();
        FileLoss { host, path, file_id, file, is_lost, suspects: Vec::new() }
    };
    for suspect in report.suspects.iter().filter(|suspect| !suspect.is_in_backup()) {
        let key = (suspect.host.as_deref(), &*suspect.path);
        let loss = losses.entry(key).or_insert_with(|| new(key, suspect.file_id, false));
        loss.suspects.push(suspect);
    }
    for loss in losses.values_mut() {
        loss.suspects.sort_by_key(|suspect| suspect.page_id);
    }
    for database in &report.databases {
        for file in database.lost_files() {
            let Some(path) = file.path.as_deref() else { continue };
            let key = (database.host.as_deref(), path);
            losses.entry(key).or_insert_with(|| new(key, file.file_id, true));
        }
    }
    losses
}

/// Databases of one name are called by their paths as well.
fn tell_apart(databases: &mut [DatabaseLoss<'_>]) {
    let mut uses: BTreeMap<(Option<&str>, &str), usize> = BTreeMap::new();
    for database in &*databases {
        if let Some(name) = database.name {
            *uses.entry((database.host, name)).or_default() += 1;
        }
    }
    for database in databases {
        let key = database.name.map(|name| (database.host, name));
        database.is_namesake = key.and_then(|key| uses.get(&key)).is_some_and(|uses| *uses > 1);
    }
}

/// Which file of which database on which machine a file is: a server uses one file in each seat,
/// so two scanned files with one seat are copies of each other.
type Seat<'a> = (Option<&'a str>, &'a str, u16);

fn seat(file: &FileReport) -> Option<Seat<'_>> {
    let database = file.binding_id.as_deref().or(file.database.as_deref())?;
    Some((file.host.as_deref(), database, file.file_id?))
}

/// The seats of which copies were scanned, be these damaged or not.
fn copied(files: &[FileReport]) -> BTreeSet<Seat<'_>> {
    let mut seen = BTreeSet::new();
    let pages = files.iter().filter(|file| file.pages > 0 && file.backup_set.is_none());
    pages.filter_map(seat).filter(|seat| !seen.insert(*seat)).collect()
}

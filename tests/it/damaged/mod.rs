//! Reports of a database with given pages damaged, concluded as a scan concludes them.

use pagescrub::catalog::object::{Object, ObjectKind};
use pagescrub::check::Breach;
use pagescrub::check::outcome::{NotChecked, Outcome as Checked};
use pagescrub::check::rule::Rule;
use pagescrub::consolidate::advice::advise;
use pagescrub::consolidate::conclude::conclude;
use pagescrub::consolidate::file_facts::FileFacts;
use pagescrub::consolidate::findings::Finding;
use pagescrub::consolidate::report::consistency::{CheckedDatabase, Consistency};
use pagescrub::consolidate::report::database::{DatabaseFile, DatabaseReport, FileState};
use pagescrub::consolidate::report::{FileReport, Outcome, ScrubReport, Step, Suspect};
use pagescrub::consolidate::weights::Weights;
use pagescrub::diagnose::verdict::{Allocation, SuspectReason};
use pagescrub::page::Page as Bytes;
use pagescrub::page::address::{FileId, PageAddress, PageId};
use pagescrub::page::checksum::Checksum;
use pagescrub::page::header::PageHeader;
use pagescrub::report::{json, tsql as format};
use std::path::Path;
use std::sync::Arc;

/// Pages of each file: enough that a thousand are no twentieth.
const PAGES: u64 = 1_000_000;
/// Files of the database, with their filegroups.
const FILES: [(u16, &str, u32); 2] = [(1, "/data/sales.mdf", 1), (3, "/data/sales_2.ndf", 2)];

/// A damaged page.
#[derive(Clone)]
pub(crate) struct Page {
    file: u16,
    id: u32,
    object: Option<Object>,
    cause: Option<&'static str>,
    rule: Option<Rule>,
}

impl Page {
    /// What the place says that it is.
    pub(crate) fn at(file: u16, id: u32) -> Self {
        Self { file, id, object: None, cause: None, rule: None }
    }

    pub(crate) fn rows(file: u16, page: u32) -> Self {
        Self { object: Some(object(0, ObjectKind::Heap)), ..Self::at(file, page) }
    }

    pub(crate) fn index(file: u16, page: u32) -> Self {
        Self { object: Some(object(3, ObjectKind::NonclusteredIndex)), ..Self::at(file, page) }
    }

    pub(crate) fn encrypted(file: u16, page: u32) -> Self {
        Self { cause: Some("encrypted"), ..Self::at(file, page) }
    }

    /// It passes its check and breaks `rule`.
    pub(crate) fn that_breaks(self, rule: Rule) -> Self {
        Self { rule: Some(rule), ..self }
    }

    fn breach(&self, rule: Rule) -> Breach {
        let place = PageAddress::new(FileId(self.file), PageId(self.id));
        Breach { slot: Some(3), ..Breach::of(rule, place) }
    }

    fn finding(&self) -> Finding {
        let place = PageAddress::new(FileId(self.file), PageId(self.id));
        let mut bytes = Bytes::ZERO;
        let header = PageHeader::of_mut(&mut bytes);
        header.header_version = 1;
        header.page_type = if self.object.as_ref().is_some_and(|o| o.index_id > 1) { 2 } else { 1 };
        (header.file_id, header.page_id, header.free_data) = (self.file, self.id, 96);
        (header.object_id, header.index_id) = (100, 256);
        let reason = match self.rule {
            Some(rule) => SuspectReason::Inconsistent(self.breach(rule)),
            None => SuspectReason::BadChecksum { stored: Checksum(1), computed: Checksum(2) },
        };
        let file = FILES.iter().position(|(id, ..)| *id == self.file).expect("a file");
        let mut finding = Finding::new(file, place, reason, Allocation::Allocated, Some(&bytes));
        if let Some(object) = &self.object {
            finding.is_of(&Arc::new(object.clone()));
        }
        finding
    }
}

fn object(index_id: i32, kind: ObjectKind) -> Object {
    Object {
        object_id: 21_575_115,
        index_id,
        kind,
        schema: Some("dbo".into()),
        table: Some("Orders".into()),
        index: (index_id > 0).then(|| "IX_Date".into()),
        is_view: false,
        is_internal: false,
        unit_pages: None,
        root: None,
        partition: None,
    }
}

pub(crate) fn golden() -> ScrubReport {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/report.json");
    json::read(&std::fs::read(path).expect("it is in the repository")).expect("a report")
}

fn facts(path: &str, database: &str, simple: Option<bool>) -> FileFacts {
    FileFacts {
        path: path.into(),
        database: Some(database.into()),
        database_id: 5,
        simple_recovery: simple,
        is_log: false,
        part: None,
        placement: None,
        sound_pages: PAGES,
        has_primary: true,
        is_boot_suspect: false,
        is_of_unknown_database: false,
        moved_pages: 0,
        database_files: Vec::new(),
    }
}

/// The database `name` with `pages` damaged, in the recovery model that its boot page tells.
pub(crate) fn database(
    name: &str,
    simple: Option<bool>,
    pages: impl Iterator<Item = Page>,
) -> ScrubReport {
    let mut pages: Vec<Page> = pages.collect();
    pages.sort_by_key(|page| (page.file, page.id));
    let findings = pages.iter().map(Page::finding).collect();
    let files = FILES.map(|(_, path, _)| facts(path, name, simple));
    let concluded = conclude(findings, &files, &Weights::default(), None, &|_, _| None);
    let mut report = empty();
    (report.suspects, report.incidents) = (concluded.suspects, concluded.incidents);
    for suspect in &mut report.suspects {
        let is_it = |page: &&Page| (page.file, page.id) == (suspect.file_id, suspect.page_id);
        let cause = pages.iter().find(is_it).and_then(|page| page.cause);
        suspect.cause = cause.map(Into::into).or(suspect.cause.take());
    }
    report.coverage.suspect = report.suspects.len() as u64;
    report.files = FILES.iter().map(|(id, path, _)| file(*id, path, name, simple)).collect();
    count(&mut report);
    report.databases = vec![told(name, &FILES)];
    advise(&mut report);
    report
}

/// The golden report without what it found.
fn empty() -> ScrubReport {
    let mut report = golden();
    report.suspects.clear();
    report.incidents.clear();
    report.patterns.clear();
    report.files.clear();
    report.databases.clear();
    report.host_findings.clear();
    report.coverage.not_reached = 0;
    report
}

fn file(file_id: u16, path: &str, database: &str, simple: Option<bool>) -> FileReport {
    let mut files = golden().files.into_iter();
    let file = files.find(|file| &*file.path == "/data/sales.mdf").expect("there");
    let mut file = FileReport {
        path: path.into(),
        file_id: Some(file_id),
        database: Some(database.into()),
        outcome: Outcome::Scanned,
        simple_recovery: simple,
        pages: PAGES,
        ..file
    };
    file.coverage.not_reached = 0;
    file
}

fn count(report: &mut ScrubReport) {
    for file in &mut report.files {
        let is_in = |suspect: &&Suspect| suspect.path == file.path;
        file.coverage.suspect = report.suspects.iter().filter(is_in).count() as u64;
    }
}

fn told(name: &str, files: &[(u16, &str, u32)]) -> DatabaseReport {
    let mut databases = golden().databases.into_iter();
    let is_sales = |database: &DatabaseReport| database.name.as_deref() == Some("simple");
    let database = databases.find(is_sales).expect("there");
    let file = |(file_id, path, filegroup): &(u16, &str, u32)| DatabaseFile {
        file_id: *file_id,
        filegroup_id: Some(*filegroup),
        kind: "data".into(),
        logical_name: None,
        path: Some((*path).into()),
        physical_name: None,
        state: FileState::Scanned,
        pages_expected: Some(PAGES),
        pages_seen: PAGES,
    };
    DatabaseReport { name: Some(name.into()), files: files.iter().map(file).collect(), ..database }
}

pub(crate) fn sales(pages: impl Iterator<Item = Page>) -> ScrubReport {
    database("sales", Some(false), pages)
}

pub(crate) fn under_simple(pages: impl Iterator<Item = Page>) -> ScrubReport {
    database("sales", Some(true), pages)
}

pub(crate) fn named(name: &str, pages: impl Iterator<Item = Page>) -> ScrubReport {
    database(name, Some(false), pages)
}

/// Checked, with `pages` that break rules, and one that recovery may put right.
pub(crate) fn checked(pages: &[Page]) -> ScrubReport {
    let mut report = sales(pages.iter().cloned());
    let later = Page::index(1, 90).that_breaks(Rule::T3);
    let breach = Breach {
        slot: None,
        other: Some(PageAddress::new(FileId(1), PageId(91))),
        ..later.breach(Rule::T3)
    };
    let outcome = Checked {
        broken: pages.iter().filter_map(|page| Some(page.breach(page.rule?))).collect(),
        unsettled: vec![breach],
        left_out: 0,
        not_checked: [(NotChecked::CompressedPages, 12), (NotChecked::UnitsWithSuspects, 1)].into(),
        pages: 1234,
        records: 56_789,
        units: 90,
    };
    let mut unsettled = later.finding();
    unsettled.reason = SuspectReason::Inconsistent(breach);
    let facts = facts(FILES[0].1, "sales", Some(false));
    let database = CheckedDatabase::of(&outcome, &[unsettled], &facts);
    report.consistency = Some(Consistency::of(vec![database]));
    report.conclude();
    advise(&mut report);
    report
}

/// With what is said of its suspects changed.
pub(crate) fn changed(
    pages: impl Iterator<Item = Page>,
    change: impl Fn(&mut Suspect),
) -> ScrubReport {
    let mut report = sales(pages);
    report.suspects.iter_mut().for_each(change);
    advise(&mut report);
    report
}

/// File 3 is at `path`, and holds `content` in place of pages.
pub(crate) fn with_lost(
    path: &str,
    content: &'static str,
    pages: impl Iterator<Item = Page>,
) -> ScrubReport {
    let mut report = sales(pages);
    let lost = report.files.iter_mut().find(|file| file.file_id == Some(3)).expect("there");
    lost.path = path.into();
    (lost.outcome, lost.content) = (Outcome::Refused, Some(content.into()));
    (lost.file_id, lost.pages, lost.counts) = (None, 0, Some(true));
    let told = &mut report.databases[0].files[1];
    (told.path, told.state) = (Some(path.into()), FileState::Empty);
    advise(&mut report);
    report
}

/// Databases `db00` and so on, each of one file with one bad page.
pub(crate) fn many_databases(count: usize) -> ScrubReport {
    of_databases((0..count).map(|i| format!("db{i:02}")), Some(false))
}

/// One database of each name, each of one file with one bad page.
pub(crate) fn of_databases(
    names: impl Iterator<Item = String>,
    simple: Option<bool>,
) -> ScrubReport {
    let mut report = empty();
    for (i, name) in names.enumerate() {
        let path = format!("/data/db{i:02}.mdf");
        let one = database(&name, simple, [Page::rows(1, 300), Page::index(1, 301)].into_iter());
        for suspect in one.suspects {
            let rank = report.suspects.len() + 1;
            report.suspects.push(Suspect { rank, path: path.as_str().into(), ..suspect });
        }
        report.files.push(file(1, &path, &name, simple));
        report.databases.push(told(&name, &[(1, &path, 1)]));
    }
    count(&mut report);
    advise(&mut report);
    report
}

pub(crate) fn plan(report: &ScrubReport) -> &[Step] {
    &report.plan
}

pub(crate) fn titles(report: &ScrubReport) -> Vec<&str> {
    report.plan.iter().map(|step| &*step.title).collect()
}

pub(crate) fn step(report: &ScrubReport, title: &str) -> Step {
    let step = report.plan.iter().find(|step| step.title == title);
    step.unwrap_or_else(|| panic!("no step {title} in {:?}", titles(report))).clone()
}

pub(crate) fn script(report: &ScrubReport) -> String {
    let mut out = Vec::new();
    format::write(report, &mut out).expect("memory takes everything");
    String::from_utf8(out).expect("UTF-8")
}

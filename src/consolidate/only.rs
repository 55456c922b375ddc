//! A report of some databases only, made from one of all: as if their files had been scanned alone,
//! as far as the report tells whose a file is.

use super::advice;
use super::backup::SetReport;
use super::report::consistency::CheckedDatabase;
use super::report::{
    FileKey, FileReport, IncidentReport, RunVerdict, ScrubReport, Source, Suspect,
};
use super::tally::Coverage;
use super::verdict::exit_code;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// Databases named at most where one is asked for that is not there.
const NAMES_MAX: usize = 20;

/// A name that no database of the report has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownDatabase {
    /// The name.
    pub name: String,
    /// Those that are there.
    pub known: Vec<Arc<str>>,
}

impl fmt::Display for UnknownDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no database {}", self.name)?;
        let shown: Vec<&str> = self.known.iter().take(NAMES_MAX).map(|name| &**name).collect();
        let more = if self.known.len() > NAMES_MAX { ", ..." } else { "" };
        if shown.is_empty() {
            return write!(f, ": no file says whose it is");
        }
        write!(f, ": there are {}{more}", shown.join(", "))
    }
}

impl std::error::Error for UnknownDatabase {}

/// What `report` says of the databases with one of `names`, in upper or lower case, and of their
/// backups. Files that do not say whose they are stay: nobody knows that they are not theirs.
///
/// # Errors
/// If a name is nowhere.
pub fn only(report: ScrubReport, names: &[String]) -> Result<ScrubReport, UnknownDatabase> {
    let known = known(&report);
    let is_one = |wanted: &str, name: &str| name.to_lowercase() == wanted.to_lowercase();
    for name in names {
        if !known.iter().any(|known| is_one(name, known)) {
            let known = known.into_iter().collect();
            return Err(UnknownDatabase { name: name.clone(), known });
        }
    }
    let wanted = |name: &str| names.iter().any(|wanted| is_one(wanted, name));
    let mut kept = kept(report, &wanted);
    kept.run.notes.push(format!("only what is known of {} is told", names.join(", ")));
    Ok(kept)
}

/// The names of all databases.
fn known(report: &ScrubReport) -> BTreeSet<Arc<str>> {
    let of_databases = report.databases.iter().filter_map(|database| database.name.clone());
    let of_files = report.files.iter().filter_map(|file| file.database.clone());
    let sets = report.backups().flat_map(|(_, backup)| &backup.sets);
    let of_sets = sets.map(|set| Arc::clone(&set.database)).filter(|name| !name.is_empty());
    of_databases.chain(of_files).chain(of_sets).collect()
}

/// A machine, in a merged report, and a path there.
type Place = (Option<Arc<str>>, Arc<str>);

/// What tells whether a file, or a backup set, is of a database that is wanted.
struct Wanted<'a> {
    is_name: &'a dyn Fn(&str) -> bool,
    /// Files of these databases, and of others, whatever their own names say.
    own: BTreeSet<Place>,
    others: BTreeSet<Place>,
    /// Backups of a database that had another name are known by its origin.
    families: BTreeSet<[u8; 16]>,
}

impl<'a> Wanted<'a> {
    fn of(report: &ScrubReport, is_name: &'a dyn Fn(&str) -> bool) -> Self {
        let (mut own, mut others) = (BTreeSet::new(), BTreeSet::new());
        let mut families = BTreeSet::new();
        for database in &report.databases {
            let Some(name) = &database.name else { continue };
            let is_wanted = is_name(name);
            let places = database.files.iter().filter_map(|file| file.path.clone());
            let places = places.map(|path| (database.host.clone(), path));
            let known = if is_wanted { &mut own } else { &mut others };
            known.extend(places);
            families.extend(database.line.family_id.filter(|_| is_wanted));
        }
        Self { is_name, own, others, families }
    }

    /// A set that says nothing may be of any database.
    fn has_set(&self, set: &SetReport) -> bool {
        let is_family = |family: &[u8; 16]| self.families.contains(family);
        set.database.is_empty()
            || (self.is_name)(&set.database)
            || set.line.family_id.as_ref().is_some_and(is_family)
    }

    /// A file that is no part of a backup.
    fn has_file(&self, file: &FileReport) -> bool {
        let place = (file.host.clone(), Arc::clone(&file.path));
        match (&file.backup, &file.database) {
            (Some(backup), _) => {
                backup.sets.is_empty() || backup.sets.iter().any(|set| self.has_set(set))
            }
            _ if self.own.contains(&place) => true,
            _ if self.others.contains(&place) => false,
            (None, Some(name)) => (self.is_name)(name),
            (None, None) => true,
        }
    }
}

fn kept(mut report: ScrubReport, is_name: &dyn Fn(&str) -> bool) -> ScrubReport {
    let wanted = Wanted::of(&report, is_name);
    report.files = files(std::mem::take(&mut report.files), &wanted);
    report.coverage = Coverage::default();
    report.files.iter().for_each(|file| report.coverage += &file.coverage);
    let keys: BTreeSet<_> = report.files.iter().map(|file| owned(file.key())).collect();
    suspects(&mut report, &keys);
    let paths: BTreeSet<Place> =
        report.files.iter().map(|file| (file.host.clone(), Arc::clone(&file.path))).collect();
    report.transients.retain(|page| paths.contains(&(page.host.clone(), Arc::clone(&page.path))));
    let listed = report.transients.len() as u64;
    report.transients_not_listed = report.coverage.transient.saturating_sub(listed);
    if let Some(consistency) = &mut report.consistency {
        let is_kept = |database: &CheckedDatabase| {
            let place = (database.host.clone(), Arc::clone(&database.path));
            paths.contains(&place) && database.name.as_deref().is_none_or(is_name)
        };
        consistency.databases.retain(is_kept);
    }
    let devices: BTreeSet<Place> = report.suspects.iter().filter_map(device).collect();
    report.patterns.retain(|pattern| {
        let place = (pattern.host.clone(), Arc::clone(&pattern.scope));
        if pattern.on_device { devices.contains(&place) } else { paths.contains(&place) }
    });
    sources(&mut report);
    report.conclude();
    answers(&mut report);
    advice::advise(&mut report);
    report
}

/// A [`FileKey`] that outlives its file.
type Key = (Option<Arc<str>>, Arc<str>, Option<(u32, u16)>);

fn owned((host, path, part): FileKey<'_>) -> Key {
    (host.map(Into::into), path.into(), part)
}

fn device(suspect: &Suspect) -> Option<Place> {
    Some((suspect.host.clone(), suspect.device.clone()?))
}

/// Of a backup of several databases, the sets that are wanted.
fn files(files: Vec<FileReport>, wanted: &Wanted<'_>) -> Vec<FileReport> {
    let mut sets: BTreeMap<Place, BTreeSet<u32>> = BTreeMap::new();
    let mut kept = Vec::new();
    for mut file in files {
        let place = (file.host.clone(), Arc::clone(&file.path));
        if file.backup_set.is_none() && wanted.has_file(&file) {
            if let Some(backup) = &mut file.backup {
                backup.sets.retain(|set| wanted.has_set(set));
                sets.insert(place, backup.sets.iter().map(|set| set.position).collect());
            }
            kept.push(file);
        } else if let Some(position) = file.backup_set {
            let is_wanted = sets.get(&place).is_some_and(|sets| sets.contains(&position));
            kept.extend(is_wanted.then_some(file));
        }
    }
    kept
}

/// Suspects of the files that are left, with ranks of their own, and their incidents.
fn suspects(report: &mut ScrubReport, keys: &BTreeSet<Key>) {
    let all = std::mem::take(&mut report.suspects);
    let mut rank_of = vec![0; all.len() + 1];
    for suspect in all {
        if keys.contains(&owned(suspect.file_key())) {
            let rank = report.suspects.len() + 1;
            rank_of.get_mut(suspect.rank).into_iter().for_each(|place| *place = rank);
            report.suspects.push(Suspect { rank, ..suspect });
        }
    }
    let listed = report.suspects.len() as u64;
    report.suspects_not_listed = report.coverage.suspect.saturating_sub(listed);
    if report.coverage.suspect == listed {
        report.incidents_not_listed = 0;
    }
    for incident in std::mem::take(&mut report.incidents) {
        let rank = report.incidents.len() + 1;
        let incident = left_of(incident, rank, &rank_of, &report.suspects);
        let Some(incident) = incident else { continue };
        incident.suspects.iter().for_each(|i| report.suspects[i - 1].incident = rank);
        report.incidents.push(incident);
    }
}

/// `incident` without the suspects that are gone; nothing if all are.
fn left_of(
    incident: IncidentReport,
    rank: usize,
    rank_of: &[usize],
    suspects: &[Suspect],
) -> Option<IncidentReport> {
    let before = incident.suspects.len();
    let ranks = incident.suspects.iter().filter_map(|old| rank_of.get(*old).copied());
    let ranks: Vec<usize> = ranks.filter(|rank| *rank > 0).collect();
    let most_urgent = &suspects[*ranks.iter().min()? - 1];
    if ranks.len() == before {
        return Some(IncidentReport { rank, suspects: ranks, ..incident });
    }
    let of = || ranks.iter().map(|rank| &suspects[rank - 1]);
    let paths: BTreeSet<&str> = of().map(|suspect| &*suspect.path).collect();
    let mut spans = incident.spans;
    spans.retain(|span| paths.contains(&*span.path));
    let (first, last) = spans
        .iter()
        .find(|span| span.path == most_urgent.path)
        .map_or((most_urgent.address, most_urgent.address), |span| (span.first, span.last));
    let count = |code: &dyn Fn(&Suspect) -> Option<String>| {
        let mut counts = BTreeMap::new();
        of().filter_map(code).for_each(|code| *counts.entry(code).or_default() += 1);
        counts
    };
    Some(IncidentReport {
        rank,
        priority: most_urgent.priority.clone(),
        path: Arc::clone(&most_urgent.path),
        first,
        last,
        pages: ranks.len(),
        reasons: count(&|suspect| Some(suspect.reason.to_string())),
        causes: count(&|suspect| suspect.cause.as_ref().map(ToString::to_string)),
        tier: most_urgent.tier.clone(),
        score: most_urgent.score,
        spans,
        suspects: ranks,
        host: incident.host,
        action: incident.action,
    })
}

/// The machines that have something of it; what they say of the rest is not asked for.
fn sources(report: &mut ScrubReport) {
    let hosts: BTreeSet<_> = report.files.iter().filter_map(|file| file.host.clone()).collect();
    report.sources.retain(|source| source.is_host_at_fault() || hosts.contains(&source.host));
    for source in &mut report.sources {
        judge(source, RunVerdict::Clean);
    }
}

/// The answer of each machine, as far as it is asked.
fn answers(report: &mut ScrubReport) {
    let whole = report.verdict;
    for source in &mut report.sources {
        let own = report.databases.iter().filter(|d| d.host.as_ref() == Some(&source.host));
        let worst = own.map(|database| database.verdict).max().unwrap_or(RunVerdict::Clean);
        judge(source, worst.min(whole));
    }
}

fn judge(source: &mut Source, verdict: RunVerdict) {
    source.exit_code = exit_code(verdict, source.run.stopped, source.is_host_at_fault());
    source.verdict = verdict;
}

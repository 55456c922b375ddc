//! What to do, in order: what preserves comes before what changes, what proves comes last
//! (docs/runbook.md). A step is left out where it does not apply.

use super::{backups, rank_runs};
use crate::consolidate::harm::Harm;
use crate::consolidate::recovery::{
    DatabaseLoss, FileLoss, Model, Remedy, Route, System, Why, databases,
};
use crate::consolidate::report::{
    FileKey, FileReport, IncidentReport, Pattern, ScrubReport, Step, Suspect,
};
use crate::discover::names::has_foreign_ending;
use crate::page::EXTENT_PAGES;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Runs of ranks named in a step at most.
const RANK_RUNS_MAX: usize = 20;
/// Databases and files named in a step at most.
const NAMES_MAX: usize = 5;

/// The steps for a finished scan; none if nothing is suspect and the machine is sound.
pub(super) fn plan(report: &ScrubReport) -> Vec<Step> {
    let ScrubReport { suspects, incidents, patterns, files, host_findings, .. } = report;
    let mut steps = Vec::new();
    steps.extend(another_machine(host_findings));
    let (keep, back_up) = backups::steps(report);
    let databases = databases(report);
    if databases.is_empty() && suspects.is_empty() && keep.is_none() {
        return steps;
    }
    let (users, systems): (Vec<_>, Vec<_>) =
        databases.iter().partition(|database| database.system.is_none());
    steps.extend(isolate(suspects, patterns, files));
    let freeze = freeze(report);
    let is_frozen = freeze.is_some();
    steps.extend(freeze);
    if databases.is_empty() {
        // With its data files sound, nothing comes before a backup that can be relied on.
        if backups::are_originals_sound(report) {
            steps.splice(0..0, back_up);
            steps.extend(keep);
        } else {
            steps.extend(keep);
            steps.extend(back_up);
        }
        steps.extend(look_again(&databases, files));
        steps.push(root_cause(suspects, incidents, patterns, is_frozen));
        return steps;
    }
    steps.push(leave_alone(&databases));
    steps.extend(copies(&databases));
    steps.extend(save_tail(&users));
    steps.push(copy_files(files, &databases));
    steps.extend(keep);
    steps.extend(clean_backup(&databases));
    steps.extend(system_databases(&systems));
    steps.extend(restore_whole(&users));
    steps.extend(restore_pages(&users));
    steps.extend(make_indexes(&users));
    steps.extend(look_again(&databases, files));
    steps.extend(check(&databases));
    // Never before what is damaged is mended: it would be a backup of the damage.
    steps.extend(back_up);
    steps.push(scan_again());
    steps.push(root_cause(suspects, incidents, patterns, is_frozen));
    steps
}

pub(super) fn step(title: impl Into<String>, text: impl Into<String>) -> Step {
    Step { title: title.into(), text: text.into(), ranks: String::new(), suspects: 0 }
}

impl Step {
    /// For `suspects`; none if there are none.
    pub(super) fn for_these<'a>(self, suspects: impl Iterator<Item = &'a Suspect>) -> Option<Self> {
        let ranks: BTreeSet<usize> = suspects.map(|suspect| suspect.rank).collect();
        let ranks: Vec<usize> = ranks.into_iter().collect();
        let count = ranks.len() as u64;
        (count > 0).then(|| Self {
            ranks: rank_runs(&ranks, RANK_RUNS_MAX),
            suspects: count,
            ..self
        })
    }
}

/// `a, b and 3 more`, each of them once.
pub(super) fn named(names: impl Iterator<Item = String>) -> String {
    let mut distinct: Vec<String> = Vec::new();
    let mut seen = BTreeSet::new();
    distinct.extend(names.filter(|name| seen.insert(name.clone())));
    let more = distinct.len().saturating_sub(NAMES_MAX);
    distinct.truncate(NAMES_MAX);
    let names = distinct.join(", ");
    if more == 0 { names } else { format!("{names} and {more} more") }
}

fn called<'d>(databases: impl Iterator<Item = &'d DatabaseLoss<'d>>) -> String {
    named(databases.map(DatabaseLoss::called))
}

fn another_machine(findings: &[String]) -> Option<Step> {
    (!findings.is_empty()).then(|| {
        step(
            "Scan again from another machine",
            "This one computes wrongly: do not act on what it says of pages, and take it out of \
             service. If only a GPU is named, what is said of pages is the CPU's and stands.",
        )
    })
}

/// Suspects as random as encrypted ones that make an attack likely, at least.
const ENCRYPTED_MIN: usize = 8;
/// Of the pages at fixed places in the first extent of a file, so many are noise where its head is.
const HEAD_NOISE_MIN: usize = 5;

/// What looks like an attack that goes on is stopped before anything else.
fn isolate(suspects: &[Suspect], patterns: &[Pattern], files: &[FileReport]) -> Option<Step> {
    let is_noise =
        |suspect: &&Suspect| matches!(suspect.cause.as_deref(), Some("encrypted" | "garbage"));
    let noise = suspects.iter().filter(is_noise).count();
    let is_most = 2 * noise > suspects.len();
    let encrypted = suspects.iter().filter(|s| s.cause.as_deref() == Some("encrypted")).count();
    let is_encrypted = encrypted >= ENCRYPTED_MIN && 2 * encrypted > suspects.len();
    let has = |kind: &str| patterns.iter().any(|pattern| pattern.kind == kind);
    // A member of an array that returns noise looks like encryption, and is none.
    let is_attack = has("period") && is_most
        || is_encrypted && !has("stripe_member")
        || are_heads_noise(suspects, files);
    is_attack.then(|| {
        step(
            "Isolate the host",
            "Programs that encrypt leave damage like this: noise in most suspects, at every so \
             many pages, or at the beginning of files that have got another ending. Take the host \
             off the network, keep it running, and restore nothing onto it before that is ruled \
             out.",
        )
    })
}

/// A file begins with noise and has a foreign ending, or several files begin with it.
fn are_heads_noise(suspects: &[Suspect], files: &[FileReport]) -> bool {
    let mut heads: BTreeMap<FileKey<'_>, usize> = BTreeMap::new();
    for suspect in suspects.iter().filter(|suspect| !suspect.is_in_backup()) {
        if suspect.page_id < EXTENT_PAGES && suspect.cause.as_deref() == Some("encrypted") {
            *heads.entry(suspect.file_key()).or_default() += 1;
        }
    }
    heads.retain(|_, pages| *pages >= HEAD_NOISE_MIN);
    let is_foreign = |file: &&FileReport| {
        heads.contains_key(&file.key()) && has_foreign_ending(Path::new(&*file.path))
    };
    heads.len() > 1 || files.iter().any(|file| is_foreign(&file))
}

/// Files of which a server can use only one.
fn copies(databases: &[DatabaseLoss<'_>]) -> Option<Step> {
    let copied = || databases.iter().filter(|database| database.is_copy);
    let paths = copied().flat_map(|database| &database.files).map(FileLoss::called);
    let text = format!(
        "{}: other scanned files are the same file of the same database, damaged or not. \
         sys.master_files tells which one the server uses; damage in another is no damage of the \
         database, and nothing may be restored because of it.",
        named(paths)
    );
    let suspects = copied().flat_map(DatabaseLoss::suspects);
    step("Find out which files the server uses", text).for_these(suspects)
}

/// None where backups alone are damaged, and only cut off or put together wrongly: a copy that
/// stopped half-way leaves that, and no array is at fault.
fn freeze(report: &ScrubReport) -> Option<Step> {
    let is_copy_only = report.suspects.iter().all(Suspect::is_in_backup);
    let is_at_fault = !is_copy_only || Harm::of(report).storage;
    let whose = if is_copy_only { "The storage that holds the damaged backups: no" } else { "No" };
    let text = format!(
        "{whose} scrub that repairs, no rebuild, no failed disk back into its set: it can make a \
         bad block the agreed truth and spread it into parity. Keep every snapshot."
    );
    is_at_fault.then(|| step("Freeze the array", text))
}

fn leave_alone(databases: &[DatabaseLoss<'_>]) -> Step {
    let text = format!(
        "{}: no detach, offline, restart, shrink, rebuild of index or log, no \
         REPAIR_ALLOW_DATA_LOSS, no deletion of old backups. What is open may not open again.",
        called(databases.iter())
    );
    step("Leave the databases as they are", text)
}

fn save_tail(databases: &[&DatabaseLoss<'_>]) -> Option<Step> {
    let logged: Vec<_> = databases.iter().filter(|d| d.model != Model::Simple).collect();
    if logged.is_empty() {
        return None;
    }
    let unknown = logged.iter().any(|database| database.model == Model::Unknown);
    let mut text = format!(
        "{}: to a device that has not failed, BACKUP LOG WITH COPY_ONLY if the database is open, \
         WITH NO_TRUNCATE if not. The tail WITH NORECOVERY closes it: only when an offline restore \
         begins.",
        called(logged.iter().map(|database| **database))
    );
    if unknown {
        text +=
            " Under SIMPLE, if a recovery model here turns out to be that, there is no log backup.";
    }
    if logged.iter().filter(|database| database.name.is_none()).count() > 1 {
        text += " Files whose database is not known may belong to one: then one tail, and one \
                 sequence of restores, for all of them.";
    }
    Some(step("Save the tail of the log", text))
}

fn copy_files(files: &[FileReport], databases: &[DatabaseLoss<'_>]) -> Step {
    let losses = databases.iter().flat_map(|database| &database.files);
    let paths = named(losses.map(FileLoss::called));
    let not_reached = files.iter().any(|file| file.coverage.not_reached > 0);
    let how = if not_reached { " (ddrescue reads around what fails)" } else { "" };
    let mut text = format!(
        "By a snapshot of their volumes, or byte by byte from one{how}: {paths}. What goes wrong \
         later can then be tried again."
    );
    let is_open = |loss: &&FileLoss<'_>| loss.file.is_some_and(|f| f.clean_shutdown == Some(false));
    let mut losses = databases.iter().flat_map(|database| &database.files);
    if losses.any(|loss| is_open(&loss)) {
        text += " Not all of them were shut down cleanly: recovery may still write some of their \
                 suspects. Let a server recover a copy, and scan that before anything is restored.";
    }
    step("Copy the damaged files as they are", text)
}

fn clean_backup(databases: &[DatabaseLoss<'_>]) -> Option<Step> {
    let names = called(databases.iter().filter(|database| database.has_backups()));
    (!names.is_empty()).then(|| {
        let text = format!(
            "{names}: newest first, on another server and array: RESTORE HEADERONLY, VERIFYONLY \
             WITH CHECKSUM; then restore it under another name, scan that, run CHECKDB. VERIFYONLY \
             alone proves no page."
        );
        step("Find the newest clean backup", text)
    })
}

fn system_databases(databases: &[&DatabaseLoss<'_>]) -> Option<Step> {
    let way = |database: &&DatabaseLoss<'_>| match database.system {
        Some(System::Master) => {
            "master: from its full backup, the instance in single-user mode (-m)"
        }
        Some(System::Msdb) => "msdb: from its full backup, with SQL Server Agent stopped",
        Some(System::Model) => "model: from its full backup, before any restart: tempdb needs it",
        Some(System::Tempdb) => {
            "tempdb: nothing to restore; it is made anew at the next start, which comes last, on \
             storage that is sound"
        }
        _ => "mssqlsystemresource: its two files from an installation of the same build",
    };
    let ways: BTreeSet<&str> = databases.iter().map(way).collect();
    let text = ways.into_iter().collect::<Vec<_>>().join("; ") + ".";
    let suspects = databases.iter().flat_map(|database| database.suspects());
    step("Restore system databases", text).for_these(suspects)
}

fn restore_whole(databases: &[&DatabaseLoss<'_>]) -> Option<Step> {
    let own = databases.iter().filter(|database| !database.is_copy);
    let parts = own.clone().flat_map(|database| whole_parts(database));
    let (parts, suspects): (Vec<_>, Vec<_>) = parts.unzip();
    let mut text = format!("{}.", named(parts.into_iter()));
    if own.clone().any(|database| database.model != Model::Simple) {
        text += " Under FULL: the tail WITH NORECOVERY, full backup, differential, logs, and the \
                 tail last; pages of other files of the same database in the same sequence.";
    }
    if own.clone().any(|database| database.model != Model::Logged) {
        text += " Under SIMPLE: beside the damaged one, which has the newest rows.";
    }
    step("Restore files or databases as a whole", text).for_these(suspects.into_iter().flatten())
}

/// What of `database` is restored as a whole, in words, and the suspects in it.
fn whole_parts<'a>(database: &DatabaseLoss<'a>) -> Vec<(String, Vec<&'a Suspect>)> {
    let name = database.called();
    if database.is_whole() {
        let why = if database.has_log() { "its log is damaged" } else { "SIMPLE" };
        // Under SIMPLE, indexes can be made again where they are.
        let is_lost = |suspect: &&Suspect| {
            database.has_log() || matches!(Remedy::of(suspect), Remedy::File | Remedy::Page)
        };
        let lost = database.suspects().filter(is_lost).collect();
        return vec![(format!("database {name} ({why})"), lost)];
    }
    let part = |(loss, why): (&FileLoss<'a>, Why)| {
        (format!("file {} of {name} ({})", loss.file_id, why.text()), loss.suspects.clone())
    };
    database.whole_files().map(part).collect()
}

fn restore_pages(databases: &[&DatabaseLoss<'_>]) -> Option<Step> {
    let has_pages = |database: &&&DatabaseLoss<'_>| {
        let mut losses = database.files_by_page();
        let is_whole = database.is_whole() || database.is_copy;
        !is_whole && losses.any(|loss| !loss.with(&[Remedy::Page]).is_empty())
    };
    let by_page: Vec<_> = databases.iter().filter(has_pages).collect();
    let losses = by_page.iter().flat_map(|database| database.files_by_page());
    let suspects: Vec<_> = losses.flat_map(|loss| loss.with(&[Remedy::Page])).collect();
    let text = format!(
        "{}: RESTORE DATABASE ... PAGE from the full backup, differential, all logs, then a new \
         log backup (FULL only; online in Enterprise edition; --format tsql writes it). In an \
         availability group or mirror, reading a page may mend it from the other side.",
        called(by_page.iter().map(|database| **database))
    );
    step("Restore single pages", text).for_these(suspects.into_iter())
}

fn make_indexes(databases: &[&DatabaseLoss<'_>]) -> Option<Step> {
    let own = databases.iter().filter(|d| !d.has_log() && !d.is_copy);
    let losses = own.flat_map(|database| database.files_by_page());
    let suspects: Vec<_> = losses.flat_map(|loss| loss.with(&[Remedy::Rebuild])).collect();
    let object = |suspect: &&Suspect| {
        let database =
            suspect.database.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
        suspect.object.as_ref().map(|object| database + object)
    };
    let text = format!(
        "{}: DBCC CHECKTABLE first, and mend the table; script the index (unique? foreign keys?), \
         stop writers, DROP and CREATE it: a rebuild may read the damaged one. In doubt, restore \
         its pages.",
        named(suspects.iter().filter_map(object))
    );
    step("Make indexes again", text).for_these(suspects.into_iter())
}

fn look_again(databases: &[DatabaseLoss<'_>], files: &[FileReport]) -> Option<Step> {
    // What is restored with its file is looked at in the scan after that.
    let is_restored = |loss: &&FileLoss<'_>| matches!(loss.route(), Route::File(_));
    let losses = databases.iter().flat_map(|database| &database.files);
    let losses = losses.filter(|loss| !is_restored(loss));
    let remedies = [Remedy::Unsettled, Remedy::Doubtful];
    let suspects: Vec<_> = losses.flat_map(|loss| loss.with(&remedies)).collect();
    let not_reached =
        files.iter().map(|file| file.coverage.not_reached).fold(0, u64::saturating_add);
    let mut text = "Changed between looks: scan a snapshot. Perhaps free: scan again when the PFS \
                    page is sound."
        .to_owned();
    if not_reached > 0 {
        text += &format!(" {not_reached} pages were not reached, and may be damaged too.");
    }
    let title = "Look again at what is not settled";
    let unreached = (not_reached > 0).then(|| step(title, text.clone()));
    step(title, text).for_these(suspects.into_iter()).or(unreached)
}

fn check(databases: &[DatabaseLoss<'_>]) -> Option<Step> {
    let names = called(databases.iter().filter(|database| database.has_backups()));
    (!names.is_empty()).then(|| {
        let text = format!(
            "{names}: WITH NO_INFOMSGS, ALL_ERRORMSGS; it finds what no checksum shows. Then a \
             full backup WITH CHECKSUM."
        );
        step("Run CHECKDB", text)
    })
}

fn scan_again() -> Step {
    step(
        "Scan again",
        "A fresh snapshot, with --reader direct: the exit code must be 0 and the files the same. \
         Then clear old rows of msdb.dbo.suspect_pages; it stops recording at 1,000.",
    )
}

fn root_cause(
    suspects: &[Suspect],
    incidents: &[IncidentReport],
    patterns: &[Pattern],
    is_frozen: bool,
) -> Step {
    let unused = suspects.iter().filter(|s| !s.is_in_backup());
    let unused = unused.filter(|s| Remedy::of(s) == Remedy::Nothing).count();
    let mut text = format!("A ticket with this report (incidents: {})", incidents.len());
    for pattern in patterns.iter().take(NAMES_MAX) {
        let host = pattern.host.as_ref().map(|host| format!("{host}: ")).unwrap_or_default();
        text += &format!("; {host}{}", pattern.text);
    }
    if unused > 0 {
        text += &format!("; suspects that are not in use ({unused}) show where storage fails, too");
    }
    text += if is_frozen {
        ". Unfreeze the array when the part is replaced, and scan once more after that."
    } else {
        ". Scan the backups once more where they were copied from."
    };
    step("Find the cause", text)
}

//! What to do, in order: what preserves comes before what changes, what proves comes last
//! (docs/runbook.md). A step is left out where it does not apply.

use super::step::{NAMES_MAX, called, named, step};
use super::{backups, isolate, restore, shifted};
use crate::consolidate::harm::Harm;
use crate::consolidate::recovery::{DatabaseLoss, FileLoss, Model, Remedy, Route, databases};
use crate::consolidate::report::{FileReport, IncidentReport, Pattern, ScrubReport, Step, Suspect};

/// The steps for a finished scan; none if nothing is suspect and the machine is sound.
pub(super) fn plan(report: &ScrubReport) -> Vec<Step> {
    let ScrubReport { suspects, incidents, patterns, files, host_findings, .. } = report;
    let mut steps = Vec::new();
    steps.extend(another_machine(host_findings));
    let of_backups = backups::steps(report);
    let databases = databases(report);
    if databases.is_empty() && suspects.is_empty() && of_backups.keep.is_none() {
        return steps;
    }
    steps.extend(isolate::isolate(report));
    steps.extend(shifted::copy_again(report));
    // Where the data files are sound, nothing comes before a backup that can be relied on.
    steps.extend(of_backups.now);
    let freeze = freeze(report, databases.is_empty());
    let is_frozen = freeze.is_some();
    steps.extend(freeze);
    if databases.is_empty() {
        steps.extend(of_backups.keep);
        steps.extend(of_backups.look);
    } else {
        steps.extend(preserve(files, &databases));
        steps.extend(of_backups.keep);
        steps.extend(of_backups.look);
        steps.extend(other_hosts(suspects));
        steps.extend(clean_backup(&databases));
        steps.extend(restore::steps(&databases));
    }
    steps.extend(look_again(&databases, files));
    steps.extend(check(&databases));
    // Never before what is damaged is mended: it would be a backup of the damage.
    steps.extend(of_backups.mended);
    if !databases.is_empty() {
        steps.push(scan_again());
    }
    steps.push(root_cause(suspects, incidents, patterns, is_frozen));
    steps
}

/// What nobody can do any more once something was changed.
fn preserve(files: &[FileReport], databases: &[DatabaseLoss<'_>]) -> Vec<Step> {
    let users: Vec<_> = databases.iter().filter(|database| database.system.is_none()).collect();
    let mut steps = vec![leave_alone(databases)];
    steps.extend(copies(databases));
    steps.extend(save_tail(&users));
    steps.push(copy_files(files, databases));
    steps
}

/// What other machines hold is nearer than any backup.
fn other_hosts(suspects: &[Suspect]) -> Option<Step> {
    let elsewhere = || suspects.iter().filter(|suspect| !suspect.other_hosts.is_empty());
    let hosts = elsewhere().flat_map(|suspect| &suspect.other_hosts);
    let text = format!(
        "{}: scanned copies of the same files and found nothing wrong with these pages, which may \
         be of another version there, or not in use. In an availability group, and where the \
         database is mirrored, the server mends a page from there when it reads it (automatic page \
         repair: sys.dm_hadr_auto_page_repair, sys.dm_db_mirroring_auto_page_repair), all but page \
         0 and 9 of a file and its allocation maps; where the log is shipped, that server can take \
         over. Scan there again first; never copy pages by hand.",
        named(hosts.map(|copy| copy.host.to_string()))
    );
    step("Use the copies on other hosts", text).for_these(elsewhere())
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

/// None where backups alone are damaged, and only cut off or put together wrongly, and where all
/// suspects are content that has moved: a copy leaves that, and no array is at fault.
fn freeze(report: &ScrubReport, is_copy_only: bool) -> Option<Step> {
    let is_copied_wrongly = shifted::is_all(report);
    let is_at_fault = !is_copied_wrongly && (!is_copy_only || Harm::of(report).storage);
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
        "{}: to a device that has not failed, BACKUP LOG WITH COPY_ONLY, CHECKSUM; if that fails, \
         WITH CONTINUE_AFTER_ERROR as well; WITH NO_TRUNCATE only if the database does not open. \
         The tail WITH NORECOVERY closes it: only when an offline restore begins.",
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
    let lost = databases.iter().flat_map(DatabaseLoss::lost_files).map(FileLoss::called);
    let lost = named(lost);
    if !lost.is_empty() {
        text += &format!(" Nothing of its pages is left in {lost}: keep that, too, as it is.");
    }
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

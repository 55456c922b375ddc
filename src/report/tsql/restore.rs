//! How one database gets its pages, files, or all of itself back. Each way is a sequence that is
//! complete; of several ways, one is to be chosen.

use super::script::Script;
use super::sources::{self, Source};
use super::target::{Target, page_lists};
use super::{confirm, indexes, simple};
use crate::consolidate::recovery::{Model, is_system_page};
use crate::consolidate::report::Suspect;
use std::io;

/// What is restored by the first statements of a sequence.
enum What {
    Pages,
    /// With DIFF and ML maps among them.
    PagesWithMaps,
    Files,
    Database,
}

/// Writes the ways to restore `target`, and to make its indexes again.
pub(super) fn write(target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    if target.is_sound() && target.rebuilds().is_empty() {
        script.remark("Nothing to restore now.")?;
        return indexes::write(target, script);
    }
    verify(target, script)?;
    if target.model() != Model::Simple {
        save_log(target, script)?;
    }
    if target.is_only_rebuild() {
        script.remark(if confirm::is_needed(target) {
            "Beside pages to be confirmed, only indexes that can be made again are damaged: make \
             them again, restore nothing."
        } else {
            "Only indexes that can be made again are damaged: make them again, restore nothing."
        })?;
        indexes::write(target, script)?;
        script.title("IN DOUBT, OR IF THAT FAILS, restore these pages:")?;
        return ways(target, script);
    }
    ways(target, script)?;
    indexes::write(target, script)
}

fn ways(target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    match target.model() {
        Model::Simple => simple::write(target, script),
        Model::Logged => logged(target, script),
        Model::Unknown => {
            script.title("IF ITS RECOVERY MODEL IS FULL OR BULK_LOGGED")?;
            logged(target, script)?;
            script.title("IF ITS RECOVERY MODEL IS SIMPLE (S)")?;
            simple::write(target, script)
        }
    }
}

/// Of files and pages, one sequence with one tail: nobody closes a database twice.
fn logged(target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    match () {
        () if target.loss.has_log() => whole(target, script),
        () if !target.files().is_empty() => {
            with_maps(target, script)?;
            filegroup_online(target, script)?;
            by_file(target, script)?;
            whole(target, script)
        }
        () => by_page(target, script),
    }
}

/// These read backups only; they are commented out because they have something to fill in.
pub(super) fn verify(target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    script.title("The newest clean backup")?;
    let full = target.full();
    let checksums = if full.is_bare {
        "HEADERONLY: HasBackupChecksums is 0 for the full backup below, IsDamaged must be 0"
    } else {
        "HEADERONLY: HasBackupChecksums must be 1 and IsDamaged 0"
    };
    let verify = if full.is_bare {
        "VERIFYONLY, here without CHECKSUM (Msg 3187: the backup has none), verifies no page"
    } else {
        "VERIFYONLY WITH CHECKSUM (Msg 3187: the backup has none) does not prove its pages"
    };
    script.remark(&format!(
        "{checksums}; a differential and the logs must follow the full backup without a gap \
         (FirstLSN, LastLSN). {verify}: restore it under another name, scan that, and run CHECKDB \
         there. Repeat for each differential and log backup. Several backups in one file: add \
         FILE = n (Position); one backup in several files: name them all.",
    ))?;
    sources::write(target, script)?;
    let (declared, disks, set) = (&full.declared, &full.disks, full.with_file());
    script.off(&format!("{declared}RESTORE HEADERONLY FROM {disks};"))?;
    script.off(&format!("{declared}RESTORE FILELISTONLY FROM {disks}{set};"))?;
    if full.is_bare {
        return script.off(&format!("{declared}RESTORE VERIFYONLY FROM {disks}{set};"));
    }
    let file = &full.file;
    script.off(&format!("{declared}RESTORE VERIFYONLY FROM {disks} WITH {file}CHECKSUM;"))
}

/// Saves the log while the database stays as it is.
pub(super) fn save_log(target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    let (db, to) = (&target.sql, target.hole("saved_log"));
    script.title("Save the log at once; this leaves the database and its log chain as they are")?;
    if target.model() == Model::Unknown {
        script.remark("Under SIMPLE this is refused, and does no harm.")?;
    }
    script.remark("If the database is open:")?;
    script.off(&format!("BACKUP LOG {db} TO DISK = {to}\n    WITH COPY_ONLY, CHECKSUM;"))?;
    script.remark(
        "INSTEAD, if that fails (this goes on after errors). Keep what you get: it takes the place \
         of the tail below, should that fail.",
    )?;
    let all = "COPY_ONLY, CHECKSUM, CONTINUE_AFTER_ERROR";
    script.off(&format!("BACKUP LOG {db} TO DISK = {to}\n    WITH {all};"))?;
    script.remark(
        "INSTEAD, only if the database does not open (not possible if the log has bulk-logged \
         changes of files that are lost):",
    )?;
    script.off(&format!("BACKUP LOG {db} TO DISK = {to}\n    WITH NO_TRUNCATE;"))?;
    script.remark(
        "BULK_LOGGED: switch to FULL and take a log backup before any restore. It fails if extents \
         with bulk-logged changes are damaged: then what changed since the last log backup cannot \
         be restored.",
    )
}

fn by_page(target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    // Online restores of pages of system tables may fail.
    let is_system = |suspect: &Suspect| suspect.tier == "T1" && is_system_page(suspect);
    let is_offline = |suspect: &Suspect| suspect.tier == "T0" || is_system(suspect);
    let is_online = !target.loss.suspects().any(is_offline);
    if is_online {
        online(target, script)?;
    }
    let which = if is_online { "Choose A OR B" } else { "There is no way A here" };
    script.way(&format!("B: pages, OFFLINE, any edition. {which}"))?;
    if !is_online {
        script.remark(
            "Not online: of the suspects there is one without which the database may not start.",
        )?;
    }
    tail(target, "tail_b", script)?;
    restore(target, &What::Pages, script)?;
    tail_last(target, "tail_b", script)
}

fn online(target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    let system = target.loss.suspects().any(is_system_page);
    let which = if system { "; here it has pages of system tables, so B" } else { "" };
    script.way("A: pages, ONLINE. Choose A OR B")?;
    script.remark(&format!(
        "Enterprise edition (Developer, Evaluation), database open. Not for read-only filegroups, \
         nor under BULK_LOGGED. If it is refused, way B{which}."
    ))?;
    restore(target, &What::Pages, script)?;
    up_to_now(target, script)
}

/// The end of an online sequence: it needs the log up to where its data went offline.
fn up_to_now(target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    let (db, new) = (&target.sql, target.hole("new_log_backup"));
    script.remark("A new log backup, to a new file; keep it, it is part of the log chain:")?;
    script.off(&format!("BACKUP LOG {db} TO DISK = {new} WITH CHECKSUM;"))?;
    script.off(&format!("RESTORE LOG {db} FROM DISK = {new} WITH RECOVERY;"))
}

/// The documentation does not exclude it, and does not promise it either.
fn with_maps(target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    if target.pages_with_maps().is_empty() {
        return Ok(());
    }
    script.way("M: pages, with the damaged DIFF or ML maps, OFFLINE, ON A COPY FIRST")?;
    script.remark(
        "Of what page restore cannot restore, Microsoft's list has no DIFF and no ML map, but \
         nobody has promised that it works. Make the copied files a database of the same name on \
         ANOTHER server, and run this there. If it is refused, or if CHECKDB finds anything there: \
         way C, which is sure. If not, the same here.",
    )?;
    tail(target, "tail_m", script)?;
    restore(target, &What::PagesWithMaps, script)?;
    tail_last(target, "tail_m", script)
}

/// By Microsoft's example of an online restore of a read/write file: the first statement takes its
/// filegroup offline, and a log backup after that has the moment when it did.
fn filegroup_online(target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    if !target.is_online() {
        return Ok(());
    }
    script.way("F: files of secondary filegroups, ONLINE. Choose F, C OR D")?;
    script.remark(
        "Enterprise edition (Developer, Evaluation), database open, FULL (not BULK_LOGGED). Only \
         the filegroup is offline while that lasts, the rest stays in use. Logical names: part 1, \
         by file id. A database that does not open because of such a file may open without it \
         (ALTER DATABASE ... MODIFY FILE ... OFFLINE): only a restore brings that file back.",
    )?;
    restore(target, &What::Files, script)?;
    up_to_now(target, script)
}

fn by_file(target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    let has_pages = !target.pages().is_empty();
    let pages = if has_pages { ", and pages of other files with them" } else { "" };
    script.way(&format!("C: files as a whole{pages}, OFFLINE. Choose C OR D"))?;
    script.remark(
        "Logical names: part 1, by file id. A file that has been read-only since its backup needs \
         no logs. To restore to another disk, add MOVE.",
    )?;
    if has_pages {
        script.remark(
            "Pages and files are ONE offline sequence with one tail: RESTORE takes PAGE = '...' \
             and FILE = ... together. There is no way A or B here: a database with a damaged file \
             is closed once, not twice.",
        )?;
    }
    tail(target, "tail_c", script)?;
    restore(target, &What::Files, script)?;
    tail_last(target, "tail_c", script)
}

/// From the tail to the opened database.
pub(super) fn whole(target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    script.way("D: the whole database, OFFLINE")?;
    if target.loss.has_log() {
        script.remark(
            "Its log is damaged: the tail may fail. Then do NOT restore over it: restore beside it \
             under another name (add MOVE for each file) up to the last good log backup.",
        )?;
    }
    tail(target, "tail_d", script)?;
    restore(target, &What::Database, script)?;
    tail_last(target, "tail_d", script)
}

/// From here on the database is closed.
fn tail(target: &Target<'_>, file: &str, script: &mut Script<'_>) -> io::Result<()> {
    script.remark(
        "The tail of the log, to a new file. It CLOSES the database (RESTORING) and needs that \
         nobody else uses it; do this only when the backups below are at hand and proven. If all \
         of these fail, stop: without it, what was committed since the last log backup is lost.",
    )?;
    let (db, to) = (&target.sql, target.hole(file));
    let backup =
        |options: &str| format!("BACKUP LOG {db} TO DISK = {to}\n    WITH NORECOVERY, {options};");
    script.off(&backup("CHECKSUM"))?;
    script.remark("INSTEAD, if that fails:")?;
    script.off(&backup("CONTINUE_AFTER_ERROR"))?;
    script.remark("INSTEAD, only if the database does not open:")?;
    script.off(&backup("NO_TRUNCATE"))
}

/// From the full backup up to the last ordinary log backup.
fn restore(target: &Target<'_>, what: &What, script: &mut Script<'_>) -> io::Result<()> {
    let db = &target.sql;
    let (full, differential) = (target.full(), target.differential());
    let (lists, again) = match what {
        What::Pages => (page_lists(&target.pages()), String::new()),
        What::PagesWithMaps => (page_lists(&target.pages_with_maps()), String::new()),
        What::Files => files_and_pages(target),
        What::Database => (vec![String::new()], String::new()),
    };
    for list in lists {
        let Source { declared, .. } = &full;
        let from = full.clauses("NORECOVERY");
        script.off(&format!("{declared}RESTORE DATABASE {db}{list}{from};"))?;
    }
    if target.lacks_differential() {
        script.remark(
            "A differential backup of it that is not in the scan would come here; it only spares \
             logs.",
        )?;
        return sources::logs(target, script);
    }
    script.remark(
        "The newest differential of that full backup, if there is one; it only spares logs. If it \
         is refused, leave it out and begin with the first log backup after the full one.",
    )?;
    let (declared, from) = (&differential.declared, differential.clauses("NORECOVERY"));
    script.off(&format!("{declared}RESTORE DATABASE {db}{again}{from};"))?;
    sources::logs(target, script)
}

fn tail_last(target: &Target<'_>, file: &str, script: &mut Script<'_>) -> io::Result<()> {
    let (db, tail) = (&target.sql, target.hole(file));
    script.remark("The tail last; then open the database. After that, no log can be added.")?;
    script.off(&format!("RESTORE LOG {db} FROM DISK = {tail} WITH NORECOVERY;"))?;
    script.off(&format!("RESTORE DATABASE {db} WITH RECOVERY;"))
}

/// What is restored from the full backup, statement by statement, and from a differential: if
/// pages are among it, that names none.
fn files_and_pages(target: &Target<'_>) -> (Vec<String>, String) {
    let (mut lists, files) = (page_lists(&target.pages()), file_list(target));
    match lists.first_mut() {
        None => (vec![files.clone()], files),
        Some(first) => {
            *first += &format!(",{files}");
            (lists, String::new())
        }
    }
}

/// ` FILE = <...>, FILE = <...>`
fn file_list(target: &Target<'_>) -> String {
    let file = |id: u16| format!("\n    FILE = {}", target.hole(&format!("file{id}_logical_name")));
    target.files().into_iter().map(file).collect::<Vec<_>>().join(",")
}

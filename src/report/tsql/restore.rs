//! How one database gets its pages, files, or all of itself back. Each way is a sequence that is
//! complete; of several ways, one is to be chosen.

use super::Target;
use super::script::Script;
use crate::consolidate::recovery::{Model, PAGE_RESTORE_MAX, Remedy, is_system_page};
use crate::consolidate::report::Suspect;
use std::io;

/// What is restored by the first statements of a sequence.
enum What {
    Pages,
    Files,
    Database,
}

/// Writes the ways to restore `target`.
pub(super) fn write(target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    let loss = &target.loss;
    let has_files = loss.whole_files().next().is_some();
    let has_pages = loss.files_by_page().next().is_some();
    if !has_files && !has_pages && !loss.has_log() {
        return script.remark("Nothing to restore now.");
    }
    if loss.model == Model::Simple && !loss.is_whole() {
        script.remark(
            "Only indexes that can be made again are damaged: make them again (below), and restore \
             nothing. Only if that fails:",
        )?;
    }
    verify(target, script)?;
    if loss.model == Model::Simple {
        return simple(target, script);
    }
    if loss.model == Model::Unknown {
        script.title("IF ITS RECOVERY MODEL IS FULL OR BULK_LOGGED (A to D)")?;
    }
    tail_now(target, script)?;
    if has_pages && !loss.has_log() {
        by_page(target, has_files, script)?;
    }
    if has_files && !loss.has_log() {
        by_file(target, script)?;
    }
    if has_files || loss.has_log() {
        whole(target, script)?;
    }
    if loss.model == Model::Unknown {
        script.title("IF ITS RECOVERY MODEL IS SIMPLE (S)")?;
        simple(target, script)?;
    }
    Ok(())
}

/// These read backups only; they are commented out because they have something to fill in.
fn verify(target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    script.title("The newest clean backup")?;
    script.remark(
        "HEADERONLY: HasBackupChecksums must be 1 and IsDamaged 0; a differential and the logs \
         must follow the full backup without a gap (FirstLSN, LastLSN). VERIFYONLY WITH CHECKSUM \
         (Msg 3187: the backup has none) does not prove its pages: restore it under another name, \
         scan that, and run CHECKDB there. Repeat for each differential and log backup. Several \
         backups in one file: add FILE = n (Position); one backup in several files: name them all.",
    )?;
    let full = target.hole("full_backup");
    script.off(&format!("RESTORE HEADERONLY FROM DISK = {full};"))?;
    script.off(&format!("RESTORE FILELISTONLY FROM DISK = {full};"))?;
    script.off(&format!("RESTORE VERIFYONLY FROM DISK = {full} WITH CHECKSUM;"))
}

/// Saves the log while the database stays as it is.
fn tail_now(target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    let (db, to) = (&target.sql, target.hole("saved_log"));
    script.title("Save the log at once; this leaves the database and its log chain as they are")?;
    script.remark("If the database is open:")?;
    script.off(&format!("BACKUP LOG {db} TO DISK = {to}\n    WITH COPY_ONLY, CHECKSUM;"))?;
    script.remark(
        "INSTEAD, if it does not open or the statement above fails (this goes on after errors; not \
         possible if the log has bulk-logged changes of files that are lost). Keep what you get: \
         it takes the place of the tail below, should that fail.",
    )?;
    script.off(&format!("BACKUP LOG {db} TO DISK = {to}\n    WITH NO_TRUNCATE;"))
}

const AFTER_FILES: &str = "AFTER way C, for the other files, its tail among the logs (not after \
    way D, which brings them along): ";

fn by_page(target: &Target<'_>, has_files: bool, script: &mut Script<'_>) -> io::Result<()> {
    let after = if has_files { AFTER_FILES } else { "" };
    let system = target.loss.suspects().any(is_system_page);
    let which = if system { "; here it has pages of system tables, so B" } else { "" };
    script.title(&format!("{after}Way A: pages, ONLINE. Choose A OR B"))?;
    script.remark(&format!(
        "Enterprise edition (Developer, Evaluation), database open. Not for read-only filegroups. \
         Under BULK_LOGGED it may fail. If it is refused, way B{which}."
    ))?;
    restore(target, &What::Pages, script)?;
    let (db, new) = (&target.sql, target.hole("new_log_backup"));
    script.remark("A new log backup, to a new file; keep it, it is part of the log chain:")?;
    script.off(&format!("BACKUP LOG {db} TO DISK = {new} WITH CHECKSUM;"))?;
    script.off(&format!("RESTORE LOG {db} FROM DISK = {new} WITH RECOVERY;"))?;
    script.title(&format!("{after}Way B: pages, OFFLINE, any edition. Choose A OR B"))?;
    tail(target, "tail_b", false, script)?;
    restore(target, &What::Pages, script)?;
    tail_last(target, "tail_b", script)
}

fn by_file(target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    script.title("Way C: files as a whole, OFFLINE. Choose C OR D")?;
    script.remark(
        "Logical names: part 1, by file id. A file that has been read-only since its backup needs \
         no logs. To restore to another disk, add MOVE.",
    )?;
    tail(target, "tail_c", true, script)?;
    restore(target, &What::Files, script)?;
    tail_last(target, "tail_c", script)
}

fn whole(target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    script.title("Way D: the whole database, OFFLINE")?;
    if target.loss.has_log() {
        script.remark(
            "Its log is damaged: the tail may fail. Then do NOT restore over it: restore beside it \
             under another name (add MOVE for each file) up to the last good log backup.",
        )?;
    }
    tail(target, "tail_d", true, script)?;
    restore(target, &What::Database, script)?;
    tail_last(target, "tail_d", script)
}

/// From here on the database is closed.
fn tail(
    target: &Target<'_>,
    file: &str,
    is_broken: bool,
    script: &mut Script<'_>,
) -> io::Result<()> {
    script.remark(
        "The tail of the log, to a new file. It CLOSES the database (RESTORING) and needs that \
         nobody else uses it; do this only when the backups below are at hand and proven. If it \
         fails, stop: without it, what was committed since the last log backup is lost.",
    )?;
    let (db, to) = (&target.sql, target.hole(file));
    let options = if is_broken { "NORECOVERY, NO_TRUNCATE" } else { "NORECOVERY, CHECKSUM" };
    if is_broken {
        script.remark("If the database is open, CHECKSUM instead of NO_TRUNCATE.")?;
    }
    script.off(&format!("BACKUP LOG {db} TO DISK = {to}\n    WITH {options};"))
}

/// From the full backup up to the last ordinary log backup.
fn restore(target: &Target<'_>, what: &What, script: &mut Script<'_>) -> io::Result<()> {
    let db = &target.sql;
    let [full, differential, log] =
        ["full_backup", "differential", "log_backup"].map(|what| target.hole(what));
    let (lists, again) = match what {
        What::Pages => (page_lists(target), String::new()),
        What::Files => (vec![file_list(target)], file_list(target)),
        What::Database => (vec![String::new()], String::new()),
    };
    for list in lists {
        script.off(&format!(
            "RESTORE DATABASE {db}{list}\n    FROM DISK = {full}\n    WITH NORECOVERY;"
        ))?;
    }
    script.remark(
        "The newest differential of that full backup, if there is one; it only spares logs. If it \
         is refused, leave it out and begin with the first log backup after the full one.",
    )?;
    script.off(&format!(
        "RESTORE DATABASE {db}{again}\n    FROM DISK = {differential}\n    WITH NORECOVERY;"
    ))?;
    script.remark("Every log backup since, oldest first: repeat this statement for each.")?;
    script.off(&format!("RESTORE LOG {db} FROM DISK = {log} WITH NORECOVERY;"))
}

fn tail_last(target: &Target<'_>, file: &str, script: &mut Script<'_>) -> io::Result<()> {
    let (db, tail) = (&target.sql, target.hole(file));
    script.remark("The tail last; then open the database. After that, no log can be added.")?;
    script.off(&format!("RESTORE LOG {db} FROM DISK = {tail} WITH NORECOVERY;"))?;
    script.off(&format!("RESTORE DATABASE {db} WITH RECOVERY;"))
}

/// ` PAGE = '1:57, 3:90'`, each with as many pages as a statement takes: each of them reads the
/// backup from its beginning.
fn page_lists(target: &Target<'_>) -> Vec<String> {
    let files = target.loss.files_by_page();
    let pages: Vec<&Suspect> =
        files.flat_map(|file| file.with(&[Remedy::Page, Remedy::Rebuild])).collect();
    let address = |suspect: &&Suspect| format!("{}:{}", suspect.file_id, suspect.page_id);
    let list = |chunk: &[&Suspect]| chunk.iter().map(address).collect::<Vec<_>>().join(", ");
    pages.chunks(PAGE_RESTORE_MAX).map(|chunk| format!(" PAGE = '{}'", list(chunk))).collect()
}

/// ` FILE = <...>, FILE = <...>`
fn file_list(target: &Target<'_>) -> String {
    let file = |id: u16| format!("\n    FILE = {}", target.hole(&format!("file{id}_logical_name")));
    let files = target.loss.whole_files().map(|(loss, _)| file(loss.file_id()));
    files.collect::<Vec<_>>().join(",")
}

/// Beside the damaged database, which has the newest rows there are.
fn simple(target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    script.title("Way S: the whole database (SIMPLE: no page restore, no log backups)")?;
    script.remark(
        "The damaged database has everything since the last backup, the backup has not: restore it \
         BESIDE the damaged one, under another name and other paths, compare, and copy over what \
         can still be read. Add a MOVE for each file (FILELISTONLY). Read-only files alone can be \
         restored by file.",
    )?;
    let hole = |what: &str| target.hole(what);
    let new = format!("<db{}_other_name, sysname, >", target.number);
    script.off(&format!(
        "RESTORE DATABASE {new}\n    FROM DISK = {}\n    WITH NORECOVERY,\n    \
         MOVE {} TO {},\n    MOVE {} TO {};",
        hole("full_backup"),
        hole("data_logical_name"),
        hole("data_other_path"),
        hole("log_logical_name"),
        hole("log_other_path"),
    ))?;
    script.remark("The newest differential of that full backup, if there is one:")?;
    let differential = hole("differential");
    script.off(&format!("RESTORE DATABASE {new} FROM DISK = {differential} WITH NORECOVERY;"))?;
    script.off(&format!("RESTORE DATABASE {new} WITH RECOVERY;"))
}

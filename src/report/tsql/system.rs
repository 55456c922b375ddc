//! Databases that SQL Server brings along: each is restored in a way of its own.

use super::Target;
use super::restore;
use super::script::Script;
use crate::consolidate::recovery::{Model, System};
use std::io;

/// Writes how the system database `target` is restored.
pub(super) fn write(kind: System, target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    script.title("A system database")?;
    script.remark(match kind {
        System::Master => {
            "master: only a full backup can be restored, and only while the instance runs in \
             single-user mode (startup parameter -m), WITH REPLACE; it stops by itself afterwards. \
             If it does not start: Setup /ACTION=REBUILDDATABASE makes all system databases anew, \
             then restore master, msdb and model. The backup must be of the same build."
        }
        System::Msdb => {
            "msdb: jobs and the history of backups, restored as a user database. Stop SQL Server \
             Agent and all else that uses it. The queries of part 1 read msdb: they may fail, and \
             may add rows to suspect_pages."
        }
        System::Model => {
            "model: tempdb is made from it, so without it the instance does not start. Restore it \
             as a user database, before any restart, and never leave it in the state RESTORING. If \
             it is not open, see Microsoft's documentation on restoring system databases, or take \
             its two files from an instance of the same build and collation."
        }
        System::Tempdb => {
            "tempdb: nothing to restore. It is made anew whenever the instance starts; when all \
             other databases are safe and the storage is sound (or tempdb has been moved to \
             storage that is), restart the instance. Pages of it say that the storage fails. It \
             has no backup, and needs no CHECKDB."
        }
        System::Resource => {
            "mssqlsystemresource: cannot be backed up or restored by SQL Server. Copy its two \
             files (mssqlsystemresource.mdf and .ldf) from an instance of exactly the same build, \
             with the instance stopped, or repair the installation with Setup. DBCC CHECKDB of \
             master checks it too: it needs none of its own."
        }
    })?;
    match kind {
        System::Tempdb | System::Resource => return Ok(()),
        System::Msdb | System::Model => by_model(target, script)?,
        System::Master => from_full_backup(target, script)?,
    }
    script.off(&format!("DBCC CHECKDB ({}) WITH NO_INFOMSGS, ALL_ERRORMSGS;", target.sql))
}

/// By its recovery model, which somebody may have changed.
fn by_model(target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    match target.model() {
        Model::Logged => {
            script.remark("By its boot page it is in FULL or BULK_LOGGED.")?;
            return as_users(target, script);
        }
        Model::Simple => script.remark(
            "By its boot page it is in SIMPLE. If the query of part 1 does not say so, STOP: \
             BACKUP LOG first, and restore it as a user database in FULL (tail, full backup, \
             differential, logs, and the tail last).",
        )?,
        Model::Unknown => {
            script.title("IF ITS RECOVERY MODEL IS FULL OR BULK_LOGGED")?;
            as_users(target, script)?;
            script.title("IF ITS RECOVERY MODEL IS SIMPLE")?;
        }
    }
    from_full_backup(target, script)
}

fn as_users(target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    script.remark(
        "Restore it as a user database: tail, full backup, differential, logs, and the tail last.",
    )?;
    restore::verify(target, script)?;
    restore::save_log(target, script)?;
    restore::whole(target, script)
}

fn from_full_backup(target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    let (db, full) = (&target.sql, target.hole("full_backup"));
    script.off(&format!("RESTORE VERIFYONLY FROM DISK = {full} WITH CHECKSUM;"))?;
    script.remark(
        "REPLACE: what is there is overwritten, without asking for the tail of its log. Copy its \
         files first.",
    )?;
    script.off("USE [master];")?;
    script.off(&format!("RESTORE DATABASE {db} FROM DISK = {full} WITH REPLACE, RECOVERY;"))
}

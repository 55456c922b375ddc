//! Databases that SQL Server brings along: each is restored in a way of its own.

use super::Target;
use super::script::Script;
use crate::consolidate::recovery::System;
use std::io;

/// Writes how the system database `target` is restored.
pub(super) fn write(kind: System, target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    script.title("A system database")?;
    script.remark(match kind {
        System::Master => {
            "master: only a full backup can be restored, and only while the instance runs in \
             single-user mode (startup parameter -m); it stops by itself afterwards. If it does \
             not start: Setup /ACTION=REBUILDDATABASE makes all system databases anew, then \
             restore master, msdb and model. The backup must be of the same build."
        }
        System::Msdb => {
            "msdb: jobs and the history of backups. Stop SQL Server Agent and all else that uses \
             it. If its recovery model is FULL (SIMPLE unless somebody changed it), its log first, \
             as for a user database."
        }
        System::Model => {
            "model: tempdb is made from it, so without it the instance does not start. Restore it \
             before any restart, and never leave it in the state RESTORING. If it is not open, see \
             Microsoft's documentation on restoring system databases, or take its two files from \
             an instance of the same build and collation."
        }
        System::Tempdb => {
            "tempdb: nothing to restore. It is made anew whenever the instance starts; when all \
             other databases are safe and the storage is sound (or tempdb has been moved to \
             storage that is), restart the instance. Pages of it say that the storage fails."
        }
        System::Resource => {
            "mssqlsystemresource: cannot be backed up or restored by SQL Server. Copy its two \
             files (mssqlsystemresource.mdf and .ldf) from an instance of exactly the same build, \
             with the instance stopped, or repair the installation with Setup."
        }
    })?;
    if matches!(kind, System::Master | System::Msdb) {
        let full = target.hole("full_backup");
        script.off(&format!("RESTORE VERIFYONLY FROM DISK = {full} WITH CHECKSUM;"))?;
        script
            .off(&format!("RESTORE DATABASE {} FROM DISK = {full} WITH RECOVERY;", target.sql))?;
    }
    match kind {
        System::Resource => Ok(()),
        _ => script.off(&format!("DBCC CHECKDB ({}) WITH NO_INFOMSGS, ALL_ERRORMSGS;", target.sql)),
    }
}

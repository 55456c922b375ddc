//! Databases that SQL Server brings along: each is restored in a way of its own, and never by page.

use crate::consolidate::recovery::System;

/// The way of a database, for the plan.
pub(super) fn way(system: System) -> &'static str {
    match system {
        System::Master => {
            "master: from its full backup WITH REPLACE, the instance in single-user mode (-m)"
        }
        System::Msdb => {
            "msdb: as a user database of its recovery model, with SQL Server Agent stopped"
        }
        System::Model => {
            "model: as a user database of its recovery model, before any restart: tempdb needs it"
        }
        System::Tempdb => {
            "tempdb: nothing to restore; it is made anew at the next start, which comes last, on \
             storage that is sound"
        }
        System::Resource => {
            "mssqlsystemresource: its two files from an installation of the same build"
        }
    }
}

/// The same, for a suspect in it.
pub(super) fn action(system: System) -> &'static str {
    match system {
        System::Master => {
            "no page restore of master: restore it from its full backup WITH REPLACE, the instance \
             in single-user mode (-m)"
        }
        System::Msdb => {
            "restore msdb as a user database of its recovery model, with SQL Server Agent stopped"
        }
        System::Model => {
            "restore model as a user database of its recovery model, before any restart: tempdb \
             needs it"
        }
        System::Tempdb => {
            "nothing to restore: tempdb is made anew at the next start, which comes last, on \
             storage that is sound"
        }
        System::Resource => {
            "cannot be restored: take the two files of mssqlsystemresource from an installation of \
             the same build"
        }
    }
}

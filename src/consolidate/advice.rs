//! What to do about a suspect, about an incident, and in which order.

mod incident;
mod plan;

pub use incident::incident_actions;
pub use plan::plan;

use super::conclude::FileFacts;
use super::rank::{Consequence, Finding, Usage};
use crate::page::kind::PageType;

/// What to do about `finding`.
pub(super) fn action(finding: &Finding, file: &FileFacts) -> &'static str {
    let is_extent_map = matches!(finding.page_type, Some(PageType::DiffMap | PageType::MlMap));
    match finding.consequence {
        _ if finding.unsettled => {
            "changed between looks: scan an offline copy or a storage snapshot before acting"
        }
        _ if finding.usage == Usage::Doubtful => {
            "perhaps only old content of a free page: scan again once its PFS page is restored"
        }
        Consequence::NotInUse => {
            "not in use: no data is lost, but a backup may read it; see to the storage"
        }
        _ if file.is_log => {
            "a log file's header: do not detach or restart; restore the database, with its log \
             tail if that can still be backed up"
        }
        Consequence::Index if finding.object.is_some() => {
            "its index can be made again if the table is sound: DBCC CHECKTABLE and mend the table \
             first, script the index (unique? constraint? foreign keys?), stop writers, then DROP \
             and CREATE it (a rebuild may read the damaged one); in doubt restore it"
        }
        Consequence::StopsDatabase if file.simple_recovery == Some(true) => {
            "cannot be restored alone: do not detach or restart; restore the database from its \
             last backup (SIMPLE recovery model)"
        }
        Consequence::StopsDatabase => {
            "cannot be restored alone: do not detach or restart; back up the log tail, \
             then restore the file or the database"
        }
        _ if file.simple_recovery == Some(true) => {
            "SIMPLE recovery model, no page restore: restore the database from its last backup"
        }
        Consequence::SystemOrMap if is_extent_map => {
            "a DIFF or ML map, not restored alone: back up the log tail, then restore the file"
        }
        Consequence::SystemOrMap => {
            "back up the log tail, then RESTORE DATABASE ... PAGE; if refused, restore the file"
        }
        Consequence::Rows if file.simple_recovery.is_none() => {
            "recovery model not known: under FULL, RESTORE DATABASE ... PAGE from the last full \
             backup, then its differentials and logs; under SIMPLE, restore the database"
        }
        Consequence::Rows => {
            "RESTORE DATABASE ... PAGE from the last full backup, then its differentials and logs"
        }
        Consequence::Index => {
            "if its index is nonclustered, DROP and CREATE it; else RESTORE DATABASE ... PAGE"
        }
    }
}

//! How a database is made good, in a word, by the smallest way that mends all of it.

use crate::consolidate::recovery::{DatabaseLoss, Remedy, System};
use crate::consolidate::report::Suspect;
use crate::consolidate::report::database::WayBack;

/// The id of the filegroup that a database cannot be opened without.
const PRIMARY_FILEGROUP: u32 = 1;

/// Suspects of `loss`, those of them with a clean copy that can be restored, and its way back.
pub(super) fn told(loss: &DatabaseLoss<'_>) -> (u64, u64, WayBack) {
    let has_copy = |suspect: &&Suspect| suspect.clean_copies.iter().any(|copy| copy.restorable);
    let with_copy = loss.suspects().filter(has_copy).count() as u64;
    (loss.suspects().count() as u64, with_copy, way_back(loss))
}

fn way_back(loss: &DatabaseLoss<'_>) -> WayBack {
    let has = |remedy| loss.files_by_page().any(|file| !file.with(&[remedy]).is_empty());
    let smallest = match loss.system {
        Some(System::Tempdb | System::Resource) => WayBack::None,
        Some(_) if loss.needs_restore() => WayBack::Database,
        _ if loss.is_whole() => WayBack::Database,
        _ if loss.whole_files().next().is_some() && is_secondary(loss) => WayBack::FilegroupOnline,
        _ if loss.whole_files().next().is_some() => WayBack::File,
        _ if has(Remedy::Page) => WayBack::Pages,
        _ if loss.suspects().any(|s| Remedy::of(s) == Remedy::Confirm) => WayBack::Confirm,
        _ if has(Remedy::Rebuild) => WayBack::RebuildIndexes,
        _ => WayBack::None,
    };
    let has_useless_backups = loss
        .database
        .is_some_and(|database| database.backup_sets > 0 && database.restore.sets.is_empty());
    match smallest {
        WayBack::None | WayBack::RebuildIndexes | WayBack::Confirm => smallest,
        _ if has_useless_backups => WayBack::NothingHelps,
        _ => smallest,
    }
}

/// All that is damaged of it lies in filegroups other than the primary one.
pub fn is_secondary(loss: &DatabaseLoss<'_>) -> bool {
    let filegroup = |id: u16| {
        let files = &loss.database?.files;
        files.iter().find(|file| file.file_id == id)?.filegroup_id
    };
    let is_secondary = |id| filegroup(id).is_some_and(|filegroup| filegroup > PRIMARY_FILEGROUP);
    loss.files.iter().all(|file| is_secondary(file.file_id))
}

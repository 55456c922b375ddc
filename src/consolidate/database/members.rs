//! The files of a database: what its catalog or its backups name, and what the scan has of them.

use super::group::{Group, PRIMARY};
use crate::consolidate::report::database::{DatabaseFile, FileState};
use crate::consolidate::report::{FileReport, Outcome};
use crate::discover::FileKind;
use std::collections::BTreeMap;
use std::sync::Arc;

const KIND_DATA: u8 = 0;
const KIND_LOG: u8 = 1;

/// Of one database, by id.
pub(super) fn files(group: &Group<'_>) -> Vec<DatabaseFile> {
    let mut files: BTreeMap<u16, DatabaseFile> = BTreeMap::new();
    for set in group.sets.iter().map(|medium| medium.set) {
        for file in &set.files {
            let kind = if file.is_log { KIND_LOG } else { KIND_DATA };
            let entry = files.entry(file.file_id).or_insert_with(|| missing(file.file_id, kind));
            entry.logical_name = Some(Arc::clone(&file.logical_name));
            entry.physical_name = Some(Arc::clone(&file.physical_name));
        }
    }
    for told in group.files.iter().flat_map(|file| &file.database_files) {
        let entry = files.entry(told.file_id).or_insert_with(|| missing(told.file_id, told.kind));
        entry.logical_name = Some(Arc::clone(&told.logical_name));
        entry.physical_name = Some(Arc::clone(&told.physical_name));
        entry.pages_expected = Some(told.pages.into());
        entry.filegroup_id = told.filegroup_id;
    }
    for file in &group.files {
        let Some(id) = file.file_id else { continue };
        let kind = if file.kind == FileKind::Log { KIND_LOG } else { KIND_DATA };
        let entry = files.entry(id).or_insert_with(|| missing(id, kind));
        seen(entry, file);
    }
    for (id, file) in &group.lost {
        let entry = files.entry(*id).or_insert_with(|| missing(*id, KIND_DATA));
        entry.path = Some(Arc::clone(&file.path));
        let is_lost = entry.kind == "data" && file.content.is_some();
        entry.state = if is_lost { FileState::Empty } else { FileState::Refused };
    }
    // A file that is not the first has a first one beside it, whoever names it.
    if !group.files.is_empty() {
        files.entry(PRIMARY).or_insert_with(|| missing(PRIMARY, KIND_DATA));
    }
    files.into_values().collect()
}

fn missing(file_id: u16, kind: u8) -> DatabaseFile {
    DatabaseFile {
        file_id,
        filegroup_id: None,
        kind: match kind {
            KIND_DATA => "data".into(),
            KIND_LOG => "log".into(),
            _ => "other".into(),
        },
        logical_name: None,
        path: None,
        physical_name: None,
        state: FileState::Missing,
        pages_expected: None,
        pages_seen: 0,
    }
}

fn seen(entry: &mut DatabaseFile, file: &FileReport) {
    entry.path = Some(Arc::clone(&file.path));
    entry.pages_seen = file.pages;
    entry.logical_name = entry.logical_name.take().or_else(|| file.logical_name.clone());
    let lacks = file.coverage.pages_planned > file.pages;
    entry.state = match file.outcome {
        Outcome::Scanned if lacks => FileState::Cut,
        Outcome::Scanned => FileState::Scanned,
        // Of a log no more than its header is verified.
        Outcome::Refused if file.kind == FileKind::Log => FileState::Scanned,
        Outcome::Refused | Outcome::Failed => FileState::Refused,
    };
    if entry.kind == "data" {
        let planned = file.coverage.pages_planned.max(file.pages);
        entry.pages_expected = entry.pages_expected.max(Some(planned));
    }
}

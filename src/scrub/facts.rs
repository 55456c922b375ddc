//! What is known of each file before anything was looked into.

use crate::consolidate::file_facts::{FileFacts, PartFacts};
use crate::discover::backup::Part;
use crate::discover::paths;
use crate::discover::{DataFile, FileKind};

/// By discovery alone; the rest is found out at the end of a scan.
pub(super) fn of(file: &DataFile) -> FileFacts {
    let boot = file.boot.as_ref();
    FileFacts {
        path: paths::text(&file.path).into(),
        database: boot.map(|boot| boot.database.as_str().into()),
        database_id: boot.map_or(0, |boot| boot.database_id),
        simple_recovery: boot.map(|boot| boot.simple_recovery),
        is_log: file.kind == FileKind::Log,
        part: file.part.as_ref().map(|part| part_facts(part, file)),
        placement: None,
        sound_pages: 0,
        has_primary: false,
        is_boot_suspect: false,
        database_files: Vec::new(),
        is_of_unknown_database: false,
        moved_pages: 0,
    }
}

fn part_facts(part: &Part, file: &DataFile) -> PartFacts {
    let (set, file_id) = (part.set(), file.file_id);
    let named = set.files.iter().find(|file| file.file_id == file_id.0);
    let named = named.map(|file| file.logical_name.as_str()).filter(|name| !name.is_empty());
    PartFacts {
        layout: part.layout.clone(),
        position: set.position,
        logical_name: named.map_or_else(|| file_id.to_string().into(), Into::into),
        has_checksum: set.has_checksum.unwrap_or(false),
        is_unpacked: file.kind == FileKind::CompressedBackup,
    }
}

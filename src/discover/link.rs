//! What the files of one run tell each other.

use super::DataFile;
use super::backup::SetKey;
use crate::backup::layout::Sibling;
use crate::page::address::FileId;
use crate::page::boot::BootPage;
use crate::page::file_header::BindingId;
use std::collections::{BTreeMap, HashMap};

/// What the files of a database share, and those of a backup of it.
fn database_of(file: &DataFile) -> Option<(BindingId, Option<SetKey>)> {
    Some((file.header.as_ref()?.binding_id, file.set_key()))
}

/// Where the members of a striped backup find pages of the same data file that they do not have.
pub(super) fn stripes(files: &mut [DataFile]) {
    let key = |file: &DataFile| Some((file.set_key()?, file.file_id));
    let mut members: HashMap<(SetKey, FileId), Vec<usize>> = HashMap::new();
    for (index, file) in files.iter().enumerate() {
        if let Some(key) = key(file) {
            members.entry(key).or_default().push(index);
        }
    }
    for indices in members.into_values().filter(|indices| indices.len() > 1) {
        let all: Vec<Sibling> = indices.iter().map(|&index| sibling(&files[index])).collect();
        for &index in &indices {
            let path = files[index].path.clone();
            if let Some(part) = &mut files[index].part {
                part.siblings = all.iter().filter(|other| other.path != path).cloned().collect();
            }
        }
    }
}

fn sibling(file: &DataFile) -> Sibling {
    Sibling { path: file.path.clone(), layout: file.layout(), records: file.records() }
}

/// Only the primary file has a boot page; its secondary files share its binding id.
pub(super) fn secondary_files(files: &mut [DataFile]) {
    let primaries: HashMap<(BindingId, Option<SetKey>), BootPage> = files
        .iter()
        .filter_map(|file| Some((database_of(file)?, file.boot.clone()?)))
        .collect::<BTreeMap<_, _>>()
        .into_iter()
        .collect();
    for file in files.iter_mut().filter(|file| file.boot.is_none()) {
        file.boot = database_of(file).and_then(|of| primaries.get(&of).cloned());
    }
}

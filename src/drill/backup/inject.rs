//! Damages a generated backup and writes down what a scan must find.
//!
//! Pages are found by the recipe in the description of their set. What damage to a page means is
//! decided as in a data file; a scan of a striped backup is supposed to have all its members.

use super::extents::EXTENT_BYTES;
use super::fault::BackupFault;
use super::places::Places;
use super::record::{BLOCK_HEADER_BYTES, is_sealed};
use super::strike::{BackupFinding, InjectedBackupFault, checksum_holds, strike, zeroed_extent};
use super::walk::{self, Media, Set};
use crate::backup::source::read_exact_at;
use crate::drill::answer_key::{AnswerKey, InjectedFault};
use crate::drill::fault::Fault;
use crate::drill::inject::{InjectError, Injection, damage_pages, name_of, open, zero_pages};
use crate::drill::target::{DrillFile, Target};
use crate::page::EXTENT_PAGES;
use crate::page::address::PageId;
use std::fs::File;
use std::io;
use std::path::Path;

/// What to do to a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// To pages of its first data file.
    Pages(Fault),
    /// To anything else.
    Backup(BackupFault),
}

/// What to damage in a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupInjection {
    /// The kind of damage.
    pub damage: Damage,
    /// Where; faults of backups that strike no page take [`Target::Random`] only.
    pub target: Target,
    /// Decides bits and places.
    pub seed: u64,
    /// Damage a file that was not generated here.
    pub force: bool,
    /// Position of the backup set in the file, from 1.
    pub set: u16,
}

/// Damages the backup at `path` and returns the answer key.
///
/// # Errors
/// If the file is no backup, was not generated here and `force` is not set, cannot be written, has
/// no such set or page or too few places for the damage, or if reading or writing fails.
pub fn inject_into_backup(
    path: &Path,
    injection: &BackupInjection,
) -> Result<AnswerKey, InjectError> {
    let BackupInjection { damage, target, seed, force, set } = *injection;
    let file = open(path)?;
    if !is_backup(&file).map_err(|error| InjectError::Io(path.to_owned(), error))? {
        return Err(InjectError::NotABackup(path.to_owned()));
    }
    match damage {
        Damage::Pages(fault) => {
            inject_pages(path, file, &Injection { fault, target, seed, force }, set)
        }
        Damage::Backup(BackupFault::ZeroExtent) => zero_extents(path, file, injection),
        Damage::Backup(fault) => inject_around(path, &file, fault, injection),
    }
}

/// True if `file` is an uncompressed backup. No drill strikes its first block.
pub(in crate::drill) fn is_backup(file: &File) -> io::Result<bool> {
    let mut header = [0; BLOCK_HEADER_BYTES];
    match read_exact_at(file, 0, &mut header) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        outcome => outcome.map(|()| header.starts_with(b"TAPE") && is_sealed(&header)),
    }
}

/// Damages pages of the first data file in set number `position` of the backup `file`.
pub(in crate::drill) fn inject_pages(
    path: &Path,
    file: File,
    injection: &Injection,
    position: u16,
) -> Result<AnswerKey, InjectError> {
    let fault = injection.fault;
    if matches!(fault, Fault::RansomwareStripe | Fault::DeadMember | Fault::DeadZone) {
        return Err(InjectError::NotForBackups(path.to_owned(), fault));
    }
    let (media, set) = set(path, &file, position, injection.force)?;
    let mut file = drill_file(path, file, &media, &set)?;
    let (mut faults, side_effects) = damage_pages(&mut file, path, injection)?;
    complete(&file.file, &set, position, &mut faults)
        .map_err(|error| InjectError::Io(path.to_owned(), error))?;
    Ok(AnswerKey::new(name_of(path), injection.seed, faults, side_effects))
}

fn set(path: &Path, file: &File, position: u16, force: bool) -> Result<(Media, Set), InjectError> {
    let failed = |error| InjectError::Io(path.to_owned(), error);
    let no_set = || InjectError::NoSuchSet(path.to_owned(), position);
    let media = walk::media(file).map_err(failed)?.ok_or_else(no_set)?;
    if !force && media.sets.iter().any(|set| set.recipe.is_none()) {
        return Err(InjectError::NotGenerated(path.to_owned()));
    }
    let index = usize::from(position).checked_sub(1).ok_or_else(no_set)?;
    let set = media.sets.get(index).cloned().ok_or_else(no_set)?;
    Ok((media, set))
}

fn drill_file(path: &Path, file: File, media: &Media, set: &Set) -> Result<DrillFile, InjectError> {
    let unknown = || InjectError::PlacesUnknown(path.to_owned());
    let recipe = set.recipe.as_ref().ok_or_else(unknown)?;
    let places = Places::of(recipe, set, media.family).map_err(|_| unknown())?;
    let file_id = recipe.files.first().ok_or_else(unknown)?.file_id;
    Ok(DrillFile::in_backup(file, file_id, places))
}

/// Adds to entries about pages what only backups have.
fn complete(file: &File, set: &Set, position: u16, faults: &mut [InjectedFault]) -> io::Result<()> {
    let mut known: Option<(u64, Option<bool>)> = None;
    for entry in faults {
        entry.set_position = Some(position);
        let stream =
            set.streams().take_while(|stream| stream.header_at < entry.offset_bytes).last();
        let stream_at = stream.map_or(0, |stream| stream.header_at);
        let holds = match known {
            Some((at, holds)) if at == stream_at => holds,
            _ => checksum_holds(file, set, entry.offset_bytes)?,
        };
        known = Some((stream_at, holds));
        if holds == Some(false) {
            entry.also_found = vec![BackupFinding::StreamChecksum];
        }
    }
    Ok(())
}

fn inject_around(
    path: &Path,
    file: &File,
    fault: BackupFault,
    injection: &BackupInjection,
) -> Result<AnswerKey, InjectError> {
    let Target::Random(wanted) = injection.target else {
        return Err(InjectError::NotAtPage(fault));
    };
    let (_, set) = set(path, file, injection.set, injection.force)?;
    let struck = strike(file, &set, injection.set, fault, (wanted, injection.seed))
        .map_err(|error| InjectError::Io(path.to_owned(), error))?
        .map_err(|found| InjectError::TooFewPlaces(path.to_owned(), fault, wanted, found))?;
    let key = AnswerKey::new(name_of(path), injection.seed, Vec::new(), Vec::new());
    Ok(key.with_backup_faults(struck))
}

/// Extents of the first data file are lost as a whole.
fn zero_extents(
    path: &Path,
    file: File,
    injection: &BackupInjection,
) -> Result<AnswerKey, InjectError> {
    let failed = |error| InjectError::Io(path.to_owned(), error);
    let position = injection.set;
    let (media, set) = set(path, &file, position, injection.force)?;
    let mut file = drill_file(path, file, &media, &set)?;
    let firsts = extents_to_lose(path, &mut file, injection)?;
    let pages: Vec<PageId> =
        firsts.iter().flat_map(|first| (first.0..first.0 + EXTENT_PAGES).map(PageId)).collect();
    let (mut faults, side_effects) =
        zero_pages(&mut file, &pages, injection.seed).map_err(failed)?;
    complete(&file.file, &set, position, &mut faults).map_err(failed)?;
    let extent = |&first: &PageId| -> io::Result<InjectedBackupFault> {
        let at = file.offset_bytes(first).unwrap_or_default();
        zeroed_extent(&file.file, &set, position, at, EXTENT_BYTES)
    };
    let extents = firsts.iter().map(extent).collect::<io::Result<_>>().map_err(failed)?;
    let key = AnswerKey::new(name_of(path), injection.seed, faults, side_effects);
    Ok(key.with_backup_faults(extents))
}

/// The first pages of the extents.
fn extents_to_lose(
    path: &Path,
    file: &mut DrillFile,
    injection: &BackupInjection,
) -> Result<Vec<PageId>, InjectError> {
    let wanted = match injection.target {
        Target::Page(page) => {
            let absent = || InjectError::NotInBackup(path.to_owned(), page);
            let first = page.extent().first_page();
            return file.has(first).then(|| vec![first]).ok_or_else(absent);
        }
        Target::Random(wanted) => wanted,
    };
    let seed = injection.seed ^ 0x5eed;
    let chosen = file
        .choose(wanted as usize, seed, |file, page| {
            Ok(page.0.is_multiple_of(EXTENT_PAGES) && file.has(page))
        })
        .map_err(|error| InjectError::Io(path.to_owned(), error))?;
    if chosen.len() < wanted as usize {
        let found = chosen.len() as u64;
        let fault = BackupFault::ZeroExtent;
        return Err(InjectError::TooFewPlaces(path.to_owned(), fault, wanted, found));
    }
    Ok(chosen.into_iter().collect())
}

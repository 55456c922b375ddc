//! Clean copies of suspect pages in the other files of a scan: looked up once, at its end, for the
//! most urgent ones.
//!
//! A copy is the same page of the same line of one database: by family and recovery forks, and
//! where these are not known by the file's GUID or the binding id (docs/page-format.md, section
//! 5.5). A differential backup may have another binding id than the full backup that it is based
//! on; such a full backup is one of the database of the differential, too.

use super::context::Opened;
use super::origin::Origin;
use super::{LOOKED_INTO_MAX, Open};
use crate::backup::BackupKind;
use crate::catalog::owners::is_same_unit;
use crate::consolidate::backup::kind_words;
use crate::consolidate::clean_copy::{self, CleanCopy, DATA_FILE, Version};
use crate::consolidate::file_facts::FileFacts;
use crate::consolidate::findings::Finding;
use crate::diagnose::verdict::SuspectReason;
use crate::discover::DataFile;
use crate::discover::backup::Part;
use crate::discover::paths;
use crate::page::address::PageId;
use crate::page::header::Lsn;
use crate::page::line::{Guid, guid_of};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Pages read at most, 512 MiB. Newer files come first.
const READS_MAX: usize = 65_536;

const CUT: &str = "there are more copies of suspect pages than were looked at: where the report \
    names no clean copy, an older backup may have one";

/// Adds their clean copies in `files` to the most urgent of `findings`, which come first. Says if
/// it did not look at all copies there are.
pub(super) fn find(
    findings: &mut [Finding],
    (files, facts): (&[DataFile], &mut [FileFacts]),
    open: Open<'_>,
) -> Option<&'static str> {
    let suspects: BTreeSet<(usize, PageId)> =
        findings.iter().map(|finding| (finding.file, finding.place.page)).collect();
    let databases = Databases::of(files, facts);
    for (facts, origin) in facts.iter_mut().zip(&databases.origins) {
        facts.is_of_unknown_database = !origin.is_known();
    }
    let urgent = findings.len().min(LOOKED_INTO_MAX);
    let urgent = &mut findings[..urgent];
    let mut asked: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (at, finding) in urgent.iter().enumerate() {
        asked.entry(finding.file).or_default().push(at);
    }
    let mut reads_left = READS_MAX;
    for index in newest_first(files) {
        let of_it = asked.iter().filter(|(file, _)| databases.has_copies_of(index, **file));
        let wanted = of_it.flat_map(|(_, findings)| findings).copied();
        let is_elsewhere = |at: &usize| !suspects.contains(&(index, urgent[*at].place.page));
        let wanted = wanted.filter(is_elsewhere).collect();
        if !look_into(&files[index], wanted, urgent, open, &mut reads_left) {
            return Some(CUT);
        }
    }
    None
}

/// Which files are of which database.
struct Databases {
    origins: Vec<Origin>,
    /// For each file, the files of differential backups that name its set as their base.
    heirs: Vec<Vec<usize>>,
}

impl Databases {
    fn of(files: &[DataFile], facts: &[FileFacts]) -> Self {
        let mut by_base: HashMap<Guid, Vec<usize>> = HashMap::new();
        for (index, file) in files.iter().enumerate() {
            let set = file.part.as_ref().map(Part::set);
            let set = set.filter(|set| set.kind == BackupKind::Differential);
            if let Some(base) = set.and_then(|set| set.differential_base_id) {
                by_base.entry(base).or_default().push(index);
            }
        }
        let heirs = |file: &DataFile| {
            let id = file.part.as_ref().and_then(|part| part.set().set_id);
            id.and_then(|id| by_base.get(&id)).cloned().unwrap_or_default()
        };
        Self {
            origins: files.iter().zip(facts).map(origin).collect(),
            heirs: files.iter().map(heirs).collect(),
        }
    }

    /// True if file `index` may have pages of file `wanted`: it is another file of the same
    /// database, or the full backup of a differential that is.
    fn has_copies_of(&self, index: usize, wanted: usize) -> bool {
        let (origin, asked) = (&self.origins[index], &self.origins[wanted]);
        let is_heir = |heir: &usize| self.origins[*heir].is_of_one_with(asked);
        index != wanted
            && origin.file_id == asked.file_id
            && (origin.is_of_one_with(asked) || self.heirs[index].iter().any(is_heir))
    }
}

fn origin((file, facts): (&DataFile, &FileFacts)) -> Origin {
    Origin::of(file, || facts.own_guid(file.file_id).and_then(|text| guid_of(text)))
}

/// Files with pages: data files, then backups from the last one back.
fn newest_first(files: &[DataFile]) -> Vec<usize> {
    let mut indices: Vec<usize> = (0..files.len()).filter(|i| files[*i].has_pages()).collect();
    indices.sort_by_key(|index| {
        let set = files[*index].part.as_ref().map(Part::set);
        let age = set.map(|set| (Reverse(set.finished), Reverse(set.last_lsn)));
        (age, *index)
    });
    indices
}

/// Looks in `file` for the pages of the findings that are `wanted`; false if there are more than
/// may be read.
fn look_into(
    file: &DataFile,
    wanted: Vec<usize>,
    findings: &mut [Finding],
    open: Open<'_>,
    reads_left: &mut usize,
) -> bool {
    let place = |at: usize| Some((file.offset_bytes(findings[at].place.page)?, at));
    let mut places: Vec<(u64, usize)> = wanted.into_iter().filter_map(place).collect();
    if places.is_empty() {
        return true;
    }
    places.sort_unstable();
    // One that cannot be opened any more has no copies.
    let Some(opened) = Opened::new(file, open) else { return true };
    for of_page in places.chunk_by(|a, b| a.0 == b.0) {
        let Some(left) = reads_left.checked_sub(1) else { return false };
        *reads_left = left;
        let (offset_bytes, first) = of_page[0];
        let Some(clean) = opened.clean(findings[first].place.page) else { continue };
        let (lsn, unit) = (clean.lsn(), clean.allocation_unit_id());
        for finding in of_page.iter().map(|(_, at)| *at) {
            let finding = &mut findings[finding];
            if may_be_copy(unit, finding) {
                let copy = clean_copy(file, offset_bytes, lsn, finding);
                clean_copy::add(&mut finding.copies, copy);
            }
        }
    }
    true
}

/// False for a page of the unit that `finding` says it belongs to, and should not; and where the
/// page passes every check that its copy passes, and is wrong all the same.
fn may_be_copy(unit: u64, finding: &Finding) -> bool {
    match finding.reason {
        SuspectReason::WrongObject { owner, .. } => is_same_unit(unit, owner),
        SuspectReason::Inconsistent(_) => false,
        _ => true,
    }
}

fn clean_copy(file: &DataFile, offset_bytes: u64, lsn: Lsn, finding: &Finding) -> CleanCopy {
    let set = file.part.as_ref().map(Part::set);
    let family = file.part.as_ref().and_then(|part| part.backup.media.family.as_ref());
    let member = family.filter(|family| family.family_count > 1);
    CleanCopy {
        path: paths::text(&file.path).into(),
        backup_set: set.map(|set| set.position),
        kind: set.map_or(DATA_FILE, |set| kind_words(set.kind)).into(),
        finished: set.and_then(|set| set.finished).map(|at| at.to_string().into()),
        set_last_lsn: set.and_then(|set| set.last_lsn),
        lsn,
        version: Version::of(lsn, believed_lsn(finding), is_borne_out(finding)),
        offset_bytes,
        from_damaged_backup: false,
        restorable: false,
        not_restorable_because: None,
        in_words: String::new(),
    }
    .described(member.map(|family| (family.family_number, family.family_count)))
}

/// The LSN of the damaged page, if its header is its own: one that names another page or owner, or
/// that the allocation structures refute, says nothing of this one.
fn believed_lsn(finding: &Finding) -> Option<Lsn> {
    use SuspectReason::{WrongObject, WrongPageId};
    let is_of_another = matches!(finding.reason, WrongPageId { .. } | WrongObject { .. });
    let is_own = !is_of_another && finding.page_type.is_some();
    finding.evidence.as_ref().filter(|_| is_own).and_then(|evidence| evidence.lsn)
}

/// The LSN of the damaged page lies between those of its sound neighbours, or the database had it
/// on disk at its last checkpoint: one that was damaged hardly does. A stale page is not damaged.
fn is_borne_out(finding: &Finding) -> bool {
    if matches!(finding.reason, SuspectReason::StalePage { .. }) {
        return true;
    }
    let Some(evidence) = &finding.evidence else { return false };
    let Some(lsn) = evidence.lsn else { return false };
    let neighbours = evidence.neighbours_lsn_low.zip(evidence.neighbours_lsn_high);
    let is_between = neighbours.is_some_and(|(low, high)| (low..=high).contains(&lsn));
    is_between || evidence.checkpoint_lsn.is_some_and(|checkpoint| lsn <= checkpoint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::evidence::Evidence;
    use crate::diagnose::verdict::Allocation;
    use crate::page::address::{FileId, PageAddress};

    #[test]
    fn an_lsn_is_borne_out_by_its_neighbours_or_the_last_checkpoint() {
        let lsn = |block| Some(Lsn { vlf: 37, block, slot: 1 });
        for (own, [low, high, checkpoint], expected) in [
            (lsn(5), [None, None, None], false),
            (lsn(5), [lsn(5), lsn(9), None], true),
            (lsn(5), [lsn(6), lsn(9), None], false),
            (lsn(10), [lsn(6), lsn(9), lsn(9)], false),
            (lsn(5), [None, None, lsn(5)], true),
            (None, [lsn(1), lsn(9), lsn(9)], false),
        ] {
            let place = PageAddress::new(FileId(1), PageId(100));
            let reason = SuspectReason::BadHeader;
            let mut finding = Finding::new(0, place, reason, Allocation::Allocated, None);
            finding.evidence = Some(Evidence {
                lsn: own,
                neighbours_lsn_low: low,
                neighbours_lsn_high: high,
                checkpoint_lsn: checkpoint,
                ..Evidence::default()
            });
            assert_eq!(is_borne_out(&finding), expected, "{own:?} {low:?} {high:?}");
        }
    }
}

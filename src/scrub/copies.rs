//! Clean copies of suspect pages in the other files of a scan: looked up once, at its end, for the
//! most urgent ones.
//!
//! A copy is the same page of the same database: with the binding id of page 0 and the file id of
//! the suspect's file. RESTORE gives a database a new binding id, so that a differential backup may
//! have another one than the full backup that it is based on (docs/page-format.md, section 9.2);
//! such a full backup is one of the database of the differential, too. The other way round nothing
//! is known: what was restored may have gone a way of its own.

use super::Open;
use super::context::{Opened, SUSPECTS_MAX};
use crate::backup::BackupKind;
use crate::consolidate::backup::kind_words;
use crate::consolidate::clean_copy::{self, CleanCopy, DATA_FILE, Version};
use crate::consolidate::rank::Finding;
use crate::diagnose::verdict::SuspectReason;
use crate::discover::DataFile;
use crate::discover::backup::{Part, SetKey};
use crate::discover::paths;
use crate::page::address::{FileId, PageId};
use crate::page::file_header::BindingId;
use crate::page::header::Lsn;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Pages read at most, 512 MiB. Newer files come first.
const READS_MAX: usize = 65_536;

const CUT: &str = "there are more copies of suspect pages than were looked at: where the report \
    names no clean copy, an older backup may have one";

/// What only one file of a database has.
type Seat = (BindingId, FileId);

/// Adds their clean copies in `files` to the most urgent of `findings`, which come first. Says if
/// it did not look at all copies there are.
pub(super) fn find(
    findings: &mut [Finding],
    files: &[DataFile],
    open: Open<'_>,
) -> Option<&'static str> {
    let suspects: BTreeSet<(usize, PageId)> =
        findings.iter().map(|finding| (finding.file, finding.place.page)).collect();
    let databases = Databases::of(files);
    let urgent = findings.len().min(SUSPECTS_MAX);
    let urgent = &mut findings[..urgent];
    let mut asked: BTreeMap<Seat, Vec<usize>> = BTreeMap::new();
    for (at, finding) in urgent.iter().enumerate() {
        if let Some(binding) = databases.bindings[finding.file] {
            asked.entry((binding, files[finding.file].file_id)).or_default().push(at);
        }
    }
    let mut reads_left = READS_MAX;
    for index in newest_first(files) {
        let seats = databases.seats_of(index, &files[index]);
        let wanted = seats.iter().filter_map(|seat| asked.get(seat)).flatten().copied();
        let is_elsewhere = |at: &usize| {
            let finding = &urgent[*at];
            finding.file != index && !suspects.contains(&(index, finding.place.page))
        };
        let wanted = wanted.filter(is_elsewhere).collect();
        if !look_into(&files[index], wanted, urgent, open, &mut reads_left) {
            return Some(CUT);
        }
    }
    None
}

/// Which files are of which database.
struct Databases {
    /// For each file; `None` if nothing tells.
    bindings: Vec<Option<BindingId>>,
    /// For each backup set that differential ones are based on, the databases of these.
    heirs: HashMap<[u8; 16], BTreeSet<BindingId>>,
}

impl Databases {
    fn of(files: &[DataFile]) -> Self {
        let own = |file: &DataFile| file.header.as_ref().map(|header| header.binding_id);
        // A member of a striped set need not have page 0.
        let of_set: HashMap<SetKey, BindingId> =
            files.iter().rev().filter_map(|file| Some((file.set_key()?, own(file)?))).collect();
        let binding = |file: &DataFile| {
            let of_set = || file.set_key().and_then(|key| of_set.get(&key).copied());
            let by_set = || file.part.as_ref().and_then(|part| part.set().binding_id);
            own(file).or_else(of_set).or_else(by_set)
        };
        let bindings: Vec<_> = files.iter().map(binding).collect();
        let mut heirs: HashMap<_, BTreeSet<BindingId>> = HashMap::new();
        for (file, binding) in files.iter().zip(&bindings) {
            let set = file.part.as_ref().map(Part::set);
            let set = set.filter(|set| set.kind == BackupKind::Differential);
            if let Some(base) = set.and_then(|set| set.differential_base_id) {
                heirs.entry(base).or_default().extend(binding);
            }
        }
        Self { bindings, heirs }
    }

    /// The places in databases that `file` has pages of.
    fn seats_of(&self, index: usize, file: &DataFile) -> BTreeSet<Seat> {
        let set_id = file.part.as_ref().and_then(|part| part.set().set_id);
        let heirs = set_id.and_then(|id| self.heirs.get(&id)).into_iter().flatten();
        let bindings = heirs.copied().chain(self.bindings[index]);
        bindings.map(|binding| (binding, file.file_id)).collect()
    }
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
        let Some(lsn) = opened.clean_lsn(findings[first].place.page) else { continue };
        for (_, at) in of_page {
            let copy = clean_copy(file, offset_bytes, lsn, &findings[*at]);
            clean_copy::add(&mut findings[*at].copies, copy);
        }
    }
    true
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
        in_words: String::new(),
    }
    .described(member.map(|family| (family.family_number, family.family_count)))
}

/// The LSN of the damaged page, if its header is its own: one that names another page, or that
/// the allocation structures refute, says nothing of this one.
fn believed_lsn(finding: &Finding) -> Option<Lsn> {
    let is_of_another = matches!(finding.reason, SuspectReason::WrongPageId { .. });
    let is_own = !is_of_another && finding.page_type.is_some();
    finding.evidence.as_ref().filter(|_| is_own).and_then(|evidence| evidence.lsn)
}

/// The LSN of the damaged page lies between those of its sound neighbours, or the database had it
/// on disk at its last checkpoint: one that was damaged hardly does.
fn is_borne_out(finding: &Finding) -> bool {
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
    use crate::page::address::PageAddress;

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

//! Which copies of a data file tell of each other whether they are older than they may be: backup
//! sets of one line, and a data file with the sets of its line (docs/page-format.md, section 5.6).
//!
//! Two data files are never held against each other: they may have parted, and nothing in them
//! tells (attaching a file keeps every id).

use crate::backup::{BackupKind, BackupSet};
use crate::discover::DataFile;
use crate::discover::backup::{Part, SetKey};
use crate::page::address::FileId;
use crate::page::boot::BootPage;
use crate::page::file_header::BindingId;
use crate::page::header::Lsn;
use crate::page::line::{Guid, Kinship, Line};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Older copies that one is held against at most, the newest ones.
pub(super) const OLDER_MAX: usize = 8;
/// Sets that are looked at to find them.
const LOOKED_AT_MAX: usize = 4096;

/// What is known of the history of two copies; the surest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Proof {
    /// The boot page of the data file names the set as its last full backup: it is what became of
    /// what that backup read.
    Named,
    /// Two sets of one line by all that sets tell; or a data file, and such a set before the one
    /// that it names.
    Line,
    /// The data file took a full backup behind the end of the set, which is not here: nothing but
    /// the pages can tell whether it went another way before.
    Lsn,
    /// Nothing.
    Nothing,
}

/// A copy, by its place in [`Relatives::copies`], and an older one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) later: usize,
    pub(super) older: usize,
    pub(super) proof: Proof,
    /// All that the older one should have is on the disk up to here: its checkpoint.
    pub(super) older_checkpoint: Lsn,
    /// The same of the later one, if it is a set.
    pub(super) later_checkpoint: Option<Lsn>,
}

/// Copies of one data file of one database.
#[derive(Debug)]
pub(super) struct Relatives {
    /// The files of each copy: one, or the members of a striped set that are here.
    pub(super) copies: Vec<Vec<usize>>,
    /// What is held against what.
    pub(super) pairs: Vec<Pair>,
}

/// The boot page of the database of a file, if it can be believed.
pub(super) type BootOf<'a> = &'a dyn Fn(usize) -> Option<&'a BootPage>;

/// All relatives among `files` that can be held against each other.
pub(super) fn relatives(files: &[DataFile], boot_of: BootOf<'_>) -> Vec<Relatives> {
    let mut by_origin: BTreeMap<Origin, BTreeMap<Seat, Kin<'_>>> = BTreeMap::new();
    for (index, file) in files.iter().enumerate().filter(|(_, file)| file.has_pages()) {
        let Some((origin, what)) = told(file, || boot_of(index)) else { continue };
        let seat = file.set_key().ok_or(index);
        let kin = by_origin.entry(origin).or_default().entry(seat);
        kin.or_insert_with(|| Kin { files: Vec::new(), what }).files.push(index);
    }
    let groups = by_origin.into_values().filter(|kin| kin.len() > 1);
    let groups = groups.map(|kin| Relatives::of(kin.into_values().collect()));
    groups.filter(|relatives| !relatives.pairs.is_empty()).collect()
}

/// Family and file id: what copies of one file of one database share at least.
type Origin = (Guid, FileId);
/// A set, whose members are one copy; or a data file.
type Seat = Result<SetKey, usize>;

/// One copy.
struct Kin<'a> {
    files: Vec<usize>,
    what: What<'a>,
}

#[derive(Clone, Copy)]
enum What<'a> {
    Set(Told<'a>),
    Data(Data<'a>),
}

/// A data file.
#[derive(Clone, Copy)]
struct Data<'a> {
    boot: &'a BootPage,
    binding: Option<BindingId>,
    /// It is as old as the boot page.
    is_of_one_time: bool,
}

/// A backup set that tells all that is needed.
#[derive(Clone, Copy)]
struct Told<'a> {
    set: &'a BackupSet,
    last: Lsn,
    checkpoint: Lsn,
}

/// Of which origin `file` is, and what it is; `None` where it does not tell.
fn told<'a>(
    file: &'a DataFile,
    boot: impl Fn() -> Option<&'a BootPage>,
) -> Option<(Origin, What<'a>)> {
    let (what, line) = if let Some(set) = file.part.as_ref().map(Part::set) {
        (What::Set(Told::of(set)?), set.line)
    } else {
        let boot = boot()?;
        let binding = file.header.as_ref().map(|header| header.binding_id);
        // Files of one database that is in use may be copied one after the other.
        let is_of_one_time = file.is_primary() || boot.clean_shutdown;
        (What::Data(Data { boot, binding, is_of_one_time }), boot.line)
    };
    Some(((line.family_id?, file.file_id), what))
}

impl<'a> Told<'a> {
    fn of(set: &'a BackupSet) -> Option<Self> {
        let is_of_pages = matches!(set.kind, BackupKind::Full | BackupKind::Differential);
        let is_told = is_of_pages && !set.server.is_empty();
        let (last, checkpoint) = set.last_lsn.zip(set.checkpoint_lsn)?;
        is_told.then_some(Self { set, last, checkpoint })
    }

    /// It was taken before `later`, on the same line of the same database of the same server.
    fn is_before(&self, later: &Self) -> bool {
        let (own, other) = (self.set, later.set);
        let is_created_with = own.created.zip(other.created).is_none_or(|(a, b)| a == b);
        self.last < later.last
            && own.server == other.server
            && own.binding_id.is_some()
            && own.binding_id == other.binding_id
            && is_created_with
            && self.is_of_line(&other.line, later.last)
    }

    fn is_of_line(&self, line: &Line, end: Lsn) -> bool {
        line.kinship(Some(end), &self.set.line, Some(self.last)) == Kinship::Line
    }
}

impl Relatives {
    fn of(kin: Vec<Kin<'_>>) -> Self {
        let mut sets = Vec::new();
        for (copy, kin) in kin.iter().enumerate() {
            if let What::Set(told) = kin.what {
                sets.push((copy, told));
            }
        }
        sets.sort_by_key(|(copy, told)| (Reverse(told.last), *copy));
        let pairs = kin.iter().enumerate().flat_map(|(later, kin)| match kin.what {
            What::Set(told) => older_sets(later, told, &sets),
            What::Data(data) => sets_of(later, data, &sets),
        });
        let pairs = pairs.collect();
        Self { copies: kin.into_iter().map(|kin| kin.files).collect(), pairs }
    }
}

/// The newest of `sets`, which come newest first, that the set `later` follows.
fn older_sets(later: usize, told: Told<'_>, sets: &[(usize, Told<'_>)]) -> Vec<Pair> {
    let begin = sets.partition_point(|(_, other)| other.last >= told.last);
    let before = sets[begin..].iter().take(LOOKED_AT_MAX);
    let before = before.filter(|(_, older)| older.is_before(&told)).take(OLDER_MAX);
    let pair = |(older, of): &(usize, Told<'_>)| Pair {
        later,
        older: *older,
        proof: Proof::Line,
        older_checkpoint: of.checkpoint,
        later_checkpoint: Some(told.checkpoint),
    };
    before.map(pair).collect()
}

/// The sets that the data file `later` may be held against, the surest first.
fn sets_of(later: usize, data: Data<'_>, sets: &[(usize, Told<'_>)]) -> Vec<Pair> {
    let Data { boot, binding, is_of_one_time } = data;
    let is_of_line = |(_, told): &&(usize, Told<'_>)| {
        let end = boot.last_full_lsn.unwrap_or_default().max(boot.checkpoint_lsn);
        told.is_of_line(&boot.line, end)
    };
    let of_line = || sets.iter().take(LOOKED_AT_MAX).filter(is_of_line);
    let is_named =
        |told: &Told<'_>| boot.last_full_id.is_some_and(|id| told.set.set_id == Some(id));
    let named = of_line().map(|(_, told)| told).find(|told| is_named(told));
    let proof = |told: &Told<'_>| match named {
        _ if boot.checkpoint_lsn < told.checkpoint => None,
        _ if is_named(told) && is_of_one_time => Some(Proof::Named),
        _ if binding.is_none() || told.set.binding_id != binding => None,
        _ if !is_of_one_time => Some(Proof::Nothing),
        Some(named) if told.is_before(named) => Some(Proof::Line),
        _ if boot.last_full_lsn.is_some_and(|lsn| told.last <= lsn) => Some(Proof::Lsn),
        _ => Some(Proof::Nothing),
    };
    let pair = |(older, told): &(usize, Told<'_>)| {
        let proof = proof(told)?;
        let older_checkpoint = told.checkpoint;
        Some(Pair { later, older: *older, proof, older_checkpoint, later_checkpoint: None })
    };
    let mut pairs: Vec<Pair> = of_line().filter_map(pair).collect();
    pairs.sort_by_key(|pair| pair.proof);
    pairs.truncate(OLDER_MAX);
    pairs
}

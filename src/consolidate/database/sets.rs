//! The backup sets of a scan, with all of their members, and whether they can be restored as they
//! are.

use crate::backup::BackupKind;
use crate::consolidate::backup::{BackupReport, SetReport};
use crate::consolidate::report::{FileReport, Outcome};
use crate::discover::FileKind;
use crate::discover::backup::missing::MEMBERS_MAX;
use crate::page::header::Lsn;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// A backup set.
#[derive(Clone, Debug)]
pub struct Medium<'a> {
    /// The files that have it, by member of the media set.
    pub paths: Vec<&'a str>,
    /// What it says of itself.
    pub set: &'a SetReport,
    /// Its files have other sets, so that it must be named by its position.
    pub is_one_of_several: bool,
    /// What keeps it from being restored as it is.
    pub state: MediumState,
    /// What all files of its database share, if that is known.
    pub binding_id: Option<&'a str>,
    /// SIMPLE recovery model, by the boot page in it.
    pub simple_recovery: Option<bool>,
    /// Its end: the LSN behind its log.
    pub last_lsn: Lsn,
}

/// Whether a backup set restores what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MediumState {
    /// All of it is here, and nothing in it is damaged.
    Sound,
    /// Some of it was not reached, or is not here.
    Incomplete,
    /// Members of it are missing.
    MemberMissing,
    /// Pages, log or description are damaged.
    Damaged,
}

impl Medium<'_> {
    /// It restores something as it is.
    pub fn is_sound(&self) -> bool {
        self.state == MediumState::Sound
    }

    /// As its base, by GUID.
    pub fn names(&self, full: &Self) -> bool {
        let base = self.set.differential_base_id.as_ref();
        base.is_some() && base == full.set.set_id.as_ref()
    }

    /// The GUID of its base tells; where that is not known, the checkpoint that the full backup
    /// began with (docs/page-format.md, section 9.2).
    pub fn is_based_on(&self, full: &Self) -> bool {
        if let (Some(base), Some(id)) = (&self.set.differential_base_id, &full.set.set_id) {
            return base == id;
        }
        let base = self.set.database_backup_lsn;
        let [own, of_full] = [self, full].map(|medium| medium.set.line.family_id);
        let is_same = match own.zip(of_full) {
            Some((own, of_full)) => own == of_full,
            None => self.binding_id == full.binding_id,
        };
        is_same && base.is_some() && base == full.set.checkpoint_lsn
    }
}

/// What tells media sets of one machine apart: the GUID; of a file without one, its path.
type Media<'a> = Result<&'a str, &'a str>;
/// What tells the sets of a media set apart. BACKUP WITH INIT, night after night, keeps the media
/// set and position 1, so that these two are not enough.
type Key<'a> = (Media<'a>, u32, Identity<'a>);
/// The set's GUID; where it is not known, its first and last LSN and when it was finished.
type Identity<'a> = Result<&'a str, (Option<Lsn>, Option<Lsn>, Option<&'a str>)>;
/// A backup set in one file.
type Place<'a> = (&'a str, u32);

/// What is known of the pages of a set in one file.
#[derive(Default)]
struct Pages<'a> {
    is_damaged: bool,
    is_unseen: bool,
    binding_id: Option<&'a str>,
    simple_recovery: Option<bool>,
}

/// All sets on `host` that say where they end.
pub fn sets<'a>(files: &'a [FileReport], host: Option<&str>) -> Vec<Medium<'a>> {
    let files = || files.iter().filter(|file| file.host.as_deref() == host);
    let mut parts: BTreeMap<Place<'_>, Pages<'_>> = BTreeMap::new();
    for file in files() {
        if let Some(position) = file.backup_set {
            let pages = parts.entry((&file.path, position)).or_default();
            pages.is_damaged |= file.coverage.suspect > 0;
            pages.is_unseen |= is_unseen(file);
            pages.binding_id = pages.binding_id.or(file.binding_id.as_deref());
            pages.simple_recovery = pages.simple_recovery.or(file.simple_recovery);
        }
    }
    let mut by_set: BTreeMap<Key<'_>, Vec<Member<'_>>> = BTreeMap::new();
    for (file, backup) in files().filter_map(|file| Some((file, file.backup.as_ref()?))) {
        let key = backup.media_set.as_deref().ok_or(&*file.path);
        let twice = positions_taken_twice(backup);
        for set in &backup.sets {
            let pages = parts.get(&(&*file.path, set.position));
            let is = |what: fn(&Pages<'_>) -> bool| pages.is_some_and(what);
            let has_suspects = file.coverage.suspect > 0 || is(|pages| pages.is_damaged);
            // What is not listed may concern any of them.
            let own = set.faults.filter(|_| backup.faults_not_listed == 0);
            let has_faults = own.unwrap_or_else(|| backup.fault_count()) > 0;
            let state = if has_suspects || has_faults {
                MediumState::Damaged
            } else if backup.missing_members.is_empty()
                && (is_unseen(file)
                    || backup.is_incomplete()
                    || !set.is_complete
                    || twice.contains(&set.position)
                    || is(|pages| pages.is_unseen))
            {
                MediumState::Incomplete
            } else {
                MediumState::Sound
            };
            let binding_id = pages.and_then(|pages| pages.binding_id);
            let is_packed = file.kind == FileKind::CompressedBackup && pages_in(set) == 0;
            let simple_recovery = pages.and_then(|pages| pages.simple_recovery);
            let path = &*file.path;
            let member =
                Member { path, backup, set, binding_id, simple_recovery, state, is_packed };
            by_set.entry((key, set.position, identity(set))).or_default().push(member);
        }
    }
    by_set.into_values().filter_map(medium).collect()
}

/// A set in one member of its media set.
struct Member<'a> {
    path: &'a str,
    backup: &'a BackupReport,
    set: &'a SetReport,
    /// By its pages.
    binding_id: Option<&'a str>,
    /// By its boot page.
    simple_recovery: Option<bool>,
    state: MediumState,
    /// Compressed, and verified by the checksums of its records: nobody has seen its pages.
    is_packed: bool,
}

fn identity(set: &SetReport) -> Identity<'_> {
    set.set_id.as_deref().ok_or((set.first_lsn, set.last_lsn, set.finished.as_deref()))
}

/// RESTORE names a set by its position: of two with the same one it could take the wrong one.
fn positions_taken_twice(backup: &BackupReport) -> BTreeSet<u32> {
    let mut seen = BTreeSet::new();
    let positions = backup.sets.iter().map(|set| set.position);
    positions.filter(|position| !seen.insert(*position)).collect()
}

/// Pages that nobody has seen.
fn is_unseen(file: &FileReport) -> bool {
    file.outcome != Outcome::Scanned || file.coverage.not_reached > 0
}

/// The set that `members` have together; `None` if none says where it ends. Of several files with
/// one member, a sound one is taken, with the most pages, and of these the first by path.
fn medium(mut members: Vec<Member<'_>>) -> Option<Medium<'_>> {
    members.sort_by_cached_key(|member| {
        (member.backup.member, member.state, Reverse(pages_in(member.set)), member.path)
    });
    members.dedup_by_key(|member| member.backup.member);
    let first = members.first()?;
    // Only one member need have the description with its LSNs.
    let (told, last_lsn) =
        members.iter().find_map(|member| Some((member, member.set.last_lsn?)))?;
    // SCIN names the database that was backed up; page 0 in it may be of the one that this was
    // restored from (docs/page-format.md, section 5.5).
    let by_pages = members.iter().find_map(|member| member.binding_id);
    Some(Medium {
        paths: members.iter().map(|member| member.path).collect(),
        set: told.set,
        is_one_of_several: told.set.position > 1 || first.backup.sets.len() > 1,
        binding_id: told.set.binding_id.as_deref().or(by_pages),
        state: state_of(&members, told.set.kind),
        simple_recovery: members.iter().find_map(|member| member.simple_recovery),
        last_lsn,
    })
}

/// Sound if all members are there, say the same, and have all pages between them.
fn state_of(members: &[Member<'_>], kind: BackupKind) -> MediumState {
    let Some(first) = members.first() else { return MediumState::MemberMissing };
    let worst = members.iter().map(|member| member.state).max().unwrap_or(MediumState::Sound);
    let expected = first.backup.members.max(1);
    let is_like_first = |member: &Member<'_>| {
        member.backup.members == first.backup.members && member.set.kind == first.set.kind
    };
    let are_all = members.len() == usize::from(expected) && expected <= MEMBERS_MAX;
    let has_pages = || members.iter().any(|member| pages_in(member.set) > 0);
    let is_whole = (kind != BackupKind::Full || has_pages()) && has_all_pages(members);
    let is_packed = members.iter().all(|member| member.is_packed);
    let is_consistent = members.iter().all(is_like_first) && (is_whole || is_packed);
    match () {
        () if worst == MediumState::Damaged => worst,
        () if !are_all => MediumState::MemberMissing,
        () if !is_consistent => MediumState::Incomplete,
        () => worst,
    }
}

fn pages_in(set: &SetReport) -> u64 {
    set.files.iter().fold(0, |sum, file| sum.saturating_add(file.pages_here))
}

/// Whether of each file as many pages are there as the backup says. Whether each member of a
/// striped set tells the pages of all of them or its own is not established (docs/page-format.md,
/// section 9.2.2): either way is taken.
fn has_all_pages(members: &[Member<'_>]) -> bool {
    let mut files: BTreeMap<u16, Vec<(u64, u64)>> = BTreeMap::new();
    for file in members.iter().flat_map(|member| &member.set.files) {
        files.entry(file.file_id).or_default().push((file.pages.into(), file.pages_here));
    }
    files.values().all(|counts| {
        let here = counts.iter().fold(0_u64, |sum, (_, here)| sum.saturating_add(*here));
        counts.iter().all(|(pages, _)| *pages == here)
            || counts.iter().all(|(pages, here)| pages == here)
    })
}

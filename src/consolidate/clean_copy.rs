//! Where else in a scan there is a clean copy of a suspect page, and how new it is.

use crate::page::header::Lsn;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::Write;
use std::sync::Arc;

/// Copies listed for one suspect at most.
pub const COPIES_MAX: usize = 8;
/// The kind of a copy in a full backup, which is what a page restore begins with.
pub const FULL_BACKUP: &str = "full backup";
/// The kind of a copy in a data file.
pub const DATA_FILE: &str = "data file";

/// A copy of a suspect page that is in use there and passes every check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleanCopy {
    /// The file that has it.
    pub path: Arc<str>,
    /// In a backup: the position of the backup set.
    #[serde(default)]
    pub backup_set: Option<u32>,
    /// `data file`, `full backup`, `differential backup` and so on.
    pub kind: Cow<'static, str>,
    /// When that backup was finished, by the server's clock.
    #[serde(default)]
    pub finished: Option<Arc<str>>,
    /// LSN after that backup's log.
    #[serde(default)]
    pub set_last_lsn: Option<Lsn>,
    /// The copy's own `m_lsn`.
    pub lsn: Lsn,
    /// How new it is next to the damaged page.
    #[serde(default)]
    pub version: Version,
    /// Where it begins in the file at `path`.
    pub offset_bytes: u64,
    /// The backup that has it has faults or suspects of its own.
    #[serde(default)]
    pub from_damaged_backup: bool,
    /// RESTORE can bring it back from the backups of this scan.
    #[serde(default)]
    pub restorable: bool,
    /// Why it cannot.
    #[serde(default)]
    pub not_restorable_because: Option<Cow<'static, str>>,
    /// All that in words.
    #[serde(default)]
    pub in_words: String,
}

/// A copy of a suspect page on another machine, which found nothing wrong with it: in merged
/// reports, where only what is bad is listed of each machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostCopy {
    /// The machine.
    pub host: Arc<str>,
    /// Its file.
    pub path: Arc<str>,
    /// The last checkpoint of its database there.
    #[serde(default)]
    pub checkpoint_lsn: Option<Lsn>,
    /// All that in words, and what it does not say.
    pub in_words: Arc<str>,
}

/// How new a copy is next to the damaged page, by the LSN in the header of that, as far as it can
/// be believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Version {
    /// The header of the damaged page says nothing that can be believed.
    #[default]
    Unknown,
    /// The same LSN: what was on the page before it was damaged.
    Same,
    /// An older version: changes are missing in it, which only the log has.
    Older,
    /// A newer one.
    Newer,
}

impl Version {
    /// Of a copy with `lsn`, if the damaged page says that it has `damaged`. Two equal LSNs are no
    /// accident; that they differ says something only if `is_borne_out`, for the LSN may be what
    /// was damaged.
    pub fn of(lsn: Lsn, damaged: Option<Lsn>, is_borne_out: bool) -> Self {
        match damaged.map(|damaged| lsn.cmp(&damaged)) {
            Some(Ordering::Equal) => Self::Same,
            Some(Ordering::Less) if is_borne_out => Self::Older,
            Some(Ordering::Greater) if is_borne_out => Self::Newer,
            _ => Self::Unknown,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Unknown => "",
            Self::Same => ", same version",
            Self::Older => ", older than the damaged page",
            Self::Newer => ", newer than the damaged page",
        }
    }
}

impl CleanCopy {
    /// The same with `in_words`; `member` says which member of a striped backup the file is.
    #[must_use]
    pub fn described(mut self, member: Option<(u16, u16)>) -> Self {
        let mut words = self.path.to_string();
        // Writing to a String cannot fail.
        if let Some((number, of)) = member {
            let _ = write!(words, ", member {number} of {of}");
        }
        if let Some(set) = self.backup_set {
            let _ = write!(words, ", set {set}");
        }
        let finished = self.finished.as_ref().map(|at| format!(", {at}")).unwrap_or_default();
        let _ = write!(words, " ({}{finished}), LSN {}", self.kind, self.lsn);
        words += self.version.words();
        self.in_words = words;
        self
    }

    /// Notes that the backup which has it is damaged itself.
    pub fn mark_damaged_backup(&mut self) {
        if !self.from_damaged_backup {
            self.from_damaged_backup = true;
            self.in_words += " (that backup is damaged itself)";
        }
    }

    fn is_in_full_backup(&self) -> bool {
        self.kind == FULL_BACKUP
    }

    /// By LSN, then by the backup's end; last by path, so that the order is always the same.
    fn newest_first(&self, other: &Self) -> Ordering {
        let age = |copy: &Self| (copy.lsn, copy.finished.clone(), copy.set_last_lsn);
        let place = |copy: &Self| (Arc::clone(&copy.path), copy.backup_set);
        age(other).cmp(&age(self)).then_with(|| place(self).cmp(&place(other)))
    }
}

/// Adds `copy` to `copies`, the newest first. Of too many the oldest goes, but never the newest one
/// that is in a full backup.
pub fn add(copies: &mut Vec<CleanCopy>, copy: CleanCopy) {
    // Most suspects have one: a vector grows by four at once.
    copies.reserve_exact(1);
    copies.push(copy);
    copies.sort_by(CleanCopy::newest_first);
    if copies.len() > COPIES_MAX {
        let last = copies.len() - 1;
        let is_needed = copies.iter().position(CleanCopy::is_in_full_backup) == Some(last);
        copies.remove(last - usize::from(is_needed));
    }
}

/// The newest of `copies` in words, and how many more there are; `None` if there is none.
pub fn newest(copies: &[CleanCopy]) -> Option<String> {
    let (newest, others) = copies.split_first()?;
    let more = match others {
        [] => String::new(),
        [first, ..] if first.lsn < newest.lsn => format!("; {} older", others.len()),
        _ => format!("; {} more", others.len()),
    };
    Some(format!("{}{more}", newest.in_words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(path: &str, kind: &'static str, slot: u16, finished: Option<&str>) -> CleanCopy {
        let copy = CleanCopy {
            path: path.into(),
            backup_set: finished.map(|_| 1),
            kind: kind.into(),
            finished: finished.map(Into::into),
            set_last_lsn: None,
            lsn: Lsn { vlf: 37, block: 1640, slot },
            version: Version::Unknown,
            offset_bytes: 0,
            from_damaged_backup: false,
            restorable: false,
            not_restorable_because: None,
            in_words: String::new(),
        };
        copy.described(None)
    }

    #[test]
    fn the_newest_lsn_comes_first_then_the_newest_backup_then_the_path() {
        let mut copies = Vec::new();
        for (path, slot, finished) in [
            ("b", 1, Some("2026-01-01T00:00:00")),
            ("a", 1, Some("2026-01-01T00:00:00")),
            ("c", 1, Some("2026-01-02T00:00:00")),
            ("d", 2, None),
        ] {
            add(&mut copies, copy(path, DATA_FILE, slot, finished));
        }
        let paths: Vec<&str> = copies.iter().map(|copy| &*copy.path).collect();
        assert_eq!(paths, ["d", "c", "a", "b"]);
    }

    #[test]
    fn of_too_many_copies_the_oldest_goes_but_not_the_only_full_backup() {
        let full = || copy("full", FULL_BACKUP, 0, Some("2026-01-01T00:00:00"));
        let many = || (1..20).map(|slot| copy(&format!("{slot:02}"), DATA_FILE, slot, None));
        for all in [
            std::iter::once(full()).chain(many()).collect::<Vec<_>>(),
            many().chain([full()]).collect(),
        ] {
            let mut copies = Vec::new();
            for copy in all {
                add(&mut copies, copy);
            }
            let slots: Vec<u16> = copies.iter().map(|copy| copy.lsn.slot).collect();
            assert_eq!(slots, [19, 18, 17, 16, 15, 14, 13, 0]);
        }
    }

    #[test]
    fn in_words_it_is_said_what_the_header_of_the_damaged_page_supports_and_no_more() {
        let lsn = |slot| Lsn { vlf: 37, block: 1640, slot };
        for (damaged, version) in [
            (None, Version::Unknown),
            (Some(lsn(1)), Version::Same),
            (Some(lsn(2)), Version::Older),
            (Some(lsn(0)), Version::Newer),
        ] {
            assert_eq!(Version::of(lsn(1), damaged, true), version);
            let is_same = version == Version::Same;
            let expected = if is_same { Version::Same } else { Version::Unknown };
            assert_eq!(Version::of(lsn(1), damaged, false), expected);
        }
        let mut first = copy("/b/full.bak", FULL_BACKUP, 1, Some("2026-11-20T01:00:00"));
        let unknown = "/b/full.bak, set 1 (full backup, 2026-11-20T01:00:00), LSN (37:1640:1)";
        assert_eq!(newest(std::slice::from_ref(&first)).as_deref(), Some(unknown));
        first.version = Version::Same;
        let first = first.described(Some((2, 3)));
        let all = [first, copy("/d", DATA_FILE, 0, None), copy("/e", DATA_FILE, 0, None)];
        let expected = "/b/full.bak, member 2 of 3, set 1 (full backup, 2026-11-20T01:00:00), LSN \
                        (37:1640:1), same version; 2 older";
        assert_eq!(newest(&all).as_deref(), Some(expected));
        assert_eq!(newest(&[]), None);
    }
}

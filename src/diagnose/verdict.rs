//! What can be said of one page.

use crate::check::Breach;
use crate::page::address::PageAddress;
use crate::page::checksum::Checksum;
use crate::page::header::{Lsn, Protection};
use crate::page::torn::TornCheck;
use crate::read::ReadError;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The verdict on one page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Allocated, in its place, and its checksum agrees.
    IntactChecksum,
    /// Allocated, in its place, and its torn bits agree. Weak: most damage leaves them alone.
    IntactTorn,
    /// Carries no protection, so nothing was verified.
    Unprotected,
    /// Not allocated; SQL Server never reads it.
    Free(FreeContent),
    /// Bad at first, good when read again.
    Transient,
    /// Bad.
    Suspect(SuspectReason),
}

/// What a free page holds: old content of the disk or of the database, which means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreeContent {
    /// Only zeros.
    Zero,
    /// Something that looks like a page.
    Stale {
        /// What its flag claims.
        protection: Protection,
        /// Whether the claim holds; true for no claim.
        holds: bool,
        /// Whether it carries the id of its place.
        right_id: bool,
    },
}

/// Why a page is bad.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SuspectReason {
    /// Msg 824, event type 2.
    BadChecksum {
        /// What the page carries; SQL Server's *expected*.
        stored: Checksum,
        /// What its bytes give; SQL Server's *actual*.
        computed: Checksum,
    },
    /// Msg 824, event type 3.
    TornPage(TornCheck),
    /// Msg 824, event type 1: a whole page of another place.
    WrongPageId {
        /// Where it was found.
        expected: PageAddress,
        /// Where it says it belongs.
        found: PageAddress,
    },
    /// Msg 824, event type 1: allocated, and nothing but zeros.
    Zeroed,
    /// Msg 824, event type 1: no page header.
    BadHeader,
    /// Msg 823, event type 1: the operating system could not read it.
    Unreadable(ReadError),
    /// Msg 605, event type 1: a sound page of its place, and of another owner than the IAM page
    /// of its extent says. Nothing on the page alone shows that.
    WrongObject {
        /// The allocation unit that it says it belongs to.
        unit: u64,
        /// The one that owns its extent.
        owner: u64,
    },
    /// Msg 824, event type 1: a sound page of its place, and older than a copy of it that was taken
    /// before. Nothing on the page alone shows that.
    StalePage {
        /// Its own LSN.
        lsn: Lsn,
        /// That of the copy.
        copy_lsn: Lsn,
        /// Where the copy is, in words: a path, and in a backup the position of the set.
        copy: Arc<str>,
    },
    /// A sound page of its place that breaks a rule of what pages must say, of themselves and of
    /// each other (docs/check.md). A read does not notice that; DBCC CHECKDB does.
    Inconsistent(Breach),
}

impl SuspectReason {
    /// Its name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::BadChecksum { .. } => "bad_checksum",
            Self::TornPage(_) => "torn_page",
            Self::WrongPageId { .. } => "wrong_page_id",
            Self::Zeroed => "zeroed",
            Self::BadHeader => "bad_header",
            Self::Unreadable(_) => "unreadable",
            Self::WrongObject { .. } => "wrong_object",
            Self::StalePage { .. } => "stale_page",
            Self::Inconsistent(_) => "inconsistent",
        }
    }

    /// The checksums that are not the same: the stored one, and that of the bytes.
    pub fn checksums(&self) -> Option<(Checksum, Checksum)> {
        match self {
            Self::BadChecksum { stored, computed } => Some((*stored, *computed)),
            _ => None,
        }
    }

    /// The rule that it breaks, if that is what is wrong.
    pub fn breach(&self) -> Option<&Breach> {
        match self {
            Self::Inconsistent(breach) => Some(breach),
            _ => None,
        }
    }

    /// `event_type` of `msdb.dbo.suspect_pages` (section 10.1).
    pub fn event_type(&self) -> u8 {
        match self {
            Self::BadChecksum { .. } => 2,
            Self::TornPage(_) => 3,
            Self::WrongPageId { .. }
            | Self::Zeroed
            | Self::BadHeader
            | Self::Unreadable(_)
            | Self::WrongObject { .. }
            | Self::StalePage { .. }
            | Self::Inconsistent(_) => 1,
        }
    }
}

/// Whether SQL Server uses a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Allocation {
    /// It does.
    Allocated,
    /// It does not.
    Free,
    /// The page that would tell is bad itself, or not there.
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::rule::Rule;
    use crate::page::address::{FileId, PageId};

    /// As `msdb.dbo.suspect_pages` numbers them: 1 for errors 823 and 824 of no other kind, 2 for a
    /// bad checksum, 3 for a torn page.
    #[test]
    fn every_reason_has_the_number_that_sql_server_gives_it() {
        let checksum = SuspectReason::BadChecksum { stored: Checksum(1), computed: Checksum(2) };
        let torn = SuspectReason::TornPage(TornCheck { expected: 0, actual: 0 });
        let others = [
            SuspectReason::Zeroed,
            SuspectReason::BadHeader,
            SuspectReason::Unreadable(ReadError::Ended),
            SuspectReason::WrongObject { unit: 1, owner: 2 },
            SuspectReason::Inconsistent(Breach::of(
                Rule::P4,
                PageAddress::new(FileId(1), PageId(9)),
            )),
        ];
        assert_eq!((checksum.event_type(), torn.event_type()), (2, 3));
        assert_eq!(checksum.checksums(), Some((Checksum(1), Checksum(2))));
        for reason in others {
            assert_eq!((reason.event_type(), reason.checksums()), (1, None), "{}", reason.name());
        }
    }
}

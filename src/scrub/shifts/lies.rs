//! Where the content of a suspect lies, by what stands on it.

use crate::consolidate::findings::Finding;
use crate::diagnose::verdict::SuspectReason;

/// Where the content of a suspect lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lies {
    /// Nobody has looked.
    Unseen,
    /// There is nothing to go by.
    Nowhere,
    /// So many bytes behind its own place.
    By(i64),
}

impl Lies {
    pub(super) fn of(finding: &Finding) -> Self {
        match (&finding.reason, finding.found()) {
            (SuspectReason::Zeroed | SuspectReason::Unreadable(_), _) => Self::Nowhere,
            (_, Some(found)) if found.file != finding.place.file => Self::Nowhere,
            (_, Some(found)) => {
                let (at, own) = (finding.place.page.offset_bytes(), found.page.offset_bytes());
                at.checked_signed_diff(own).map_or(Self::Nowhere, Self::By)
            }
            // Its header was believed.
            _ if finding.allocation_unit.is_some() => Self::By(0),
            _ => Self::Unseen,
        }
    }

    pub(super) fn is_moved(self) -> bool {
        matches!(self, Self::By(bytes) if bytes != 0)
    }
}

//! Where a copy of a database comes from, and which copies are of one line (docs/page-format.md,
//! section 5.5): told by the boot page, and by the description of a backup set.

use super::header::Lsn;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A GUID as it stands in a file.
pub type Guid = [u8; 16];

/// Origin and line of a copy. What is zero in the file is `None`: it is equal to nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Line {
    /// Given when the database was made; kept whatever becomes of it.
    #[serde(with = "hexadecimal")]
    pub family_id: Option<Guid>,
    /// The recovery fork: RESTORE to an earlier time, or a rebuilt log, begins a new one.
    #[serde(with = "hexadecimal")]
    pub fork_id: Option<Guid>,
    /// The fork before it, ...
    #[serde(with = "hexadecimal")]
    pub earlier_fork_id: Option<Guid>,
    /// ... and where that was left.
    pub fork_point_lsn: Option<Lsn>,
}

/// How two copies are related.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kinship {
    /// One line: what is in the earlier one was in the later one.
    Line,
    /// The same origin, and then each went its own way: neither can restore the other.
    Sisters,
    /// Different databases, whatever they are called.
    None,
    /// One of them does not tell.
    Unknown,
}

impl Line {
    /// True if anything of it is known.
    pub fn is_told(&self) -> bool {
        *self != Self::default()
    }

    /// How a copy of this line, which ends at `end`, is related to the `other`, which ends at
    /// `other_end`: the last LSN of a backup set, the checkpoint of a data file.
    pub fn kinship(&self, end: Option<Lsn>, other: &Self, other_end: Option<Lsn>) -> Kinship {
        let (Some(family), Some(fork)) = (self.family_id, self.fork_id) else {
            return Kinship::Unknown;
        };
        let (Some(other_family), Some(other_fork)) = (other.family_id, other.fork_id) else {
            return Kinship::Unknown;
        };
        match () {
            () if family != other_family => Kinship::None,
            () if fork == other_fork => Kinship::Line,
            () if self.left(other_fork, other_end) || other.left(fork, end) => Kinship::Line,
            () => Kinship::Sisters,
        }
    }

    /// It is the child of `fork`, and left it not before `end`.
    fn left(&self, fork: Guid, end: Option<Lsn>) -> bool {
        let is_behind = self.fork_point_lsn.zip(end).is_some_and(|(point, end)| point >= end);
        self.earlier_fork_id == Some(fork) && is_behind
    }
}

impl Kinship {
    /// Whether both are of one line, where that is told.
    pub fn is_line(self) -> Option<bool> {
        match self {
            Self::Line => Some(true),
            Self::Sisters | Self::None => Some(false),
            Self::Unknown => None,
        }
    }
}

/// A GUID as it stands in a file; zeros are none.
pub fn told(guid: Guid) -> Option<Guid> {
    (guid != Guid::default()).then_some(guid)
}

/// A GUID in hexadecimal digits, in the order of its bytes.
pub fn digits(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

/// The GUID that [`digits`] wrote as `text`.
pub fn guid_of(text: &str) -> Option<Guid> {
    let is_whole = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_whole.then(|| u128::from_str_radix(text, 16).ok()).flatten().map(u128::to_be_bytes)
}

mod hexadecimal {
    use super::{Deserialize, Deserializer, Guid, Serialize, Serializer, digits, guid_of};
    use serde::de::Error;

    #[allow(clippy::ref_option, reason = "as serde calls it")]
    pub(super) fn serialize<S: Serializer>(id: &Option<Guid>, to: S) -> Result<S::Ok, S::Error> {
        id.map(|id| digits(&id)).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Guid>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| guid_of(&text).ok_or_else(|| D::Error::custom("no GUID"))).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lsn(vlf: u32) -> Option<Lsn> {
        (vlf > 0).then_some(Lsn { vlf, block: 1, slot: 1 })
    }

    fn line(family: u8, fork: u8, earlier: u8, point: u32) -> Line {
        let id = |n: u8| (n > 0).then_some([n; 16]);
        let fork_point_lsn = lsn(point);
        Line {
            family_id: id(family),
            fork_id: id(fork),
            earlier_fork_id: id(earlier),
            fork_point_lsn,
        }
    }

    #[test]
    fn a_fork_is_of_the_line_of_its_parent_up_to_the_fork_point() {
        let parent = line(1, 2, 0, 0);
        let child = line(1, 3, 2, 40);
        for (end, expected) in [(40, Kinship::Line), (41, Kinship::Sisters)] {
            assert_eq!(child.kinship(lsn(50), &parent, lsn(end)), expected);
            assert_eq!(parent.kinship(lsn(end), &child, lsn(50)), expected);
        }
        let sister = line(1, 4, 2, 30);
        assert_eq!(child.kinship(lsn(50), &sister, lsn(50)), Kinship::Sisters);
        assert_eq!(child.kinship(None, &child, None), Kinship::Line);
        assert_eq!(child.kinship(lsn(50), &parent, None), Kinship::Sisters);
    }

    #[test]
    fn what_is_not_told_is_equal_to_nothing() {
        let nothing = Line::default();
        assert_eq!(nothing.kinship(lsn(1), &nothing, lsn(1)), Kinship::Unknown);
        let other = line(9, 2, 0, 0);
        assert_eq!(line(1, 2, 0, 0).kinship(lsn(1), &other, lsn(1)), Kinship::None);
    }

    #[test]
    fn a_line_is_read_as_it_is_written() {
        let line = line(1, 3, 2, 40);
        let text = serde_json::to_string(&line).unwrap();
        assert!(text.contains("\"family_id\":\"01010101010101010101010101010101\""), "{text}");
        assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line);
        assert_eq!(serde_json::from_str::<Line>("{}").unwrap(), Line::default());
        for bad in ["1", "+1010101010101010101010101010101", "zz010101010101010101010101010101"] {
            let text = format!("{{\"family_id\":\"{bad}\"}}");
            assert!(serde_json::from_str::<Line>(&text).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_line_is_one_where_both_tell_and_zeros_tell_nothing() {
        let kinships = [Kinship::Line, Kinship::Sisters, Kinship::None, Kinship::Unknown];
        assert_eq!(kinships.map(Kinship::is_line), [Some(true), Some(false), Some(false), None]);
        assert_eq!((told([0; 16]), told([7; 16])), (None, Some([7; 16])));
    }
}

//! What becomes of a file in a directory that is neither a data file nor a log nor a backup, by
//! its name and content (docs/page-format.md, section 5.4.1). A file that the user names is
//! refused in any case.

use super::content::Content;
use super::names::{Name, Wrap};

/// What becomes of a file in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Has nothing to do with databases: counted.
    Skipped,
    /// May hold databases, and is what the text says: counted and named.
    NotLookedInto(String),
    /// Bears a name of SQL Server and holds nothing of it: the run is incomplete.
    Refused,
}

impl Fate {
    /// Of a file called `name` that holds `content`, which is `bytes` long.
    pub(super) fn of(name: &Name, content: Content, bytes: u64) -> Self {
        let by_name = if name.is_of_sql_server() { Self::Refused } else { Self::Skipped };
        match content {
            Content::MayHold(what) => Self::NotLookedInto(what.to_owned()),
            Content::Beside(_) => Self::Skipped,
            _ if name.is_of_sidecar(bytes) => Self::Skipped,
            // No normal night has a text in place of a data file.
            Content::Text | Content::Html if name.is_of_data_file() => Self::Refused,
            Content::Text | Content::Html => Self::Skipped,
            Content::Empty | Content::Zeros | Content::GitLfsPointer | Content::Other(_) => by_name,
            Content::Noise | Content::Unknown => by_wrap(name).unwrap_or(by_name),
        }
    }
}

/// What was encrypted on purpose looks like noise. An archive does not begin like that, unless it
/// is a part of one.
fn by_wrap(name: &Name) -> Option<Fate> {
    let (wrap, ending) = name.wrap()?;
    let what = match wrap {
        Wrap::Encrypted => format!("encrypted, by its name (.{ending})"),
        Wrap::PartOfArchive => format!("part of an archive, by its name (.{ending})"),
        Wrap::Archive | Wrap::Disk if name.is_of_sql_server() => return None,
        Wrap::Archive | Wrap::Disk => format!("called .{ending}, and does not begin as one"),
    };
    Some(Fate::NotLookedInto(what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn fate(name: &str, content: Content) -> Fate {
        Fate::of(&Name::of(Path::new(name)), content, 1 << 20)
    }

    #[test]
    fn a_text_is_refused_only_in_place_of_a_data_file() {
        for content in [Content::Text, Content::Html] {
            assert_eq!(fate("sales.mdf", content), Fate::Refused);
            assert_eq!(fate("sales.bak", content), Fate::Skipped);
            assert_eq!(fate("sales.txt", content), Fate::Skipped);
        }
        assert_eq!(fate("sales.bak", Content::Zeros), Fate::Refused);
    }

    #[test]
    fn noise_under_a_name_of_encryption_may_hold_a_database() {
        let named = |what: &str| Fate::NotLookedInto(what.to_owned());
        let noise = |name| fate(name, Content::Noise);
        assert_eq!(noise("sales.bak.gpg"), named("encrypted, by its name (.gpg)"));
        assert_eq!(noise("night.7z.002"), named("part of an archive, by its name (.7z)"));
        assert_eq!(noise("night.zip"), named("called .zip, and does not begin as one"));
        assert_eq!((noise("sales.bak.zip"), noise("sales.mdf")), (Fate::Refused, Fate::Refused));
        assert_eq!(noise("sales.dat"), Fate::Skipped);
    }
}

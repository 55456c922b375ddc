//! Which of the files in directories the user does not want to be looked at.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use std::path::Path;

/// Patterns of file names and paths, without regard to case.
#[derive(Clone, Debug, Default)]
pub struct Excluded {
    patterns: GlobSet,
}

impl Excluded {
    /// By patterns as in a shell; the error says which of them is none.
    pub fn by<S: AsRef<str>>(patterns: &[S]) -> Result<Self, String> {
        let mut set = GlobSetBuilder::new();
        for pattern in patterns {
            let glob = GlobBuilder::new(pattern.as_ref()).case_insensitive(true).build();
            set.add(glob.map_err(|error| error.to_string())?);
        }
        let patterns = set.build().map_err(|error| error.to_string())?;
        Ok(Self { patterns })
    }

    /// True for a path found in `directory` of which the name or the path is excluded, be it the
    /// path from `directory` on, or that of a directory between.
    pub(super) fn holds(&self, path: &Path, directory: &Path) -> bool {
        let is_between = |above: &&Path| *above != directory && above.starts_with(directory);
        !self.patterns.is_empty()
            && path.ancestors().take_while(is_between).any(|path| self.matches(path, directory))
    }

    fn matches(&self, path: &Path, directory: &Path) -> bool {
        let from_there = path.strip_prefix(directory).unwrap_or(path);
        self.patterns.is_match(path)
            || self.patterns.is_match(from_there)
            || path.file_name().is_some_and(|name| self.patterns.is_match(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths_and_whole_directories_are_excluded() {
        let is_excluded = |pattern: &str, path: &str| {
            Excluded::by(&[pattern]).unwrap().holds(Path::new(path), Path::new("/data"))
        };
        for (pattern, path) in [
            ("*.jpg.bak", "/data/a/photo.JPG.bak"),
            ("old", "/data/old/deep/sales.mdf"),
            ("old/*.mdf", "/data/old/sales.mdf"),
            ("/data/old/**", "/data/old/sales.mdf"),
            ("sales.{mdf,ndf}", "/data/sales.ndf"),
        ] {
            assert!(is_excluded(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("*.bak", "/data/sales.mdf"),
            ("data", "/data/sales.mdf"),
            ("old", "/data/older/sales.mdf"),
            ("", "/data/sales.mdf"),
        ] {
            assert!(!is_excluded(pattern, path), "{pattern} {path}");
        }
        assert!(!Excluded::default().holds(Path::new("/data/a"), Path::new("/data")));
        assert!(Excluded::by(&["[a"]).is_err());
    }
}

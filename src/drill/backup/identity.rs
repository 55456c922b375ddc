//! The GUIDs of a generated backup. As with BACKUP, every file has a media set and every set an
//! identity of its own; as all of a drill, they can be made again.

use super::mark;
use super::recipe::BackupRecipe;
use crate::drill::chance::{Purpose, dice, draw};
pub(super) use crate::drill::identity::Guid;
use rand_xoshiro::rand_core::Rng;
use std::path::Path;

/// The GUIDs of one set. All members of a striped set have the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) media_set: Guid,
    pub(super) set: Guid,
    /// Of the full backup that a differential is based on; zeros if it is not told.
    pub(super) base: Guid,
}

/// What a file that is appended to already says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Earlier {
    pub(super) media_set: Option<Guid>,
    /// The set GUID of its last full backup.
    pub(super) full: Option<Guid>,
    /// How many log backups it has.
    pub(super) logs: u32,
}

impl Identity {
    /// Of the set at `position` of `path`: decided by the recipe, with seed and kind, the position
    /// and the file's name without its folder.
    pub(super) fn of(recipe: &BackupRecipe, path: &Path, position: u16, earlier: Earlier) -> Self {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        let words = mark::text_of(recipe);
        let key = hash(recipe.seed(), &[words.as_bytes(), name, &position.to_le_bytes()]);
        let guid = |n: u64| {
            let mut guid = [0; 16];
            dice(key, Purpose::MediaSet, n).fill_bytes(&mut guid);
            guid
        };
        Self {
            media_set: earlier.media_set.unwrap_or_else(|| guid(0)),
            set: guid(1),
            base: recipe.base.or(earlier.full).unwrap_or_default(),
        }
    }
}

/// One number for `parts`, of which each has its own place.
fn hash(seed: u64, parts: &[&[u8]]) -> u64 {
    let bytes = parts.iter().flat_map(|part| {
        let length = (part.len() as u64).to_le_bytes();
        length.into_iter().chain(part.iter().copied())
    });
    bytes.fold(seed, |hash, byte| draw(hash, Purpose::MediaSet, byte.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::backup::BackupKind;
    use crate::drill::recipe::Recipe;
    use std::collections::BTreeSet;

    fn of(recipe: &BackupRecipe, path: &str, position: u16) -> Identity {
        Identity::of(recipe, Path::new(path), position, Earlier::default())
    }

    #[test]
    fn seed_kind_options_name_and_position_give_guids_of_their_own() {
        let full = BackupRecipe::new(Recipe::new(1 << 22, 7));
        let log = BackupRecipe { kind: BackupKind::Log, ..full.clone() };
        let with_checksum = BackupRecipe { with_checksum: true, ..full.clone() };
        let seed = BackupRecipe::new(Recipe::new(1 << 22, 8));
        let all = [
            of(&full, "a.bak", 1),
            of(&full, "b.bak", 1),
            of(&full, "a.bak", 2),
            of(&log, "a.bak", 1),
            of(&with_checksum, "a.bak", 1),
            of(&seed, "a.bak", 1),
        ];
        let guids: BTreeSet<_> = all.iter().flat_map(|id| [id.media_set, id.set]).collect();
        assert_eq!(guids.len(), 12);
        assert_eq!(of(&full, "x/a.bak", 1), of(&full, "y/a.bak", 1));
    }

    #[test]
    fn an_appended_set_has_the_media_set_and_the_base_of_its_file() {
        let recipe = BackupRecipe::new(Recipe::new(1 << 22, 7));
        let earlier = Earlier { media_set: Some([1; 16]), full: Some([2; 16]), logs: 0 };
        let id = Identity::of(&recipe, Path::new("a"), 2, earlier);
        assert_eq!((id.media_set, id.base), ([1; 16], [2; 16]));
        assert_eq!(id.set, of(&recipe, "a", 2).set);
        let told = BackupRecipe { base: Some([3; 16]), ..recipe };
        assert_eq!(Identity::of(&told, Path::new("a"), 2, earlier).base, [3; 16]);
    }
}

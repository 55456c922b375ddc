//! Synthetic backups: what BACKUP would write of a synthetic database, uncompressed, in Microsoft
//! Tape Format (docs/page-format.md, section 9.2), and damage to them.
//!
//! Pages are those of the data files of the same seed, bit by bit. What surrounds them is laid out
//! as SQL Server 2019 does it; fields whose sense is not known hold zeros.

mod configuration;
mod descriptor;
mod extents;
mod mark;
mod member;
mod recipe;
mod record;
mod sum;
mod walk;
mod write;

pub use recipe::{BackupKind, BackupRecipe};
pub use write::{Media, generate_backup, member_paths};

//! Synthetic backups: what BACKUP would write of a synthetic database, uncompressed, in Microsoft
//! Tape Format (docs/page-format.md, section 9.2), and damage to them.
//!
//! Pages are those of the data files of the same seed, bit by bit. What surrounds them is laid out
//! as SQL Server 2019 does it; fields whose sense is not known hold zeros.

mod configuration;
mod descriptor;
mod extents;
mod fault;
mod identity;
mod inject;
mod mark;
mod media_set;
mod member;
mod places;
mod recipe;
mod record;
mod strike;
mod sum;
mod walk;
mod write;

pub use fault::{BACKUP_FAULTS, BackupFault};
pub use inject::{BackupInjection, Damage, inject_into_backup};
pub use media_set::{Media, full_set_id, member_paths};
pub use recipe::{BackupKind, BackupRecipe};
pub use strike::{BackupFinding, InjectedBackupFault};
pub use write::generate_backup;

pub(super) use inject::{inject_pages, is_backup};
pub(super) use places::Places;
pub(super) use strike::merged;

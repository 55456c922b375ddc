//! Fire drills: synthetic data files to practise on, and known damage to find in them.
//!
//! [`generate`] writes a self-consistent data file from a [`Recipe`], [`generate_backup`] a backup
//! of such files; [`inject`](inject()) damages a few pages of either, [`inject_into_backup`] also
//! what surrounds them. Both return an [`AnswerKey`] that says what a scan must report. Nothing
//! here judges real files, and nothing here is used by a scan.

mod answer_key;
mod backup;
mod blocks;
mod catalog;
mod chance;
mod content;
mod damage;
mod database_files;
mod fault;
pub mod faulty_source;
mod fields;
mod foreign;
mod front;
mod generate;
mod identity;
mod inject;
mod junk;
mod layout;
mod maps;
mod positioned;
mod recipe;
mod signature;
mod synthetic;
mod target;
mod units;
mod witness;
mod zone;

pub use answer_key::{AnswerKey, Expected, InjectedFault, MixedKeys, Reason, SideEffect};
pub use backup::{
    BACKUP_FAULTS, BackupFault, BackupFinding, BackupInjection, BackupKind, BackupRecipe, Damage,
    InjectedBackupFault, Media, full_set_id, generate_backup, inject_into_backup, member_paths,
};
pub use fault::{FAULTS, Fault, UnknownFault};
pub use generate::{GenerateError, Generated, generate, is_generated};
pub use inject::{InjectError, Injection, inject};
pub use recipe::{OtherFiles, Recipe, RecipeError};
pub use synthetic::SyntheticFile;
pub use target::Target;

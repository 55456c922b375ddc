//! Pages that pass their checks and break rules: no statement restores them before DBCC CHECKDB has
//! confirmed them.

use super::Target;
use super::script::Script;
use crate::consolidate::recovery::Remedy;
use std::io;

/// There are some.
pub(super) fn is_needed(target: &Target<'_>) -> bool {
    target.loss.suspects().any(|suspect| Remedy::of(suspect) == Remedy::Confirm)
}

/// Writes how to have them confirmed, if there are any.
pub(super) fn write(target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    if !is_needed(target) {
        return Ok(());
    }
    script.title("Before all else, of pages that are inconsistent")?;
    script.remark(
        "They pass their checks and break rules (docs/check.md). If a server wrote them so, their \
         copies in backups are the same: the statements below leave them out. Restore the newest \
         backup beside, under another name, and have CHECKDB confirm them there.",
    )?;
    let copy = format!("<db{}_restored_copy, sysname, >", target.number);
    script.off(&format!("DBCC CHECKDB ({copy}) WITH NO_INFOMSGS, ALL_ERRORMSGS;"))
}

//! The way of a database in the SIMPLE recovery model.

use super::Target;
use super::script::Script;
use std::io;

/// Beside the damaged database, which has the newest rows there are.
pub(super) fn write(target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    script.way("S: the whole database (SIMPLE: no page restore, no log backups)")?;
    script.remark(
        "If the query of part 1 does not say SIMPLE, STOP: BACKUP LOG first, as under FULL (WITH \
         COPY_ONLY, CHECKSUM; if that fails, WITH CONTINUE_AFTER_ERROR as well; WITH NO_TRUNCATE \
         only if the database does not open). Pages and files can then be restored up to the last \
         moment, and this is not the way.",
    )?;
    script.remark(
        "The damaged database has everything since the last backup, the backup has not: restore it \
         BESIDE the damaged one, under another name and other paths, compare, and copy over what \
         can still be read. Add a MOVE for each file (FILELISTONLY). Read-only files alone can be \
         restored by file.",
    )?;
    let hole = |what: &str| target.hole(what);
    let new = format!("<db{}_other_name, sysname, >", target.number);
    let full = target.full();
    script.off(&format!(
        "{}RESTORE DATABASE {new}{},\n    MOVE {} TO {},\n    MOVE {} TO {};",
        full.declared,
        full.clauses("NORECOVERY"),
        hole("data_logical_name"),
        hole("data_other_path"),
        hole("log_logical_name"),
        hole("log_other_path"),
    ))?;
    if target.lacks_differential() {
        script.remark("A differential backup of it that is not in the scan would come here.")?;
    } else {
        script.remark("The newest differential of that full backup, if there is one:")?;
        let from = target.differential();
        script.off(&format!(
            "{}RESTORE DATABASE {new} FROM {} WITH {}NORECOVERY;",
            from.declared, from.disks, from.file
        ))?;
    }
    script.off(&format!("RESTORE DATABASE {new} WITH RECOVERY;"))
}

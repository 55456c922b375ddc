//! Queries that look at the server; they are active, and only read.

use super::Target;
use super::script::Script;
use crate::consolidate::recovery::System;
use std::io;

/// Databases that the queries of part 1 name at most.
const NAMES_MAX: usize = 200;

/// What is active: queries that read `sys` and `msdb`.
pub(super) fn write(targets: &[Target<'_>], script: &mut Script<'_>) -> io::Result<()> {
    script.heading("Part 1: look (active; reads sys and msdb, changes nothing)")?;
    if targets.iter().any(|target| target.loss.system == Some(System::Msdb)) {
        script.remark(MSDB_IS_DAMAGED)?;
    }
    let names: Vec<&str> = targets.iter().filter_map(|target| target.text.as_deref()).collect();
    if names.len() > NAMES_MAX {
        let more = names.len() - NAMES_MAX;
        script.remark(&format!("{more} of the databases are left out of these queries."))?;
    }
    let is_any = names.len() < targets.len() || targets.iter().any(Target::is_hint);
    let is_listed = match &names[..names.len().min(NAMES_MAX)] {
        [] => "1 = 1".to_owned(),
        // A name that is not known, or only by a damaged page, may be any of them.
        _ if is_any => "1 = 1".to_owned(),
        names => format!("d.name IN ({})", names.join(", ")),
    };
    let columns = [
        (
            "Recovery model, state, read-only, TDE (is_encrypted: a restore elsewhere needs the \
          certificate).",
            DATABASES,
        ),
        (
            "Files: logical names for RESTORE ... FILE. Files with is_read_only = 1 cannot be \
          restored by page: restore the file from its last backup.",
            FILES,
        ),
        (
            "Mirroring: no restore while it is set up; but the mirror may have good pages.",
            MIRRORING,
        ),
        (
            "What the server itself has noticed (event_type 1 to 3; 4, 5 and 7 are done with).",
            SUSPECT_PAGES,
        ),
        (BACKUPS_ARE, BACKUPS),
    ];
    columns.into_iter().try_for_each(|(what, query)| {
        script.remark(what)?;
        script.on(&query.replace("{is_listed}", &is_listed))
    })?;
    availability(script)
}

const MSDB_IS_DAMAGED: &str = "\
    msdb is damaged: the queries of suspect_pages and of backups read it, so they may fail, and \
    may add rows to suspect_pages. RESTORE HEADERONLY tells of backups without msdb.";

const BACKUPS_ARE: &str = "\
    Backups of the last 60 days, newest first (D full, I differential, F file, L log). A \
    differential belongs to the full backup whose backup_set_uuid is its differential_base_guid, \
    and to no other. With is_snapshot = 1 or device_type 7 (a virtual device: VDI, VSS) a backup \
    cannot be restored FROM DISK: the program that made it restores it. device_type 2 is disk, 5 \
    tape, 9 a URL, 105 a permanent backup device.";

const DATABASES: &str = "\
SELECT d.database_id, d.name, d.state_desc, d.recovery_model_desc, d.page_verify_option_desc,
    d.user_access_desc, d.is_read_only, d.is_encrypted, d.log_reuse_wait_desc
FROM sys.databases AS d
WHERE {is_listed}
ORDER BY d.name;";

const FILES: &str = "\
SELECT d.name AS database_name, f.file_id, f.name AS logical_name, f.type_desc, f.physical_name,
    f.state_desc, f.is_read_only, f.size AS pages
FROM sys.master_files AS f INNER JOIN sys.databases AS d ON d.database_id = f.database_id
WHERE {is_listed}
ORDER BY d.name, f.file_id;";

const MIRRORING: &str = "\
SELECT d.name, m.mirroring_state_desc, m.mirroring_role_desc, m.mirroring_partner_instance
FROM sys.database_mirroring AS m INNER JOIN sys.databases AS d ON d.database_id = m.database_id
WHERE m.mirroring_guid IS NOT NULL AND {is_listed};";

const SUSPECT_PAGES: &str = "\
SELECT d.name, s.file_id, s.page_id, s.event_type, s.error_count, s.last_update_date
FROM msdb.dbo.suspect_pages AS s LEFT JOIN sys.databases AS d ON d.database_id = s.database_id
WHERE d.name IS NULL OR {is_listed}
ORDER BY d.name, s.file_id, s.page_id;";

const BACKUPS: &str = "\
SELECT TOP (1000) d.name, b.type, b.backup_start_date, b.backup_finish_date, b.first_lsn,
    b.last_lsn, b.checkpoint_lsn, b.database_backup_lsn, b.differential_base_lsn,
    b.backup_set_uuid, b.differential_base_guid, b.has_backup_checksums, b.is_damaged,
    b.is_copy_only, b.is_snapshot, b.position, m.device_type, m.physical_device_name
FROM msdb.dbo.backupset AS b
INNER JOIN msdb.dbo.backupmediafamily AS m ON m.media_set_id = b.media_set_id
INNER JOIN sys.databases AS d ON d.name = b.database_name
WHERE b.backup_finish_date > DATEADD(day, -60, GETDATE()) AND {is_listed}
ORDER BY d.name, b.backup_finish_date DESC;";

/// Commented out: older servers do not know these views.
fn availability(script: &mut Script<'_>) -> io::Result<()> {
    script.remark(
        "SQL Server 2012 and later: availability groups, and pages that these mended by \
         themselves. RESTORE is refused while a database is in a group (Msg 3104). The other \
         replicas may have good pages: reading a damaged page asks them for it, but for pages 0 \
         and 9 and GAM, SGAM and PFS pages. Never restore a secondary: its primary mends it, or it \
         is taken out of the group and seeded anew. A damaged primary: fail over to a sound \
         secondary, or take it out of the group first.",
    )?;
    script.off(
        "SELECT r.group_database_id, DB_NAME(r.database_id) AS name, r.is_local,\n    \
         r.synchronization_state_desc, r.synchronization_health_desc\n\
         FROM sys.dm_hadr_database_replica_states AS r;",
    )?;
    script.off("SELECT * FROM sys.dm_hadr_auto_page_repair;")?;
    script.off("SELECT * FROM sys.dm_db_mirroring_auto_page_repair;")
}

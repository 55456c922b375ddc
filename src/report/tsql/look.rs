//! Statements that look: at the server, at what was found, and at single pages.

use super::Target;
use super::script::Script;
use crate::consolidate::recovery::{DatabaseLoss, FileLoss, Model, Remedy, Route};
use crate::consolidate::report::Suspect;
use crate::report::escape::tsql_comment as safe;
use std::io;

/// Databases that the queries of part 1 name at most.
const NAMES_MAX: usize = 200;
/// Pages of a file described one by one at most, where they are not restored one by one.
const DESCRIBED_MAX: usize = 50;
/// Pages of a database with statements that look at them; the most urgent ones.
const LOOKED_AT_MAX: usize = 20;

/// What is active: queries that read `sys` and `msdb`.
pub(super) fn server(targets: &[Target<'_>], script: &mut Script<'_>) -> io::Result<()> {
    script.heading("Part 1: look (active; reads sys and msdb, changes nothing)")?;
    let names: Vec<&str> = targets.iter().filter_map(|target| target.text.as_deref()).collect();
    if names.len() > NAMES_MAX {
        let more = names.len() - NAMES_MAX;
        script.remark(&format!("{more} of the databases are left out of these queries."))?;
    }
    let is_listed = match &names[..names.len().min(NAMES_MAX)] {
        [] => "1 = 1".to_owned(),
        // A name that is not known may be any of them.
        _ if names.len() < targets.len() => "1 = 1".to_owned(),
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
        (
            "Backups of the last 60 days, newest first (D full, I differential, F file, L log).",
            BACKUPS,
        ),
    ];
    columns.into_iter().try_for_each(|(what, query)| {
        script.remark(what)?;
        script.on(&query.replace("{is_listed}", &is_listed))
    })?;
    availability(script)
}

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
    b.last_lsn, b.has_backup_checksums, b.is_damaged, b.is_copy_only, b.position,
    m.physical_device_name
FROM msdb.dbo.backupset AS b
INNER JOIN msdb.dbo.backupmediafamily AS m ON m.media_set_id = b.media_set_id
INNER JOIN sys.databases AS d ON d.name = b.database_name
WHERE b.backup_finish_date > DATEADD(day, -60, GETDATE()) AND {is_listed}
ORDER BY d.name, b.backup_finish_date DESC;";

/// Commented out: older servers do not know these views.
fn availability(script: &mut Script<'_>) -> io::Result<()> {
    script.remark(
        "SQL Server 2012 and later: availability groups, and pages that these mended by \
         themselves. No restore while a database is in a group; take it out first. The other \
         replicas may have good pages: reading a damaged page on the primary asks them for it.",
    )?;
    script.off(
        "SELECT r.group_database_id, DB_NAME(r.database_id) AS name, r.is_local,\n    \
         r.synchronization_state_desc, r.synchronization_health_desc\n\
         FROM sys.dm_hadr_database_replica_states AS r;",
    )?;
    script.off("SELECT * FROM sys.dm_hadr_auto_page_repair;")?;
    script.off("SELECT * FROM sys.dm_db_mirroring_auto_page_repair;")
}

/// What was found in the database, file by file.
pub(super) fn found(target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    let loss = &target.loss;
    script.remark(match loss.model {
        Model::Simple => "Recovery model, by its boot page: SIMPLE.",
        Model::Logged => "Recovery model, by its boot page: FULL or BULK_LOGGED.",
        Model::Unknown => "Recovery model: not known. Part 1 shows it.",
    })?;
    if loss.is_copy {
        script.remark(
            "Several scanned files have this name and this file id: copies, or databases of \
             different servers. Find out which one this is before you restore anything.",
        )?;
    }
    loss.files.iter().try_for_each(|file| found_in(file, loss, script))
}

fn found_in(
    file: &FileLoss<'_>,
    loss: &DatabaseLoss<'_>,
    script: &mut Script<'_>,
) -> io::Result<()> {
    let (id, path, count) = (file.file_id(), safe(file.path), file.suspects.len());
    let way = way(file, loss);
    script.remark(&format!("File {id}, {path}: suspects {count}; {way}"))?;
    if let Some(not_reached) = file.file.map(|f| f.coverage.not_reached).filter(|n| *n > 0) {
        script.remark(&format!(
            "- {not_reached} pages of it were not reached: if it is cut short, restore the file"
        ))?;
    }
    let all = file.route() == Route::Pages;
    let shown = if all { count } else { count.min(DESCRIBED_MAX) };
    file.suspects.iter().take(shown).try_for_each(|suspect| script.remark(&described(suspect)))?;
    match count - shown {
        0 => Ok(()),
        more => script.remark(&format!("- and {more} more")),
    }
}

fn way(file: &FileLoss<'_>, loss: &DatabaseLoss<'_>) -> String {
    match file.route() {
        _ if loss.system.is_some() => "see below".to_owned(),
        Route::Database => "a log file: restore the DATABASE".to_owned(),
        Route::None => "nothing to restore yet".to_owned(),
        _ if loss.is_whole() => "restore the DATABASE".to_owned(),
        Route::File(why) => format!("restore the FILE, not its pages: {}", why.text()),
        Route::Pages => "restore its PAGES".to_owned(),
    }
}

/// `- #4 (1:57) data, dbo.T (heap): bad checksum`
fn described(suspect: &Suspect) -> String {
    let Suspect { rank, file_id, page_id, page_type, reason, .. } = suspect;
    let object = suspect.object.as_ref().map_or_else(String::new, |name| format!(", {name}"));
    let hint = match Remedy::of(suspect) {
        Remedy::File => "; cannot be restored alone",
        Remedy::Rebuild => "; its index can be made again",
        Remedy::Unsettled => "; changed between looks, LEFT OUT: scan a snapshot first",
        Remedy::Doubtful => {
            "; perhaps a free page, LEFT OUT: scan again when its PFS page is sound"
        }
        Remedy::Nothing => "; not in use, LEFT OUT",
        Remedy::Page => "",
    };
    let text = format!("{page_type}{object}: {}", reason.replace('_', " "));
    format!("- #{rank} ({file_id}:{page_id}) {}{hint}", safe(&text))
}

/// Statements that read single pages. They are commented out, because SQL Server writes what it
/// finds on them to its error log and to msdb.
pub(super) fn pages(target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    let mut suspects: Vec<_> = target.loss.suspects().filter(|s| s.allocated != "no").collect();
    suspects.sort_by_key(|suspect| suspect.rank);
    suspects.truncate(LOOKED_AT_MAX);
    let Some(name) = &target.text else { return Ok(()) };
    if suspects.is_empty() {
        return Ok(());
    }
    script.title(&format!("Look at single pages (the {LOOKED_AT_MAX} most urgent at most)"))?;
    script.remark(
        "Reading a damaged page writes to the error log and adds rows to msdb.dbo.suspect_pages \
         (event_type 1, 2 or 3), which holds 1,000. Msg 823 and 824 have severity 24: the \
         connection may end; go on with the next page.",
    )?;
    page_info(name, &suspects, script)?;
    dbcc_page(name, &suspects, script)
}

/// NULL as database id would be an error, and no such database a scan of nothing.
fn page_info(name: &str, suspects: &[&Suspect], script: &mut Script<'_>) -> io::Result<()> {
    let whole: Vec<_> = suspects.iter().filter(|suspect| !is_header_bad(suspect)).collect();
    if whole.is_empty() {
        return Ok(());
    }
    let rows = whole.iter().map(|suspect| format!("({}, {})", suspect.file_id, suspect.page_id));
    let rows = rows.collect::<Vec<_>>().join(", ");
    script.remark("SQL Server 2019 and later, pages whose header can be believed:")?;
    script.off(&format!(
        "DECLARE @id int = DB_ID({name});\n\
         IF @id IS NULL PRINT 'There is no such database on this server.'\n\
         ELSE SELECT s.file_id, s.page_id, p.page_type_desc, p.object_id, p.index_id,\n    \
         p.page_level, OBJECT_SCHEMA_NAME(p.object_id, @id) AS schema_name,\n    \
         OBJECT_NAME(p.object_id, @id) AS name\n\
         FROM (VALUES {rows}) AS s (file_id, page_id)\n\
         CROSS APPLY sys.dm_db_page_info(@id, s.file_id, s.page_id, 'DETAILED') AS p;"
    ))
}

fn dbcc_page(name: &str, suspects: &[&Suspect], script: &mut Script<'_>) -> io::Result<()> {
    script.remark(
        "All versions (DBCC PAGE is not documented). Style 0 shows the header, with ObjectId and \
         IndexId under Metadata; style 2, used where the header cannot be believed, shows bytes. \
         Style 3 interprets rows: not on damaged pages.",
    )?;
    script.off(&format!("DECLARE @db sysname = {name};"))?;
    script.off("DBCC TRACEON (3604) WITH NO_INFOMSGS;")?;
    suspects.iter().try_for_each(|suspect| {
        let Suspect { rank, file_id, page_id, .. } = suspect;
        let style = if is_header_bad(suspect) { 2 } else { 0 };
        let statement =
            format!("DBCC PAGE (@db, {file_id}, {page_id}, {style}) WITH TABLERESULTS;");
        script.off(&format!("{statement} -- #{rank}"))
    })
}

fn is_header_bad(suspect: &Suspect) -> bool {
    let reasons = ["bad_header", "zeroed", "unreadable", "wrong_page_id"];
    reasons.contains(&&*suspect.reason) || suspect.page_type == "unknown"
}

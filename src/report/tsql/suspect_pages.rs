//! All suspects as a table with the columns of `msdb.dbo.suspect_pages`, in a database of the
//! DBA's choice; msdb itself is never written to.

use super::Target;
use super::script::Script;
use crate::consolidate::report::Suspect;
use std::io;

/// Rows that one INSERT takes at most.
const INSERT_ROWS_MAX: usize = 1000;

const TABLE: &str = "\
CREATE TABLE dbo.pagescrub_suspect_pages (
    database_id int NULL,
    file_id int NOT NULL,
    page_id bigint NOT NULL,
    event_type int NOT NULL,
    error_count int NOT NULL,
    last_update_date datetime NULL
);";

const COLUMNS: &str = "database_id, file_id, page_id, event_type, error_count, last_update_date";

/// Writes the table with all suspects of `targets`.
pub(super) fn write(
    targets: &[Target<'_>],
    date: Option<&str>,
    script: &mut Script<'_>,
) -> io::Result<()> {
    script.heading("Part 3: all suspects as a table")?;
    script.remark(
        "In a database of yours that is sound, not in msdb. The columns are those of \
         msdb.dbo.suspect_pages; event_type 1: 823, or 824 but for the next; 2: bad checksum; 3: \
         torn page. database_id is NULL if this server has no such database; last_update_date \
         is UTC.",
    )?;
    script.off("USE <notes_database, sysname, >;")?;
    script.off(TABLE)?;
    let date = date.map_or_else(|| "NULL".to_owned(), |date| format!("'{date}'"));
    targets.iter().try_for_each(|target| inserts(target, &date, script))
}

fn inserts(target: &Target<'_>, date: &str, script: &mut Script<'_>) -> io::Result<()> {
    let name = target.text.as_deref();
    let database = name.map_or_else(|| "NULL".to_owned(), |name| format!("DB_ID({name})"));
    let suspects: Vec<&Suspect> = target.loss.suspects().collect();
    for chunk in suspects.chunks(INSERT_ROWS_MAX) {
        script.off(&format!("INSERT INTO dbo.pagescrub_suspect_pages ({COLUMNS}) VALUES"))?;
        for (i, suspect) in chunk.iter().enumerate() {
            let Suspect { file_id, page_id, event_type, .. } = suspect;
            let end = if i + 1 == chunk.len() { ";" } else { "," };
            script.off(&format!(
                "({database}, {file_id}, {page_id}, {event_type}, 1, {date}){end}"
            ))?;
        }
    }
    Ok(())
}

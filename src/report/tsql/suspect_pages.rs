//! A table like `msdb.dbo.suspect_pages` with what was found, and commands to look at the pages.

use super::{Database, database_id};
use crate::consolidate::report::Suspect;
use crate::report::escape::{tsql_comment as safe, tsql_text};
use std::io::{self, Write};

/// Rows that one INSERT takes at most.
const INSERT_ROWS_MAX: usize = 1000;
/// Pages of a database with a command to look at them; the most urgent ones.
const LOOKED_AT_MAX: usize = 10;

const TABLE: &str = "
-- 1. What was found, in the columns of msdb.dbo.suspect_pages. msdb itself is left alone.
IF OBJECT_ID(N'tempdb..#suspect_pages') IS NOT NULL DROP TABLE #suspect_pages;
CREATE TABLE #suspect_pages (
    database_id int NULL, -- NULL if there is no such database here
    file_id int NOT NULL,
    page_id bigint NOT NULL,
    event_type int NOT NULL, -- 1: 823, or 824 but for the next; 2: bad checksum; 3: torn page
    error_count int NOT NULL,
    last_update_date datetime NULL -- UTC
);
";

const COLUMNS: &str = "database_id, file_id, page_id, event_type, error_count, last_update_date";

/// Writes the table with all `suspects`.
pub(super) fn write(
    suspects: &[Suspect],
    date: Option<&str>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let date = date.map_or_else(|| "NULL".to_owned(), |date| format!("'{date}'"));
    out.write_all(TABLE.as_bytes())?;
    for chunk in suspects.chunks(INSERT_ROWS_MAX) {
        writeln!(out, "INSERT INTO #suspect_pages ({COLUMNS}) VALUES")?;
        for (i, suspect) in chunk.iter().enumerate() {
            let Suspect { file_id, page_id, event_type, .. } = suspect;
            let database = database_id(suspect.database.as_deref());
            let end = if i + 1 == chunk.len() { ";" } else { "," };
            writeln!(out, "({database}, {file_id}, {page_id}, {event_type}, 1, {date}){end}")?;
        }
    }
    writeln!(
        out,
        "SELECT DB_NAME(database_id) AS database_name, file_id, page_id, event_type\n\
         FROM #suspect_pages ORDER BY database_name, file_id, page_id;"
    )
}

/// Commands that read single pages. They are comments, because SQL Server writes what it finds on
/// them to its error log and to msdb.
pub(super) fn look(databases: &[Database<'_>], out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "\n-- What they belong to, from SQL Server 2019 on; ends at a page whose header is bad:\n\
         -- SELECT s.file_id, s.page_id, p.object_id, p.index_id, p.page_type_desc\n\
         -- FROM #suspect_pages AS s CROSS APPLY sys.dm_db_page_info(\n\
         --     s.database_id, s.file_id, s.page_id, 'DETAILED') AS p;\n\
         -- One page, and then the table it belongs to (run in that database):\n\
         -- DBCC TRACEON (3604);"
    )?;
    for database in databases.iter().filter(|database| database.name.is_some()) {
        // DBCC takes a variable, but no expression.
        let name = match &database.declaration {
            Some(_) => database.sql.clone(),
            None => tsql_text(database.name.unwrap_or_default()),
        };
        let mut suspects: Vec<_> = database.files.iter().flat_map(|file| &file.suspects).collect();
        suspects.sort_by_key(|suspect| suspect.rank);
        for suspect in suspects.into_iter().take(LOOKED_AT_MAX) {
            let Suspect { file_id, page_id, .. } = suspect;
            let what = safe(&suspect.reason);
            writeln!(out, "-- DBCC PAGE ({name}, {file_id}, {page_id}, 3); -- {what}")?;
        }
    }
    writeln!(out, "-- DBCC CHECKTABLE (N'<schema.table>') WITH NO_INFOMSGS, ALL_ERRORMSGS;")
}

//! What was found, and statements that look at single pages.

use super::Target;
use super::script::Script;
use crate::consolidate::recovery::{FileLoss, Model, Remedy, Route, is_extent_map};
use crate::consolidate::report::Suspect;
use crate::report::escape::tsql_comment as safe;
use std::io;

/// Pages of a file described one by one at most, where they are not restored one by one.
const DESCRIBED_MAX: usize = 50;
/// Pages of a database with statements that look at them; the most urgent ones.
const LOOKED_AT_MAX: usize = 20;

/// What was found in the database, file by file.
pub(super) fn found(target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    let loss = &target.loss;
    if target.is_hint() {
        script.remark(
            "Its boot page (1:9) is a suspect itself: its name and its recovery model, if any is \
             given here, are HINTS ONLY. Part 1 tells both; look for the paths of its files there.",
        )?;
    }
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
    loss.files.iter().try_for_each(|file| found_in(file, target, script))
}

fn found_in(file: &FileLoss<'_>, target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    let (id, path, count) = (file.file_id, safe(file.path), file.suspects.len());
    let way = way(file, target);
    if file.is_lost {
        return script.remark(&format!("File {id}, {path}: nothing is left of it, KEEP it; {way}"));
    }
    script.remark(&format!("File {id}, {path}: suspects {count}; {way}"))?;
    if let Some(not_reached) = file.file.map(|f| f.coverage.not_reached).filter(|n| *n > 0) {
        script.remark(&format!(
            "- {not_reached} pages of it were not reached: if it is cut short, restore the file"
        ))?;
    }
    let shown = if file.route() == Route::Pages { count } else { count.min(DESCRIBED_MAX) };
    let suspects = by_rank(file.suspects.iter().copied());
    suspects.iter().take(shown).try_for_each(|suspect| script.remark(&described(suspect)))?;
    and_more(count - shown, script)
}

/// The most urgent first.
fn by_rank<'a>(suspects: impl Iterator<Item = &'a Suspect>) -> Vec<&'a Suspect> {
    let mut suspects: Vec<_> = suspects.collect();
    suspects.sort_by_key(|suspect| suspect.rank);
    suspects
}

fn and_more(more: usize, script: &mut Script<'_>) -> io::Result<()> {
    if more == 0 { Ok(()) } else { script.remark(&format!("- and {more} more, by rank")) }
}

fn way(file: &FileLoss<'_>, target: &Target<'_>) -> String {
    let has = |remedy| !file.with(&[remedy]).is_empty();
    let text = match file.route() {
        _ if target.loss.system.is_some() => "see below",
        Route::Database => "a log file: restore the DATABASE",
        Route::Pages | Route::File(_) if target.is_whole() => "restore the DATABASE",
        Route::File(why) => {
            return format!("restore the FILE, not its pages: {}", why.text());
        }
        Route::Pages if has(Remedy::Page) && has(Remedy::Rebuild) => {
            "restore its PAGES, and make INDEXES again"
        }
        Route::Pages if has(Remedy::Page) => "restore its PAGES",
        _ if has(Remedy::Rebuild) => "make INDEXES again",
        _ => "nothing to restore yet",
    };
    text.to_owned()
}

/// `- #4 (1:57) data, dbo.T (heap): bad checksum`
fn described(suspect: &Suspect) -> String {
    let Suspect { rank, file_id, page_id, page_type, reason, .. } = suspect;
    let object = suspect.object.as_ref().map_or_else(String::new, |name| format!(", {name}"));
    let hint = match Remedy::of(suspect) {
        Remedy::File if is_extent_map(suspect) => "; page restore only tried on a copy first",
        Remedy::File => "; cannot be restored alone",
        Remedy::Rebuild => "; its index can be made again",
        Remedy::Confirm => "; LEFT OUT: have DBCC CHECKDB confirm it on a restored copy first",
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
    let mut suspects = by_rank(target.loss.suspects().filter(|s| s.allocated != "no"));
    let more = suspects.len().saturating_sub(LOOKED_AT_MAX);
    suspects.truncate(LOOKED_AT_MAX);
    if target.text.is_none() || suspects.is_empty() {
        return Ok(());
    }
    script.title(&format!("Look at single pages (the {LOOKED_AT_MAX} most urgent at most)"))?;
    script.remark(
        "Reading a damaged page writes to the error log and adds rows to msdb.dbo.suspect_pages \
         (event_type 1, 2 or 3), which holds 1,000. Msg 823 and 824 have severity 24: the \
         connection may end; go on with the next page. Each statement stands alone.",
    )?;
    page_info(target, &suspects, script)?;
    dbcc_page(target, &suspects, script)?;
    and_more(more, script)
}

fn page_info(
    target: &Target<'_>,
    suspects: &[&Suspect],
    script: &mut Script<'_>,
) -> io::Result<()> {
    let whole: Vec<_> = suspects.iter().filter(|suspect| !is_header_bad(suspect)).collect();
    let Some(name) = target.text.as_ref().filter(|_| !whole.is_empty()) else { return Ok(()) };
    script.remark(
        "SQL Server 2019 and later, pages whose header can be believed. If this server has no such \
         database, DB_ID is NULL: the statement ends with an error and reads nothing.",
    )?;
    whole.iter().try_for_each(|Suspect { rank, file_id, page_id, .. }| {
        script.off(&format!(
            "SELECT p.page_type_desc, p.object_id, p.index_id, p.page_level,\n    \
             OBJECT_SCHEMA_NAME(p.object_id, p.database_id) AS schema_name,\n    \
             OBJECT_NAME(p.object_id, p.database_id) AS name\n\
             FROM sys.dm_db_page_info(DB_ID({name}), {file_id}, {page_id}, 'DETAILED') AS p; \
             -- #{rank}"
        ))
    })
}

/// DBCC takes a literal or a variable, and no expression.
fn dbcc_page(
    target: &Target<'_>,
    suspects: &[&Suspect],
    script: &mut Script<'_>,
) -> io::Result<()> {
    let Some(text) = &target.text else { return Ok(()) };
    script.remark(
        "All versions (DBCC PAGE is not documented). Style 0 shows the header, with ObjectId and \
         IndexId under Metadata; style 2, used where the header cannot be believed, shows bytes. \
         Style 3 interprets rows: not on damaged pages. Trace flag 3604 holds for its connection: \
         again after that has ended.",
    )?;
    script.off("DBCC TRACEON (3604) WITH NO_INFOMSGS;")?;
    let (declared, name) = if target.sql.starts_with('@') {
        (format!("DECLARE {} sysname = {text}; ", target.sql), &target.sql)
    } else {
        (String::new(), text)
    };
    suspects.iter().try_for_each(|suspect| {
        let Suspect { rank, file_id, page_id, .. } = suspect;
        let style = if is_header_bad(suspect) { 2 } else { 0 };
        let page = format!("DBCC PAGE ({name}, {file_id}, {page_id}, {style})");
        script.off(&format!("{declared}{page} WITH TABLERESULTS; -- #{rank}"))
    })
}

fn is_header_bad(suspect: &Suspect) -> bool {
    let reasons = ["bad_header", "zeroed", "unreadable", "wrong_page_id"];
    reasons.contains(&&*suspect.reason) || suspect.page_type == "unknown"
}

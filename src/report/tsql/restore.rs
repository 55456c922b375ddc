//! How one database gets its pages back, and what must be restored as a whole instead
//! (docs/page-format.md, section 10.3).

use super::{Database, Loss};
use crate::consolidate::report::Suspect;
use crate::discover::FileKind;
use crate::page::address::{FileId, PageId};
use crate::page::allocation::fixed_page_type;
use crate::page::kind::PageType;
use crate::report::escape::tsql_comment as safe;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

/// Pages of one file that page restore takes at most.
const FILE_PAGES_MAX: usize = 1000;
/// Pages of one statement, so that a line can be read.
const STATEMENT_PAGES_MAX: usize = 50;
/// Pages named in one remark at most.
const REMARK_PAGES_MAX: usize = 20;

const CONTROL_PAGE: &str = "never restored alone: restore the file or the database";
const EXTENT_MAP: &str = "DIFF or ML maps, not restored alone: restore the file";
const LOG: &str = "in a log file: restore the database, with its log tail if it can be backed up";
const NOT_IN_USE: &str = "not in use: nothing to restore; see to the storage";
const UNSETTLED: &str = "changed between looks: scan an offline copy before you act";
const SIMPLE: &str = "SIMPLE recovery model, no page restore: restore the database";
const TOO_MANY: &str = "more than the 1,000 pages that page restore takes: restore the file";
const INDEX: &str = "index pages: if nonclustered, rather DROP and CREATE the index";

/// Writes the restore of `database`.
pub(super) fn write(database: &Database<'_>, out: &mut dyn Write) -> io::Result<()> {
    let sql = &database.sql;
    match database.name {
        Some(name) => writeln!(out, "\n-- Database {}", safe(name))?,
        None => writeln!(out, "\n-- Databases whose names are not known; see the paths")?,
    }
    if database.has_copies() {
        writeln!(out, "-- Several of these files have the same id: restore each copy by itself.")?;
    }
    if let Some(declaration) = &database.declaration {
        writeln!(
            out,
            "-- Its name has characters that are not safe here. Run this line each time:"
        )?;
        writeln!(out, "{declaration}")?;
    }
    let tail = r"N'<elsewhere>\tail.trn'";
    writeln!(out, "-- The tail of the log first, to a device that has not failed:")?;
    writeln!(out, "-- BACKUP LOG {sql} TO DISK = {tail} WITH NO_TRUNCATE;")?;
    let mut by_page = false;
    for loss in &database.files {
        by_page |= write_file(sql, loss, out)?;
    }
    if by_page { by_page_afterwards(sql, out) } else { as_a_whole_afterwards(sql, out) }
}

impl Database<'_> {
    /// Two files with one id: copies of one database, or databases of the same name.
    fn has_copies(&self) -> bool {
        let ids = self.files.iter().filter_map(|loss| loss.suspects.first());
        let distinct: BTreeSet<u16> = ids.map(|suspect| suspect.file_id).collect();
        distinct.len() < self.files.len()
    }
}

/// True if there is a page to restore by itself.
fn write_file(sql: &str, loss: &Loss<'_>, out: &mut dyn Write) -> io::Result<bool> {
    writeln!(out, "-- File {}", safe(loss.path))?;
    let (pages, others) = sorted_out(loss);
    for chunk in pages.chunks(STATEMENT_PAGES_MAX) {
        let list = listed(chunk);
        writeln!(
            out,
            "RESTORE DATABASE {sql} PAGE = '{list}'\n    FROM DISK = N'<full backup>' \
             WITH NORECOVERY;"
        )?;
    }
    let is_index = |suspect: &&Suspect| suspect.page_type == "index";
    let indexes: Vec<_> = pages.iter().copied().filter(is_index).collect();
    if !indexes.is_empty() {
        remark(INDEX, &indexes, out)?;
    }
    others.iter().try_for_each(|(why, suspects)| remark(why, suspects, out))?;
    let listed = loss.suspects.len() as u64;
    let not_listed = loss.file.map_or(0, |file| file.coverage.suspect.saturating_sub(listed));
    if not_listed > 0 {
        writeln!(out, "-- {not_listed} more of its suspects are not listed: restore the file")?;
    }
    let by_file = |why: &&str| [CONTROL_PAGE, EXTENT_MAP, TOO_MANY].contains(why);
    if not_listed > 0 || others.keys().any(by_file) {
        whole_file(sql, out)?;
    }
    Ok(!pages.is_empty())
}

/// Pages to restore by themselves, and the others by the reason why not.
fn sorted_out<'a>(loss: &Loss<'a>) -> (Vec<&'a Suspect>, BTreeMap<&'static str, Vec<&'a Suspect>>) {
    let (mut pages, mut others) = (Vec::new(), BTreeMap::<_, Vec<_>>::new());
    for &suspect in &loss.suspects {
        match obstacle(suspect, loss) {
            None => pages.push(suspect),
            Some(why) => others.entry(why).or_default().push(suspect),
        }
    }
    if pages.len() > FILE_PAGES_MAX {
        others.insert(TOO_MANY, std::mem::take(&mut pages));
    }
    pages.sort_by_key(|suspect| suspect.page_id);
    (pages, others)
}

fn whole_file(sql: &str, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "-- RESTORE DATABASE {sql} FILE = N'<logical name of the file>'\n\
         --     FROM DISK = N'<full backup>' WITH NORECOVERY; -- its other pages come with it"
    )
}

/// Why a page cannot or need not be restored by itself.
fn obstacle(suspect: &Suspect, loss: &Loss<'_>) -> Option<&'static str> {
    use PageType::{Boot, DiffMap, FileHeader, Gam, MlMap, Pfs, Sgam};
    let fixed = fixed_page_type(FileId(suspect.file_id), PageId(suspect.page_id));
    let file = loss.file;
    match fixed {
        _ if suspect.allocated == "no" => Some(NOT_IN_USE),
        _ if suspect.unsettled => Some(UNSETTLED),
        _ if file.is_some_and(|file| file.kind == FileKind::Log) => Some(LOG),
        _ if file.is_some_and(|file| file.simple_recovery == Some(true)) => Some(SIMPLE),
        Some(FileHeader | Boot | Gam | Sgam | Pfs) => Some(CONTROL_PAGE),
        Some(DiffMap | MlMap) => Some(EXTENT_MAP),
        _ => None,
    }
}

fn remark(why: &str, suspects: &[&Suspect], out: &mut dyn Write) -> io::Result<()> {
    let shown = listed(&suspects[..suspects.len().min(REMARK_PAGES_MAX)]);
    let more = match suspects.len().saturating_sub(REMARK_PAGES_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    writeln!(out, "-- {shown}{more}: {why}")
}

/// `1:57, 1:202`
fn listed(suspects: &[&Suspect]) -> String {
    let address = |suspect: &&Suspect| format!("{}:{}", suspect.file_id, suspect.page_id);
    suspects.iter().map(address).collect::<Vec<_>>().join(", ")
}

fn by_page_afterwards(sql: &str, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "-- Under FULL or BULK_LOGGED recovery only. Then, all of it in this order:\n\
         -- RESTORE DATABASE {sql} FROM DISK = N'<newest differential>' WITH NORECOVERY;\n\
         -- RESTORE LOG {sql} FROM DISK = N'<log backup>' WITH NORECOVERY; -- each one since\n\
         -- BACKUP LOG {sql} TO DISK = N'<new log backup>';\n\
         -- RESTORE LOG {sql} FROM DISK = N'<new log backup>' WITH RECOVERY;"
    )?;
    check(sql, out)
}

fn as_a_whole_afterwards(sql: &str, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "-- The whole database, where that is what must be restored:\n\
         -- RESTORE DATABASE {sql} FROM DISK = N'<full backup>' WITH NORECOVERY;\n\
         -- RESTORE DATABASE {sql} FROM DISK = N'<newest differential>' WITH NORECOVERY;\n\
         -- RESTORE LOG {sql} FROM DISK = N'<log backup>' WITH NORECOVERY; -- each one since\n\
         -- RESTORE DATABASE {sql} WITH RECOVERY;"
    )?;
    check(sql, out)
}

fn check(sql: &str, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "-- DBCC CHECKDB ({sql}) WITH NO_INFOMSGS, ALL_ERRORMSGS;")
}

//! A suspect in SQL Server's words: Msg 823 and 824, in a backup 3043; a page that was bad and then
//! good: Msg 825 (docs/page-format.md, section 10.2), so that what searches logs for them finds
//! ours. They are written by this program, not by a server; what breaks a rule is told in words of
//! our own, with the message of DBCC CHECKDB that it is like.

pub mod breach;
mod system_error;

use super::file_facts::FileFacts;
use super::findings::Finding;
use super::transient::Transient;
use crate::check::Breach;
use crate::diagnose::verdict::SuspectReason;
use crate::page::address::PageAddress;
use crate::page::checksum::Checksum;
use crate::page::header::Lsn;
use crate::read::ReadError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use system_error::WindowsError;

const AFTER_824: &str = "Additional messages in the SQL Server error log or system event log may \
    provide more detail. This is a severe error condition that threatens database integrity and \
    must be corrected immediately. Complete a full database consistency check (DBCC CHECKDB). \
    This error can be caused by many factors; for more information, see SQL Server Books Online.";
const AFTER_823: &str = "Additional messages in the SQL Server error log and system event log may \
    provide more detail. This is a severe system-level error condition that threatens database \
    integrity and must be corrected immediately. Complete a full database consistency check (DBCC \
    CHECKDB). This error can be caused by many factors; for more information, see SQL Server \
    Books Online.";

const AFTER_825: &str = "Additional messages in the SQL Server error log and system event log may \
    provide more detail. This error condition threatens database integrity and must be corrected. \
    Complete a full database consistency check (DBCC CHECKDB). This error can be caused by many \
    factors; for more information, see SQL Server Books Online.";

/// A message: made anew whenever it is shown, for there may be a million of them; or as it was
/// written down.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub struct Message(Told);

#[derive(Clone, Debug)]
enum Told {
    Written(Box<str>),
    Of(What, Where),
    /// Good in the end, after so many failures.
    Healed(What, Where, u8),
}

#[derive(Clone, Debug)]
enum What {
    Checksum(Checksum, Checksum),
    Torn(u32, u32),
    PageId(Option<PageAddress>),
    Audit,
    Owner {
        unit: u64,
        owner: u64,
    },
    Stale {
        lsn: Lsn,
        copy_lsn: Lsn,
        copy: Arc<str>,
    },
    /// What the system says, or what is wrong with the record that holds it in a compressed backup.
    Unreadable(Box<ReadError>),
    Broken(Breach),
}

#[derive(Clone, Debug)]
struct Where {
    place: PageAddress,
    database_id: u16,
    path: Arc<str>,
    backup: Option<InBackup>,
}

#[derive(Clone, Debug)]
struct InBackup {
    database: Arc<str>,
    /// The data file's name there.
    file: Arc<str>,
    offset_bytes: u64,
    /// That is in what the backup unpacks to.
    is_unpacked: bool,
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Told::Written(text) => f.write_str(text),
            Told::Of(What::Broken(breach), place) => breach::message(breach, place, f),
            Told::Of(what, place) if place.backup.is_some() => message_3043(what, place, f),
            Told::Of(What::Unreadable(error), place) => message_823(error, place, f),
            Told::Of(What::Owner { unit, owner }, place) => message_605(*unit, *owner, place, f),
            Told::Of(what, place) => message_824(what, place, f),
            Told::Healed(what, place, failures) => message_825(what, place, *failures, f),
        }
    }
}

impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for Message {}

impl From<Message> for String {
    fn from(message: Message) -> Self {
        message.to_string()
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self(Told::Written(text.into()))
    }
}

/// The message of `finding` in `file`.
pub(super) fn of(finding: &Finding, file: &FileFacts) -> Message {
    Message(Told::Of(What::of(&finding.reason), Where::of(finding.place, file)))
}

/// The message of `transient` in `file`.
pub(super) fn of_transient(transient: &Transient, file: &FileFacts) -> Message {
    let Transient { place, reason, failures, .. } = transient;
    Message(Told::Healed(What::of(reason), Where::of(*place, file), *failures))
}

impl Where {
    fn of(place: PageAddress, file: &FileFacts) -> Self {
        Self {
            place,
            database_id: file.database_id,
            path: Arc::clone(&file.path),
            backup: file.part.as_ref().map(|part| InBackup {
                database: file.database.clone().unwrap_or_else(|| "?".into()),
                file: Arc::clone(&part.logical_name),
                offset_bytes: file.offset_bytes(place.page),
                is_unpacked: part.is_unpacked,
            }),
        }
    }

    fn offset_bytes(&self) -> u64 {
        let in_backup = self.backup.as_ref().map(|backup| backup.offset_bytes);
        in_backup.unwrap_or_else(|| self.place.page.offset_bytes())
    }
}

impl What {
    fn of(reason: &SuspectReason) -> Self {
        match reason {
            SuspectReason::BadChecksum { stored, computed } => Self::Checksum(*stored, *computed),
            SuspectReason::TornPage(check) => Self::Torn(check.expected, check.actual),
            SuspectReason::WrongPageId { found, .. } => Self::PageId(Some(*found)),
            SuspectReason::Zeroed => Self::PageId(None),
            SuspectReason::BadHeader => Self::Audit,
            SuspectReason::Unreadable(error) => Self::Unreadable(error.clone().into()),
            SuspectReason::WrongObject { unit, owner } => {
                Self::Owner { unit: *unit, owner: *owner }
            }
            SuspectReason::StalePage { lsn, copy_lsn, copy } => {
                Self::Stale { lsn: *lsn, copy_lsn: *copy_lsn, copy: Arc::clone(copy) }
            }
            SuspectReason::Inconsistent(breach) => Self::Broken(*breach),
        }
    }

    fn words(&self, place: PageAddress) -> String {
        match self {
            Self::Checksum(stored, computed) => {
                format!("incorrect checksum (expected: {stored}; actual: {computed})")
            }
            Self::Torn(expected, actual) => format!(
                "torn page (expected signature: {expected:#010x}; \
                 actual signature: {actual:#010x})"
            ),
            Self::PageId(found) => {
                incorrect_pageid(place, &found.map_or_else(|| "0:0".to_owned(), bare))
            }
            Self::Audit => {
                "audit failure (a page read from disk failed to pass basic integrity checks)".into()
            }
            Self::Owner { unit, owner } => {
                format!("it belongs to allocation unit {unit} not to {owner}")
            }
            Self::Stale { lsn, copy_lsn, .. } => format!(
                "stale page (a page read returned a log sequence number (LSN) {lsn} that is older \
                 than the last one that was written {copy_lsn})"
            ),
            Self::Unreadable(error) => match WindowsError::of(error) {
                Some(server) => {
                    format!("unreadable, operating system error {server}, here {}", here(error))
                }
                None if is_of_system(error) => {
                    format!("unreadable, operating system error {}", here(error))
                }
                None => format!("unreadable ({error})"),
            },
            Self::Broken(breach) => breach::words(breach),
        }
    }

    /// Of a stale page, which copy shows that.
    fn older_than_a_copy(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale { copy, .. } => write!(f, " It is older than its copy in {copy}."),
            _ => Ok(()),
        }
    }
}

/// What this system says: `error 5 (Input/output error)`.
fn here(error: &ReadError) -> String {
    match error {
        ReadError::Os { code: Some(code), text } => format!("error {code} ({text})"),
        other => other.to_string(),
    }
}

fn is_of_system(error: &ReadError) -> bool {
    matches!(error, ReadError::Os { code: Some(_), .. })
}

fn incorrect_pageid(expected: PageAddress, actual: &str) -> String {
    format!("incorrect pageid (expected {}; actual {actual})", bare(expected))
}

fn bare(address: PageAddress) -> String {
    format!("{}:{}", address.file, address.page)
}

fn message_824(what_is: &What, at: &Where, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let what = what_is.words(at.place);
    let Where { place, database_id, path, .. } = at;
    write!(
        f,
        "SQL Server detected a logical consistency-based I/O error: {what}. It occurred during a \
         read of page {place} in database ID {database_id} at offset {:#016x} in file '{path}'.  \
         {AFTER_824}",
        place.page.offset_bytes(),
    )?;
    what_is.older_than_a_copy(f)
}

fn message_605(unit: u64, owner: u64, at: &Where, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Where { place, database_id, path, .. } = at;
    write!(
        f,
        "Attempt to fetch logical page {place} in database {database_id} failed. It belongs to \
         allocation unit {unit} not to {owner}. It is at offset {:#016x} in file '{path}'.",
        at.offset_bytes(),
    )
}

/// What BACKUP says of a page that it reads; what is wrong and where in the backup is added.
fn message_3043(what_is: &What, at: &Where, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Where { place, path, .. } = at;
    let Some(backup) = &at.backup else { return Ok(()) };
    let InBackup { database, file, offset_bytes, is_unpacked } = backup;
    let what = what_is.words(*place);
    let of_what = if *is_unpacked { "of what it unpacks to, " } else { "" };
    write!(
        f,
        "BACKUP '{database}' detected an error on page {place} in file '{file}': {what}. It is at \
         offset {offset_bytes:#016x} {of_what}in '{path}'."
    )?;
    what_is.older_than_a_copy(f)
}

/// What SQL Server would say, and then what this system said.
fn message_823(error: &ReadError, at: &Where, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (path, offset_bytes) = (&at.path, at.offset_bytes());
    let server = server_words(error);
    write!(
        f,
        "The operating system returned error {server} to SQL Server during a read at offset \
         {offset_bytes:#016x} in file '{path}'. {AFTER_823}"
    )?;
    match WindowsError::of(error) {
        Some(_) => write!(f, " Here, the operating system said: {}.", here(error)),
        None => Ok(()),
    }
}

/// `1117(The request could not be performed because of an I/O device error.)`
fn server_words(error: &ReadError) -> String {
    match (WindowsError::of(error), error) {
        (Some(server), _) => server.to_string(),
        (None, ReadError::Os { code: Some(code), text }) => format!("{code}({text})"),
        (None, other) => other.to_string(),
    }
}

fn message_825(what: &What, at: &Where, failures: u8, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (path, offset_bytes) = (&at.path, at.offset_bytes());
    let error = match what {
        What::Unreadable(error) => server_words(error),
        what => what.words(at.place),
    };
    write!(
        f,
        "A read of the file '{path}' at offset {offset_bytes:#016x} succeeded after failing \
         {failures} time(s) with error: {error}. {AFTER_825}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::confirm::Looks;
    use crate::diagnose::verdict::Allocation;
    use crate::page::address::{FileId, PageId};

    fn file() -> FileFacts {
        FileFacts {
            path: "H:\\DATA\\my_db.mdf".into(),
            database: None,
            database_id: 23,
            simple_recovery: None,
            is_log: false,
            part: None,
            placement: None,
            sound_pages: 0,
            has_primary: true,
            is_boot_suspect: false,
            database_files: Vec::new(),
            is_of_unknown_database: false,
            moved_pages: 0,
        }
    }

    pub(super) fn message(page: u32, reason: SuspectReason) -> String {
        let place = PageAddress::new(FileId(1), PageId(page));
        let finding = Finding::new(0, place, reason, Allocation::Allocated, None);
        let message = of(&finding, &file());
        assert_eq!(Message::from(message.to_string()), message, "as it is written down");
        message.to_string()
    }

    /// As published for page (1:43686) in Microsoft's description of error 824.
    #[test]
    fn a_zeroed_page_reads_as_microsoft_published_it() {
        assert!(message(43_686, SuspectReason::Zeroed).starts_with(
            "SQL Server detected a logical consistency-based I/O error: incorrect pageid \
             (expected 1:43686; actual 0:0). It occurred during a read of page (1:43686) in \
             database ID 23 at offset 0x0000001554c000 in file 'H:\\DATA\\my_db.mdf'.  \
             Additional messages in the SQL Server error log or system event log"
        ));
    }

    #[test]
    fn a_bad_checksum_reads_as_in_a_published_error_log() {
        let reason = SuspectReason::BadChecksum {
            stored: Checksum(0xfa1e_a5ee),
            computed: Checksum(0xfa1e_c1ee),
        };
        let text = message(392, reason);
        assert!(text.contains(
            "incorrect checksum (expected: 0xfa1ea5ee; actual: 0xfa1ec1ee). It occurred during a \
             read of page (1:392) in database ID 23 at offset 0x00000000310000 in file"
        ));
    }

    /// The form of Microsoft's example of error 823, with this system's own error.
    #[test]
    fn an_unreadable_page_is_message_823_with_the_systems_error() {
        let error = ReadError::from(std::io::Error::from_raw_os_error(5));
        let text = message(392, SuspectReason::Unreadable(error));
        assert!(
            text.starts_with(
                "The operating system returned error 1117(The request could not be performed \
             because of an I/O device error.) to SQL Server during a read at offset \
             0x00000000310000 in file 'H:\\DATA\\my_db.mdf'. Additional messages in \
             the SQL Server error log and system event log may provide more detail. This is a \
             severe system-level error condition"
            ),
            "{text}"
        );
    }

    /// SQL Server has the numbers of Windows, on Linux as well.
    #[cfg(target_os = "linux")]
    #[test]
    fn each_error_of_linux_is_the_one_that_sql_server_would_print_with_ours_beside_it() {
        let said = [(5, 1117), (61, 23), (84, 23), (13, 5), (6, 21), (116, 1006), (99_999, 31)];
        for (linux, windows) in said {
            let error = ReadError::Os { code: Some(linux), text: "so".to_owned() };
            let text = message(392, SuspectReason::Unreadable(error));
            let begins = format!("The operating system returned error {windows}(");
            let ends = format!(" Here, the operating system said: error {linux} (so).");
            assert!(text.starts_with(&begins) && text.ends_with(&ends), "{text}");
        }
        let ended = message(392, SuspectReason::Unreadable(ReadError::Ended));
        assert!(ended.contains("error 38(Reached the end of the file.) to SQL Server"), "{ended}");
    }

    /// Microsoft's text of error 825, in full.
    #[test]
    fn a_page_that_healed_is_message_825_with_the_error_that_went_away() {
        let said = |reason| {
            let place = PageAddress::new(FileId(1), PageId(392));
            let looks = Looks { seen: 4, failures: 2, tries: 4, reads_apart: 3, differ: true };
            let message = of_transient(&Transient::new(0, place, reason, looks), &file());
            assert_eq!(Message::from(message.to_string()), message, "as it is written down");
            message.to_string()
        };
        let (stored, computed) = (Checksum(0xfa1e_a5ee), Checksum(0xfa1e_c1ee));
        assert_eq!(
            said(SuspectReason::BadChecksum { stored, computed }),
            "A read of the file 'H:\\DATA\\my_db.mdf' at offset 0x00000000310000 succeeded after \
             failing 2 time(s) with error: incorrect checksum (expected: 0xfa1ea5ee; actual: \
             0xfa1ec1ee). Additional messages in the SQL Server error log and system event log may \
             provide more detail. This error condition threatens database integrity and must be \
             corrected. Complete a full database consistency check (DBCC CHECKDB). This error can \
             be caused by many factors; for more information, see SQL Server Books Online."
        );
        let error = ReadError::Os { code: None, text: "a bad record".to_owned() };
        assert!(said(SuspectReason::Unreadable(error)).contains("with error: a bad record. "));
    }

    /// What is bad is the record in a compressed backup, and what it says is not the system's.
    #[test]
    fn a_bad_record_is_no_error_of_the_system() {
        let error = ReadError::Os { code: None, text: "the record is bad".to_owned() };
        let what = What::of(&SuspectReason::Unreadable(error));
        let backup = |is_unpacked| InBackup {
            database: "sales".into(),
            file: "sales_data".into(),
            offset_bytes: 8192,
            is_unpacked,
        };
        let said = |what: What, is_unpacked| {
            let place = PageAddress::new(FileId(1), PageId(57));
            let (path, backup) = ("a.bak".into(), Some(backup(is_unpacked)));
            Message(Told::Of(what, Where { place, database_id: 5, path, backup })).to_string()
        };
        let text = said(what.clone(), true);
        assert!(text.contains("unreadable (the record is bad)."), "{text}");
        assert!(text.ends_with("0x00000000002000 of what it unpacks to, in 'a.bak'."), "{text}");
        assert!(said(what, false).ends_with("0x00000000002000 in 'a.bak'."));
    }
}

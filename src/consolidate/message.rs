//! A suspect in SQL Server's words: Msg 823 and 824 (docs/page-format.md, section 10.2), so that
//! what searches logs for them finds ours. They are written by this program, not by a server.

use super::conclude::FileFacts;
use super::rank::Finding;
use crate::diagnose::verdict::SuspectReason;
use crate::page::address::PageAddress;
use crate::read::ReadError;
use serde::{Deserialize, Serialize};
use std::fmt;

const AFTER_824: &str = "Additional messages in the SQL Server error log or system event log may \
    provide more detail. This is a severe error condition that threatens database integrity and \
    must be corrected immediately. Complete a full database consistency check (DBCC CHECKDB). \
    This error can be caused by many factors; for more information, see SQL Server Books Online.";
const AFTER_823: &str = "Additional messages in the SQL Server error log and system event log may \
    provide more detail. This is a severe system-level error condition that threatens database \
    integrity and must be corrected immediately. Complete a full database consistency check (DBCC \
    CHECKDB). This error can be caused by many factors; for more information, see SQL Server \
    Books Online.";

/// A message, kept without the sentences that all messages of its kind end with: there may be a
/// million of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub struct Message {
    text: Box<str>,
    ending: Ending,
}

/// How it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// As every Msg 823.
    Of823,
    /// As every Msg 824.
    Of824,
    /// Like nothing that is known.
    Other,
}

impl Ending {
    fn text(self) -> &'static str {
        match self {
            Self::Of823 => AFTER_823,
            Self::Of824 => AFTER_824,
            Self::Other => "",
        }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.text, self.ending.text())
    }
}

impl From<Message> for String {
    fn from(message: Message) -> Self {
        message.to_string()
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        let is_it = |ending: &Ending| text.ends_with(ending.text());
        let ending = [Ending::Of823, Ending::Of824].into_iter().find(is_it);
        let ending = ending.unwrap_or(Ending::Other);
        Self { text: text[..text.len() - ending.text().len()].into(), ending }
    }
}

/// The message of `finding` in `file`.
pub(super) fn of(finding: &Finding, file: &FileFacts) -> Message {
    match &finding.reason {
        SuspectReason::Unreadable(error) => message_823(finding.place, error, file),
        SuspectReason::BadChecksum { stored, computed } => {
            let what = format!("incorrect checksum (expected: {stored}; actual: {computed})");
            message_824(finding.place, &what, file)
        }
        SuspectReason::TornPage(check) => {
            let (expected, actual) = (check.expected, check.actual);
            let what = format!(
                "torn page (expected signature: {expected:#010x}; \
                 actual signature: {actual:#010x})"
            );
            message_824(finding.place, &what, file)
        }
        SuspectReason::WrongPageId { expected, found } => {
            message_824(finding.place, &incorrect_pageid(*expected, &bare(*found)), file)
        }
        SuspectReason::Zeroed => {
            message_824(finding.place, &incorrect_pageid(finding.place, "0:0"), file)
        }
        SuspectReason::BadHeader => {
            let what =
                "audit failure (a page read from disk failed to pass basic integrity checks)";
            message_824(finding.place, what, file)
        }
    }
}

fn incorrect_pageid(expected: PageAddress, actual: &str) -> String {
    format!("incorrect pageid (expected {}; actual {actual})", bare(expected))
}

fn bare(address: PageAddress) -> String {
    format!("{}:{}", address.file, address.page)
}

fn message_824(place: PageAddress, what: &str, file: &FileFacts) -> Message {
    let text = format!(
        "SQL Server detected a logical consistency-based I/O error: {what}. It occurred during a \
         read of page {place} in database ID {} at offset {:#016x} in file '{}'.  ",
        file.database_id,
        place.page.offset_bytes(),
        file.path,
    );
    Message { text: text.into(), ending: Ending::Of824 }
}

fn message_823(place: PageAddress, error: &ReadError, file: &FileFacts) -> Message {
    let system_error = match error {
        ReadError::Os { code: Some(code), text } => format!("{code} ({text})"),
        other => other.to_string(),
    };
    let text = format!(
        "The operating system returned error {system_error} to SQL Server during a read at offset \
         {:#016x} in file '{}'. ",
        place.page.offset_bytes(),
        file.path,
    );
    Message { text: text.into(), ending: Ending::Of823 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::verdict::Allocation;
    use crate::page::address::{FileId, PageId};
    use crate::page::checksum::Checksum;

    fn message(page: u32, reason: SuspectReason) -> String {
        let place = PageAddress::new(FileId(1), PageId(page));
        let finding = Finding::new(0, place, reason, Allocation::Allocated, None);
        let path = "H:\\DATA\\my_db.mdf".into();
        let file = FileFacts {
            path,
            database: None,
            database_id: 23,
            simple_recovery: None,
            is_log: false,
            placement: None,
            sound_pages: 0,
            has_primary: true,
            is_boot_suspect: false,
        };
        let message = of(&finding, &file);
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
                "The operating system returned error 5 (Input/output error) to SQL Server during a \
             read at offset 0x00000000310000 in file 'H:\\DATA\\my_db.mdf'. Additional messages in \
             the SQL Server error log and system event log may provide more detail. This is a \
             severe system-level error condition"
            ),
            "{text}"
        );
    }
}

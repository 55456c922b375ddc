//! What the name of a file says of it (docs/page-format.md, section 5.4.1): the one table that
//! decides which names a scan must not pass over.
//!
//! A name is taken apart at its dots; all but the first part are endings. Of an ending only the
//! letters and digits count that it begins with: ransomware and people append to it
//! (`sales.mdf~`, `sales.mdf[id-1F]`, `sales.bak-old`). Case never counts.

use std::path::Path;

/// Endings of SQL Server's files, anywhere among the endings.
const ANYWHERE: [&str; 5] = ["mdf", "ndf", "ldf", "bak", "trn"];
/// Endings that many other files have, too: only as the last one.
const LAST: [&str; 4] = ["dif", "diff", "bck", "full"];
/// Endings of texts about files of SQL Server.
const NEVER: [&str; 1] = ["log"];
/// Endings of data files.
const DATA_FILES: [&str; 2] = ["mdf", "ndf"];
/// Endings of the checksums and signatures that stand beside a file.
const SIDECARS: [&str; 17] = [
    "md5",
    "sha",
    "sha1",
    "sha224",
    "sha256",
    "sha384",
    "sha512",
    "md5sum",
    "sha256sum",
    "sfv",
    "crc",
    "crc32",
    "b2",
    "b3",
    "blake3",
    "sig",
    "asc",
];
/// A larger file is no checksum and no signature.
const SIDECAR_BYTES_MAX: u64 = 64 << 10;
/// Endings of encryption that somebody wanted; what ransomware appends is not among them.
const ENCRYPTED: [&str; 4] = ["gpg", "pgp", "age", "enc"];
/// Endings of archives.
const ARCHIVES: [&str; 16] = [
    "gz", "tgz", "zip", "7z", "rar", "zst", "xz", "txz", "tar", "bz2", "tbz2", "lz4", "lzma", "lz",
    "cab", "z",
];
/// Endings of disks of virtual machines, and of images of disks.
const DISKS: [&str; 9] = ["vhdx", "avhdx", "vhd", "avhd", "vmdk", "qcow2", "vdi", "iso", "img"];
/// Ending of a database snapshot, by custom.
const SNAPSHOT: &str = "ss";
/// What the name of a snapshot holds that SQL Server makes for DBCC.
const SNAPSHOT_OF_DBCC: &str = "mssql_dbcc";

/// Endings that a file has on its server, or that people and programs give it in good faith.
const BENIGN: [&str; 18] = [
    "mdf", "ndf", "ldf", "bak", "trn", "dif", "diff", "bck", "full", "old", "tmp", "part", "gpg",
    "age", "enc", "gz", "copy", "orig",
];

/// What the last ending says that the file is packed into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrap {
    /// Encrypted by its owner.
    Encrypted,
    /// An archive.
    Archive,
    /// One of the parts of an archive; only the first one begins as an archive does.
    PartOfArchive,
    /// A disk.
    Disk,
}

/// What a name says.
#[derive(Debug)]
pub(super) struct Name {
    text: String,
    endings: Vec<String>,
}

impl Name {
    /// Of the last part of `path`.
    pub(super) fn of(path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let ending = |part: &str| -> String {
            part.trim_start().chars().take_while(char::is_ascii_alphanumeric).collect()
        };
        let endings = name.split('.').skip(1).map(ending).filter(|e| !e.is_empty()).collect();
        Self { text: name, endings }
    }

    /// It is the name of a database file or a backup, or was before something was appended.
    pub(super) fn is_of_sql_server(&self) -> bool {
        let Some(last) = self.last() else { return false };
        let is_in_table = |ending: &String| ANYWHERE.contains(&ending.as_str());
        !NEVER.contains(&last) && (LAST.contains(&last) || self.endings.iter().any(is_in_table))
    }

    /// It is the name of a data file, with nothing appended.
    pub(super) fn is_of_data_file(&self) -> bool {
        self.last().is_some_and(|last| DATA_FILES.contains(&last))
    }

    /// It is the name of a database snapshot.
    pub(super) fn is_of_snapshot(&self) -> bool {
        self.last() == Some(SNAPSHOT) || self.text.contains(SNAPSHOT_OF_DBCC)
    }

    /// It is the name of the checksum or signature of another file, and `bytes` are not too many.
    pub(super) fn is_of_sidecar(&self, bytes: u64) -> bool {
        self.last().is_some_and(|last| SIDECARS.contains(&last)) && bytes <= SIDECAR_BYTES_MAX
    }

    /// What the file is packed into, and the ending that says so.
    pub(super) fn wrap(&self) -> Option<(Wrap, &str)> {
        let last = self.last()?;
        let before = self.endings.len().checked_sub(2).map(|at| self.endings[at].as_str());
        if is_part_number(last) {
            let before = before.filter(|b| ARCHIVES.contains(b) || ENCRYPTED.contains(b));
            return before.map(|ending| (Wrap::PartOfArchive, ending));
        }
        let wraps = [
            (Wrap::Encrypted, &ENCRYPTED[..]),
            (Wrap::Archive, &ARCHIVES[..]),
            (Wrap::Disk, &DISKS[..]),
        ];
        let wrap = wraps.into_iter().find(|(_, endings)| endings.contains(&last));
        wrap.map(|(wrap, _)| (wrap, last))
    }

    fn last(&self) -> Option<&str> {
        self.endings.last().map(String::as_str)
    }
}

/// `001`, as in `sales.7z.001`.
fn is_part_number(ending: &str) -> bool {
    (2..=4).contains(&ending.len()) && ending.bytes().all(|byte| byte.is_ascii_digit())
}

/// True if the name of `path` says data file. One that is called .mdf and holds something else is
/// what a scan must not pass over in silence.
pub fn promises_pages(path: &Path) -> bool {
    Name::of(path).is_of_data_file()
}

/// True if the last ending of `path` is one that nobody gives a database file in good faith.
pub fn has_foreign_ending(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| !BENIGN.contains(&ending.to_ascii_lowercase().as_str()))
}

/// True if the name of `path` says that it is a file of SQL Server: one that holds nothing of
/// that is what ransomware and failed copies leave.
pub(super) fn promises_database(path: &Path) -> bool {
    Name::of(path).is_of_sql_server()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::of(Path::new(text))
    }

    #[test]
    fn a_name_of_sql_server_is_known_whatever_was_appended_to_it() {
        for text in [
            "sales.mdf",
            "SALES.MDF",
            "sales.mdf.locked",
            "sales.mdf.id[1E857D00-2700].[mail@example.com].phobos",
            "sales.mdf[mail@example.com].crypt",
            "crm.ndf.id-1F.crypt",
            "HR.bak.akira",
            "sales.mdf~",
            "sales.mdf.1",
            "sales.mdf ",
            "sales.mdf.",
            "sales.mdf. ..",
            "sales_log.ldf.bak",
            "sales.trn-old",
            ".bak",
            r"C:\Data\Sales.Mdf",
            "sales.dif",
            "sales.DIFF",
            "sales.bck",
            "sales.full",
            "sales.bak.gz",
        ] {
            assert!(name(text).is_of_sql_server(), "{text}");
        }
    }

    #[test]
    fn other_names_are_not() {
        for text in [
            "",
            "mdf",
            "bak",
            "sales.full.txt",
            "a.diff.html",
            "backup.log",
            "sales.bak.log",
            "notes.txt",
            "sales.mdfx",
            "sales.xmdf",
            "report.json",
            "sales.dif.tmp",
        ] {
            assert!(!name(text).is_of_sql_server(), "{text}");
        }
    }

    #[test]
    fn the_last_ending_says_what_a_file_is_packed_into() {
        let wrap = |text| name(text).wrap().map(|(wrap, _)| wrap);
        assert_eq!(wrap("sales.bak.GPG"), Some(Wrap::Encrypted));
        assert_eq!(wrap("sales.bak.7z"), Some(Wrap::Archive));
        assert_eq!(wrap("sales.bak.7z.002"), Some(Wrap::PartOfArchive));
        assert_eq!(wrap("sales.bak.gpg.00"), Some(Wrap::PartOfArchive));
        assert_eq!(wrap("vm.vhdx"), Some(Wrap::Disk));
        for text in ["sales.bak.akira", "sales.gz.locked", "sales.bak.001", "sales.mdf", "gz"] {
            assert_eq!(wrap(text), None, "{text}");
        }
    }

    #[test]
    fn snapshots_and_sidecars_are_known_by_their_names() {
        for text in ["sales.ss", "Sales.SS", "sales.mdf_MSSQL_DBCC7", "sales.mdf:MSSQL_DBCC12"] {
            assert!(name(text).is_of_snapshot(), "{text}");
        }
        assert!(!name("sales.ss.mdf").is_of_snapshot());
        assert!(name("full.bak.sha256").is_of_sidecar(64) && name("a.bak.MD5").is_of_sidecar(0));
        assert!(!name("full.bak.sha256").is_of_sidecar(1 << 20));
        assert!(!name("full.bak").is_of_sidecar(64));
    }

    #[test]
    fn ransomware_appends_endings_that_nobody_else_gives() {
        let is_foreign = |name: &str| has_foreign_ending(Path::new(name));
        for name in ["sales.mdf", "SALES.BAK", "sales.mdf.old", "sales.bak.gz", "sales"] {
            assert!(!is_foreign(name), "{name}");
        }
        assert!(is_foreign("sales.mdf.locked") && is_foreign("sales.mdf[id-1F].cryp"));
    }
}

//! Backups of the scan that take the place of what is to be filled in.

use super::script::Script;
use super::target::Target;
use crate::consolidate::backup::SetReport;
use crate::consolidate::chain::{Chain, Wanted};
use crate::consolidate::database::sets::Medium;
use crate::consolidate::report::FileReport;
use crate::page::line::Line;
use crate::report::escape::{TsqlPath, tsql_comment as safe, tsql_path};
use std::collections::BTreeSet;
use std::io;

/// Databases that backups are looked up for at most: those with the most urgent pages.
const CHAINS_MAX: usize = 1000;

/// What a statement restores from.
pub(super) struct Source {
    /// Variables for paths that are no literals, before the statement and on its line, if any.
    pub(super) declared: String,
    /// `DISK = ...`, once for each file.
    pub(super) disks: String,
    /// `FILE = n, ` where a file has several sets, else nothing.
    pub(super) file: String,
    /// The scan knows that it has no backup checksums.
    pub(super) is_bare: bool,
}

impl Source {
    /// Members with a path that is no place of its own on every machine are to be filled in as
    /// `what`, `what`_2 and so on.
    fn of(medium: &Medium<'_>, target: &Target<'_>, what: &str) -> Self {
        let mut declared = String::new();
        let disk = |(i, path): (usize, &&str)| {
            let name = if i == 0 { what.to_owned() } else { format!("{what}_{}", i + 1) };
            let path = match tsql_path(path).filter(|_| is_absolute(path)) {
                Some(TsqlPath::Literal(literal)) => literal,
                Some(TsqlPath::Variable(expression)) => {
                    let variable = format!("@db{}_{name}", target.number);
                    declared += &format!("DECLARE {variable} nvarchar(260) = {expression}; ");
                    variable
                }
                None => target.hole(&name),
            };
            format!("DISK = {path}")
        };
        let disks: Vec<String> = medium.paths.iter().enumerate().map(disk).collect();
        let file = match medium.set.position {
            position if medium.is_one_of_several => format!("FILE = {position}, "),
            _ => String::new(),
        };
        let is_bare = medium.set.has_checksum == Some(false);
        Self { declared, disks: disks.join(",\n        "), file, is_bare }
    }

    fn to_fill_in(target: &Target<'_>, what: &str) -> Self {
        let disks = format!("DISK = {}", target.hole(what));
        Self { declared: String::new(), disks, file: String::new(), is_bare: false }
    }

    /// Both clauses, each on a line of its own.
    pub(super) fn clauses(&self, options: &str) -> String {
        format!("\n    FROM {}\n    WITH {}{options}", self.disks, self.file)
    }

    /// A clause of its own for a statement without options.
    pub(super) fn with_file(&self) -> String {
        let file = self.file.trim_end_matches(", ");
        if file.is_empty() { String::new() } else { format!(" WITH {file}") }
    }
}

impl Target<'_> {
    /// The full backup.
    pub(super) fn full(&self) -> Source {
        self.source(self.chain.full.as_ref(), "full_backup")
    }

    /// The differential one.
    pub(super) fn differential(&self) -> Source {
        self.source(self.chain.differential.as_ref(), "differential")
    }

    fn source(&self, medium: Option<&Medium<'_>>, what: &str) -> Source {
        match medium {
            Some(medium) => Source::of(medium, self, what),
            None => Source::to_fill_in(self, what),
        }
    }
}

/// On Windows or elsewhere: from any other path, a server looks in its own backup folder.
fn is_absolute(path: &str) -> bool {
    let is_on_drive = match path.as_bytes() {
        [drive, b':', b'\\' | b'/', ..] => drive.is_ascii_alphabetic(),
        _ => false,
    };
    is_on_drive || path.starts_with('/') || path.starts_with("\\\\")
}

/// Said of backups that the scan was given by paths which mean nothing to a server.
fn left_open(medium: &Medium<'_>) -> &'static str {
    if medium.paths.iter().all(|path| is_absolute(path)) {
        return "";
    }
    " Its path is not absolute, and is left to be filled in: the server would look in its own \
     backup folder."
}

/// The chain for `target`; empty where it is not known for certain which database that is. The
/// databases that SQL Server brings along are alike on all servers.
pub(super) fn of<'a>(target: &Target<'a>, files: &'a [FileReport]) -> Chain<'a> {
    let loss = &target.loss;
    let ids: BTreeSet<Option<&str>> =
        loss.files.iter().map(|loss| loss.file?.binding_id.as_deref()).collect();
    let is_left_out = target.number > CHAINS_MAX || loss.system.is_some();
    let is_backup = loss.suspects().any(|suspect| suspect.backup_set.is_some());
    match ids.first() {
        Some(Some(binding_id)) if ids.len() == 1 && !is_backup && !is_left_out => {
            let mut pages = target.pages();
            pages.extend(target.rebuilds());
            let can_name = |path: &str| tsql_path(path).is_some();
            let of_files = || loss.files.iter().filter_map(|loss| loss.file);
            let line = of_files().map(|file| file.line).find(Line::is_told).unwrap_or_default();
            let end = of_files().find_map(|file| file.checkpoint_lsn);
            Chain::of(files, &Wanted { host: loss.host, binding_id, line, end, pages, can_name })
        }
        _ => Chain::default(),
    }
}

/// Which backups the statements below name, and why.
pub(super) fn write(target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    let Chain { full, differential, other_heir, .. } = &target.chain;
    let Some(full) = full else { return Ok(()) };
    let newest = if target.pages().is_empty() && target.rebuilds().is_empty() {
        "the newest full backup without damage"
    } else {
        "the newest full backup without damage that has a clean copy of each of the pages"
    };
    script.remark(&format!(
        "Of the backups that were scanned, {newest} is named below: {}. By the paths of the scan: \
         on the server they may be others. That its pages are clean does not mean that RESTORE \
         takes it: all of the above holds for it as well. There may be newer ones elsewhere (part \
         1).{}",
        described(full),
        left_open(full)
    ))?;
    match (differential, other_heir) {
        (Some(medium), _) => script.remark(&format!(
            "Its newest scanned differential: {}.{}",
            described(medium),
            left_open(medium)
        )),
        (None, Some(medium)) => script.remark(&format!(
            "A scanned differential names it as its base, but is of files with another binding \
             id: {}. That database was restored since, so that this one is not known to be the \
             same; look whether it is before using it.",
            described(medium)
        )),
        (None, None) => script.remark("No differential that is based on it was scanned."),
    }
}

/// `full backup of sales, 2026-11-20T01:00:00, set 2 of /b/a.bak, /b/b.bak`
fn described(medium: &Medium<'_>) -> String {
    let Medium { set: SetReport { position, .. }, paths, .. } = medium;
    safe(&format!("{}, set {position} of {}", medium.set.words(), paths.join(", ")))
}

/// The log backups that are known, and one to be filled in.
pub(super) fn logs(target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    let (db, Chain { full, logs, gap, .. }) = (&target.sql, &target.chain);
    if !logs.is_empty() {
        script.remark("Log backups of the scan that follow without a gap:")?;
    }
    for (i, log) in logs.iter().enumerate() {
        let open = left_open(log);
        if !open.is_empty() {
            script.remark(&format!("{}.{open}", described(log)))?;
        }
        let log = Source::of(log, target, &format!("log_backup{}", i + 1));
        let Source { declared, disks, file, .. } = log;
        script.off(&format!("{declared}RESTORE LOG {db} FROM {disks} WITH {file}NORECOVERY;"))?;
    }
    if let Some(gap) = gap {
        script.remark(&format!(
            "GAP: no sound log backup of the scan has the log from {} to {}, and later ones cannot \
             be restored without it. Look for it (part 1).",
            gap.first_lsn, gap.end_lsn
        ))?;
    }
    if full.is_some() {
        return script.remark(
            "Log backups that are not in the scan come here, oldest first, each with RESTORE LOG \
             ... WITH NORECOVERY.",
        );
    }
    script.remark("Every log backup since, oldest first: repeat this statement for each.")?;
    let log = target.hole("log_backup");
    script.off(&format!("RESTORE LOG {db} FROM DISK = {log} WITH NORECOVERY;"))
}

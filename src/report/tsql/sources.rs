//! What a restore reads from: devices and files on them, and the logs that follow.

use super::chain::Chain;
use super::script::Script;
use super::target::Target;
use crate::backup::BackupKind;
use crate::consolidate::backup::SetReport;
use crate::consolidate::database::sets::Medium;
use crate::consolidate::report::database::Restore;
use crate::report::escape::{TsqlPath, tsql_comment as safe, tsql_path};
use std::io;

/// Backups that are left out, named at most.
const LEFT_OUT_MAX: usize = 20;

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
        self.source(self.chain.full(), "full_backup")
    }

    /// The differential one.
    pub(super) fn differential(&self) -> Source {
        self.source(self.chain.differential(), "differential")
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

/// Which backups the statements below name, and why.
pub(super) fn write(target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    let Chain { restore, sets, left_out, .. } = &target.chain;
    let Some(restore) = restore else { return Ok(()) };
    if let Some(full) = target.chain.full() {
        script.remark(&format!(
            "Of the backups that were scanned, these are named below: the fewest that bring the \
             database as far as sound ones can{}. By the paths of the scan: on the server they \
             may be others. That nothing in them is damaged does not mean that RESTORE takes them: \
             all of the above holds for them as well. There may be newer ones elsewhere (part 1).",
            reaches(restore)
        ))?;
        script.remark(&format!("- {}.{}", described(full), left_open(full)))?;
        let differential = target.chain.differential().map_or_else(
            || "- no differential: none that was scanned spares a log backup.".to_owned(),
            |medium| format!("- {}.{}", described(medium), left_open(medium)),
        );
        script.remark(&differential)?;
        let logs = sets.iter().filter(|medium| medium.set.kind == BackupKind::Log).count();
        script.remark(&format!("- log backups: {logs}"))?;
    } else if !restore.missing.is_empty() {
        script.remark("None of its backups that were scanned restores it:")?;
    }
    let not_usable = restore.missing.iter().take(LEFT_OUT_MAX);
    not_usable.clone().try_for_each(|why| script.remark(&format!("- left out: {}", safe(why))))?;
    for medium in left_out.iter().take(LEFT_OUT_MAX) {
        let text = described(medium);
        script.remark(&format!("- left out, of another line of its recovery: {text}"))?;
    }
    let named = not_usable.count() + left_out.len().min(LEFT_OUT_MAX);
    match (restore.missing.len() + left_out.len()).saturating_sub(named) {
        0 => Ok(()),
        more => script.remark(&format!("- and {more} more are left out")),
    }
}

/// `: to 2026-11-28 23:00:00, LSN (39:642:1)`
fn reaches(restore: &Restore) -> String {
    let to = restore.reachable_to.as_ref().map(|at| format!(": to {}", at.replacen('T', " ", 1)));
    let lsn = restore.reachable_to_lsn.map(|lsn| format!(", LSN {lsn}"));
    safe(&format!("{}{}", to.unwrap_or_default(), lsn.unwrap_or_default()))
}

/// `full backup of sales, 2026-11-20T01:00:00, set 2 of /b/a.bak, /b/b.bak`
fn described(medium: &Medium<'_>) -> String {
    let Medium { set: SetReport { position, .. }, paths, .. } = medium;
    safe(&format!("{}, set {position} of {}", medium.set.words(), paths.join(", ")))
}

/// The log backups that are known, and one to be filled in.
pub(super) fn logs(target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    let (db, Chain { restore, damaged_log, .. }) = (&target.sql, &target.chain);
    let mut logs = target.chain.of_kind(BackupKind::Log).zip(1..).peekable();
    if logs.peek().is_some() {
        script.remark("Log backups of the scan that follow without a gap:")?;
    }
    for (log, number) in logs {
        let open = left_open(log);
        if !open.is_empty() {
            script.remark(&format!("{}.{open}", described(log)))?;
        }
        let log = Source::of(log, target, &format!("log_backup{number}"));
        let Source { declared, disks, file, .. } = log;
        script.off(&format!("{declared}RESTORE LOG {db} FROM {disks} WITH {file}NORECOVERY;"))?;
    }
    if let Some(damaged) = damaged_log {
        up_to_damage(damaged, target, script)?;
    }
    if let Some(gap) = restore.and_then(|restore| restore.gap_log) {
        script.remark(&format!(
            "GAP: no sound log backup of the scan has the log from {} to {}, and later ones cannot \
             be restored without it. Look for it (part 1).",
            gap.first_lsn, gap.end_lsn
        ))?;
    }
    if target.chain.full().is_some() {
        return script.remark(
            "Log backups that are not in the scan come here, oldest first, each with RESTORE LOG \
             ... WITH NORECOVERY.",
        );
    }
    script.remark("Every log backup since, oldest first: repeat this statement for each.")?;
    let log = target.hole("log_backup");
    script.off(&format!("RESTORE LOG {db} FROM DISK = {log} WITH NORECOVERY;"))
}

/// Where in the backup its damage begins, no clock tells: the time is to be tried.
fn up_to_damage(
    medium: &Medium<'_>,
    target: &Target<'_>,
    script: &mut Script<'_>,
) -> io::Result<()> {
    let db = &target.sql;
    script.remark(&format!(
        "The next log backup is damaged: {}. If no other copy of it is found, it may be restored \
         up to its damage, as the last one: STOPAT takes a time between its begin and its end. Try \
         that on another server first; if it is refused, an earlier time. Nothing can be restored \
         after it.{}",
        described(medium),
        left_open(medium)
    ))?;
    let Source { declared, disks, file, .. } = Source::of(medium, target, "damaged_log");
    let at = format!("<db{}_stop_at, nvarchar(260), >", target.number);
    script.off(&format!(
        "{declared}RESTORE LOG {db} FROM {disks}\n    WITH {file}NORECOVERY, STOPAT = {at};"
    ))
}

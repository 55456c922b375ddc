//! What "clean" does not speak of.

use super::Remark;
use super::missed::structure_only;
use crate::consolidate::backup::BackupReport;
use crate::consolidate::gaps::Gaps;
use crate::consolidate::report::{FileReport, Outcome, ScrubReport};
use crate::report::terminal::layout::counted;

pub(super) fn remarks(report: &ScrubReport) -> Vec<Remark> {
    let in_use = report.coverage.unprotected_in_use();
    let maybe_free = report.coverage.unprotected.saturating_sub(in_use);
    let some = |n: u64, what: &str, end: &str, text: &str| {
        let what = format!("{}{end}", counted(n, what));
        (n > 0).then(|| Remark { what, text: text.to_owned() })
    };
    let remarks = [
        some(
            in_use,
            "page",
            " in use without protection, so not verified",
            "every database has a few; many mean that PAGE_VERIFY is or was off",
        ),
        some(
            maybe_free,
            "page",
            " that may be free, so not verified",
            "zeros or old content, and no PFS page that tells whether they are in use",
        ),
        bare_streams(report),
        structure_only(report).map(|remark| Remark { what: remark.words(), text: String::new() }),
        some(
            declined(report),
            "file",
            " not scanned",
            "nothing in them was to be verified; see Files",
        ),
        some(report.skipped.count, "other file", " skipped", "they are no database files"),
        some(report.excluded.count, "file", " excluded", "they were left out by --exclude"),
    ];
    remarks.into_iter().flatten().collect()
}

fn bare_streams(report: &ScrubReport) -> Option<Remark> {
    let is_bare = |backup: &BackupReport| backup.streams_without_checksum > 0;
    let bare = || report.backups().map(|(_, backup)| backup).filter(|backup| is_bare(backup));
    let streams = bare().map(|backup| backup.streams_without_checksum);
    let streams = Some(streams.fold(0, u64::saturating_add)).filter(|n| *n > 0)?;
    let pages = if bare().all(BackupReport::is_log_only) {
        "their"
    } else {
        "their pages carry their own, where PAGE_VERIFY is on; their"
    };
    Some(Remark {
        what: format!("{} without a backup checksum", counted(streams, "stream")),
        text: format!("{pages} log is not protected (Msg 3187)"),
    })
}

/// Files of which nothing was to be verified; those that count are told elsewhere.
fn declined(report: &ScrubReport) -> u64 {
    let refused = Gaps::of(report).refused;
    let is_told = |file: &FileReport| refused.iter().any(|told| std::ptr::eq(*told, file));
    let is_no_news = |file: &&FileReport| {
        file.backup_set.is_none() && file.outcome == Outcome::Refused && !is_told(file)
    };
    report.files.iter().filter(is_no_news).count() as u64
}

/// `3 backups with 5 stream checksums and 49 compressed records verified`; empty without backups.
pub(in crate::report) fn backups(report: &ScrubReport) -> String {
    let backups = match report.backups().count() as u64 {
        0 => return String::new(),
        n => counted(n, "backup"),
    };
    let streams = counted(report.verified_streams(), "stream checksum");
    let records = counted(report.verified_records(), "compressed record");
    match (report.verified_streams(), report.verified_records()) {
        (0, 0) => format!("{backups} without backup checksums"),
        (_, 0) => format!("{backups} with {streams} verified"),
        (0, _) => format!("{backups} with {records} verified"),
        _ => format!("{backups} with {streams} and {records} verified"),
    }
}

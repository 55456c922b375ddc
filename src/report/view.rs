//! What a report tells people, whatever shows it: the answer in a few points, the databases as
//! rows of a table, and what the verdict does not speak of. It is told here once; a terminal and a
//! page only lay it out. All texts are safe to show.

mod back;
pub(super) mod consistency;
mod databases;
mod lost;
pub(super) mod missed;
mod names;
mod unspoken;

pub(super) use databases::Row;
pub(super) use missed::Remark;
pub(super) use unspoken::backups;

use super::escape::terminal as safe;
use super::terminal::layout::counted;
use crate::consolidate::gaps::Gaps;
use crate::consolidate::report::database::DatabaseReport;
use crate::consolidate::report::{Pattern, RunVerdict, ScrubReport, Suspect};
use databases::missing_words;
use names::{Names, listed};

/// Damaged databases of which the answer tells how they come back; the table has all.
const BACK_MAX: usize = 3;
/// Pages that were bad and then good, named at most.
const HEALED_MAX: usize = 3;
/// What a message of a page says that its file is too short for.
const BEYOND: &str = "beyond the end of the file";

/// How a point is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Bad,
    Unsure,
    /// What to do about it.
    Help,
}

/// A word, and what it means here.
pub(super) struct Point {
    pub(super) tone: Tone,
    pub(super) word: &'static str,
    pub(super) text: String,
}

/// A report for people.
pub(super) struct View {
    /// The answer, what must be known first, first.
    pub(super) points: Vec<Point>,
    /// The worst first.
    pub(super) databases: Vec<Row>,
    /// What the verdict does not speak of.
    pub(super) unspoken: Vec<Remark>,
}

/// The words by which [`View::brief`] finds what it repeats.
const STATES: [&str; 4] = ["CLEAN", "UNVERIFIED", "INCOMPLETE", "DAMAGED"];
const BACK: &str = "BACK";
const ACTION: &str = "ACTION";

impl View {
    pub(super) fn of(report: &ScrubReport) -> Self {
        let names = Names::of(report);
        let unspoken = unspoken::remarks(report);
        let mut points = Vec::new();
        let mut say = |tone, word, text: Option<String>| {
            points.extend(text.map(|text| Point { tone, word, text }));
        };
        for finding in &report.host_findings {
            say(Tone::Bad, "HOST FAULT", Some(safe(finding).into_owned()));
        }
        let (tone, word, text) = state(report, &unspoken);
        say(tone, word, Some(text));
        if report.verdict == RunVerdict::Damaged {
            say(Tone::Bad, "MOVED", moved(report, &names));
            say(Tone::Bad, "LOST", lost::words(report, &names));
            say(Tone::Bad, "COPIES", lost::copies(report));
        }
        for text in backs(report, &names) {
            say(Tone::Help, BACK, Some(text));
        }
        say(Tone::Help, ACTION, action(report));
        besides(report, &names, &mut say);
        Self { points, databases: databases::rows(&report.databases, &names), unspoken }
    }

    /// The verdict.
    pub(super) fn state(&self) -> Option<&Point> {
        self.points.iter().find(|point| STATES.contains(&point.word))
    }

    /// The answer once more, for whoever sees the end only: the state, how the worst database comes
    /// back, and the first step.
    pub(super) fn brief(&self) -> Vec<&Point> {
        let first = |word| self.points.iter().find(|point| point.word == word);
        [self.state(), first(BACK), first(ACTION)].into_iter().flatten().collect()
    }
}

/// The verdict, and what it is about.
fn state(report: &ScrubReport, unspoken: &[Remark]) -> (Tone, &'static str, String) {
    match report.verdict {
        RunVerdict::Clean => {
            let unspoken = unspoken.iter().map(|remark| remark.what.clone());
            let held = consistency::held(report);
            let words = [verified(report)].into_iter().chain(held).chain(unspoken);
            (Tone::Good, "CLEAN", words.collect::<Vec<_>>().join("; "))
        }
        RunVerdict::Unverified => (Tone::Unsure, "UNVERIFIED", unproven(report)),
        RunVerdict::Damaged => (Tone::Bad, "DAMAGED", damage(report)),
        RunVerdict::Incomplete => {
            let pages = counted(report.coverage.intact, "page");
            let sound = sound(report);
            let but = "but not everything could be checked";
            let text = format!("{pages} verified, {sound}, {but}: {}", missed_words(report));
            (Tone::Unsure, "INCOMPLETE", text)
        }
    }
}

/// "None suspect" is not said beside files that are not there.
fn sound(report: &ScrubReport) -> &'static str {
    let lacks = |database: &DatabaseReport| database.missing_files().next().is_some();
    if report.databases.iter().any(lacks) { "all of them sound" } else { "none suspect" }
}

fn verified(report: &ScrubReport) -> String {
    let (backups, sound) = (backups(report), sound(report));
    match report.coverage.intact {
        // In a report of an earlier version.
        0 if backups.is_empty() => "but nothing could be verified: no page in use carries a \
             checksum or torn bits"
            .to_owned(),
        0 => format!("{backups}; no pages verified"),
        pages if backups.is_empty() => format!("{} verified, {sound}", counted(pages, "page")),
        pages => format!("{} verified, {sound}; {backups}", counted(pages, "page")),
    }
}

/// Why a run in which all was read is not clean.
fn unproven(report: &ScrubReport) -> String {
    let remarks = missed::unverified(report).into_iter().chain(missed::structure_only(report));
    let remarks: Vec<String> = remarks.map(|remark| remark.words()).collect();
    let remarks = match remarks.join("; ") {
        // Of several scans, the answer is that of the worst.
        none if none.is_empty() => "what one of the scans read could not be verified".to_owned(),
        remarks => remarks,
    };
    match report.coverage.intact {
        0 => remarks,
        pages => format!("{} verified, {}, but {remarks}", counted(pages, "page"), sound(report)),
    }
}

/// `1 lost file, 2 suspect pages in 1 incident, 1 fault in 1 backup; most urgent first`
fn damage(report: &ScrubReport) -> String {
    let suspects = report.coverage.suspect;
    let lost = report.lost_files().count() as u64;
    let backups = report.backups().filter(|(_, backup)| backup.fault_count() > 0).count() as u64;
    let faults = counted(report.backup_faults(), "fault");
    let mut parts = Vec::new();
    parts.extend((lost > 0).then(|| counted(lost, "lost file")));
    parts.extend((suspects > 0).then(|| {
        let incidents = counted(report.incident_count(), "incident");
        format!("{} in {incidents}", counted(suspects, "suspect page"))
    }));
    let backup = counted(backups, "backup");
    parts.extend((backups > 0).then(|| format!("{faults} in {backup} (see Backups)")));
    parts.extend((suspects == 0).then(|| "no suspect page".to_owned()));
    let end = if suspects > 0 { "; most urgent first" } else { "" };
    let (all, damaged) = (report.databases.len() as u64, damaged(report).count());
    let of = match all {
        0 | 1 => String::new(),
        _ => format!("; {damaged} of {} damaged", counted(all, "database")),
    };
    parts.join(", ") + &of + end
}

/// The databases that are damaged.
pub(super) fn damaged(report: &ScrubReport) -> impl Iterator<Item = &DatabaseReport> {
    report.databases.iter().filter(|database| database.verdict == RunVerdict::Damaged)
}

/// Content that lies too late or too early in its file.
fn moved(report: &ScrubReport, names: &Names<'_>) -> Option<String> {
    let first = report.shifts.first()?;
    let pages = counted(first.pages, "suspect page");
    let file = names.file(first.host.as_deref(), &first.path);
    let more = match report.shifts.len() as u64 - 1 {
        0 => String::new(),
        more => format!("; {} below", counted(more, "more shift")),
    };
    Some(format!("{file}: {} ({pages} explained){more}", safe(&first.text)))
}

/// How the damaged databases come back.
fn backs(report: &ScrubReport, names: &Names<'_>) -> Vec<String> {
    let is_told = |database: &&DatabaseReport| {
        let lost = database.lost_files().next().is_some();
        database.suspects > 0 || lost || database.backup_sets > 0
    };
    let (bare, told): (Vec<_>, Vec<_>) =
        damaged(report).filter(is_told).partition(|database| back::is_without_backup(database));
    // Of many, it need not be said of each.
    let (bare, told) = match bare.len() {
        0 | 1 => (Vec::new(), [told, bare].concat()),
        _ => (bare, told),
    };
    let mut words: Vec<String> =
        told.iter().take(BACK_MAX).map(|database| back::words(report, database, names)).collect();
    let more = told.len().saturating_sub(BACK_MAX) as u64;
    if more > 0 {
        words.push(format!("{}: see Databases", counted(more, "more damaged database")));
    }
    if !bare.is_empty() {
        let bare = listed(bare.iter().map(|database| names.database(database)));
        words.push(format!("{bare}: no backup of them is in this scan; scan theirs as well"));
    }
    words
}

fn action(report: &ScrubReport) -> Option<String> {
    let (first, steps) = (report.plan.first()?, report.plan.len() as u64);
    Some(format!("{} ({} below)", safe(&first.title), counted(steps, "step")))
}

/// Takes a tone, a word and what it means, if it has to be said.
type Say<'a> = &'a mut dyn FnMut(Tone, &'static str, Option<String>);

/// What must be known besides the verdict, whatever that is.
fn besides(report: &ScrubReport, names: &Names<'_>, say: Say<'_>) {
    let mut unsure = |word, text| say(Tone::Unsure, word, text);
    unsure("STOPPED", report.run.stopped.then(|| stopped(report)));
    let has_gaps = report.verdict == RunVerdict::Damaged && !Gaps::of(report).is_empty();
    unsure("INCOMPLETE", has_gaps.then(|| missed_words(report)));
    unsure("MISSING", missing(report, names));
    let is_told = report.verdict == RunVerdict::Unverified;
    let unverified = missed::unverified(report).filter(|_| !is_told);
    unsure("UNVERIFIED", unverified.map(|remark| remark.words()));
    unsure("UNSETTLED", consistency::unsettled(report));
    unsure("PATTERN", pattern(report));
    unsure("PERHAPS LOST", perhaps_lost(report));
    unsure("TRANSIENT", healed(report));
    unsure("NOT SEEN", not_looked_into(report));
}

fn stopped(report: &ScrubReport) -> String {
    let not_reached = counted(report.coverage.not_reached, "page");
    let next = match &report.run.checkpoint {
        Some(path) => {
            let path = safe(path);
            format!("to go on, repeat the command with --checkpoint {path} --resume")
        }
        None => "scan again (with --checkpoint FILE, a scan that is stopped can go on)".to_owned(),
    };
    if report.coverage.not_reached == 0 {
        return format!("every page was verified, not all of what they tell was looked up; {next}");
    }
    format!("before the end, {not_reached} not reached; {next}")
}

fn missed_words(report: &ScrubReport) -> String {
    let remarks: Vec<String> = missed::missed(report).iter().map(Remark::words).collect();
    match remarks.join("; ") {
        // Of several scans, the answer is that of the worst.
        none if none.is_empty() => "what one of the scans was to read was not all read".to_owned(),
        remarks => format!("{remarks} (see below)"),
    }
}

/// A right thing to ask for, such as a scan of one volume, unless it is said that it is not.
fn missing(report: &ScrubReport, names: &Names<'_>) -> Option<String> {
    let words = report.databases.iter().filter(|_| !report.run.whole_databases);
    let words: Vec<String> = words.filter_map(|database| missing_words(database, names)).collect();
    (!words.is_empty()).then(|| listed(words.into_iter()))
}

/// What the places of the damage have in common leads to its cause.
fn pattern(report: &ScrubReport) -> Option<String> {
    // A period, such as programs leave, always lies on one member of some array as well.
    let is_period = |pattern: &&Pattern| pattern.kind == "period";
    let first = report.patterns.iter().find(is_period).or(report.patterns.first())?;
    let text = first.text.trim_end_matches('.');
    let more = match report.patterns.len() - 1 {
        0 => String::new(),
        more => format!("; {} below", counted(more as u64, "more pattern")),
    };
    Some(safe(text).into_owned() + &more)
}

/// Zeros that nobody can tell from free pages: the more is lost, the fewer suspects there may be.
fn perhaps_lost(report: &ScrubReport) -> Option<String> {
    let zeros = report.coverage.zero_allocation_unknown;
    let is_said = report.verdict == RunVerdict::Damaged && zeros > 0;
    let why = "lost or free: no PFS page tells which; not among the suspects";
    is_said.then(|| format!("{} of zeros, {why}", counted(zeros, "page")))
}

/// Whatever the verdict: it is how a failing path begins.
fn healed(report: &ScrubReport) -> Option<String> {
    let (listed, rest) = (&report.transients, report.transients_not_listed);
    let (pages, were) = match report.coverage.transient {
        0 => return None,
        1 => ("1 page".to_owned(), "was"),
        n => (counted(n, "page"), "were"),
    };
    let first = listed.iter().take(HEALED_MAX).map(|page| page.address.to_string());
    let first: Vec<String> = first.collect();
    let more = if listed.len() > HEALED_MAX || rest > 0 { ", ..." } else { "" };
    let places =
        if first.is_empty() { String::new() } else { format!(" [{}{more}]", first.join(", ")) };
    Some(format!(
        "{pages} {were} bad and then good (Msg 825){places}: look at the path, such as cables, \
         controllers and memory, before it gets worse"
    ))
}

/// What may hold databases, and nobody knows whether they are sound.
fn not_looked_into(report: &ScrubReport) -> Option<String> {
    let text = match report.not_looked_into.count {
        0 => return None,
        1 => "1 file that may hold databases was not looked into".to_owned(),
        n => format!("{} that may hold databases were not looked into", counted(n, "file")),
    };
    Some(format!("{text} (archives, encrypted files, disks)"))
}

/// What a page is: `index, level 2`, `index root, level 2`, `unknown, root`.
pub(super) fn kind(suspect: &Suspect) -> String {
    let kind = safe(&suspect.page_type).replace('_', " ");
    let root = match (suspect.is_root, &*suspect.page_type) {
        (false, _) => "",
        (true, "unknown") => ", root",
        (true, _) => " root",
    };
    match suspect.level.filter(|level| *level > 0) {
        Some(level) => format!("{kind}{root}, level {level}"),
        None => format!("{kind}{root}"),
    }
}

/// What is wrong with a page, in a few words; both checksums only where there is room for them.
pub(super) fn wrong(suspect: &Suspect, has_room: bool) -> String {
    let mut words = match (&*suspect.reason, suspect.stored, suspect.computed, &suspect.found) {
        ("bad_checksum", Some(stored), Some(computed), _) if has_room => {
            format!("stored {stored} computed {computed}")
        }
        ("wrong_page_id", _, _, Some(found)) => format!("wrong page id: it says {found}"),
        ("unreadable", ..) if suspect.message.to_string().ends_with(&format!("{BEYOND}.")) => {
            if has_room {
                BEYOND.to_owned()
            } else {
                "beyond the end".to_owned()
            }
        }
        ("wrong_object", ..) => wrong_object(suspect, has_room),
        ("inconsistent", ..) => inconsistent(suspect),
        (reason, ..) => safe(reason).replace('_', " "),
    };
    if let (false, Some(found)) = (&*suspect.reason == "wrong_page_id", &suspect.found) {
        words += &format!(", header of {found}");
    }
    if suspect.unsettled {
        words += ", changing";
    }
    match &*suspect.allocated {
        "yes" => words,
        "no" => words + ", not in use",
        _ => words + ", maybe free",
    }
}

/// `P4: two records overlap`
fn inconsistent(suspect: &Suspect) -> String {
    let rule = suspect.broken.as_ref().map(|broken| broken.rule);
    rule.map_or("inconsistent".into(), |rule| format!("{}: {}", rule.name(), rule.wrong()))
}

/// `belongs to dbo.Orders.PK_Orders, extent is of dbo.Import`
fn wrong_object(suspect: &Suspect, has_room: bool) -> String {
    match (&suspect.found_object, &suspect.object) {
        (Some(says), Some(owner)) if has_room => {
            format!("belongs to {}, extent is of {}", safe(says), safe(owner))
        }
        (Some(says), _) => format!("belongs to {}", safe(says)),
        (None, _) => "wrong object".to_owned(),
    }
}

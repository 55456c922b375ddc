//! What a DBA needs to look at the suspects and to restore them, as a T-SQL script
//! (docs/formats.md).
//!
//! Run as a whole, it changes nothing: what is not commented out are queries of `sys` and `msdb`
//! that only read. Nothing in it has been run on a server by this program; a person must.

mod backups;
mod indexes;
mod chain;
mod confirm;
mod look;
mod restore;
mod script;
mod server;
mod simple;
mod sources;
mod suspect_pages;
mod system;
mod target;

use super::escape::tsql_comment as safe;
use super::moment::sql_datetime;
use super::view::missed as headline;
use crate::consolidate::recovery::databases;
use crate::consolidate::report::{ScrubReport, Step};
use backups::DamagedBackups;
use chain::Media;
use script::Script;
use std::io::{self, Write};
use target::Target;

/// Writes the script for `report`.
pub fn write(report: &ScrubReport, out: &mut dyn Write) -> io::Result<()> {
    let mut script = Script::new(out);
    head(report, &mut script)?;
    let backups = DamagedBackups::of(report);
    let losses = databases(report);
    if losses.is_empty() && backups.is_empty() {
        return script.remark(nothing(report));
    }
    let media = Media::of(&report.files);
    let target = |(number, loss)| Target::new(number, loss, &media);
    let targets: Vec<_> = (1..).zip(losses).map(target).collect();
    shifts(report, &mut script)?;
    steps(&report.plan, &mut script)?;
    backups.write(&mut script)?;
    if targets.is_empty() {
        return script.remark(nothing(report));
    }
    server::write(&targets, &mut script)?;
    targets.iter().try_for_each(|target| database(target, &mut script))?;
    suspect_pages::write(&targets, sql_datetime(&report.run).as_deref(), &mut script)
}

/// Said where no page of a database is suspect. That there is nothing to restore is only known
/// where everything was looked at.
fn nothing(report: &ScrubReport) -> &'static str {
    if headline::missed(report).is_empty() {
        "No page of a database is suspect: there is nothing to restore."
    } else {
        "No page that was verified is suspect. What was not verified is named above, and may have \
         to be restored: scan it, or find out what it was, before anything else."
    }
}

fn head(report: &ScrubReport, script: &mut Script<'_>) -> io::Result<()> {
    let (tool, run) = (&report.tool, &report.run);
    let [name, version, id, at] = [&*tool.name, &tool.version, &run.id, &run.started_at].map(safe);
    script.remark(&format!("Written by {name} {version} from scan {id} of {at}."))?;
    script.remark(
        "Run as a whole, this file changes nothing: active are queries of sys and msdb that only \
         read (part 1). All else is commented out: remarks begin with two dashes and a blank (and \
         are no T-SQL if uncommented), statements with two dashes and no blank. Read all of a part \
         before you uncomment any of it, and run it statement by statement.",
    )?;
    script.remark(
        "Each <..., ..., > stands for something to fill in (SSMS: Query, Specify Values for \
         Template Parameters): files as N'X:\\full.bak', with N and quotes, names as [name]. A \
         statement with one of them left in is a syntax error and cannot run.",
    )?;
    script.remark(
        "Nobody has run these statements on your server. Try them on a copy first, and run them \
         from master unless a USE stands above. Backups of other programs are restored with those \
         programs.",
    )?;
    for finding in &report.host_findings {
        script.remark(&format!("HOST FAULT, scan again elsewhere first: {}", safe(finding)))?;
    }
    incomplete(report, script)
}

fn incomplete(report: &ScrubReport, script: &mut Script<'_>) -> io::Result<()> {
    for remark in headline::missed(report) {
        script.remark(&format!("INCOMPLETE: {}.", safe(&remark.words())))?;
    }
    if let Some(remark) = headline::unverified(report) {
        script.remark(&format!("UNVERIFIED: {}.", safe(&remark.words())))?;
    }
    match report.suspects_not_listed {
        0 => Ok(()),
        count => {
            script.remark(&format!("INCOMPLETE: {count} more suspects are counted and not listed."))
        }
    }
}

/// Said first: the rest of the script is for where the file cannot be copied again.
fn shifts(report: &ScrubReport, script: &mut Script<'_>) -> io::Result<()> {
    report.shifts.iter().try_for_each(|shift| {
        let (path, text) = (safe(&shift.path), safe(&shift.text));
        script.remark(&format!("CONTENT HAS MOVED in {path}: {text}. Do not restore its pages."))
    })
}

/// The plan, so that the script can be read alone.
fn steps(plan: &[Step], script: &mut Script<'_>) -> io::Result<()> {
    if plan.is_empty() {
        return Ok(());
    }
    script.heading("What to do, in this order")?;
    plan.iter().enumerate().try_for_each(|(i, step)| {
        script.remark(&format!("{}. {}: {}", i + 1, safe(&step.title), safe(&step.text)))
    })
}

fn database(target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    let Target { number, loss, .. } = target;
    script.heading(&format!("Part 2.{number}: {}", safe(&loss.called())))?;
    look::found(target, script)?;
    target.how_it_is_called(script)?;
    look::pages(target, script)?;
    if let Some(kind) = loss.system {
        return system::write(kind, target, script);
    }
    confirm::write(target, script)?;
    restore::write(target, script)?;
    check(target, script)
}

fn check(target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    script.title("Afterwards, of the database that stays")?;
    script.remark("The check that sees what no checksum shows, then a new full backup.")?;
    script.off(&format!("DBCC CHECKDB ({}) WITH NO_INFOMSGS, ALL_ERRORMSGS;", target.sql))?;
    let to = target.hole("new_full_backup");
    script.off(&format!("BACKUP DATABASE {} TO DISK = {to} WITH CHECKSUM;", target.sql))
}

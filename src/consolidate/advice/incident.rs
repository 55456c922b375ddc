//! What to do about an incident as a whole, and why.

use crate::consolidate::recovery::{PAGE_RESTORE_MAX, Remedy, is_control_page, is_too_large};
use crate::consolidate::report::{FileReport, IncidentReport, Pattern, Suspect};
use std::collections::BTreeMap;

/// Fills in the `action` of each of `incidents`, whose suspects are ranks in `suspects`.
pub fn incident_actions(
    incidents: &mut [IncidentReport],
    suspects: &[Suspect],
    patterns: &[Pattern],
    files: &[FileReport],
) {
    let files = files.iter().map(|file| ((file.host.as_deref(), &*file.path), file));
    let files: BTreeMap<(Option<&str>, &str), &FileReport> = files.collect();
    for incident in incidents {
        let file = files.get(&(incident.host.as_deref(), &*incident.path)).copied();
        let restore = what_to_restore(incident, suspects, file);
        incident.action = array_first(incident, suspects, patterns) + &restore;
    }
}

/// What is restored onto a member that fails is lost again.
fn array_first(incident: &IncidentReport, suspects: &[Suspect], patterns: &[Pattern]) -> String {
    let members = || members(incident, suspects);
    let is_in = |pattern: &&Pattern| {
        pattern.host == incident.host && members().any(|suspect| is_on_member(suspect, pattern))
    };
    let member = patterns.iter().filter(|pattern| pattern.kind == "stripe_member").find(is_in);
    member.map_or_else(String::new, |pattern| {
        let Pattern { member, members, .. } = pattern;
        format!("member {member} of {members} (from 0): see to the array before restoring; then ")
    })
}

/// The suspects of `incident`; ranks that lead nowhere are passed over.
fn members<'a>(
    incident: &'a IncidentReport,
    suspects: &'a [Suspect],
) -> impl Iterator<Item = &'a Suspect> {
    let at = |rank: &usize| rank.checked_sub(1).and_then(|index| suspects.get(index));
    incident.suspects.iter().filter_map(at)
}

/// Of a partition, the offset on its disk is not at hand: it is taken to be on the member.
fn is_on_member(suspect: &Suspect, pattern: &Pattern) -> bool {
    let scope = &*pattern.scope;
    let is_on = |offset: u64| {
        let unit = offset.checked_div(pattern.unit_bytes);
        unit.and_then(|unit| unit.checked_rem(pattern.members.into()))
            == Some(pattern.member.into())
    };
    match &suspect.device {
        Some(device) if pattern.on_device && **device == *scope => {
            suspect.device_offset_bytes.is_some_and(is_on)
        }
        Some(device) if pattern.on_device => device.starts_with(scope),
        None if pattern.on_device => false,
        _ => *suspect.path == *scope && is_on(suspect.offset_bytes),
    }
}

fn what_to_restore(
    incident: &IncidentReport,
    suspects: &[Suspect],
    file: Option<&FileReport>,
) -> String {
    let members: Vec<&Suspect> = members(incident, suspects).collect();
    let control = members.iter().find(|suspect| is_control_page(suspect));
    let all = |remedy| members.iter().all(|suspect| Remedy::of(suspect) == remedy);
    match file {
        _ if all(Remedy::Nothing) => {
            "none of its pages is in use: nothing to restore; see to the storage".to_owned()
        }
        _ if all(Remedy::Unsettled) => "scan a snapshot: its pages change between looks".to_owned(),
        _ if all(Remedy::Doubtful) => {
            "scan again when the PFS page is sound: perhaps free pages".to_owned()
        }
        Some(file) if file.simple_recovery == Some(true) => {
            "restore the database: its recovery model is SIMPLE, so pages cannot be".to_owned()
        }
        file => whole_file(control.copied(), file).unwrap_or_else(|| by_page(incident, &all)),
    }
}

fn whole_file(control: Option<&Suspect>, file: Option<&FileReport>) -> Option<String> {
    let (suspect, pages) = file.map_or((0, 0), |file| (file.coverage.suspect, file.pages));
    let count = usize::try_from(suspect).unwrap_or(usize::MAX);
    match control {
        Some(page) => Some(format!(
            "restore the file: {} is a {} page, which cannot be restored alone",
            page.address, page.page_type
        )),
        None if count > PAGE_RESTORE_MAX => Some(format!(
            "restore the file, not its pages: {suspect} of its pages are suspect, and page \
             restore takes {PAGE_RESTORE_MAX} of a file"
        )),
        None if is_too_large(count, pages) => Some(format!(
            "restore the file, not its pages: {suspect} of its {pages} pages are suspect, more \
             than 5 %"
        )),
        None => None,
    }
}

fn by_page(incident: &IncidentReport, all: &dyn Fn(Remedy) -> bool) -> String {
    match incident.pages {
        _ if all(Remedy::Rebuild) => {
            "pages of indexes that can be made again: check the table first, then DROP and CREATE \
             them"
                .to_owned()
        }
        1 => "restore the page: it stands alone".to_owned(),
        pages => format!(
            "restore its {pages} pages in one page restore: they share their cause, and each \
             further restore reads the backups again"
        ),
    }
}

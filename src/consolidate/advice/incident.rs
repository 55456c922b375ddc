//! What to do about an incident as a whole, and why.

use crate::consolidate::recovery::{PAGE_RESTORE_MAX, Remedy, is_control_page, is_too_large};
use crate::consolidate::report::{FileReport, IncidentReport, Pattern, Suspect};
use std::collections::BTreeMap;
use std::sync::Arc;

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
        incident.action = array_first(incident, patterns) + &restore;
    }
}

/// What is restored onto a member that fails is lost again.
fn array_first(incident: &IncidentReport, patterns: &[Pattern]) -> String {
    let has_device =
        |device: &Arc<str>| incident.spans.iter().any(|span| span.device.as_ref() == Some(device));
    let is_in = |pattern: &&Pattern| {
        let is_here = pattern.host == incident.host;
        let is_it = incident.path == pattern.scope;
        is_here && if pattern.on_device { has_device(&pattern.scope) } else { is_it }
    };
    let member = patterns.iter().filter(|pattern| pattern.kind == "stripe_member").find(is_in);
    member.map_or_else(String::new, |pattern| {
        let Pattern { member, members, .. } = pattern;
        format!("member {member} of {members} (from 0): see to the array before restoring; then ")
    })
}

fn what_to_restore(
    incident: &IncidentReport,
    suspects: &[Suspect],
    file: Option<&FileReport>,
) -> String {
    let at = |rank: &usize| rank.checked_sub(1).and_then(|index| suspects.get(index));
    let members: Vec<&Suspect> = incident.suspects.iter().filter_map(at).collect();
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

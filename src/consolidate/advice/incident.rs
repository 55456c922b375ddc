//! What to do about an incident as a whole, and why.

use super::routes::{Routes, Way};
use super::system;
use crate::consolidate::recovery::{Model, Remedy, Route, Why};
use crate::consolidate::report::{IncidentReport, Pattern, Suspect};

/// Fills in the `action` of each of `incidents`, whose suspects are ranks in `suspects`.
pub(super) fn incident_actions(
    incidents: &mut [IncidentReport],
    suspects: &[Suspect],
    patterns: &[Pattern],
    routes: &Routes,
) {
    for incident in incidents {
        // Nothing is restored because of its parts in backups.
        let own: Vec<&Suspect> =
            members(incident, suspects).filter(|suspect| !suspect.is_in_backup()).collect();
        let is_first = |suspect: &&&Suspect| suspect.path == incident.path;
        let first = own.iter().find(is_first).or(own.first());
        let way = first.and_then(|s| routes.way(incident.host.as_ref(), &s.path));
        let mut action = array_first(incident, suspects, patterns);
        action += &what_to_restore(&own, way);
        if incident.spans.len() > 1 && action != IN_BACKUP {
            action += "; in its other files, see each suspect";
        }
        incident.action = action;
    }
}

/// What is restored onto a member that fails is lost again. Said where most of an incident is on
/// it.
fn array_first(incident: &IncidentReport, suspects: &[Suspect], patterns: &[Pattern]) -> String {
    let is_here = |pattern: &&Pattern| {
        let on_member = members(incident, suspects).filter(|s| is_on_member(s, pattern)).count();
        pattern.host == incident.host && 2 * on_member > incident.suspects.len()
    };
    let stripes = patterns.iter().filter(|pattern| pattern.kind == "stripe_member");
    stripes.filter(is_here).map(see_to_array).next().unwrap_or_default()
}

fn see_to_array(pattern: &Pattern) -> String {
    let Pattern { member, members, .. } = pattern;
    format!("member {member} of {members} (from 0): see to the array before restoring; then ")
}

/// The suspects of `incident`; ranks that lead nowhere are passed over.
fn members<'a>(
    incident: &'a IncidentReport,
    suspects: &'a [Suspect],
) -> impl Iterator<Item = &'a Suspect> {
    let at = |rank: &usize| rank.checked_sub(1).and_then(|index| suspects.get(index));
    incident.suspects.iter().filter_map(at)
}

/// False on partitions, whose offsets are not those of the disk.
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
        _ if pattern.on_device => false,
        _ => *suspect.path == *scope && is_on(suspect.offset_bytes),
    }
}

const IN_BACKUP: &str = "in a backup only: do not rely on it, restore nothing because of it, and \
    scan the data files; where these are sound, take a new full backup WITH CHECKSUM at once";

/// What to do about the `members` of an incident that are in data files.
fn what_to_restore(members: &[&Suspect], way: Option<Way>) -> String {
    if members.is_empty() {
        return IN_BACKUP.to_owned();
    }
    let all = |remedy| members.iter().all(|suspect| Remedy::of(suspect) == remedy);
    let text = match way {
        _ if all(Remedy::Nothing) => {
            "none of its pages is in use: nothing to restore; see to the storage"
        }
        Some(Way { route: Route::File(Why::Shifted), .. }) => {
            "copy the file again from its source, and scan it: its content has moved, and no page \
             of it is restored alone"
        }
        _ if all(Remedy::Unsettled) => "scan a snapshot: its pages change between looks",
        _ if all(Remedy::Doubtful) => "scan again when the PFS page is sound: perhaps free pages",
        _ if all(Remedy::Confirm) => {
            "have DBCC CHECKDB confirm it on a restored copy first: its pages pass their checks, \
             and backups may have them like that"
        }
        Some(Way { system: Some(system), .. }) => system::action(system),
        Some(way) if way.is_copy => {
            "find out first which of the scanned copies the server uses; restore nothing before"
        }
        Some(way) if way.model == Model::Simple && !all(Remedy::Rebuild) => {
            "restore the database beside this one: its recovery model is SIMPLE, so pages cannot be"
        }
        Some(Way { route: Route::Database, .. } | Way { has_log: true, .. }) => {
            "restore the database: its log is damaged"
        }
        Some(Way { route: Route::File(why), model, is_online, .. }) if model != Model::Simple => {
            return of_file(why, is_online);
        }
        _ if all(Remedy::Rebuild) => {
            "pages of indexes that can be made again: check the table first, then DROP and CREATE \
             them in one transaction, or DISABLE and REBUILD them (never a clustered one)"
        }
        _ if members.len() == 1 => "restore the page: it stands alone",
        _ => return by_page(members.iter().filter(|s| Remedy::of(s) == Remedy::Page).count()),
    };
    text.to_owned()
}

fn of_file(why: Why, is_online: bool) -> String {
    let map = match why {
        Why::ExtentMap => " (page restore of that: on a copy first)",
        _ => "",
    };
    let online = if is_online { "; Enterprise edition: its filegroup online" } else { "" };
    format!("restore the file, not its pages: {}{map}{online}", why.text())
}

fn by_page(pages: usize) -> String {
    format!(
        "restore its {pages} pages with rows in one page restore: each further one reads the \
         backups again"
    )
}

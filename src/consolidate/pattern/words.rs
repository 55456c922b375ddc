//! A pattern in words.

use super::{Found, Kind, Offsets, P_VALUE_MIN, Scope};
use crate::page::PAGE_BYTES;
use bytesize::ByteSize;

/// Says where the damage is, how sure that is, and what does such a thing.
pub(super) fn text(found: &Found, scope: &Scope) -> String {
    match found.folding.kind {
        Kind::Stripe => stripe(found, scope),
        Kind::Period => period(found, scope),
    }
}

fn stripe(found: &Found, scope: &Scope) -> String {
    let Found { member, events, hits, .. } = found;
    let members = found.folding.members;
    let unit = ByteSize(found.folding.unit_bytes).display().iec().to_string();
    let unit = unit.replace(".0 ", " ");
    let array = match scope.offsets {
        Offsets::Device => "behind",
        Offsets::File | Offsets::MappedFile => "that holds",
    };
    let (second, what) = match found.second {
        Some((other, hits)) => {
            (format!(", and {hits} on member {other}"), "two failing disks or paths, or more,")
        }
        None => (String::new(), "one failing disk or path"),
    };
    format!(
        "{hits} of {events} damaged {unit} units{} lie on member {member} of {members}{second} \
         (counted from 0; p = {}): consistent with {what} of the array {array} {}",
        only(scope),
        p_value(found.p_value),
        scope.name,
    )
}

/// ` (zeroed only)`
fn only(scope: &Scope) -> String {
    scope.kind.map(|kind| format!(" ({} only)", kind.replace('_', " "))).unwrap_or_default()
}

fn period(found: &Found, scope: &Scope) -> String {
    let Found { member, events, hits, .. } = found;
    let pages = found.folding.members;
    let bytes = ByteSize(u64::from(pages) * PAGE_BYTES as u64).display().iec().to_string();
    let bytes = bytes.replace(".0 ", " ");
    format!(
        "{hits} of {events} damaged pages{}: every {} page from page {member} on (p = {}): \
         consistent with a program that encrypts the head of every {bytes}",
        only(scope),
        ordinal(pages),
        p_value(found.p_value),
    )
}

fn p_value(p_value: f64) -> String {
    if p_value <= P_VALUE_MIN { "1e-300 or less".to_owned() } else { format!("{p_value:.0e}") }
}

fn ordinal(number: u32) -> String {
    let ending = match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinals_read_as_they_are_said() {
        let said = [2, 3, 11, 12, 16, 21, 113, 256].map(ordinal);
        assert_eq!(said, ["2nd", "3rd", "11th", "12th", "16th", "21st", "113th", "256th"]);
    }
}

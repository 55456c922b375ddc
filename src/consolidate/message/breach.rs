//! A rule that is broken, in words: no server has said so, and none may say it like this.

use super::Where;
use crate::check::Breach;
use crate::check::rule::Rule;
use std::fmt;

/// `two records overlap (slot 3, page (1:90))`
pub fn words(breach: &Breach) -> String {
    let Breach { rule, slot, other, unit, .. } = breach;
    let slot = slot.map(|slot| format!("slot {slot}"));
    let other = other.map(|place| format!("page {place}"));
    let unit = unit.map(|unit| format!("allocation unit {unit}"));
    let facts: Vec<String> = [slot, other, unit].into_iter().flatten().collect();
    match facts.join(", ") {
        none if none.is_empty() => rule.wrong().to_owned(),
        facts => format!("{} ({facts})", rule.wrong()),
    }
}

/// `like Msg 8942 of DBCC CHECKDB, rule P4`
pub fn like(rule: Rule) -> String {
    format!("like Msg {} of DBCC CHECKDB, rule {}", rule.message(), rule.name())
}

pub(super) fn message(breach: &Breach, at: &Where, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Where { place, database_id, path, backup } = at;
    let (like, words) = (like(breach.rule), words(breach));
    let of = match backup {
        Some(backup) => format!("of '{}'", backup.database),
        None => format!("in database ID {database_id}"),
    };
    let is_unpacked = backup.as_ref().is_some_and(|backup| backup.is_unpacked);
    let of_what = if is_unpacked { "of what it unpacks to, " } else { "" };
    write!(
        f,
        "pagescrub: {like}: page {place} {of} passes its own check, and {words}. It is at offset \
         {:#016x} {of_what}in file '{path}'.",
        at.offset_bytes(),
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::message;
    use super::*;
    use crate::diagnose::verdict::SuspectReason;
    use crate::page::address::{FileId, PageAddress, PageId};

    #[test]
    fn a_broken_rule_is_told_as_ours_with_the_message_that_it_is_like() {
        let place = |page| PageAddress::new(FileId(1), PageId(page));
        let mut breach = Breach { slot: Some(3), ..Breach::of(Rule::P4, place(392)) };
        assert_eq!(
            message(392, SuspectReason::Inconsistent(breach)),
            "pagescrub: like Msg 8942 of DBCC CHECKDB, rule P4: page (1:392) in database ID 23 \
             passes its own check, and two records overlap (slot 3). It is at offset \
             0x00000000310000 in file 'H:\\DATA\\my_db.mdf'."
        );
        (breach.other, breach.unit) = (Some(place(9)), Some(65_536));
        let facts = "two records overlap (slot 3, page (1:9), allocation unit 65536)";
        assert_eq!(words(&breach), facts);
        assert_eq!(words(&Breach::of(Rule::P8, place(1))), Rule::P8.wrong());
    }
}

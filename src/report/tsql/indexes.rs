//! Tables to check, and indexes that can be made again.

use super::script::Script;
use super::target::{Target, page_lists};
use crate::consolidate::recovery::Model;
use crate::consolidate::report::Suspect;
use crate::report::escape::{tsql_comment as safe, tsql_identifier};
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// Tables and indexes named at most.
const NAMED_MAX: usize = 100;

/// Writes the checks of tables, what to know before an index is dropped, and the restore of its
/// pages that is left out of all ways.
pub(super) fn write(target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    tables(target, script)?;
    let suspects = target.rebuilds();
    if suspects.is_empty() {
        return Ok(());
    }
    indexes(target, &suspects, script)?;
    match target.model() {
        Model::Simple => Ok(()),
        _ if target.is_only_rebuild() => Ok(()),
        _ => in_doubt(target, &suspects, script),
    }
}

/// To be added to a way; as a sequence of its own it would close the database once more.
fn in_doubt(target: &Target<'_>, suspects: &[&Suspect], script: &mut Script<'_>) -> io::Result<()> {
    let way = if target.has_files() { "C (D brings them along)" } else { "A or B" };
    script.remark(&format!(
        "In doubt, or if that fails: restore these pages as well, by this statement right after \
         the first RESTORE DATABASE of way {way}. They are in none of the lists above."
    ))?;
    page_lists(suspects).iter().try_for_each(|list| {
        let (db, full) = (&target.sql, target.full());
        let (declared, from) = (&full.declared, full.clauses("NORECOVERY"));
        script.off(&format!("{declared}RESTORE DATABASE {db}{list}{from};"))
    })
}

/// A name that can only be written with characters that something obeys is left to CHECKDB.
fn tables(target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    let quoted = |name: &str| tsql_identifier(name).map(|name| name.replace('\'', "''"));
    let name = |suspect: &Suspect| {
        let [schema, table] = [&suspect.schema, &suspect.table].map(Option::as_deref);
        Some(format!("{}.{}", quoted(schema?)?, quoted(table?)?))
    };
    let names: BTreeSet<String> = target.loss.suspects().filter_map(name).collect();
    if names.is_empty() {
        return Ok(());
    }
    script.title("Check the tables that the suspects say they belong to")?;
    script.remark("The names come from damaged pages; CHECKDB is the judge.")?;
    target.use_it(script)?;
    names.iter().take(NAMED_MAX).try_for_each(|name| {
        script.off(&format!("DBCC CHECKTABLE (N'{name}') WITH NO_INFOMSGS, ALL_ERRORMSGS;"))
    })
}

fn indexes(target: &Target<'_>, suspects: &[&Suspect], script: &mut Script<'_>) -> io::Result<()> {
    script.title("Indexes that can be made again, INSTEAD of restoring their pages")?;
    script.remark(
        "Only if the table is sound: first CHECKTABLE, above. Then script the index; while it is \
         gone, a unique one guards nothing. Then DROP and CREATE it: a rebuild may read the \
         damaged one. There is no DROP here, because the name comes from a damaged page. What they \
         are, and which foreign keys need them:",
    )?;
    let mut indexes: BTreeMap<(i32, i32), &str> = BTreeMap::new();
    for suspect in suspects {
        if let (Some(object), Some(index)) = (suspect.object_id, suspect.index_id) {
            indexes.insert((object, index), suspect.object.as_deref().unwrap_or_default());
        }
    }
    let indexes: Vec<_> = indexes.into_iter().take(NAMED_MAX).collect();
    for (_, name) in &indexes {
        script.remark(&format!("- {}", safe(name)))?;
    }
    target.use_it(script)?;
    let is = |((object, index), _): &((i32, i32), &str)| {
        format!("(i.object_id = {object} AND i.index_id = {index})")
    };
    let listed = indexes.iter().map(is).collect::<Vec<_>>().join("\n    OR ");
    script.off(&format!(
        "SELECT OBJECT_SCHEMA_NAME(i.object_id) AS schema_name,\n    OBJECT_NAME(i.object_id) AS \
         name, i.name AS index_name, i.type_desc, i.is_unique, i.is_primary_key,\n    \
         i.is_unique_constraint, i.has_filter, k.name AS foreign_key\n\
         FROM sys.indexes AS i\n\
         LEFT JOIN sys.foreign_keys AS k\n    \
         ON k.referenced_object_id = i.object_id AND k.key_index_id = i.index_id\n\
         WHERE {listed};"
    ))
}

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
        _ => in_doubt(target, script),
    }
}

/// To be added to a way; as a sequence of its own it would close the database once more.
fn in_doubt(target: &Target<'_>, script: &mut Script<'_>) -> io::Result<()> {
    let way = if target.has_files() { "C (D brings them along)" } else { "A or B" };
    for file in target.rebuilds_by_file() {
        script.remark(&format!(
            "In doubt, or if that fails: of file {file} these are more than the 1,000 pages that \
             one page restore takes, so that file is restored as a whole (way C)."
        ))?;
    }
    let pages = target.rebuilds_by_page();
    if pages.is_empty() {
        return Ok(());
    }
    script.remark(&format!(
        "In doubt, or if that fails: restore these pages as well, by this statement right after \
         the first RESTORE DATABASE of way {way}. They are in none of the lists above; with them, \
         none has more than the 1,000 pages of a file that one sequence takes."
    ))?;
    page_lists(&pages).iter().try_for_each(|list| {
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
        "Only if the table is sound: first CHECKTABLE, above. Then script the index, and stop \
         writers: while it is gone, a unique one guards nothing. Then DROP and CREATE it in ONE \
         explicit transaction, or ALTER INDEX ... DISABLE, which deletes its pages and keeps its \
         definition, and REBUILD: a rebuild without either may read the damaged one. Never DISABLE \
         a clustered index: the table becomes inaccessible. There is no DROP here, because the \
         name comes from a damaged page. What they are, and which foreign keys need them:",
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
    script.off(&format!(
        "SELECT OBJECT_SCHEMA_NAME(i.object_id) AS schema_name,\n    OBJECT_NAME(i.object_id) AS \
         name, i.name AS index_name, i.type_desc, i.is_unique, i.is_primary_key,\n    \
         i.is_unique_constraint, i.has_filter, k.name AS foreign_key\n\
         FROM sys.indexes AS i\n\
         LEFT JOIN sys.foreign_keys AS k\n    \
         ON k.referenced_object_id = i.object_id AND k.key_index_id = i.index_id\n\
         WHERE {};",
        listed(indexes.iter().map(|(ids, _)| *ids))
    ))?;
    let can_be_disabled = |suspect: &&&Suspect| suspect.object_kind.as_deref().is_some_and(is_copy);
    let ids = suspects.iter().filter(can_be_disabled);
    let ids = ids.filter_map(|suspect| Some((suspect.object_id?, suspect.index_id?)));
    let ids: BTreeSet<(i32, i32)> = ids.filter(|(_, index)| *index > CLUSTERED).collect();
    if ids.is_empty() {
        return Ok(());
    }
    disabled(ids, script)
}

/// The index id of a clustered index; a heap has 0.
const CLUSTERED: i32 = 1;

/// Kinds of indexes of which a table has its rows elsewhere as well.
fn is_copy(kind: &str) -> bool {
    ["nonclustered_index", "nonclustered_columnstore"].contains(&kind)
}

fn listed(ids: impl Iterator<Item = (i32, i32)>) -> String {
    let is = |(object, index)| format!("(i.object_id = {object} AND i.index_id = {index})");
    ids.map(is).collect::<Vec<_>>().join("\n    OR ")
}

/// Queries that write the statements: the server knows what an index is, whatever a damaged page
/// says, and how it is called.
fn disabled(ids: BTreeSet<(i32, i32)>, script: &mut Script<'_>) -> io::Result<()> {
    script.remark(
        "This query writes the statements for nonclustered indexes; read what it gives before you \
         run it. DISABLE of a unique one disables the foreign keys that refer to it:",
    )?;
    let listed = listed(ids.into_iter().take(NAMED_MAX));
    let on = "N'ALTER INDEX ' + QUOTENAME(i.name) + N' ON '\n    + \
              QUOTENAME(OBJECT_SCHEMA_NAME(i.object_id)) + N'.' + \
              QUOTENAME(OBJECT_NAME(i.object_id))";
    script.off(&format!(
        "SELECT {on} + N' DISABLE;' AS first,\n    {on} + N' REBUILD;' AS then_this\n\
         FROM sys.indexes AS i\n\
         WHERE i.index_id > {CLUSTERED} AND i.type IN (2, 6) AND ({listed});"
    ))?;
    script.remark(
        "Afterwards, the foreign keys: run this before the DISABLE, keep what it gives, and run \
         that after the REBUILD.",
    )?;
    script.off(&format!(
        "SELECT N'ALTER TABLE ' + QUOTENAME(OBJECT_SCHEMA_NAME(k.parent_object_id)) + N'.'\n    + \
         QUOTENAME(OBJECT_NAME(k.parent_object_id)) + N' WITH CHECK CHECK CONSTRAINT '\n    + \
         QUOTENAME(k.name) + N';' AS at_last\n\
         FROM sys.foreign_keys AS k\n\
         INNER JOIN sys.indexes AS i\n    \
         ON k.referenced_object_id = i.object_id AND k.key_index_id = i.index_id\n\
         WHERE i.index_id > {CLUSTERED} AND k.is_disabled = 0 AND ({listed});"
    ))
}

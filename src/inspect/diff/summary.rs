//! What was found, in the words of the report.

use super::class::{Class, Counts};
use super::found::{Owner, Run};
use super::owners::Names;
use super::pair::{Compared, Pair};
use super::relation::Relation;
use super::report::{Answer, CopyFacts, FileDiff, ObjectDiff, RunOfPages};
use super::side::Side;
use crate::consolidate::backup::kind_words;
use crate::consolidate::clean_copy::DATA_FILE;
use crate::discover::DataFile;
use crate::discover::backup::Part;
use crate::discover::paths;
use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

/// All that is said of the two copies, with `names`.
pub(super) fn file_diff(compared: Compared<'_>, names: &Names) -> FileDiff {
    let counts = compared.found.counts();
    let missing: Vec<String> = [&compared.pair.a, &compared.pair.b]
        .into_iter()
        .flat_map(|side| missing(side.file))
        .collect();
    let mut pages = compared.found.pages;
    for (page, owner) in &mut pages {
        page.object = names.name(*owner);
    }
    let runs = compared.found.runs;
    let run = |run: &Run| RunOfPages {
        class: run.class,
        first_page: run.range.first.0,
        pages: run.range.pages,
        object: names.name(run.owner),
    };
    let Pair { a, b, relation } = compared.pair;
    FileDiff {
        file_id: a.file.file_id,
        a: facts(a),
        b: facts(b),
        relation: *relation,
        answer: Answer::of(&counts, !missing.is_empty()),
        counts,
        objects: objects(&compared.found.by_owner, names),
        runs: runs.iter().map(run).collect(),
        runs_not_listed: compared.found.runs_not_listed,
        pages: pages.into_iter().map(|(page, _)| page).collect(),
        pages_not_listed: compared.found.pages_not_listed,
        notes: notes(compared.pair, &counts, &runs),
        missing,
        has_wrong_ids: compared.found.has_wrong_ids,
    }
}

/// One row a name: a table has several units, of its LOB values and partitions.
fn objects(by_owner: &BTreeMap<Owner, Counts>, names: &Names) -> Vec<ObjectDiff> {
    let mut by_name: BTreeMap<String, ObjectDiff> = BTreeMap::new();
    for (owner, counts) in by_owner {
        let object = names.name(*owner);
        let row = by_name.entry(object.clone()).or_insert_with(|| ObjectDiff {
            object,
            object_kind: names.kind(*owner),
            counts: Counts::default(),
        });
        row.counts.add_all(counts);
    }
    let mut objects: Vec<ObjectDiff> = by_name.into_values().collect();
    objects.sort_by_key(|row| {
        let listed = row.counts.of_all(Class::is_listed);
        Reverse((listed, row.counts.of_all(|class| !class.is_alike())))
    });
    objects
}

fn facts(side: &Side<'_>) -> CopyFacts {
    let file = side.file;
    let set = file.part.as_ref().map(Part::set);
    let by_boot = file.boot.as_ref().map(|boot| boot.database.clone());
    CopyFacts {
        path: paths::text(&file.path).into_owned(),
        kind: set.map_or(DATA_FILE, |set| kind_words(set.kind)),
        backup_set: set.map(|set| set.position),
        database: set.map(|set| set.database.clone()).or(by_boot),
        server: set.map(|set| set.server.clone()).filter(|server| !server.is_empty()),
        finished: set.and_then(|set| set.finished).map(|at| at.to_string()),
        pages: side.pages(),
        end_page: file.end_page(),
        checkpoint_lsn: side.checkpoint,
    }
}

/// What `file` should have and has not.
fn missing(file: &DataFile) -> Vec<String> {
    let shown = paths::text(&file.path);
    let mut missing = Vec::new();
    if let Some(part) = &file.part {
        let family = part.backup.media.family.as_ref();
        let members = family.map_or(1, |family| usize::from(family.family_count)).max(1);
        let here = 1 + part.siblings.len();
        if here < members {
            missing.push(format!(
                "{shown}: {here} of {members} members of a striped backup are here: name the \
                 others by --with-a or --with-b"
            ));
        }
        if !part.set().is_complete {
            missing.push(format!("{shown}: the backup set has no end: it was cut"));
        }
    } else if file.promise.pages > file.end_page() {
        let (has, asks) = (file.end_page(), file.promise.pages);
        missing.push(format!("{shown}: has {has} pages and should have {asks}: it was cut"));
    }
    missing
}

fn notes(pair: &Pair<'_>, counts: &Counts, runs: &[Run]) -> Vec<String> {
    let by_checkpoints = pair.a.checkpoint.zip(pair.b.checkpoint).map(|(a, b)| a.cmp(&b));
    let newer = [Class::NewerInA, Class::NewerInB].map(|class| counts.of(class) > 0);
    let newer = match (newer, by_checkpoints) {
        ([true, true], _) => Some(NEWER_IN_BOTH),
        ([true, _], Some(Ordering::Less)) => Some(A_IN_USE),
        ([_, true], Some(Ordering::Greater)) => Some(B_IN_USE),
        _ => None,
    };
    let no_checkpoint = by_checkpoints.is_none().then_some(NO_CHECKPOINT);
    let unknown = (pair.relation == Relation::Unknown).then_some(Relation::Unknown.words());
    let parted = have_parted(runs).then_some(PARTED);
    [newer, parted, no_checkpoint, unknown].into_iter().flatten().map(str::to_owned).collect()
}

const NEWER_IN_BOTH: &str = "each copy is newer in some pages: one of them was in use while it was \
    copied, or has lost writes, or they went their own ways";
const A_IN_USE: &str = "B has the later checkpoint, and pages of A are newer: A was in use when it \
    was copied, behind its last checkpoint";
const B_IN_USE: &str = "A has the later checkpoint, and pages of B are newer: B was in use when it \
    was copied, behind its last checkpoint";
const PARTED: &str = "pages contradict each other in several extents: more likely than damage, the \
    copies went their own ways from where they were one (a data file that was copied, attached in \
    two places and changed in both keeps every id); a single write that was lost would not show \
    beside that";
const NO_CHECKPOINT: &str = "a checkpoint is not known (--with-a and --with-b take the primary \
    file): pages that are older than they may be are not told from others";

/// What copies show that went their own ways (docs/page-format.md, section 5.6).
fn have_parted(runs: &[Run]) -> bool {
    let contradictions = runs.iter().filter(|run| run.class.is_contradiction());
    let mut extents = contradictions.map(|run| run.range.first.extent());
    let first = extents.next();
    extents.any(|extent| Some(extent) != first)
}

//! Generated backups of some days, of which some were lost or damaged, against a planner that tries
//! all that can be restored one after the other: the same sets, the same gap, the same end.

use crate::chain::planner::{Line, Plan, lines, plan};
use crate::chain::{Dice, Fate, Fork, Guid, Set, State, Story, Tape, tape};
use crate::harness::scanned::{each, folder_in_memory, scanned};
use pagescrub::backup::BackupKind as Kind;
use pagescrub::consolidate::report::database::{DatabaseReport, RestoreSet};
use pagescrub::consolidate::report::{RunVerdict, ScrubReport};
use pagescrub::drill::BackupKind;
use pagescrub::page::header::Lsn;
use std::collections::BTreeMap;
use std::path::Path;

const CHAINS: u64 = 100;
const SEED: u64 = 0x6368_6169_6e73;

/// The stories of one folder: one database, or two that have nothing to do with each other.
fn stories(seed: u64) -> Vec<Story> {
    let mut dice = Dice::new(seed);
    let has_data_file = dice.one_in(2);
    let mut stories = vec![Story::told(seed, "backup", has_data_file, &mut dice)];
    if dice.one_in(4) {
        let has_data_file = dice.one_in(2);
        stories.push(Story::told(seed ^ 0xffff_0000, "other", has_data_file, &mut dice));
    }
    stories
}

/// What is wrong with the answer for a folder of these; nothing if it is right.
fn complaint(stories: &[Story]) -> Result<(), String> {
    let folder = folder_in_memory();
    let families: Vec<Guid> =
        stories.iter().map(|story| tape::write(story, folder.path())).collect();
    let report = scanned(&[folder.path().to_owned()]);
    let mut wanted = 0;
    for (story, family) in stories.iter().zip(families) {
        for line in lines(story) {
            wanted += 1;
            let wrong = wrong(story, &line, family, &report);
            wrong.map_err(|why| format!("fork {}: {why}\n{story}", line.fork))?;
        }
    }
    let told = report.databases.len();
    if told == wanted { Ok(()) } else { Err(format!("{told} databases, not {wanted}")) }
}

fn assert_right(stories: &[Story]) {
    assert_eq!(complaint(stories), Ok(()));
}

/// What `report` says of a line.
fn told<'r>(
    line: &Line,
    family: Guid,
    report: &'r ScrubReport,
) -> Result<&'r DatabaseReport, String> {
    let fork = Some(tape::fork_id(family, line.fork));
    let is_it = |database: &&DatabaseReport| {
        database.line.family_id == Some(family) && database.line.fork_id == fork
    };
    let found: Vec<&DatabaseReport> = report.databases.iter().filter(is_it).collect();
    let [database] = found[..] else { return Err(format!("{} are told", found.len())) };
    Ok(database)
}

fn wrong(story: &Story, line: &Line, family: Guid, report: &ScrubReport) -> Result<(), String> {
    let database = told(line, family, report)?;
    let plan = plan(story, line);
    let restore = &database.restore;
    let sets: Vec<_> = restore.sets.iter().map(of_report).collect();
    let best: Vec<Vec<_>> =
        plan.best.iter().map(|way| way.iter().map(|n| of_story(story, *n)).collect()).collect();
    let is_best = best.contains(&sets) || (best.is_empty() && sets.is_empty());
    let reaches = plan.reaches.map(|block| Lsn { vlf: 41, block, slot: 1 });
    let finished = best.iter().position(|way| *way == sets).and_then(|n| plan.best[n].last());
    let finished = finished.map(|n| tape::finished(&story.sets[*n]));
    let checks = [
        (is_best, "other sets"),
        (restore.gap == plan.is_gap, "the gap"),
        (restore.reachable_to_lsn == reaches, "the end"),
        (restore.reachable_to == finished, "when that is"),
        (restore.missing.len() == plan.unusable, "what is missing"),
        (database.backup_sets == line.sets.len() as u64, "the number of sets"),
        (database.verdict == verdict(&plan), "the verdict"),
        (restore.gap || restore.gap_log.is_none(), "a gap in the log without a gap"),
    ];
    let wrong: Vec<&str> = checks.iter().filter(|(is, _)| !is).map(|(_, what)| *what).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(format!("{}\n{sets:?}\n{restore:?}\nplanned: {plan:?}", wrong.join(", ")))
}

fn verdict(plan: &Plan) -> RunVerdict {
    match () {
        () if plan.is_damaged => RunVerdict::Damaged,
        () if plan.is_gap || plan.unusable > 0 => RunVerdict::Incomplete,
        () => RunVerdict::Clean,
    }
}

type Told = (Vec<String>, u32, Kind);

fn of_report(set: &RestoreSet) -> Told {
    let name = |path: &str| Path::new(path).file_name().map(|name| name.display().to_string());
    (set.paths.iter().filter_map(|path| name(path)).collect(), set.position, set.kind)
}

fn of_story(story: &Story, index: usize) -> Told {
    let set = &story.sets[index];
    let kind = match set.kind {
        BackupKind::Full => Kind::Full,
        BackupKind::Differential => Kind::Differential,
        BackupKind::Log => Kind::Log,
    };
    (story.members(set), set.position, kind)
}

#[test]
fn a_hundred_chains_come_back_as_an_independent_planner_says() {
    let seeds: Vec<u64> = (0..CHAINS).map(|n| SEED + n).collect();
    each(&seeds, |seed| complaint(&stories(*seed)).map_err(|why| format!("seed {seed:#x}, {why}")));
}

/// Chains of one kind would prove little.
#[test]
fn the_chains_are_of_many_kinds() {
    let mut kinds: BTreeMap<&str, u32> = BTreeMap::new();
    for story in (0..CHAINS).flat_map(|n| stories(SEED + n)) {
        let mut count = |kind, is: bool| *kinds.entry(kind).or_default() += u32::from(is);
        let is_used = |state| story.sets.iter().any(|set| set.state == state);
        count("stories", true);
        count("with a data file", story.has_data_file);
        count("with members", story.tapes.iter().any(|tape| tape.members > 1));
        count("compressed", story.tapes.iter().any(|tape| tape.is_packed));
        count("several sets in a file", story.sets.iter().any(|set| set.position > 1));
        count("damaged", is_used(State::Damaged));
        count("deleted", is_used(State::Deleted));
        count("without a member", is_used(State::MemberMissing));
        count("sisters", story.fork.is_some_and(|fork| fork.is_sister));
        count("forks that go on", story.fork.is_some_and(|fork| !fork.is_sister));
        for line in lines(&story) {
            let plan = plan(&story, &line);
            count("lines", true);
            count("gaps", plan.is_gap);
            count("nothing to restore", plan.reaches.is_none());
            let is_differential = |n: &usize| story.sets[*n].kind == BackupKind::Differential;
            count("by a differential", plan.best.iter().flatten().any(is_differential));
            count("of several ways", plan.best.len() > 1);
        }
    }
    println!("{kinds:#?}");
    let rare = kinds.iter().filter(|(kind, count)| **kind != "of several ways" && **count < 5);
    assert_eq!(rare.count(), 0, "{kinds:#?}");
}

/// Sets that were told one by one: kind, fork, first and last block of log, and on which tape.
fn of_sets(sets: &[(BackupKind, usize, u32, u32, usize)], fork: Option<Fork>) -> Story {
    let tapes = sets.iter().map(|set| set.4 + 1).max().unwrap_or(0);
    let tape = |n| Tape {
        name: format!("tape_{n}.bak"),
        members: 1,
        block_bytes: 4096,
        is_packed: false,
        fate: Fate::Kept,
    };
    let mut story = Story {
        seed: SEED,
        bytes: 1 << 20,
        sets: Vec::new(),
        tapes: (0..tapes).map(tape).collect(),
        fork,
        has_data_file: false,
    };
    for (index, (kind, fork, first, last, tape)) in sets.iter().copied().enumerate() {
        let position = 1 + story.sets.iter().filter(|set| set.tape == tape).count() as u32;
        let plain = Set::plain(SEED, index, kind, [first, first, last]);
        story.sets.push(Set { fork, tape, position, ..plain });
    }
    story
}

/// RESTORE reads a file up to the set that it is told to restore.
#[test]
fn damage_in_one_set_costs_no_other_set_of_its_file() {
    let sets = [
        (BackupKind::Full, 0, 10, 12, 0),
        (BackupKind::Log, 0, 10, 20, 0),
        (BackupKind::Log, 0, 20, 30, 0),
    ];
    for fate in [Fate::Cut(0), Fate::Struck(3, 0)] {
        let mut story = of_sets(&sets, None);
        story.tapes[0].fate = fate;
        story.sets[2].state = State::Damaged;
        assert_right(&[story]);
    }
}

/// A database that was restored elsewhere to an earlier time: what was backed up before belongs to
/// both lines, whichever has newer backups.
#[test]
fn sets_before_a_fork_belong_to_both_lines() {
    for end in [26, 40] {
        let sets = [
            (BackupKind::Full, 0, 10, 12, 0),
            (BackupKind::Log, 0, 10, 20, 1),
            (BackupKind::Log, 0, 20, 30, 2),
            (BackupKind::Log, 1, 20, end, 3),
        ];
        let fork = Fork { point: 20, is_sister: true };
        let mut story = of_sets(&sets, Some(fork));
        assert_right(&[story.clone()]);
        story.has_data_file = true;
        assert_right(&[story]);
    }
}

/// A data file that is older than both lines is of either. Log of one line cannot follow upon log
/// of the other, even where its LSNs would let it.
#[test]
fn log_of_one_fork_never_follows_upon_log_of_its_sister() {
    let sets = [
        (BackupKind::Full, 0, 1010, 1012, 0),
        (BackupKind::Log, 0, 1010, 1020, 1),
        (BackupKind::Log, 0, 1020, 1030, 2),
        (BackupKind::Log, 1, 1026, 1040, 3),
    ];
    let mut story = of_sets(&sets, Some(Fork { point: 1020, is_sister: true }));
    story.has_data_file = true;
    let folder = folder_in_memory();
    let family = tape::write(&story, folder.path());
    let report = scanned(&[folder.path().to_owned()]);
    let line = Line { fork: 0, sets: (0..4).collect() };
    let database = told(&line, family, &report).expect("one");
    let names = database.restore.sets.iter().map(|set| of_report(set).0);
    assert!(!names.flatten().any(|name| name == "tape_3.bak"), "{:#?}", database.restore);
    assert_eq!(wrong(&story, &line, family, &report), Ok(()), "{story}");
}

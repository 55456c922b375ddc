//! What a folder of backups restores, by trying everything. It knows what was written and what
//! became of it, and nothing of what pagescrub reads.

use super::{Set, State, Story};
use pagescrub::drill::BackupKind;

/// A line of a database: what belongs to it, and what is known of it.
pub struct Line {
    /// The recovery fork that the report calls it by.
    pub fork: usize,
    /// Indexes of sets that are there.
    pub sets: Vec<usize>,
}

/// What is true of a line.
#[derive(Debug)]
pub struct Plan {
    /// All sequences of the fewest sets that reach furthest; none if nothing can be restored.
    pub best: Vec<Vec<usize>>,
    pub reaches: Option<u32>,
    /// There are newer sets.
    pub is_gap: bool,
    pub unusable: usize,
    pub is_damaged: bool,
}

/// The databases that must be told of `story`.
pub fn lines(story: &Story) -> Vec<Line> {
    let of = |belongs: &dyn Fn(&Set) -> bool| -> Vec<usize> {
        story.left().filter(|(_, set)| belongs(set)).map(|(index, _)| index).collect()
    };
    let has_second = story.left().any(|(_, set)| set.fork == 1);
    let mut lines = Vec::new();
    match story.fork {
        Some(fork) if has_second && !fork.is_sister => {
            // One line. By a data file it is called what that says: the first.
            let fork = usize::from(!story.has_data_file);
            lines.push(Line { fork, sets: of(&|_| true) });
        }
        Some(fork) if has_second => {
            // What is before the fork alone is no line of its own, unless there is its data file.
            let has_first = story.has_data_file
                || story.left().any(|(_, set)| set.fork == 0 && set.last > fork.point);
            if has_first {
                lines.push(Line { fork: 0, sets: of(&|set| set.fork == 0) });
            }
            let is_before = |set: &Set| set.fork == 1 || set.last <= fork.point;
            lines.push(Line { fork: 1, sets: of(&is_before) });
        }
        _ => lines.push(Line { fork: 0, sets: of(&|_| true) }),
    }
    lines.retain(|line| story.has_data_file || !line.sets.is_empty());
    lines
}

/// The answer for `line`.
pub fn plan(story: &Story, line: &Line) -> Plan {
    let mut ways: Vec<Vec<usize>> = Vec::new();
    let is_sound = |index: &usize| story.sets[*index].state == State::Sound;
    let sound: Vec<usize> = line.sets.iter().copied().filter(is_sound).collect();
    for full in of_kind(story, &sound, BackupKind::Full) {
        go_on(story, &sound, &mut vec![full], &mut ways);
        for differential in of_kind(story, &sound, BackupKind::Differential) {
            let set = &story.sets[differential];
            if set.base == Some(full) && set.last > story.sets[full].last {
                go_on(story, &sound, &mut vec![full, differential], &mut ways);
            }
        }
    }
    let end = |way: &Vec<usize>| way.last().map(|index| story.sets[*index].last);
    let reaches = ways.iter().filter_map(end).max();
    ways.retain(|way| end(way) == reaches);
    let fewest = ways.iter().map(Vec::len).min();
    ways.retain(|way| Some(way.len()) == fewest);
    let newest = line.sets.iter().map(|index| story.sets[*index].last).max();
    let of_state = |state| line.sets.iter().filter(|n| story.sets[**n].state == state).count();
    Plan {
        best: ways,
        reaches,
        is_gap: reaches.is_some() && newest > reaches,
        unusable: line.sets.len() - of_state(State::Sound),
        is_damaged: of_state(State::Damaged) > 0,
    }
}

fn of_kind(story: &Story, sets: &[usize], kind: BackupKind) -> Vec<usize> {
    sets.iter().copied().filter(|index| story.sets[*index].kind == kind).collect()
}

/// Every log backup that fits behind `way`, and every one that fits behind that.
fn go_on(story: &Story, sound: &[usize], way: &mut Vec<usize>, ways: &mut Vec<Vec<usize>>) {
    ways.push(way.clone());
    let Some(last) = way.last().map(|index| &story.sets[*index]) else { return };
    for log in of_kind(story, sound, BackupKind::Log) {
        let set = &story.sets[log];
        let is_line = set.fork == last.fork
            || story.fork.is_some_and(|fork| last.fork < set.fork && last.last <= fork.point);
        if is_line && set.first <= last.last && last.last < set.last {
            way.push(log);
            go_on(story, sound, way, ways);
            way.pop();
        }
    }
}

//! Weeks of backups of a database, told before they are written: what was backed up when, what was
//! lost or damaged afterwards, and so which sets there are and what is true of each.

pub mod planner;
pub mod tape;

use pagescrub::drill::BackupKind;
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::fmt;

/// The GUID of a set; zeros are none.
pub type Guid = [u8; 16];
/// Where the last checkpoint of a generated data file is, in blocks of log.
pub const DATA_FILE_AT: u32 = 338;
/// Blocks of log: a database whose data file is newer than all of its backups, and one whose data
/// file is older than all of them.
const STARTS: [u32; 2] = [10, 1000];

/// What became of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Sound,
    Damaged,
    MemberMissing,
    Deleted,
}

/// What became of the files with a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Kept,
    Deleted,
    /// This member is gone; counted from 0.
    MemberLost(usize),
    /// A bit of the set at this position of this member is inverted.
    Struck(u32, usize),
    /// This member ends amid its last set.
    Cut(usize),
}

/// A backup set. Its log is told by numbers of blocks, all in one virtual log file.
#[derive(Clone, Debug)]
pub struct Set {
    pub kind: BackupKind,
    /// Index of the recovery fork: 0, or 1 behind a restore.
    pub fork: usize,
    pub first: u32,
    pub checkpoint: u32,
    pub last: u32,
    pub id: Guid,
    /// Index of the full backup that a differential is based on.
    pub base: Option<usize>,
    /// A differential says by GUID which one that is, not only by LSN.
    pub names_base: bool,
    /// The description before the pages may tell an earlier end than the one behind them.
    pub told_first: u32,
    pub with_checksum: bool,
    pub day: u32,
    pub minute: u32,
    /// Index of its tape.
    pub tape: usize,
    /// As in `FILE = n`.
    pub position: u32,
    pub state: State,
}

impl Set {
    /// The set at `index` of the database that `seed` stands for, in a file of its own: first LSN,
    /// checkpoint and end are at these blocks.
    pub fn plain(seed: u64, index: usize, kind: BackupKind, at: [u32; 3]) -> Self {
        let [first, checkpoint, last] = at;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&seed.to_le_bytes());
        id[8..].copy_from_slice(&(index as u64 + 1).to_le_bytes());
        Self {
            kind,
            fork: 0,
            first,
            checkpoint,
            last,
            id,
            base: None,
            names_base: true,
            told_first: last,
            with_checksum: true,
            day: 1 + index as u32,
            minute: 0,
            tape: index,
            position: 1,
            state: State::Sound,
        }
    }
}

/// The files of one media set.
#[derive(Clone, Debug)]
pub struct Tape {
    pub name: String,
    pub members: u16,
    pub block_bytes: u32,
    pub is_packed: bool,
    pub fate: Fate,
}

/// A restore to an earlier time: another recovery fork begins.
#[derive(Clone, Copy, Debug)]
pub struct Fork {
    pub point: u32,
    /// The first fork goes on beside it, as where the restore was made elsewhere.
    pub is_sister: bool,
}

/// All that happened to the backups of one database.
#[derive(Clone, Debug)]
pub struct Story {
    pub seed: u64,
    pub bytes: u64,
    pub sets: Vec<Set>,
    pub tapes: Vec<Tape>,
    pub fork: Option<Fork>,
    /// Its data file lies beside them.
    pub has_data_file: bool,
}

/// A line for each set, for whoever has to find out what went wrong.
impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (fork, beside) = (self.fork, if self.has_data_file { "beside" } else { "without" });
        writeln!(f, "{} bytes, {beside} its data file, {fork:?}", self.bytes)?;
        for (index, set) in self.sets.iter().enumerate() {
            let Set { kind, fork, first, last, position, state, base, .. } = set;
            let Tape { name, members, fate, is_packed, .. } = &self.tapes[set.tape];
            write!(f, "{index}: {kind:?} of fork {fork}, {first} to {last}, {state:?}, ")?;
            write!(f, "base {base:?}, set {position} of {name}, {members} members, {fate:?}")?;
            writeln!(f, "{}", if *is_packed { ", compressed" } else { "" })?;
        }
        Ok(())
    }
}

/// What decides.
pub struct Dice(Xoshiro256PlusPlus);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    pub fn below(&mut self, n: u32) -> u32 {
        (self.0.next_u64() % u64::from(n)) as u32
    }

    pub fn one_in(&mut self, n: u32) -> bool {
        self.below(n) == 0
    }
}

/// A database in use: where its log is, and what was backed up of it last.
struct Telling<'a> {
    dice: &'a mut Dice,
    story: Story,
    fork: usize,
    at: u32,
    log_end: u32,
    full: Option<usize>,
    day: u32,
}

impl Story {
    /// Some days of backups of the database that `seed` stands for, in files called after `name`.
    pub fn told(seed: u64, name: &str, has_data_file: bool, dice: &mut Dice) -> Self {
        let start = STARTS[dice.below(2) as usize];
        let bytes = u64::from(1 + dice.below(3)) << 20;
        let story =
            Self { seed, bytes, sets: Vec::new(), tapes: Vec::new(), fork: None, has_data_file };
        let (at, log_end) = (start, start);
        let mut telling = Telling { dice, story, fork: 0, at, log_end, full: None, day: 0 };
        let days = 2 + telling.dice.below(5);
        (0..days).for_each(|_| telling.day(name));
        if telling.dice.one_in(3) {
            telling.fork(name, start);
        }
        let mut story = telling.story;
        story.come_to_pass(dice);
        story
    }

    pub fn members(&self, set: &Set) -> Vec<String> {
        tape::names(&self.tapes[set.tape])
    }

    /// Sets that are still there, in whatever state.
    pub fn left(&self) -> impl Iterator<Item = (usize, &Set)> {
        self.sets.iter().enumerate().filter(|(_, set)| set.state != State::Deleted)
    }

    /// Decides what becomes of the files.
    fn come_to_pass(&mut self, dice: &mut Dice) {
        for (index, tape) in self.tapes.iter_mut().enumerate() {
            let mut sets: Vec<&mut Set> =
                self.sets.iter_mut().filter(|set| set.tape == index).collect();
            let member = dice.below(tape.members.into()) as usize;
            tape.fate = match dice.below(20) {
                0 | 1 => Fate::Deleted,
                2 | 3 if tape.members > 1 => Fate::MemberLost(member),
                4 | 5 => Fate::Struck(1 + dice.below(sets.len() as u32), member),
                6 => Fate::Cut(member),
                _ => Fate::Kept,
            };
            let last = sets.len() as u32;
            for set in &mut sets {
                set.state = match tape.fate {
                    Fate::Deleted => State::Deleted,
                    Fate::MemberLost(_) => State::MemberMissing,
                    Fate::Struck(position, _) if position == set.position => State::Damaged,
                    Fate::Cut(_) if set.position == last => State::Damaged,
                    _ => State::Sound,
                };
                // Nothing protects the log of a backup without checksum.
                let is_bare = set.kind == BackupKind::Log && !set.with_checksum && !tape.is_packed;
                if matches!(tape.fate, Fate::Struck(..)) && is_bare {
                    set.state = State::Sound;
                }
                // Of what is behind a cut nobody knows.
                if matches!(tape.fate, Fate::Cut(_)) {
                    set.told_first = set.last;
                }
            }
        }
    }
}

impl Telling<'_> {
    /// One day: perhaps a full backup, perhaps a differential, and some of the log, in this order,
    /// all to one file or each to its own.
    fn day(&mut self, name: &str) {
        self.day += 1;
        let one_file = self.dice.one_in(3).then(|| self.tape(name, 0));
        let mut turns = Vec::new();
        if self.full.is_none() || self.dice.one_in(4) {
            turns.push(BackupKind::Full);
        }
        if self.dice.one_in(3) {
            turns.push(BackupKind::Differential);
        }
        turns.extend((0..=self.dice.below(3)).map(|_| BackupKind::Log));
        for (turn, kind) in (1..).zip(turns) {
            let tape = one_file.unwrap_or_else(|| self.tape(name, turn));
            self.set(kind, turn, tape);
        }
    }

    fn tape(&mut self, name: &str, turn: u32) -> usize {
        let (day, fork) = (self.day, self.fork);
        let members = [1, 1, 1, 2, 3][self.dice.below(5) as usize];
        self.story.tapes.push(Tape {
            name: format!("{name}_{fork}_{day}_{turn}.bak"),
            members,
            block_bytes: [512, 4096, 65_536][self.dice.below(3) as usize],
            // Nobody has seen how sets are appended to a compressed backup.
            is_packed: turn > 0 && self.dice.one_in(6),
            fate: Fate::Kept,
        });
        self.story.tapes.len() - 1
    }

    fn set(&mut self, kind: BackupKind, turn: u32, tape: usize) {
        let (first, checkpoint, last) = if kind == BackupKind::Log {
            // Now and then nothing was written since.
            self.at += self.dice.below(4);
            (self.log_end, self.log_end, self.at)
        } else {
            let first = self.at + 1 + self.dice.below(2);
            let checkpoint = first + self.dice.below(2);
            (first, checkpoint, checkpoint + 1 + self.dice.below(2))
        };
        self.at = last;
        if kind == BackupKind::Log {
            self.log_end = last;
        }
        let index = self.story.sets.len();
        let position = self.story.sets.iter().filter(|set| set.tape == tape).count() as u32 + 1;
        let is_full = kind == BackupKind::Full;
        let can_differ = kind != BackupKind::Log && self.dice.one_in(4);
        let plain = Set::plain(self.story.seed, index, kind, [first, checkpoint, last]);
        self.story.sets.push(Set {
            fork: self.fork,
            base: self.full.filter(|_| kind == BackupKind::Differential),
            names_base: !self.dice.one_in(4),
            told_first: if can_differ { checkpoint } else { last },
            with_checksum: self.dice.one_in(2),
            day: self.day,
            minute: turn,
            tape,
            position,
            ..plain
        });
        if is_full {
            self.full = Some(index);
        }
    }

    /// The database is restored to where a log backup ends, and goes on from there.
    fn fork(&mut self, name: &str, start: u32) {
        let is_sister = self.dice.one_in(2);
        let logs = self.story.sets.iter().filter(|set| set.kind == BackupKind::Log);
        let ends: Vec<u32> = logs.map(|set| set.last).collect();
        let point = ends[self.dice.below(ends.len() as u32) as usize];
        // A data file is of the first fork: of the second as well, where that begins behind it.
        let is_of_second = start > DATA_FILE_AT;
        if self.story.has_data_file && is_sister == is_of_second {
            return;
        }
        if !is_sister {
            // The first one was given up. Sets are in the order of their ends.
            self.story.sets.retain(|set| set.last <= point);
            let tapes = self.story.sets.iter().map(|set| set.tape + 1).max().unwrap_or(0);
            self.story.tapes.truncate(tapes);
        }
        let is_before = |(_, set): &(usize, &Set)| set.last <= point;
        let sets = self.story.sets.iter().enumerate();
        let full = sets.filter(is_before).rfind(|(_, set)| set.kind == BackupKind::Full);
        self.full = full.map(|(index, _)| index);
        (self.fork, self.at, self.log_end) = (1, point, point);
        self.story.fork = Some(Fork { point, is_sister });
        (0..=self.dice.below(3)).for_each(|_| self.day(name));
    }
}

//! What must be said of the members of a backup set beside their pages: which bytes a sum covers,
//! known from the healthy members, and whether it still holds.

use super::dice::Dice;
use super::original::{Map, Original, Place};
use super::{Pages, Say, is_zero};
use crate::mtf::{self, is_sealed, stream_sum, u32_at};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// The members of one backup set, or a backup of one member.
pub struct Members {
    members: Vec<Original>,
    regions: Vec<Regions>,
}

/// Where what is in a member.
#[derive(Default)]
struct Regions {
    /// Headers of blocks and streams, each with a sum of 16 bits.
    headers: Vec<Range<usize>>,
    /// Streams and where their sums are.
    summed: Vec<(Range<usize>, usize)>,
    /// Pages that no later copy follows.
    pages: Vec<Range<usize>>,
    /// Nobody reads it.
    slack: Vec<Range<usize>>,
    /// Where the last block begins.
    last: usize,
}

impl Regions {
    fn of(original: &Original) -> Self {
        let media = mtf::media(&original.bytes);
        let mut regions = Self::default();
        for block in &media.blocks {
            regions.headers.push(block.at..block.at + 52);
            regions.last = block.at;
            for (n, stream) in block.streams.iter().enumerate() {
                regions.headers.push(stream.header_at..stream.header_at + 22);
                if stream.media & 0x100 != 0 {
                    let content = stream.data.start + 2..stream.data.end;
                    regions.summed.push((content, block.streams[n + 1].data.start));
                }
                if stream.id == "SPAD" {
                    regions.slack.push(stream.data.clone());
                }
            }
        }
        regions.pages = original.places.values().map(|&at| at..at + super::PAGE).collect();
        regions.pages.sort_by_key(|page| page.start);
        regions
    }

    /// A header that is not what it was, and not by chance as good.
    fn has_broken_header(&self, was: &[u8], is: &[u8]) -> bool {
        self.headers.iter().any(|at| {
            let header = &is[at.clone()];
            *header != was[at.clone()] && (!is_sealed(header) || is_zero(header))
        })
    }

    fn has_broken_sum(&self, is: &[u8]) -> bool {
        let is_broken = |(content, at): &(Range<usize>, usize)| {
            stream_sum(&is[content.clone()]) != u32_at(is, *at)
        };
        self.summed.iter().any(is_broken)
    }

    /// Something was changed of which no rule says what follows.
    fn has_loose_change(&self, was: &[u8], is: &[u8]) -> bool {
        let known = |at: usize| {
            let holds = |range: &&Range<usize>| range.contains(&at);
            let page = self.pages.partition_point(|page| page.end <= at);
            self.pages.get(page).is_some_and(|page| page.contains(&at))
                || self.slack.iter().any(|slack| holds(&slack))
        };
        was.iter().zip(is).enumerate().any(|(at, (was, is))| was != is && !known(at))
    }
}

impl Members {
    pub fn of(files: Vec<Vec<u8>>, map: Map) -> Self {
        let of = |(n, bytes)| Original::backup(&format!("member {n}"), bytes, map);
        let members: Vec<Original> = files.into_iter().enumerate().map(of).collect();
        let regions = members.iter().map(Regions::of).collect();
        Self { members, regions }
    }

    /// A place in member `member` where a change would be met by a reader.
    pub fn spot(&self, member: usize, dice: &mut Dice) -> usize {
        let regions = &self.regions[member];
        match dice.below(3) {
            0 => {
                let headers = &regions.headers;
                let header = &headers[dice.below(headers.len())];
                header.start + dice.below(header.len())
            }
            1 => dice.below(8 * super::PAGE),
            _ => dice.below(self.members[member].bytes.len()),
        }
    }

    /// Exit codes that are right for `files`, damaged copies. Where a block of another backup
    /// stands in the place of one, that may be as good.
    pub fn exit_codes(&self, files: &[Vec<u8>], has_blocks_of_another: bool) -> Vec<u8> {
        let all = || self.members.iter().zip(&self.regions).zip(files);
        for ((member, regions), file) in all() {
            let was = &member.bytes;
            let (same, rest) = file.split_at(file.len().min(was.len()));
            if same != &was[..same.len()] && same.len() < was.len() {
                return vec![1, 3];
            }
            if same.len() <= regions.last {
                return vec![1, 3];
            }
            // The mark at the end is cut, or something follows that is no zeros.
            if same.len() < was.len() || !is_zero(rest) {
                return vec![0, 1, 3];
            }
        }
        let is_broken = |((member, regions), file): ((&Original, &Regions), &Vec<u8>)| {
            regions.has_broken_header(&member.bytes, file) || regions.has_broken_sum(file)
        };
        let says = self.says(files);
        let is_suspect = says.values().any(|say| matches!(say, Say::Suspect(_)));
        if is_suspect || (!has_blocks_of_another && all().any(is_broken)) {
            return vec![1, 3];
        }
        let is_open = says.values().any(|say| *say == Say::Open);
        let is_loose = |((member, regions), file): ((&Original, &Regions), &Vec<u8>)| {
            regions.has_loose_change(&member.bytes, file)
        };
        if is_open || all().any(is_loose) { vec![0, 1, 3] } else { vec![0] }
    }

    /// What must be said of the pages of `files`, as long as the members.
    pub fn says(&self, files: &[Vec<u8>]) -> BTreeMap<Place, Say> {
        let places = self.members.iter().flat_map(|member| member.places.keys());
        let ids: BTreeSet<u16> = places.map(|place| place.0).collect();
        let mut says = BTreeMap::new();
        for file in ids {
            let mut pages = Vec::new();
            for (member, bytes) in self.members.iter().zip(files) {
                for (&(_, page), &at) in member.places.range((file, 0)..=(file, u32::MAX)) {
                    let end = (page as usize + 1).max(pages.len());
                    pages.resize(end, None);
                    pages[page as usize] = bytes.get(at..at + super::PAGE);
                }
            }
            let testimony = Pages { file, by_id: pages, verify: Some(true) }.testify();
            let numbered = testimony.into_iter().enumerate();
            says.extend(numbered.map(|(page, say)| ((file, page as u32), say)));
        }
        says.retain(|_, say| *say != Say::Absent);
        says
    }
}

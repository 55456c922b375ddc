//! Writes a backup set to all members of a media set, streaming: no more than a few MiB of pages
//! are in memory at any time.

use super::configuration::{SetFacts, configuration};
use super::descriptor;
use super::extents::{
    EXTENT_BYTES, SECOND_COPY_EXTENTS, Shares, extents, later_pages_of, padding_extents,
    padding_page, pages_of, shares, stripe_of,
};
use super::identity::{Earlier, Identity};
use super::media_set::{Media, member_paths, open};
use super::member::{MEDIA_CHECKSUM, MEDIA_END, MEDIA_VARIABLE, Member, PAD_BYTES};
use super::recipe::{BackupKind, BackupRecipe};
use super::sum::StreamSum;
use crate::drill::chance::{Purpose, dice, draw};
use crate::drill::generate::{GenerateError, Generated};
use crate::drill::synthetic::SyntheticFile;
use crate::page::EXTENT_PAGES;
use rand_xoshiro::rand_core::Rng;
use rayon::prelude::*;
use std::io;
use std::path::Path;

/// Extents made at once by all threads: 4 MiB.
const BATCH_EXTENTS: usize = 64;
const VIRTUAL_LOG_FILES: u64 = 4;
/// Log in a backup of a database, and in one of the log.
const LOG_BYTES: u64 = 64 << 10;
const LOG_BACKUP_BYTES: u64 = 1 << 20;
const LOG_SECTOR_BYTES: usize = 512;

/// Writes the set that `recipe` describes to the members of `path`. `progress` is told the bytes
/// of pages written.
///
/// # Errors
/// If the recipe is impossible, a member exists and [`Media::New`] was asked for, a member is no
/// generated backup or of another shape and [`Media::Appended`] was asked for, or writing fails.
pub fn generate_backup(
    path: &Path,
    recipe: &BackupRecipe,
    media: Media,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Generated, GenerateError> {
    let files = recipe.data_files()?;
    let paths = member_paths(path, recipe.stripes);
    let mut members = Vec::new();
    let (mut position, mut earlier) = (1, Earlier::default());
    for path in &paths {
        let opened = open(path, recipe, media)?;
        position = opened.sets.saturating_add(1);
        earlier = opened.earlier;
        members.push(opened.member);
    }
    let before: u64 = members.iter().map(|member| member.at).sum();
    let shares = shares(recipe, &files);
    let identity = Identity::of(recipe, path, position, earlier);
    let log_number = recipe.log_number.unwrap_or(earlier.logs.saturating_add(1));
    let file_extents = &shares.file_extents;
    let set = SetFacts { recipe, position, log_number, identity, file_extents };
    let failed = |error| GenerateError::Io(path.to_owned(), error);
    let job = Job { set, files: &files, shares: &shares, progress };
    let file_bytes = job.write(members, media != Media::Appended).map_err(failed)?;
    Ok(Generated { file_bytes, written_bytes: file_bytes - before })
}

struct Job<'a> {
    set: SetFacts<'a>,
    files: &'a [SyntheticFile],
    shares: &'a Shares,
    progress: &'a (dyn Fn(u64) + Sync),
}

impl Job<'_> {
    /// Writes everything; the length of all members together.
    fn write(&self, mut members: Vec<Member>, is_new: bool) -> io::Result<u64> {
        let configuration = configuration(&self.set);
        let mut set_starts = Vec::new();
        for (n, member) in (1..).zip(&mut members) {
            if is_new {
                self.medium(member, n)?;
            }
            set_starts.push(member.at);
            self.head(member, &configuration)?;
        }
        if self.set.recipe.kind != BackupKind::Log {
            self.data(&mut members)?;
        }
        if let Some(member) = members.first_mut().filter(|_| self.has_second_copy()) {
            self.second_copy(member)?;
        }
        let mut bytes = 0;
        for (n, (mut member, set_at)) in (1..).zip(members.into_iter().zip(set_starts)) {
            self.log(&mut member, n)?;
            self.tail(&mut member, n, set_at, &configuration)?;
            bytes += member.finish()?;
        }
        Ok(bytes)
    }

    fn family_id(&self, family: u16) -> u32 {
        draw(self.set.recipe.seed(), Purpose::MediaSet, u64::from(family) << 32) as u32
    }

    fn medium(&self, member: &mut Member, family: u16) -> io::Result<()> {
        let recipe = self.set.recipe;
        member.block(descriptor::tape(self.family_id(family), recipe.block_bytes))?;
        let raid = descriptor::raid(self.set.identity.media_set, family, recipe.stripes);
        member.whole_stream(*b"RAID", 0, &raid.0)?;
        member.end_physical_block()?;
        member.filemark()
    }

    fn head(&self, member: &mut Member, configuration: &[u8]) -> io::Result<()> {
        member.begin();
        member.block(descriptor::set_start(&self.set, member.at))?;
        member.end_block()?;
        member.block(descriptor::volume(&self.set))?;
        member.end_block()?;
        member.block(descriptor::configuration_block(*b"MSCI"))?;
        member.whole_stream(*b"MQCI", 0, configuration)?;
        member.end_block()
    }

    /// Pages, dealt out over the members.
    fn data(&self, members: &mut [Member]) -> io::Result<()> {
        for (member, &extents) in members.iter_mut().zip(&self.shares.extents) {
            self.begin_data(member, extents + padding_extents(self.set.recipe, extents))?;
        }
        let mut sums = vec![StreamSum::default(); members.len()];
        let stripes = self.set.recipe.stripes;
        let mut extents = (0_u64..).zip(extents(self.set.recipe.kind, self.files));
        loop {
            let batch: Vec<_> = extents.by_ref().take(BATCH_EXTENTS).collect();
            if batch.is_empty() {
                break;
            }
            let make = |&(n, at): &(u64, super::extents::FileExtent)| {
                let pages = pages_of(&self.files[at.file], at.extent);
                (
                    usize::from(stripe_of(n, stripes)),
                    StreamSum::of(bytemuck::cast_slice(&pages)),
                    pages,
                )
            };
            for (stripe, sum, pages) in batch.par_iter().map(make).collect::<Vec<_>>() {
                sums[stripe].append(sum);
                members[stripe].put(bytemuck::cast_slice(&pages))?;
            }
            (self.progress)(batch.len() as u64 * EXTENT_BYTES);
        }
        for ((member, mut sum), &extents) in members.iter_mut().zip(sums).zip(&self.shares.extents)
        {
            pad(member, self.set.recipe, extents, &mut sum)?;
            self.end_data(member, sum)?;
        }
        Ok(())
    }

    fn begin_data(&self, member: &mut Member, extents: u64) -> io::Result<()> {
        member.block(descriptor::data_block(&self.set))?;
        member.align_data()?;
        let bytes = PAD_BYTES as u64 + extents * EXTENT_BYTES;
        member.stream(*b"MQDA", MEDIA_VARIABLE | self.checksum_bit(), bytes)?;
        member.put(&[0; PAD_BYTES])
    }

    fn checksum_bit(&self) -> u16 {
        if self.set.recipe.with_checksum { MEDIA_CHECKSUM } else { 0 }
    }

    fn end_data(&self, member: &mut Member, sum: StreamSum) -> io::Result<()> {
        self.checksum(member, sum)?;
        member.stream(*b"MQDA", MEDIA_END, 0)?;
        member.end_block()
    }

    fn checksum(&self, member: &mut Member, StreamSum(sum): StreamSum) -> io::Result<()> {
        if self.set.recipe.with_checksum {
            member.whole_stream(*b"CSUM", 0, &sum.to_le_bytes())?;
        }
        Ok(())
    }

    fn has_second_copy(&self) -> bool {
        self.set.recipe.second_copy && self.set.recipe.kind != BackupKind::Log
    }

    fn second_copy(&self, member: &mut Member) -> io::Result<()> {
        let Some(file) = self.files.first() else { return Ok(()) };
        self.begin_data(member, SECOND_COPY_EXTENTS.into())?;
        let mut sum = StreamSum::default();
        for extent in 0..SECOND_COPY_EXTENTS {
            let pages = later_pages_of(file, extent);
            sum.append(StreamSum::of(bytemuck::cast_slice(&pages)));
            member.put(bytemuck::cast_slice(&pages))?;
        }
        self.end_data(member, sum)
    }

    fn log(&self, member: &mut Member, family: u16) -> io::Result<()> {
        let is_log_backup = self.set.recipe.kind == BackupKind::Log;
        let bytes = if is_log_backup { LOG_BACKUP_BYTES } else { LOG_BYTES };
        for n in 0..VIRTUAL_LOG_FILES {
            member.block(descriptor::log_block(&self.set, n, VIRTUAL_LOG_FILES, bytes))?;
            if n == 0 {
                member.align_data()?;
                let log = log(self.set.recipe.seed(), self.set.position, family, bytes as usize);
                member.stream(*b"MQTL", self.checksum_bit(), (PAD_BYTES + log.len()) as u64)?;
                member.put(&[0; PAD_BYTES])?;
                member.put(&log)?;
                self.checksum(member, StreamSum::of(&log))?;
            }
            member.end_block()?;
        }
        Ok(())
    }

    fn tail(
        &self,
        member: &mut Member,
        family: u16,
        set_at: u64,
        configuration: &[u8],
    ) -> io::Result<()> {
        member.block(descriptor::configuration_block(*b"MSLS"))?;
        member.whole_stream(*b"MQCI", 0, configuration)?;
        member.end_physical_block()?;
        member.filemark()?;
        let first_end = member.at;
        member.begin();
        member.block(descriptor::set_end(&self.set, None))?;
        member.fill_physical_block(*b"OTCP")?;
        let catalog = descriptor::short_catalog(&self.set, self.family_id(family), set_at);
        member.whole_stream(*b"TSMP", 0, &catalog.0)?;
        member.end_physical_block()?;
        member.begin();
        member.block(descriptor::set_end(&self.set, Some(first_end)))?;
        member.end_physical_block()?;
        member.filemark()
    }
}

/// Adds padding pages behind `extents`.
fn pad(
    member: &mut Member,
    recipe: &BackupRecipe,
    extents: u64,
    sum: &mut StreamSum,
) -> io::Result<()> {
    let pages = vec![padding_page(recipe.with_checksum); EXTENT_PAGES as usize];
    let bytes: &[u8] = bytemuck::cast_slice(&pages);
    for _ in 0..padding_extents(recipe, extents) {
        sum.append(StreamSum::of(bytes));
        member.put(bytes)?;
    }
    Ok(())
}

/// Noise under the bytes with which sectors of a log begin (docs/page-format.md, section 9.1).
fn log(seed: u64, position: u16, family: u16, bytes: usize) -> Vec<u8> {
    let mut log = vec![0; bytes];
    dice(seed, Purpose::Log, u64::from(family) << 16 | u64::from(position)).fill_bytes(&mut log);
    let last = bytes / LOG_SECTOR_BYTES - 1;
    for (n, sector) in log.chunks_exact_mut(LOG_SECTOR_BYTES).enumerate() {
        sector[0] = match n {
            0 => 0x50,
            _ if n == last => 0x48,
            _ => 0x40,
        };
    }
    log
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_begins_and_ends_a_block_of_log() {
        let log = log(1, 1, 1, 4096);
        let first: Vec<u8> = log.chunks_exact(512).map(|sector| sector[0]).collect();
        assert_eq!(first, [0x50, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x48]);
    }
}

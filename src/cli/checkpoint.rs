//! `pagescrub scan --checkpoint FILE [--resume]`: when a checkpoint is refused, gone on from, and
//! removed.

use super::exit::Failure;
use super::output::{Guard, place};
use super::say::say;
use pagescrub::discover::Discovery;
use pagescrub::discover::names::promises_pages;
use pagescrub::discover::paths;
use pagescrub::scrub::checkpoint::{Checkpoint, Checkpointing, Held};
use pagescrub::scrub::checkpoint::{check_writable, is_checkpoint, remove, written};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Interrupting a scan and going on.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Write the scan's progress into FILE every few seconds, so that it can go on after an
    /// interruption; removed when the scan has ended by itself
    #[arg(long = "checkpoint", value_name = "FILE")]
    file: Option<PathBuf>,

    /// Go on from the checkpoint; from the beginning, if there is none
    #[arg(long, requires = "file")]
    resume: bool,

    /// Seconds from one checkpoint to the next, at least
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds, hide = true)]
    checkpoint_interval: Duration,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.filter(|s| !s.is_zero()).ok_or_else(|| "must be a number above 0".to_owned())
}

impl Options {
    /// A check holds pages against each other, and a scan that goes on has seen only some of them.
    pub(crate) fn refuse(&self) -> Result<(), Failure> {
        let why = "a check needs every page in one go: leave out --checkpoint, or --check";
        if self.file.is_some() { Err(Failure::usage(why)) } else { Ok(()) }
    }

    /// Refuses what would lose something, before anything is written or scanned.
    pub(crate) fn check(
        &self,
        guard: &Guard,
        is_output: impl Fn(&Path) -> bool,
    ) -> Result<(), Failure> {
        let Some(path) = &self.file else { return Ok(()) };
        let shown = paths::text(path);
        for written in written(path) {
            guard.refuse(&written)?;
            if is_output(&place(&written)) {
                return Err(Failure::usage(format!("--checkpoint {shown} is one of the outputs")));
            }
        }
        if promises_pages(path) {
            let why = "is named like a data file: give another name";
            return Err(Failure::usage(format!("--checkpoint {shown} {why}")));
        }
        match is_checkpoint(path) {
            Ok(true) if self.resume => {}
            Ok(true) => {
                let next = "add --resume to go on from it, or delete it to start anew";
                return Err(Failure::usage(format!("the checkpoint {shown} exists: {next}")));
            }
            Ok(false) => {
                let why = "exists and is no checkpoint: give another name";
                return Err(Failure::usage(format!("--checkpoint {shown} {why}")));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unusable(path, &error)),
        }
        Ok(())
    }

    /// Keeps other scans from writing the same checkpoint, as long as what is returned is kept; and
    /// tries whether this one can.
    pub(crate) fn hold(&self) -> Result<Option<Held>, Failure> {
        let Some(path) = &self.file else { return Ok(None) };
        let held = Held::take(path).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => Failure::usage(format!(
                "another scan writes the checkpoint {}: wait for it, or give another name",
                paths::text(path)
            )),
            _ => unusable(path, &error),
        })?;
        check_writable(path).map_err(|error| unusable(path, &error))?;
        Ok(Some(held))
    }

    /// The checkpoint to go on from, if one is asked for and exists.
    pub(crate) fn resume(&self, discovery: &Discovery) -> Result<Option<Checkpoint>, Failure> {
        let Some(path) = self.file.as_ref().filter(|_| self.resume) else { return Ok(None) };
        if fs::metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            say(format!("no checkpoint {}: starting anew", paths::text(path)));
            return Ok(None);
        }
        let checkpoint = Checkpoint::read(path, discovery).map_err(Failure::work)?;
        let done = bytesize::ByteSize(checkpoint.done_bytes()).display().iec().to_string();
        say(format!("going on from {}: {done} are done", paths::text(path)));
        let changed = checkpoint.changed();
        if let Some((first, why)) = changed.iter().next() {
            let more = match changed.len() - 1 {
                0 => String::new(),
                more => format!(" (and {more} more files have changed)"),
            };
            say(format!("{first} {why}{more}: scanned from the beginning"));
        }
        Ok(Some(checkpoint))
    }

    /// How a scan writes checkpoints, if it does.
    pub(crate) fn writing<'a>(
        &'a self,
        resume: Option<&'a Checkpoint>,
        failed: &'a (dyn Fn(&io::Error) + Sync),
    ) -> Option<Checkpointing<'a>> {
        let path = self.file.as_deref()?;
        Some(Checkpointing { path, interval: self.checkpoint_interval, resume, failed })
    }

    /// Says that no checkpoint can be written; the scan goes on.
    pub(crate) fn tell_failed(&self, error: &io::Error) {
        let path = paths::text(self.file.as_deref().unwrap_or(Path::new("")));
        let what = "the scan goes on, but what it does from here on may be lost if it is stopped";
        say(format!("cannot write checkpoint {path}: {error}; {what}"));
    }

    /// A checkpoint inside a directory that is scanned is no file that was skipped.
    pub(crate) fn forget_in(&self, discovery: &mut Discovery) {
        for path in self.file.iter().flat_map(|path| written(path)) {
            let ours = place(&path);
            let is_other =
                |found: &PathBuf| found.file_name() != path.file_name() || place(found) != ours;
            discovery.skipped.retain(is_other);
        }
    }

    /// Removes the checkpoint of a scan that has ended and whose report is written.
    pub(crate) fn remove(&self) {
        let Some(path) = &self.file else { return };
        match remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let path = paths::text(path);
                let next = "delete it, there is nothing to go on with";
                say(format!("cannot remove checkpoint {path}: {error}; {next}"));
            }
            _ => {}
        }
    }
}

fn unusable(path: &Path, error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::AlreadyExists {
        return Failure::usage(error);
    }
    Failure::work(format!("cannot write checkpoint {}: {error}", paths::text(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_a_time_above_nothing() {
        assert_eq!(seconds("0.05").unwrap(), Duration::from_millis(50));
        for text in ["0", "-1", "", "x", "NaN", "inf", "1e300"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_place_is_the_same_before_and_after_the_file_exists() {
        let folder = tempfile::tempdir().unwrap();
        let (straight, detour) = (folder.path().join("a"), folder.path().join("./b/../a"));
        fs::create_dir(folder.path().join("b")).unwrap();
        let before = place(&straight);
        assert_eq!(before, place(&detour));
        fs::write(&straight, "").unwrap();
        assert_eq!([place(&straight), place(&detour)], [before.clone(), before]);
    }
}

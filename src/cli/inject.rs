//! `pagescrub inject`: known damage to a data file or backup, and the key to it.

use super::exit::{Exit, Failure};
use super::output::Guard;
use super::say::print;
use clap::builder::PossibleValue;
use pagescrub::discover::paths;
use pagescrub::drill::{AnswerKey, BACKUP_FAULTS, BackupInjection, Damage, FAULTS};
use pagescrub::drill::{InjectError, Injection, Target, inject, inject_into_backup};
use pagescrub::page::address::PageId;
use pagescrub::report::json_text::write_pretty;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Damage a few pages of a generated data file or backup and say what a scan must find
#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("target").required(true))]
pub(crate) struct Args {
    /// The file to damage
    file: PathBuf,
    /// The kind of damage
    #[arg(long, value_name = "KIND", value_parser = FaultParser)]
    fault: Damage,
    /// Damage this page, in a backup one of its first data file; the first page of the stripes for
    /// ransomware-stripe, the member that holds it for dead-member, its 64 KiB for dead-zone and
    /// zero-extent
    #[arg(long, value_name = "N", group = "target")]
    page: Option<u32>,
    /// Damage K pages on which the fault makes sense; whatever K, ransomware-stripe takes a random
    /// start, dead-member a random member, and dead-zone an eighth of the file
    #[arg(long, value_name = "K", group = "target")]
    random: Option<u32>,
    /// The same seed does the same damage
    #[arg(long)]
    seed: u64,
    /// Where the answer key goes, as JSON; an older key of the same file and seed is extended.
    /// Without it the key goes to standard output
    #[arg(long, value_name = "FILE")]
    answer_key: Option<PathBuf>,
    /// Position of the backup set to damage; 1 unless given
    #[arg(long, value_name = "N")]
    set: Option<u16>,
    /// Damage a file that pagescrub did not generate
    #[arg(long)]
    force: bool,
}

/// Injects and hands out the answer key.
pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let guard = Guard::default().and([&*args.file]);
    args.answer_key.as_deref().map_or(Ok(()), |path| guard.check_file(path))?;
    let older = args.answer_key.as_deref().map(older_key).transpose()?.flatten();
    if let Some(older) = &older {
        let name = paths::text(Path::new(args.file.file_name().unwrap_or_default()));
        older.check_goes_on(&name, args.seed).map_err(Failure::usage)?;
    }
    let key = damage(args).map_err(|error| match error {
        InjectError::Io(..) | InjectError::ReadOnly(..) => Failure::work(error),
        _ => Failure::usage(error),
    })?;
    match (&args.answer_key, older) {
        (None, _) => print(|out| write(&key, out))?,
        (Some(path), None) => guard.write_file(path, &|out| write(&key, out))?,
        (Some(path), Some(older)) => {
            let key = older.followed_by(key).map_err(Failure::usage)?;
            guard.write_file(path, &|out| write(&key, out))?;
        }
    }
    Ok(Exit::Clean)
}

fn write(key: &AnswerKey, out: &mut dyn Write) -> io::Result<()> {
    write_pretty(key, out)?;
    out.write_all(b"\n")
}

fn damage(args: &Args) -> Result<AnswerKey, InjectError> {
    let target = match (args.page, args.random) {
        (Some(page), _) => Target::Page(PageId(page)),
        (None, wanted) => Target::Random(wanted.unwrap_or(1)),
    };
    let (damage, seed, force) = (args.fault, args.seed, args.force);
    match (damage, args.set) {
        (Damage::Pages(fault), None) => {
            inject(&args.file, &Injection { fault, target, seed, force })
        }
        (_, set) => {
            let set = set.unwrap_or(1);
            inject_into_backup(&args.file, &BackupInjection { damage, target, seed, force, set })
        }
    }
}

/// The key that is there already, read before any damage is done.
fn older_key(path: &Path) -> Result<Option<AnswerKey>, Failure> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(Failure::work(format!("cannot read {}: {error}", paths::text(path))));
        }
    };
    serde_json::from_slice(&text)
        .map(Some)
        .map_err(|error| Failure::usage(format!("{} is no answer key: {error}", paths::text(path))))
}

/// Parses the name of a fault and lists all of them in the help.
#[derive(Clone)]
struct FaultParser;

impl clap::builder::TypedValueParser for FaultParser {
    type Value = Damage;

    fn parse_ref(
        &self,
        _: &clap::Command,
        _: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<Damage, clap::Error> {
        let error = |error| clap::Error::raw(clap::error::ErrorKind::InvalidValue, error);
        let name = value.to_string_lossy();
        if let Ok(fault) = name.parse() {
            return Ok(Damage::Backup(fault));
        }
        let others: Vec<_> = BACKUP_FAULTS.iter().map(|&(_, name, _)| name).collect();
        let others = others.join(", ");
        let unknown = |unknown| error(format!("{unknown}, or for backups {others}\n"));
        name.parse().map(Damage::Pages).map_err(unknown)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let value = |(name, help)| PossibleValue::new(name).help(help);
        let of_pages = FAULTS.iter().map(|&(_, name, help)| (name, help));
        let of_backups = BACKUP_FAULTS.iter().map(|&(_, name, help)| (name, help));
        Some(Box::new(of_pages.chain(of_backups).map(value)))
    }
}

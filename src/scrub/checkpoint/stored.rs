//! The form of a checkpoint on disk: a line that says what it is, one line of JSON, and a line with
//! the CRC-32 of both, so that a file that is cut or changed is never taken for a whole one.
//!
//! Nothing is parsed before its checksum was seen to be right, so what is read into memory is what
//! a scan had in memory when it wrote it.

use super::Checkpoint;
use super::refused::{Why, damaged};
use crate::discover::paths;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const MAGIC: &str = "pagescrub.checkpoint/";
/// Changes with what a checkpoint holds. Other versions of the program are refused besides.
const SCHEMA: &str = "5";
/// A first line is no longer than this.
const FIRST_LINE_BYTES_MAX: u64 = 80;
/// `crc32 01234567` and a newline.
const LAST_LINE_BYTES: u64 = 15;
/// Added to a checkpoint's name while it is written.
const TEMPORARY: &str = ".pagescrub-new";
/// Added to its name for the file whose lock says that a scan writes it.
const LOCK: &str = ".pagescrub-lock";

fn first_line() -> String {
    format!("{MAGIC}{SCHEMA} pagescrub {}\n", env!("CARGO_PKG_VERSION"))
}

fn last_line(crc: u32) -> String {
    format!("crc32 {crc:08x}\n")
}

/// True if the file at `path` is a checkpoint, of whatever version and state.
pub fn is_checkpoint(path: &Path) -> io::Result<bool> {
    let is_file = fs::metadata(path)?.is_file();
    Ok(is_file && beginning(&File::open(path)?)?.starts_with(MAGIC.as_bytes()))
}

/// Tries whether a checkpoint can be written at `path`, without writing one.
pub fn check_writable(path: &Path) -> io::Result<()> {
    let temporary = temporary(path);
    created(&temporary)?;
    fs::remove_file(&temporary)
}

fn beginning(file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(FIRST_LINE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Beside the checkpoint, because only there it can be renamed into its place in one step.
fn temporary(path: &Path) -> PathBuf {
    beside(path, TEMPORARY)
}

/// The file whose lock says that a scan writes the checkpoint at `path`.
pub(super) fn lock_of(path: &Path) -> PathBuf {
    beside(path, LOCK)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// All that is written or removed for checkpoints at `path`.
pub fn written(path: &Path) -> [PathBuf; 3] {
    [path.to_owned(), temporary(path), lock_of(path)]
}

/// The file at `path` to lock, made if there is none. One with content is none of ours.
pub(super) fn opened_lock(path: &Path) -> io::Result<File> {
    let file = File::options().read(true).append(true).create(true).open(path)?;
    if file.metadata()?.len() > 0 { Err(foreign(path)) } else { Ok(file) }
}

/// Removes the checkpoint at `path`; anything else that is there stays.
pub fn remove(path: &Path) -> io::Result<()> {
    check_replaceable(path)?;
    fs::remove_file(path)
}

/// What is there now need not be what was there when the scan began.
fn check_replaceable(path: &Path) -> io::Result<()> {
    match is_checkpoint(path) {
        Ok(false) => Err(foreign(path)),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn foreign(path: &Path) -> io::Error {
    let path = paths::text(path);
    let what = format!("{path} is there and is no checkpoint: move it away, or give another name");
    io::Error::new(io::ErrorKind::AlreadyExists, what)
}

/// A new file: what is left of an older one goes away, and nothing else.
fn created(path: &Path) -> io::Result<File> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        // One without content was cut off before its first line.
        Ok(old) if old.is_file() && (old.len() == 0 || is_checkpoint(path)?) => {
            fs::remove_file(path)?;
        }
        Ok(_) => return Err(foreign(path)),
        Err(error) => return Err(error),
    }
    File::options().write(true).create_new(true).open(path)
}

/// Puts `checkpoint` at `path`; until it is wholly on the disk, the older one stays there.
pub(super) fn write(checkpoint: &Checkpoint, path: &Path) -> io::Result<()> {
    let temporary = temporary(path);
    let file = created(&temporary)?;
    let written = write_new(checkpoint, file)
        .and_then(|()| check_replaceable(path))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // Its room may be what the disk lacks. If it cannot be removed, that is the lesser evil.
        let _ = fs::remove_file(&temporary);
    }
    written.and_then(|()| sync_directory_of(path))
}

fn write_new(checkpoint: &Checkpoint, file: File) -> io::Result<()> {
    let mut out = BufWriter::new(Summed { file, crc: crc32fast::Hasher::new() });
    out.write_all(first_line().as_bytes())?;
    serde_json::to_writer(&mut out, checkpoint)?;
    out.write_all(b"\n")?;
    let Summed { mut file, crc } = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.write_all(last_line(crc.finalize()).as_bytes())?;
    file.sync_all()
}

/// A file and the checksum of what was written to it.
struct Summed {
    file: File,
    crc: crc32fast::Hasher,
}

impl Write for Summed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.crc.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A name lasts only once its directory is on the disk. Some network file systems cannot be told
/// to do that and do it anyway.
#[cfg(unix)]
fn sync_directory_of(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    match File::open(parent.unwrap_or(Path::new(".")))?.sync_all() {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        other => other,
    }
}

#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps)]
fn sync_directory_of(_: &Path) -> io::Result<()> {
    Ok(())
}

/// The checkpoint at `path`, if it is whole.
pub(super) fn read(path: &Path) -> Result<Checkpoint, Why> {
    if !fs::metadata(path)?.is_file() {
        return Err(Why::Foreign);
    }
    let mut file = File::open(path)?;
    let first_line = first_line();
    check_first_line(&beginning(&file)?, &first_line)?;
    let summed_bytes = file.metadata()?.len().checked_sub(LAST_LINE_BYTES);
    let summed_bytes = summed_bytes.ok_or_else(|| damaged("it is cut short"))?;
    if !ends_with_its_checksum(&mut file, summed_bytes)? {
        return Err(damaged("its checksum does not agree"));
    }
    let body = first_line.len() as u64;
    file.seek(SeekFrom::Start(body))?;
    let json = BufReader::new(file).take(summed_bytes.saturating_sub(body));
    serde_json::from_reader(json).map_err(|error| damaged(error.to_string()))
}

fn check_first_line(found: &[u8], ours: &str) -> Result<(), Why> {
    if found.starts_with(ours.as_bytes()) {
        return Ok(());
    }
    if ours.as_bytes().starts_with(found) {
        return Err(damaged("it is cut short"));
    }
    let Some(version) = found.strip_prefix(MAGIC.as_bytes()) else { return Err(Why::Foreign) };
    let line = version.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let text = String::from_utf8_lossy(line);
    let writer = text.split_once(' ').map(|(_schema, writer)| writer.to_owned());
    Err(writer.map_or_else(|| damaged("its first line is none"), Why::OtherVersion))
}

fn ends_with_its_checksum(file: &mut File, summed_bytes: u64) -> io::Result<bool> {
    file.rewind()?;
    let mut crc = crc32fast::Hasher::new();
    let mut reader = BufReader::new(file);
    io::copy(&mut reader.by_ref().take(summed_bytes), &mut Sum(&mut crc))?;
    let mut found = Vec::new();
    reader.take(LAST_LINE_BYTES).read_to_end(&mut found)?;
    Ok(found == last_line(crc.finalize()).as_bytes())
}

/// Only sums up what is written to it.
struct Sum<'a>(&'a mut crc32fast::Hasher);

impl Write for Sum<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

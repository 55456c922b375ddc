//! A file: every reader as a whole scan, against the same reads without computing.

use super::BenchError;
use super::raw::Raw;
use super::report::Section;
use super::rounds::{Limit, Rounds, Sample, Variant, timed, watching_the_cache};
use crate::consolidate::tally::Coverage;
#[cfg(target_os = "linux")]
use crate::discover::paths::explain;
use crate::discover::promised::Promise;
use crate::discover::{DataFile, Discovery, FileKind};
use crate::page::PAGE_BYTES;
use crate::plan::{BATCH_PAGES_DEFAULT, Plan};
use crate::read::open::Reader;
use crate::scrub::{Settings, Silent, Stop, scrub};
use crate::verify::engine::Engine;
use bytesize::ByteSize;
use std::cell::RefCell;
use std::path::Path;

/// The data files of `found`, cut to `bytes_max` stored bytes in all. What is cut off is not
/// missed by a scan, and nothing that was refused is asked for again.
pub fn bounded(found: Discovery, bytes_max: u64) -> Discovery {
    let mut pages_left = bytes_max / PAGE_BYTES as u64;
    let data = found.files.into_iter().filter(|file| file.kind == FileKind::Data);
    let files = data.map(|file| cut(file, &mut pages_left));
    let files = files.filter(|file| !file.stored.is_empty()).collect();
    Discovery { files, ..Discovery::default() }
}

fn cut(mut file: DataFile, pages_left: &mut u64) -> DataFile {
    let pages: u64 = file.stored.iter().map(|range| u64::from(range.pages)).sum();
    if pages <= *pages_left {
        *pages_left -= pages;
        return file;
    }
    for range in &mut file.stored {
        range.pages = u64::from(range.pages).min(*pages_left) as u32;
        *pages_left -= u64::from(range.pages);
    }
    file.stored.retain(|range| range.pages > 0);
    let end = file.stored.last().map_or(0, |range| range.end());
    (file.bytes, file.promise) = (u64::from(end) * PAGE_BYTES as u64, Promise::default());
    file
}

/// Bytes that a scan of `files` reads.
pub(super) fn stored_bytes(files: &Discovery) -> u64 {
    files.files.iter().flat_map(|file| &file.stored).map(|range| range.bytes()).sum()
}

/// Every reader on `files`, from the page cache and, where it can be dropped, from the device.
pub(super) fn measure(
    files: &Discovery,
    threads: usize,
    rounds: &Rounds<'_>,
    notes: &mut Vec<String>,
) -> Result<Vec<Section>, BenchError> {
    let job = Job { files, threads, bytes: stored_bytes(files), verdicts: RefCell::default() };
    let size = ByteSize(job.bytes).display().iec();
    (rounds.progress)("hot: reading the file into the page cache");
    job.raw(Reader::Pread)?;
    let variants = readers().flat_map(|reader| job.pair(reader, || Ok(()))).collect();
    let title = format!("File in the page cache, {size}, {threads} threads");
    let mut sections = vec![rounds.section("hot", title, variants)?];
    if let Some(why) = why_never_cold(files) {
        notes.push(format!("no cold reads: {why}"));
    } else {
        let drop_cache = || drop_from_cache(files);
        let variants = readers().flat_map(|reader| job.pair(reader, drop_cache)).collect();
        let title = format!("File from the device, {size}, {threads} threads");
        sections.push(rounds.section("cold", title, variants)?);
    }
    notes.extend(job.found_damage());
    Ok(sections)
}

fn readers() -> impl Iterator<Item = Reader> {
    Reader::ALL.into_iter().filter(|reader| reader.unavailable().is_none())
}

/// Pages by verdict; whatever reads the file must come to the same.
type Verdicts = [u64; 6];

struct Job<'a> {
    files: &'a Discovery,
    threads: usize,
    bytes: u64,
    /// Of the first scan.
    verdicts: RefCell<Option<Verdicts>>,
}

impl<'a> Job<'a> {
    /// A scan with `reader` and its limit, each after `prepare`.
    fn pair<Prepare>(&'a self, reader: Reader, prepare: Prepare) -> [Variant<'a>; 2]
    where
        Prepare: Fn() -> Result<(), BenchError> + Copy + 'a,
    {
        let limit = format!("read {}", reader.name());
        let reading = move || {
            prepare()?;
            watching_the_cache(|| self.raw(reader))
        };
        let scanning = move || {
            prepare()?;
            watching_the_cache(|| self.scan(reader))
        };
        let name = format!("scan {}", reader.name());
        [
            Variant::new(limit.clone(), Limit::Itself, reading),
            Variant::new(name, Limit::Row(limit), scanning),
        ]
    }

    fn scan(&self, reader: Reader) -> Result<Sample, BenchError> {
        let engine = Engine::named("auto").map_err(|e| BenchError::Work(e.to_string()))?;
        let (open, stop) = (|path: &Path| reader.open(path), Stop::default());
        let threads = self.threads;
        let settings = Settings { threads, ..Settings::new(&engine, &open, &stop) };
        let (scrubbed, sample) = timed(self.bytes, || scrub(self.files, &settings, &Silent));
        if let Some(finding) = scrubbed.report.host_findings.first() {
            return Err(BenchError::Wrong(finding.clone()));
        }
        self.check(verdicts_of(&scrubbed.report.coverage), reader)?;
        Ok(sample)
    }

    fn check(&self, verdicts: Verdicts, reader: Reader) -> Result<(), BenchError> {
        let first = *self.verdicts.borrow_mut().get_or_insert(verdicts);
        if first == verdicts {
            return Ok(());
        }
        Err(BenchError::Work(format!(
            "two scans of the same file differ, the last with reader {}: something writes to it, \
             or the way to the storage fails; use a copy, or scan it for damage",
            reader.name()
        )))
    }

    fn found_damage(&self) -> Option<String> {
        let [.., suspect, not_reached] = (*self.verdicts.borrow())?;
        let found = suspect + not_reached;
        (found > 0).then(|| {
            format!("{found} pages are suspect or could not be read, which slows a scan down")
        })
    }

    /// The limit of `reader`.
    fn raw(&self, reader: Reader) -> Result<Sample, BenchError> {
        let plan = Plan::new(&self.files.files, BATCH_PAGES_DEFAULT);
        let raw = Raw::new(&plan, reader, self.threads)?;
        let (outcome, sample) = timed(self.bytes, || raw.read_all());
        outcome.map(|()| sample)
    }
}

pub(super) fn cannot_read(path: &Path, why: impl std::fmt::Display) -> BenchError {
    let path = path.display();
    BenchError::Work(format!("cannot read {path}: {why}; measure a file that can be read"))
}

fn verdicts_of(coverage: &Coverage) -> Verdicts {
    let Coverage { intact, unprotected, free, transient, suspect, not_reached, .. } = *coverage;
    [intact, unprotected, free, transient, suspect, not_reached]
}

/// Why the bytes of `files` cannot be dropped from memory, if they cannot.
#[cfg(target_os = "linux")]
fn why_never_cold(files: &Discovery) -> Option<&'static str> {
    const TMPFS: u64 = 0x0102_1994;
    let lies_in_memory = |path: &Path| {
        rustix::fs::statfs(path).is_ok_and(|system| system.f_type.cast_unsigned() == TMPFS)
    };
    let any = files.files.iter().any(|file| lies_in_memory(&file.path));
    any.then_some("the file lies in memory (tmpfs)")
}

#[cfg(not(target_os = "linux"))]
fn why_never_cold(_: &Discovery) -> Option<&'static str> {
    Some("only Linux drops single files from its cache")
}

/// Written out first: what is not yet on the device stays in the cache.
#[cfg(target_os = "linux")]
fn drop_from_cache(files: &Discovery) -> Result<(), BenchError> {
    for file in &files.files {
        let drop = || -> std::io::Result<()> {
            let opened = std::fs::File::open(&file.path)?;
            opened.sync_all()?;
            Ok(rustix::fs::fadvise(&opened, 0, None, rustix::fs::Advice::DontNeed)?)
        };
        drop().map_err(|e| cannot_read(&file.path, explain(&e)))?;
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn drop_from_cache(_: &Discovery) -> Result<(), BenchError> {
    Ok(())
}

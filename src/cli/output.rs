//! What is written where: formats and outputs in pairs, for every command that reports.

use super::exit::Failure;
use clap::ValueEnum;
use pagescrub::consolidate::report::ScrubReport;
use pagescrub::discover::names::promises_pages;
use pagescrub::discover::paths::{FileIdentity, identity_of};
use pagescrub::discover::{FileKind, discover};
use pagescrub::report::{csv, html, json, jsonl, mapfile, prometheus, terminal, tsql};
use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Formats, outputs and how the terminal report looks.
#[derive(clap::Args)]
#[group(id = "output_options")]
pub(crate) struct Options {
    /// What to write; may be given several times, each with its own --output
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Vec<Format>,

    /// Where to write: the first goes with the first --format, and so on; formats beyond go to
    /// stdout. For mapfile, a directory
    #[arg(long, value_name = "FILE")]
    output: Vec<PathBuf>,

    /// Rows of each table in the terminal report
    #[arg(long, default_value_t = 20, value_name = "N")]
    top: usize,

    /// In the terminal report, also SQL Server's message, the likely cause and the evidence for
    /// each suspect, healthy files and skipped files
    #[arg(short, long)]
    verbose: bool,
}

/// The forms that a report can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Terminal,
    /// Everything, schema pagescrub.report/1
    Json,
    /// The same, an object per line
    Jsonl,
    /// The suspects, for spreadsheets and imports
    Csv,
    /// What a DBA needs to look at and restore the pages, commented out
    Tsql,
    /// One page for a browser, to attach to a ticket
    Html,
    /// Metrics for Prometheus, as a textfile
    Prometheus,
    /// Maps for GNU ddrescue, one for each data file
    Mapfile,
}

/// Formats and where they go; the one without a path goes to stdout.
pub(crate) struct Outputs<'a> {
    pairs: Vec<(Format, Option<&'a Path>)>,
    options: &'a Options,
}

impl Options {
    /// As [`Self::outputs`], and the terminal report on stdout if nothing else goes there: hours of
    /// scanning should not end in silence.
    pub(crate) fn outputs_and_terminal(&self) -> Result<Outputs<'_>, Failure> {
        let mut outputs = self.outputs()?;
        if outputs.pairs.iter().all(|(_, output)| output.is_some()) {
            outputs.pairs.push((Format::Terminal, None));
        }
        Ok(outputs)
    }

    /// Pairs formats with outputs in the order given, one format at most with stdout; without
    /// any, the terminal report goes there.
    pub(crate) fn outputs(&self) -> Result<Outputs<'_>, Failure> {
        if self.output.len() > self.format.len() {
            return Err(Failure::usage("each --output needs a --format"));
        }
        let mut files = self.output.iter().map(PathBuf::as_path);
        let mut pairs: Vec<_> = self.format.iter().map(|&format| (format, files.next())).collect();
        if pairs.contains(&(Format::Mapfile, None)) {
            let why = "writes a map for each data file: add --output DIR";
            return Err(Failure::usage(format!("--format mapfile {why}")));
        }
        if pairs.is_empty() {
            pairs.push((Format::Terminal, None));
        }
        if pairs.iter().filter(|(_, output)| output.is_none()).count() > 1 {
            let why = "only one --format can go to stdout; add --output FILE";
            return Err(Failure::usage(why));
        }
        Ok(Outputs { pairs, options: self })
    }
}

impl Outputs<'_> {
    /// The files that will be written.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        let is_file = |format: Format| format != Format::Mapfile;
        self.pairs.iter().filter(move |(format, _)| is_file(*format)).filter_map(|(_, path)| *path)
    }

    /// Outputs that cannot be written are better known before hours of scanning.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        for (format, path) in &self.pairs {
            match (format, path) {
                (Format::Mapfile, Some(directory)) => make_directory(directory)?,
                (_, Some(path)) => check_output(path)?,
                (_, None) => {}
            }
        }
        Ok(())
    }

    /// A slip of the fingers must not replace what is read by its report.
    pub(crate) fn refuse_to_overwrite(&self, read: &[&FileIdentity]) -> Result<(), Failure> {
        for path in self.paths() {
            let identity = identity_of(path).map_err(|e| cannot_write(path, &e))?;
            if read.contains(&&identity) {
                let path = path.display();
                return Err(Failure::usage(format!("--output {path} is one of the files to read")));
            }
        }
        Ok(())
    }

    /// Writes `report` in all formats, stdout first: what cannot be written elsewhere must not
    /// cost the answer.
    pub(crate) fn write(&self, report: &ScrubReport) -> Result<(), Failure> {
        let (files, stdout): (Vec<_>, Vec<_>) =
            self.pairs.iter().partition(|(_, path)| path.is_some());
        let write = |&(format, path): &(Format, Option<&Path>)| match path {
            Some(path) => write_format(report, format, path, self.options.look(None)),
            None => self.write_to_stdout(report, format),
        };
        let written: Vec<_> = stdout.into_iter().chain(files).map(write).collect();
        written.into_iter().collect()
    }

    fn write_to_stdout(&self, report: &ScrubReport, format: Format) -> Result<(), Failure> {
        let look = self.options.look(width());
        let mut out = BufWriter::new(anstream::stdout().lock());
        match render(report, format, look, &mut out).and_then(|()| out.flush()) {
            // Whoever read it has read enough.
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other.map_err(|e| cannot_write(Path::new("stdout"), &e)),
        }
    }
}

impl Options {
    fn look(&self, width: Option<u16>) -> terminal::Look {
        terminal::Look { width, rows_max: self.top, verbose: self.verbose }
    }
}

/// Writes `report` as `format` to `path`.
fn write_format(
    report: &ScrubReport,
    format: Format,
    path: &Path,
    look: terminal::Look,
) -> Result<(), Failure> {
    match format {
        Format::Mapfile => write_maps(report, path),
        Format::Prometheus => write_at_once(path, |out| prometheus::write(report, out)),
        Format::Terminal => write_file(path, |out| {
            let mut text = anstream::StripStream::new(Vec::new());
            terminal::write(report, look, &mut text)?;
            out.write_all(&text.into_inner())
        }),
        _ => write_file(path, |out| render(report, format, look, out)),
    }
}

fn render(
    report: &ScrubReport,
    format: Format,
    look: terminal::Look,
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        Format::Terminal => terminal::write(report, look, out),
        Format::Json => json::write(report, out),
        Format::Jsonl => jsonl::write(report, out),
        Format::Csv => csv::write(report, out),
        Format::Tsql => tsql::write(report, out),
        Format::Html => html::write(report, out),
        Format::Prometheus => prometheus::write(report, out),
        Format::Mapfile => Err(io::Error::other("a mapfile is written into a directory")),
    }
}

/// Columns of the terminal, if stdout is one.
fn width() -> Option<u16> {
    let is_terminal = io::stdout().is_terminal();
    is_terminal.then(|| console::Term::stdout().size().1)
}

fn check_output(path: &Path) -> Result<(), Failure> {
    if promises_pages(path) || is_database(path) {
        let path = path.display();
        let why = "is a database file, or is named like one: give another name";
        return Err(Failure::usage(format!("--output {path} {why}")));
    }
    let opened = File::options().append(true).create(true).open(path);
    opened.map(drop).map_err(|e| cannot_write(path, &e))
}

fn is_database(path: &Path) -> bool {
    if fs::metadata(path).map_or(0, |metadata| metadata.len()) == 0 {
        return false;
    }
    let found = discover(&[path.to_owned()]);
    !found.files.is_empty() || found.refusals.iter().any(|r| r.kind != FileKind::Unknown)
}

/// Makes `directory`, and those above it.
pub(crate) fn make_directory(directory: &Path) -> Result<(), Failure> {
    fs::create_dir_all(directory).map_err(|e| cannot_write(directory, &e))
}

/// Writes the map of each data file into `directory`.
pub(crate) fn write_maps(report: &ScrubReport, directory: &Path) -> Result<(), Failure> {
    let suspects = mapfile::suspect_pages(report);
    mapfile::mapped(report).try_for_each(|(position, file)| {
        let key = (file.host.as_deref(), &*file.path);
        let pages = suspects.get(&key).map_or(&[][..], Vec::as_slice);
        let path = directory.join(mapfile::name(position));
        write_file(&path, |out| mapfile::write(report, file, pages, out))
    })
}

/// Writes the file at `path`.
pub(crate) fn write_file(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Failure> {
    File::create(path).and_then(|file| fill(file, write)).map_err(|e| cannot_write(path, &e))
}

/// Writes the file at `path` so that nobody ever reads a part of it: beside it, then renamed.
pub(crate) fn write_at_once(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Failure> {
    // A device or a pipe must not be replaced by a file; a link must not either.
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if fs::metadata(&target).is_ok_and(|metadata| !metadata.is_file()) {
        return write_file(path, write);
    }
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let beside = target.with_file_name(name);
    let written = File::create(&beside)
        .and_then(|file| fill(file, write))
        .and_then(|()| fs::rename(&beside, &target));
    written.map_err(|error| {
        // What is half written is of no use; that it stays behind changes nothing.
        let _ = fs::remove_file(&beside);
        cannot_write(path, &error)
    })
}

fn fill(file: File, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::new(file);
    write(&mut out)?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    // Pipes and terminals cannot be synced, and need not be.
    if file.metadata()?.is_file() { file.sync_all() } else { Ok(()) }
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::work(format!("cannot write {}: {error}", path.display()))
}

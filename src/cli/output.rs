//! What is written where: formats and outputs in pairs, for every command that reports.

mod guard;
#[cfg(unix)]
mod pipe;
mod writer;

pub(crate) use guard::Guard;

use super::exit::Failure;
use super::say::print;
use clap::ValueEnum;
use pagescrub::consolidate::only::only;
use pagescrub::consolidate::report::ScrubReport;
use pagescrub::discover::paths;
use pagescrub::report::{csv, html, json, jsonl, mapfile, prometheus, terminal, tsql};
use std::collections::HashSet;
use std::io::{self, IsTerminal, Write};
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

    /// Of the terminal report, the answer and the last line only: no tables, no progress
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,

    /// Only of the databases of this name, in upper or lower case, and of their backups, in all
    /// formats and in the exit code; may be given more than once. Files that do not say whose they
    /// are stay. A name that is nowhere is an error (exit code 2)
    #[arg(long, value_name = "NAME")]
    database: Vec<String>,

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
        if let Some(path) = named_twice(pairs.iter().filter_map(|(_, output)| *output)) {
            let why = "is the --output of two formats: give each its own";
            return Err(Failure::usage(format!("{} {why}", paths::text(path))));
        }
        Ok(Outputs { pairs, options: self })
    }
}

/// The same for two paths to one file, whether it exists or not.
pub(crate) fn place(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = std::fs::canonicalize(parent.unwrap_or(Path::new("."))).unwrap_or_default();
    let unresolved = || path.file_name().map(|name| parent.join(name)).unwrap_or_default();
    std::fs::canonicalize(path).unwrap_or_else(|_| unresolved())
}

/// The first of `files` that another one is, too. What is no file takes one format after another.
fn named_twice<'a>(files: impl Iterator<Item = &'a Path>) -> Option<&'a Path> {
    let mut places = HashSet::new();
    let is_file = |path: &&Path| path.metadata().map_or(true, |found| found.is_file());
    files.filter(is_file).find(|path| !places.insert(place(path)))
}

impl Outputs<'_> {
    /// The files that will be written.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        let is_file = |format: Format| format != Format::Mapfile;
        self.pairs.iter().filter(move |(format, _)| is_file(*format)).filter_map(|(_, path)| *path)
    }

    /// Outputs that may not or cannot be written are better known before hours of scanning.
    pub(crate) fn check(&self, guard: &Guard) -> Result<(), Failure> {
        self.pairs.iter().try_for_each(|(format, path)| match (format, path) {
            (Format::Mapfile, Some(folder)) => guard.check_folder(folder, mapfile::is_name),
            (_, Some(path)) => guard.check_file(path),
            (_, None) => Ok(()),
        })
    }

    /// Writes `report` in all formats: stdout first, because what cannot be written elsewhere must
    /// not cost the answer, and last what others may keep waiting for, such as a pipe.
    pub(crate) fn write(&self, report: &ScrubReport, guard: &Guard) -> Result<(), Failure> {
        let mut pairs = self.pairs.clone();
        pairs.sort_by_key(|(_, path)| path.map(writer::is_in_place));
        first_failure(pairs.into_iter().map(|(format, path)| match path {
            Some(path) => self.write_format(report, format, path, guard),
            None => print(|out| match format {
                Format::Terminal => self.options.terminal(report, self.options.look(width()), out),
                _ => render(report, format, out),
            }),
        }))
    }

    fn write_format(
        &self,
        report: &ScrubReport,
        format: Format,
        path: &Path,
        guard: &Guard,
    ) -> Result<(), Failure> {
        match format {
            Format::Mapfile => write_maps(report, path, guard),
            Format::Terminal => guard.write_file(path, &|out| {
                let mut text = anstream::StripStream::new(Vec::new());
                self.options.terminal(report, self.options.look(None), &mut text)?;
                out.write_all(&text.into_inner())
            }),
            _ => guard.write_file(path, &|out| render(report, format, out)),
        }
    }
}

impl Options {
    /// Nothing but the answer is wanted.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// `report`, if only some databases are wanted, of these only.
    pub(crate) fn chosen(&self, report: ScrubReport) -> Result<ScrubReport, Failure> {
        if self.database.is_empty() {
            return Ok(report);
        }
        only(report, &self.database).map_err(Failure::usage)
    }

    fn terminal(
        &self,
        report: &ScrubReport,
        look: terminal::Look,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        if self.quiet {
            terminal::write_quiet(report, look, out)
        } else {
            terminal::write(report, look, out)
        }
    }

    fn look(&self, width: Option<u16>) -> terminal::Look {
        terminal::Look { width, rows_max: self.top, verbose: self.verbose }
    }
}

/// All formats but those for people at a terminal, which depend on it, and those of many files.
fn render(report: &ScrubReport, format: Format, out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Json => json::write(report, out),
        Format::Jsonl => jsonl::write(report, out),
        Format::Csv => csv::write(report, out),
        Format::Tsql => tsql::write(report, out),
        Format::Html => html::write(report, out),
        Format::Prometheus => prometheus::write(report, out),
        Format::Terminal | Format::Mapfile => Err(io::Error::other("is written elsewhere")),
    }
}

/// Columns of the terminal, if stdout is one.
pub(crate) fn width() -> Option<u16> {
    let is_terminal = io::stdout().is_terminal();
    is_terminal.then(|| console::Term::stdout().size().1)
}

/// Writes the map of each data file into `folder`.
pub(crate) fn write_maps(
    report: &ScrubReport,
    folder: &Path,
    guard: &Guard,
) -> Result<(), Failure> {
    let suspects = mapfile::suspect_pages(report);
    first_failure(mapfile::mapped(report).map(|(position, file)| {
        let key = (file.host.as_deref(), &*file.path);
        let pages = suspects.get(&key).map_or(&[][..], Vec::as_slice);
        let path = folder.join(mapfile::name(position));
        guard.write_member(&path, &|out| mapfile::write(report, file, pages, out))
    }))
}

/// Of outputs that were all tried, the first failure, which says how many there are.
pub(crate) fn first_failure(
    written: impl IntoIterator<Item = Result<(), Failure>>,
) -> Result<(), Failure> {
    let mut failures: Vec<_> = written.into_iter().filter_map(Result::err).collect();
    let more = failures.len().saturating_sub(1);
    match failures.drain(..).next() {
        None => Ok(()),
        Some(first) if more == 0 => Err(first),
        Some(first) => Err(first.and(format!("; nor {more} more of the outputs"))),
    }
}

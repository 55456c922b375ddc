//! The commands, one file each. What they share is the exit code and how errors are told.

mod checkpoint;
#[cfg(feature = "gpu")]
mod drivers;
mod engine;
mod devices;
mod diff;
mod directory;
mod exit;
mod options;
mod output;
mod progress;
mod bench;
mod generate;
mod generate_backup;
mod image;
mod inject;
mod limits;
mod merge;
mod page;
mod pages;
mod plan;
mod report;
mod say;
mod scan;
mod stop;

use clap::{Parser, Subcommand};
use exit::{Exit, ExitStyle, Failure};
use std::process::ExitCode;
use std::thread;

/// Finds the damaged pages of SQL Server data files and backups, offline and in bulk
#[derive(Parser)]
#[command(version, max_term_width = 100, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Exit codes: 0 everything planned was read and nothing that can be verified is suspect; \
1 suspect pages found; \
2 wrong usage, or an edited report; 3 not everything could be verified, or stopped; \
4 this machine or program cannot be trusted.";

#[derive(Subcommand)]
enum Command {
    Scan(Box<scan::Args>),
    /// Scan, and check what pages say of each other, as the physical part of DBCC CHECKDB does
    Check(Box<scan::Args>),
    Report(report::Args),
    Merge(merge::Args),
    Plan(plan::Args),
    Diff(diff::Args),
    Page(page::Args),
    Pages(pages::Args),
    Generate(generate::Args),
    Inject(inject::Args),
    Bench(bench::Args),
    Devices(devices::Args),
}

/// Parses the command line and runs the command.
pub(crate) fn main() -> ExitCode {
    let style = ExitStyle::asked_for(std::env::args_os());
    style.code(in_a_thread()).into()
}

/// The first thread has the stack that `ulimit -s` gives it; the work is done with one that is
/// known. A panic is a bug of ours; it has said so on stderr, and the exit code must say so too.
fn in_a_thread() -> Exit {
    let thread = thread::Builder::new().name("main".into()).stack_size(limits::STACK_BYTES);
    match thread.spawn(parse_and_run) {
        Ok(work) => work.join().unwrap_or(Exit::Internal),
        Err(error) => {
            let next = "raise the limits of memory and of processes (ulimit -v, -u)";
            say::tell(&Failure::work(format!("cannot start: {error}: {next}")))
        }
    }
}

fn parse_and_run() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Printing help cannot usefully fail: there is nobody left to tell.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Clean };
        }
    };
    allow_open_files();
    let outcome = stop::survive_long_files().and_then(|()| run(&cli.command));
    outcome.unwrap_or_else(|failure| say::tell(&failure))
}

/// As many open files as the system allows: each file in work takes two, and each thread may have
/// one in work. Where it allows no more, files that cannot be opened are reported.
#[cfg(unix)]
fn allow_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

#[cfg(not(unix))]
fn allow_open_files() {}

fn run(command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Scan(args) => scan::run(args),
        Command::Check(args) => scan::check(args),
        Command::Report(args) => report::run(args),
        Command::Merge(args) => merge::run(args),
        Command::Plan(args) => plan::run(args),
        Command::Diff(args) => diff::run(args),
        Command::Page(args) => page::run(args),
        Command::Pages(args) => pages::run(args),
        Command::Generate(args) => generate::run(args),
        Command::Inject(args) => inject::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Devices(args) => devices::run(args),
    }
}

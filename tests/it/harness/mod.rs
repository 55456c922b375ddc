//! Running the program as a user does, and reading its report.

#[cfg(feature = "gpu")]
pub mod adapters;
pub mod container;
pub mod counted;
pub mod database;
#[cfg(target_os = "linux")]
pub mod forbid;
#[cfg(feature = "gpu")]
pub mod gpu;
pub mod real;
pub mod scanned;
pub mod stopped;

use serde_json::Value;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What a run printed and how it ended.
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// The JSON on stdout.
    pub fn json(&self) -> Value {
        let parsed = serde_json::from_str(&self.stdout);
        parsed.unwrap_or_else(|e| panic!("no JSON ({e})\n{}\n{}", self.stdout, self.stderr))
    }

    /// The last line of stdout.
    pub fn result_line(&self) -> &str {
        self.stdout.lines().last().unwrap_or_default()
    }

    /// No test should ever see a panic.
    fn checked(output: &Output) -> Self {
        let run = Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
        assert_ne!(run.code, -1, "ended by a signal: {}", run.stderr);
        run
    }
}

/// Runs `pagescrub` with `args`.
pub fn pagescrub<S: AsRef<OsStr>>(args: &[S]) -> Run {
    Run::checked(&command(args).output().expect("the program starts"))
}

/// Runs `pagescrub` with `args` and these environment variables; one that is empty is removed.
pub fn pagescrub_in<S: AsRef<OsStr>>(variables: &[(&str, &str)], args: &[S]) -> Run {
    let mut command = command(args);
    for (name, value) in variables {
        if value.is_empty() {
            command.env_remove(name)
        } else {
            command.env(name, value)
        };
    }
    Run::checked(&command.output().expect("the program starts"))
}

/// Runs `pagescrub` with `args` and `input` on its stdin.
pub fn pagescrub_with_stdin<S: AsRef<OsStr>>(args: &[S], input: &[u8]) -> Run {
    use std::io::Write;
    let mut child = command(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    child.stdin.take().expect("piped").write_all(input).expect("the program reads its stdin");
    Run::checked(&child.wait_with_output().expect("the program ends"))
}

/// `pagescrub scan --format json` of `path` with further `args`.
pub fn scan_json(path: &Path, args: &[&str]) -> (i32, Value) {
    let mut words =
        vec![OsStr::new("scan"), path.as_os_str(), "--format".as_ref(), "json".as_ref()];
    words.extend(args.iter().map(OsStr::new));
    let run = pagescrub(&words);
    (run.code, run.json())
}

/// The report without what may differ between runs: times, and how it was run.
pub fn timeless(mut report: Value) -> Value {
    let object = report.as_object_mut().expect("a report is an object");
    object.remove("run");
    object.remove("throughput");
    report
}

/// Page ids of the suspects, ascending.
pub fn suspect_pages(report: &Value) -> Vec<u64> {
    let suspects = report["suspects"].as_array().expect("a list");
    let mut pages: Vec<u64> =
        suspects.iter().map(|suspect| suspect["page_id"].as_u64().expect("a number")).collect();
    pages.sort_unstable();
    pages
}

fn command<S: AsRef<OsStr>>(args: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pagescrub"));
    command.args(args).stdin(Stdio::null());
    command
}

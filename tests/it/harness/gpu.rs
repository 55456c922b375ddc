//! A damaged file, scanned with and without GPUs.

use super::{pagescrub, timeless};
use pagescrub::consolidate::report::ScrubReport;
use pagescrub::discover::{Discovery, discover};
use pagescrub::read::open::Reader;
use pagescrub::scrub::{Progress, Settings, Stop, scrub};
use pagescrub::verify::engine::Engine;
use pagescrub::verify::gpu::adapter::{Adapter, Wish, choose};
use pagescrub::verify::gpu::pipeline::Shader;
use pagescrub::verify::gpu::pool::{Gpus, Share};
use pagescrub::verify::gpu::select::{Selected, Terms, start_all};
use pagescrub::verify::gpu::worker::Drill;
use serde_json::Value;
use std::path::Path;
use tempfile::TempDir;

/// All that tests may use, at least one.
pub fn adapters() -> Vec<Adapter> {
    let wish = Wish { allow_software: true, ..Wish::default() };
    choose(&wish).expect("these tests were asked for")
}

/// In a shader, where it writes a word: the page id in the page's header, and its stored checksum.
pub const PAGE_ID: &str = "pages[(group.first_page + thread / LANES) * PAGE_VECTORS + 2u].x";
pub const STORED: &str = "pages[(group.first_page + thread / LANES) * PAGE_VECTORS + 3u].w";

/// The portable shader with `part` replaced.
pub fn changed(part: &str, by: &str) -> Shader {
    let source = Shader::Portable.source();
    assert_eq!(source.matches(part).count(), 1, "{part} is in the shader");
    Shader::Custom(source.replace(part, by).into())
}

/// The portable shader, after so many turns of every thread.
pub fn slow(turns: u32) -> Shader {
    let before = "let page = thread / LANES;\n    if thread";
    let spin = format!(
        "var turns = 0u; while turns < {turns}u {{ turns += 1u + (thread >> 20u); }}
        if turns == 7u {{ return; }}
        {before}"
    );
    changed(before, &spin)
}

/// A data file of 40 MiB with 400 damaged pages.
pub struct Damaged {
    _folder: TempDir,
    pub discovery: Discovery,
}

impl Damaged {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.mdf");
        let (size, seed) = ("--size=40MiB".as_ref(), "--seed=4".as_ref());
        let run = pagescrub(&["generate".as_ref(), path.as_os_str(), size, seed]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        let (fault, many) = ("--fault=bit-flip".as_ref(), "--random=400".as_ref());
        let run = pagescrub(&["inject".as_ref(), path.as_os_str(), fault, many, seed]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        let discovery = discover(&[path]);
        Self { _folder: folder, discovery }
    }

    pub fn by_cpu(&self) -> ScrubReport {
        self.scan(None, &pagescrub::scrub::Silent)
    }

    /// Past the cache, so that GPUs get everything also when they share.
    pub fn scan(&self, selected: Option<&Selected>, progress: &dyn Progress) -> ScrubReport {
        self.scan_with(selected, 2, progress)
    }

    pub fn scan_with(
        &self,
        selected: Option<&Selected>,
        threads: usize,
        progress: &dyn Progress,
    ) -> ScrubReport {
        let gpus = selected.and_then(|selected| selected.gpus.as_ref());
        let notes = selected.map(|selected| selected.notes.clone()).unwrap_or_default();
        let wrong = selected.and_then(|selected| selected.wrong.clone());
        self.scan_by(gpus, notes, wrong, threads, progress)
    }

    pub fn scan_by(
        &self,
        gpus: Option<&Gpus>,
        notes: Vec<String>,
        wrong: Option<String>,
        threads: usize,
        progress: &dyn Progress,
    ) -> ScrubReport {
        let engine = Engine::named("cpu").expect("there is one");
        let open = |path: &Path| Reader::Direct.open(path);
        let stop = Stop::default();
        let host_findings = wrong.into_iter().collect();
        let settings = Settings {
            threads,
            gpus,
            notes,
            host_findings,
            ..Settings::new(&engine, &open, &stop)
        };
        scrub(&self.discovery, &settings, progress).report
    }
}

/// What must be the same whoever computes.
pub fn found(report: &ScrubReport) -> Value {
    let mut report = timeless(serde_json::to_value(report).expect("JSON"));
    let object = report.as_object_mut().expect("a report is an object");
    object.remove("host_findings");
    object.remove("exit_code");
    // It begins with what the host findings ask for.
    object.remove("plan");
    report
}

/// GPUs at work, of whose good news one in ten is checked.
pub fn started(share: Share, drill: Drill) -> Selected {
    started_with(share, 2, 10, drill)
}

/// GPUs at work for `threads`, of whose good news one in `check_one_in` is checked.
pub fn started_with(share: Share, threads: usize, check_one_in: u32, drill: Drill) -> Selected {
    let terms = Terms { threads, check_one_in, drivers_answer: &|| Ok(()), drill };
    start_all(&adapters(), share, &terms)
}

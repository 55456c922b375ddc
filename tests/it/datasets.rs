//! The files in `datasets/` are what their README says: its commands, run again, give the same
//! bytes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The commands of the README, split into words.
fn commands(readme: &str) -> impl Iterator<Item = Vec<&str>> {
    let block = readme.split("```").nth(1).expect("a block of commands");
    let lines = block.lines().filter_map(|line| line.strip_prefix("pagescrub "));
    lines.map(|line| line.split_whitespace().collect())
}

fn run(directory: &Path, arguments: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pagescrub"));
    let output = command.args(arguments).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// All files of a directory but the README.
fn contents(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    files
        .map(|path| (name(&path), fs::read(&path).unwrap()))
        .filter(|(name, _)| name != "README.md")
        .collect()
}

#[test]
fn the_commands_of_the_readme_make_the_files_of_the_repository() {
    let datasets = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets");
    let readme = fs::read_to_string(datasets.join("README.md")).unwrap();
    let made = tempfile::tempdir().unwrap();
    for command in commands(&readme) {
        run(made.path(), &command);
    }
    let (made, kept) = (contents(made.path()), contents(&datasets));
    assert!(made.keys().eq(kept.keys()), "{:?}", made.keys());
    for (name, bytes) in made {
        assert!(bytes == kept[&name], "{name} differs; see datasets/README.md");
    }
}

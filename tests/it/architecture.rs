//! Rules that a machine can check, so that nobody has to remember them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The only files that may hold `unsafe` code.
const UNSAFE_FILES: [&str; 8] = [
    "src/main.rs",
    "src/read/arena.rs",
    "src/read/direct/queue.rs",
    "src/read/mmap.rs",
    "src/read/cached.rs",
    "src/read/mmap/guard.rs",
    "src/verify/gpu/host_memory.rs",
    "src/verify/kernel.rs",
];
const FILE_LINES_MAX: usize = 500;
const LINE_CHARS_MAX: usize = 100;

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

fn rust_files(folder: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of the project") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push((name_of(&path), fs::read_to_string(&path).expect("text")));
            }
        }
    }
    assert!(!files.is_empty());
    files
}

fn name_of(path: &Path) -> String {
    path.strip_prefix(root()).expect("inside").to_string_lossy().replace('\\', "/")
}

/// The modules in the order of `src/lib.rs`.
fn modules() -> Vec<String> {
    let lib = fs::read_to_string(root().join("src/lib.rs")).expect("there is a library");
    let name = |line: &str| Some(line.strip_prefix("pub mod ")?.strip_suffix(';')?.to_owned());
    lib.lines().filter_map(name).collect()
}

/// The module that a source file belongs to; `None` for the library's own root.
fn module_of(file: &str) -> Option<&str> {
    let rest = file.strip_prefix("src/")?;
    let module = rest.split('/').next()?.trim_end_matches(".rs");
    (module != "lib").then_some(module)
}

/// Names that follow `crate::` in code, also inside `use crate::{a, b::c}`.
fn imports(text: &str) -> BTreeSet<String> {
    let word = |text: &str| -> String {
        text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(list) => found.extend(list.split([',', '{', '}', ';']).map(|w| word(w.trim()))),
            None => drop(found.insert(word(rest))),
        }
    }
    found
}

#[test]
fn modules_import_only_what_stands_above_them_in_lib_rs() {
    let order = modules();
    let rank = |name: &str| order.iter().position(|module| module == name);
    assert!(rank("page") == Some(0) && order.len() >= 8, "{order:?}");
    for (file, text) in rust_files("src") {
        let Some(module) = module_of(&file).and_then(|m| Some((m, rank(m)?))) else { continue };
        for import in imports(&text) {
            let Some(imported) = rank(&import) else { continue };
            assert!(
                imported <= module.1,
                "{file} imports {import}, which stands below {}; move the type up or the code down",
                module.0
            );
        }
    }
}

/// A GPU reads pages where readers put them.
const MEMORY_OF_PAGES: &str = "crate::read::arena::";

#[test]
fn verify_knows_pages_and_their_memory_and_nothing_else() {
    for (file, text) in rust_files("src/verify") {
        let text = text.replace(MEMORY_OF_PAGES, "");
        let foreign: Vec<_> = imports(&text)
            .into_iter()
            .filter(|import| modules().contains(import) && import != "page" && import != "verify")
            .collect();
        assert!(foreign.is_empty(), "{file} imports {foreign:?}");
    }
}

#[test]
fn nothing_but_the_program_knows_the_command_line() {
    for (file, text) in rust_files("src") {
        let is_program = file == "src/main.rs" || file.starts_with("src/cli/");
        let knows = text.contains("clap::") || text.contains("indicatif::");
        assert!(is_program || !knows, "{file} belongs to the library and knows the command line");
    }
}

#[test]
fn unsafe_code_is_only_in_the_files_named_here() {
    for (file, text) in rust_files("src") {
        let has_unsafe = text.lines().any(|line| {
            let code = line.split("//").next().unwrap_or_default();
            code.contains("unsafe {") || code.contains("unsafe fn") || code.contains("unsafe impl")
        });
        assert_eq!(
            has_unsafe,
            UNSAFE_FILES.contains(&file.as_str()),
            "{file}: unsafe code lives only in {UNSAFE_FILES:?}"
        );
    }
}

#[test]
fn files_are_short_and_lines_fit() {
    for folder in ["src", "tests", "benches"] {
        for (file, text) in rust_files(folder) {
            assert!(
                text.lines().count() <= FILE_LINES_MAX,
                "{file}: split it where the story ends"
            );
            let long = text.lines().position(|line| line.chars().count() > LINE_CHARS_MAX);
            assert!(long.is_none(), "{file}:{} is too long", long.unwrap_or(0) + 1);
        }
    }
}

/// Cargo looks for no test programs by itself, and the compiler for no modules.
#[test]
fn every_file_of_tests_is_compiled() {
    let text = |path: &str| fs::read_to_string(root().join(path)).expect("text");
    let (manifest, main) = (text("Cargo.toml"), text("tests/it/main.rs"));
    for (file, _) in rust_files("tests") {
        let (program, module) =
            file["tests/".len()..].split_once('/').expect("programs have folders of their own");
        let path = format!("path = \"tests/{program}/main.rs\"");
        assert!(manifest.contains(&path), "{file}: name its program in Cargo.toml");
        let module = module.split('/').next().unwrap_or_default().trim_end_matches(".rs");
        let is_named = program != "it" || main.contains(&format!("\nmod {module};\n"));
        assert!(is_named || module == "main", "{file}: name it in tests/it/main.rs");
    }
}

#[test]
fn every_file_says_first_what_it_is_responsible_for() {
    for (file, text) in rust_files("src") {
        assert!(text.starts_with("//! "), "{file} starts without a //! line");
    }
}

#[test]
fn no_drawer_is_called_util_common_helper_or_manager() {
    for (file, _) in rust_files("src") {
        for drawer in ["util", "common", "helper", "manager"] {
            assert!(!file.contains(drawer), "{file}: say what it does");
        }
    }
}

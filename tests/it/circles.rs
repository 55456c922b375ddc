//! Files of one folder form no circle: whoever reads one can stop at those that it imports.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Folders of `src` in which files still form circles. None may be added.
const WITH_CIRCLES: [&str; 2] = ["backup", "drill"];

/// Source files by module path: `consolidate::rank`.
type Sources = BTreeMap<String, String>;
/// Which modules each one imports.
type Imports = BTreeMap<String, BTreeSet<String>>;

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// All source files but tests, without their comments and their tests.
fn sources() -> Sources {
    let mut found = Sources::new();
    let mut folders = vec![src()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of the project") {
            let path = entry.expect("readable").path();
            let is_test = path.file_stem().is_some_and(|name| name == "tests");
            if path.is_dir() && !is_test {
                folders.push(path);
            } else if !is_test {
                found.insert(module(&path), code(&fs::read_to_string(&path).expect("text")));
            }
        }
    }
    found
}

fn module(path: &Path) -> String {
    let path = path.strip_prefix(src()).expect("inside").with_extension("");
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("::").trim_end_matches("::mod").to_owned()
}

fn code(text: &str) -> String {
    let (text, _) = text.split_once("#[cfg(test)]\nmod tests {").unwrap_or((text, ""));
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    text.lines().filter(is_code).flat_map(|line| [line, "\n"]).collect()
}

/// The paths in `text` that begin with `crate` or `super`: those of `use`, with its braces taken
/// apart, and others.
fn paths(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for begin in ["use ", "crate::", "super::", "self::"] {
        for (at, _) in text.match_indices(begin) {
            let rest = &text[at..];
            let rest = rest.strip_prefix("use ").unwrap_or(rest);
            let rest: String = rest.split(';').next().unwrap_or(rest).split_whitespace().collect();
            take_apart(&rest, &[], &mut found);
        }
    }
    let is_own = |path: &Vec<String>| matches!(&*path[0], "crate" | "super" | "self");
    found.retain(is_own);
    found
}

/// Of `a::{b, c::d}`: `a::b` and `a::c::d`. Returns what comes after it.
fn take_apart<'t>(text: &'t str, before: &[String], found: &mut Vec<Vec<String>>) -> &'t str {
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '*';
    let end = text.find(|c| !is_name(c)).unwrap_or(text.len());
    let mut path = before.to_vec();
    path.push(text[..end].to_owned());
    let mut rest = &text[end..];
    let Some(deeper) = rest.strip_prefix("::") else {
        found.push(path);
        return rest;
    };
    let Some(list) = deeper.strip_prefix('{') else { return take_apart(deeper, &path, found) };
    rest = list;
    while !rest.is_empty() && !rest.starts_with('}') {
        let after = take_apart(rest, &path, found);
        rest = after.strip_prefix(',').unwrap_or(if after == rest { "" } else { after });
    }
    rest.strip_prefix('}').unwrap_or(rest)
}

/// The file that `path`, as it stands in `module`, leads to.
fn target(module: &str, path: &[String], sources: &Sources) -> Option<String> {
    let mut parts: Vec<&str> = module.split("::").collect();
    let mut path = path.iter().map(String::as_str).peekable();
    if path.next_if_eq(&"crate").is_some() {
        parts.clear();
    }
    while path
        .next_if(|part| matches!(*part, "super" | "self"))
        .is_some_and(|part| part == "self" || parts.pop().is_some())
    {}
    parts.extend(path);
    while !parts.is_empty() && !sources.contains_key(&parts.join("::")) {
        parts.pop();
    }
    let found = parts.join("::");
    (!found.is_empty() && found != module).then_some(found)
}

fn imports(sources: &Sources) -> Imports {
    let of = |(module, text): (&String, &String)| {
        let targets = paths(text).into_iter().filter_map(|path| target(module, &path, sources));
        (module.clone(), targets.collect())
    };
    sources.iter().map(of).collect()
}

/// A circle among the files of `folder`: each imports the next one, and the last one the first.
fn circle(folder: &str, imports: &Imports) -> Option<Vec<String>> {
    let is_in = |module: &str| module.split("::").next() == Some(folder);
    let modules: Vec<&String> = imports.keys().filter(|module| is_in(module)).collect();
    let mut done = BTreeSet::new();
    modules
        .into_iter()
        .find_map(|module| follow(module, imports, &is_in, &mut Vec::new(), &mut done))
}

fn follow(
    module: &str,
    imports: &Imports,
    is_in: &dyn Fn(&str) -> bool,
    way: &mut Vec<String>,
    done: &mut BTreeSet<String>,
) -> Option<Vec<String>> {
    if let Some(at) = way.iter().position(|before| before == module) {
        return Some(way[at..].to_vec());
    }
    if done.contains(module) {
        return None;
    }
    way.push(module.to_owned());
    let next = imports.get(module).into_iter().flatten().filter(|next| is_in(next));
    let found = next.clone().find_map(|next| follow(next, imports, is_in, way, done));
    way.pop();
    done.insert(module.to_owned());
    found
}

#[test]
fn files_of_one_folder_form_no_circle() {
    let sources = sources();
    let imports = imports(&sources);
    let folders: BTreeSet<&str> = sources.keys().filter_map(|m| m.split("::").next()).collect();
    assert!(folders.len() > 10 && imports["consolidate::conclude"].len() > 5, "{folders:?}");
    for folder in folders {
        let circle = circle(folder, &imports);
        if WITH_CIRCLES.contains(&folder) {
            assert!(circle.is_some(), "{folder} has no circle any more: take it off the list");
        } else {
            assert!(
                circle.is_none(),
                "a circle: {circle:?}; move what they share into one of its own"
            );
        }
    }
}

/// The list of modules is read as a story: each one needs only what was told before it.
#[test]
fn modules_of_consolidate_import_only_what_stands_above_them_in_its_list() {
    let list = fs::read_to_string(src().join("consolidate/mod.rs")).expect("it is there");
    let module = |line: &str| line.split_once("mod ")?.1.strip_suffix(';').map(str::to_owned);
    let order: Vec<String> = list.lines().filter_map(module).collect();
    assert!(order.len() > 20, "{order:?}");
    let rank = |path: &str| {
        let name = path.strip_prefix("consolidate::")?.split("::").next()?;
        order.iter().position(|module| module == name)
    };
    for (module, imports) in imports(&sources()) {
        let Some(own) = rank(&module) else { continue };
        let below = imports.iter().find(|import| rank(import).is_some_and(|at| at > own));
        assert!(below.is_none(), "{module} imports {below:?}, which stands below it in the list");
    }
}

#[test]
fn a_circle_is_found_whatever_way_it_is_written_in() {
    let file = |module: &str, text: &str| (module.to_owned(), code(text));
    let with = |text: &str| {
        let sources = Sources::from([
            file("a", "mod b;\nmod c;\n"),
            file("a::b", "use super::c::{self, Thing};\n"),
            file("a::c", text),
        ]);
        circle("a", &imports(&sources))
    };
    for text in [
        "use super::b::Other;",
        "use super::{\n    x,\n    b::Other,\n};",
        "use crate::{x::{y, z}, a::b};",
        "fn f() { crate::a::b::g() }",
    ] {
        assert_eq!(with(text), Some(vec!["a::b".to_owned(), "a::c".to_owned()]), "{text}");
    }
    for text in
        ["// use super::b;", "use super::x;", "#[cfg(test)]\nmod tests {\nuse super::super::b;"]
    {
        assert_eq!(with(text), None, "{text}");
    }
}

//! For people: the answer, the two copies, pages by class and object, and what is wrong.

use crate::inspect::diff::report::{CopyFacts, Diff, FileDiff, PageDiff, SideOfPage};
use crate::inspect::diff::{Class, Counts};
use crate::page::address::{PageAddress, PageId};
use crate::report::escape::terminal as safe;
use crate::report::terminal::Look;
use crate::report::terminal::layout::{counted, number, table};
use comfy_table::{Cell, CellAlignment};
use std::io::{self, Write};

/// Writes `diff` for people; of each table at most as many rows as `look` says.
pub fn write(diff: &Diff, look: Look, out: &mut dyn Write) -> io::Result<()> {
    look.paragraph(&answer(diff), 2, out)?;
    for file in &diff.files {
        copies(file, look, out)?;
        remarks(file, look, out)?;
        objects(file, look, out)?;
        pages(file, look, out)?;
        runs(file, look, out)?;
    }
    writeln!(out)?;
    write_result(diff, out)
}

/// Writes the answer and the last line.
pub fn write_quiet(diff: &Diff, look: Look, out: &mut dyn Write) -> io::Result<()> {
    look.paragraph(&answer(diff), 2, out)?;
    write_result(diff, out)
}

fn write_result(diff: &Diff, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "RESULT answer={}", diff.answer.name())?;
    for class in Class::ALL {
        write!(out, " {}={}", class.name(), diff.counts.of(class))?;
    }
    let missing: usize = diff.files.iter().map(|file| file.missing.len()).sum();
    writeln!(out, " missing={missing}")
}

fn answer(diff: &Diff) -> String {
    let name = diff.answer.name().to_uppercase();
    let worst_first = Class::ALL.into_iter().rev().filter(|class| !class.is_alike());
    let told = worst_first.chain([Class::Equal]).filter(|class| diff.counts.of(*class) > 0);
    let told: Vec<String> = told.map(|class| in_words(class, &diff.counts)).collect();
    let missing = diff.files.iter().any(|file| !file.missing.is_empty());
    let missing = if missing { "; not all is here that should be" } else { "" };
    format!("{name}  {}{missing}", told.join("; "))
}

fn in_words(class: Class, counts: &Counts) -> String {
    format!("{} {}", counted(counts.of(class), "page"), words(class))
}

fn words(class: Class) -> &'static str {
    match class {
        Class::Equal => "equal",
        Class::NewerInA => "newer in A",
        Class::NewerInB => "newer in B",
        Class::Rewritten => "rewritten under its LSN",
        Class::FreeInA => "free in A",
        Class::FreeInB => "free in B",
        Class::OnlyInA => "only in A",
        Class::OnlyInB => "only in B",
        Class::Free => "free",
        Class::SameLsn => "same LSN, other bytes",
        Class::StaleInA => "stale in A",
        Class::StaleInB => "stale in B",
        Class::DamagedInA => "damaged in A",
        Class::DamagedInB => "damaged in B",
        Class::DamagedInBoth => "damaged in both",
    }
}

fn copies(file: &FileDiff, look: Look, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out)?;
    for (name, copy) in [("A", &file.a), ("B", &file.b)] {
        look.paragraph(&format!("{name}  {}", copy_words(file, copy)), 3, out)?;
    }
    look.paragraph(&format!("   {}", file.relation.words()), 3, out)
}

fn copy_words(file: &FileDiff, copy: &CopyFacts) -> String {
    let mut words = format!("{}: ", safe(&copy.path));
    if let Some(set) = copy.backup_set {
        words += &format!("set {set}, ");
    }
    words += copy.kind;
    if let Some(database) = &copy.database {
        words += &format!(" of {}", safe(database));
    }
    words += &format!(", file {}, {}", file.file_id, counted(copy.pages, "page"));
    if let Some(lsn) = copy.checkpoint_lsn {
        words += &format!(", checkpoint {lsn}");
    }
    if let Some(finished) = &copy.finished {
        words += &format!(", finished {finished}");
    }
    words
}

fn remarks(file: &FileDiff, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let missing = file.missing.iter().map(|missing| ("MISSING", missing));
    let notes = file.notes.iter().map(|note| ("NOTE", note));
    missing.chain(notes).try_for_each(|(heading, remark)| {
        look.paragraph(&format!("{heading}  {}", safe(remark)), 2, out)
    })
}

/// Objects, with a column for each class that occurs.
fn objects(file: &FileDiff, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let occurs = |class: &Class| file.counts.of(*class) > 0;
    let classes: Vec<Class> = Class::ALL.into_iter().filter(occurs).collect();
    let header: Vec<&str> =
        std::iter::once("Object").chain(classes.iter().map(|class| words(*class))).collect();
    let mut table = table(look, &header);
    for object in file.objects.iter().take(look.rows_max) {
        table.add_row(row(&object.object, &classes, &object.counts));
    }
    table.add_row(row("all", &classes, &file.counts));
    writeln!(out, "\n{table}")?;
    more(file.objects.len(), look, "more object", out)
}

fn row(name: &str, classes: &[Class], counts: &Counts) -> Vec<Cell> {
    let count = |class: &Class| {
        let count = Some(counts.of(*class)).filter(|count| *count > 0);
        Cell::new(count.map_or_else(String::new, number)).set_alignment(CellAlignment::Right)
    };
    std::iter::once(Cell::new(safe(name))).chain(classes.iter().map(count)).collect()
}

fn pages(file: &FileDiff, look: Look, out: &mut dyn Write) -> io::Result<()> {
    if file.pages.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nWhat is wrong")?;
    for page in file.pages.iter().take(look.rows_max) {
        look.paragraph(&format!("  {}", safe(&page_words(page))), 4, out)?;
    }
    more(file.pages.len() + file.pages_not_listed as usize, look, "more page", out)
}

fn page_words(page: &PageDiff) -> String {
    let side = |name: &str, side: &Option<SideOfPage>| side.as_ref().map(|s| side_words(name, s));
    let sides = [side("A", &page.a), side("B", &page.b)].into_iter().flatten();
    let mut words: Vec<String> = sides.collect();
    if let Some(bytes) = page.differing_bytes.filter(|bytes| *bytes > 0) {
        let sectors: Vec<String> = page.differing_sectors.iter().map(ToString::to_string).collect();
        let all = if sectors.len() == 16 { "all".to_owned() } else { sectors.join(", ") };
        let differ = counted(bytes.into(), "byte");
        words.push(format!("{differ} not the same (of 512-byte sectors {all})"));
    }
    match page.wrong.filter(|_| !page.class.is_damage()) {
        Some("a") => words.push(format!("A is wrong: {}", page.because)),
        Some("b") => words.push(format!("B is wrong: {}", page.because)),
        _ => words.push(page.because.clone()),
    }
    let class = self::words(page.class);
    format!("{} {class}, {}: {}", page.address, page.object, words.join("; "))
}

fn side_words(name: &str, side: &SideOfPage) -> String {
    let lsn = side.lsn.map_or_else(|| "no LSN".to_owned(), |lsn| format!("LSN {lsn}"));
    let reason = side.reason.map_or_else(String::new, |why| format!(", {}", why.replace('_', " ")));
    let found = side.found.map_or_else(String::new, |found| format!(" {found}"));
    format!("{name} {lsn}{reason}{found}")
}

/// Runs of pages; those that are listed by themselves were there before.
fn runs(file: &FileDiff, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let runs: Vec<_> = file.runs.iter().filter(|run| !run.class.is_listed()).collect();
    if runs.is_empty() {
        return Ok(());
    }
    let mut table = table(look, &["Pages that differ", "Count", "What", "Object"]);
    for run in runs.iter().take(look.rows_max) {
        let at = |page: u32| PageAddress::new(file.file_id, PageId(page));
        let (first, last) = (at(run.first_page), at(run.first_page + (run.pages - 1)));
        let pages = if first == last { first.to_string() } else { format!("{first} to {last}") };
        let count = Cell::new(number(run.pages.into())).set_alignment(CellAlignment::Right);
        let (class, object) = (Cell::new(words(run.class)), Cell::new(safe(&run.object)));
        table.add_row(vec![Cell::new(pages), count, class, object]);
    }
    writeln!(out, "\n{table}")?;
    more(runs.len() + file.runs_not_listed as usize, look, "more run", out)
}

fn more(all: usize, look: Look, what: &str, out: &mut dyn Write) -> io::Result<()> {
    match all.saturating_sub(look.rows_max) {
        0 => Ok(()),
        more => writeln!(out, "... and {} (--top N, --format csv)", counted(more as u64, what)),
    }
}

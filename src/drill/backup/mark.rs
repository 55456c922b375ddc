//! The mark of a generated backup: its recipe, in the description of the backup set. By it `inject`
//! knows its own files, and where in them each page is.

use super::recipe::{BackupKind, BackupRecipe, FILES_MAX};
use crate::drill::recipe::Recipe;
use crate::page::address::FileId;
use crate::page::boot::PageVerify;
use std::fmt::Write as _;
use std::str::FromStr;

const MARK: &str = "pagescrub drill 1;";

/// The description of a set made from `recipe`.
pub(super) fn text_of(recipe: &BackupRecipe) -> String {
    let kind = match recipe.kind {
        BackupKind::Full => "full",
        BackupKind::Differential => "differential",
        BackupKind::Log => "log",
    };
    let number = u8::from;
    let mut text = format!("{MARK} {kind} seed={}", recipe.seed());
    let flags = [recipe.with_checksum, recipe.second_copy, recipe.padding].map(number);
    let [checksum, copy, padding] = flags;
    // Writing to a string cannot fail.
    let _ = write!(text, " checksum={checksum} copy={copy} padding={padding}");
    let _ = write!(text, " stripes={} block={}", recipe.stripes, recipe.block_bytes);
    if let Some(first) = recipe.files.first() {
        let _ = write!(text, " verify={}", verify_name(first.page_verify));
        let _ = write!(text, " sparse={}", number(first.sparse));
    }
    if let Some(log_number) = recipe.log_number {
        let _ = write!(text, " log={log_number}");
    }
    if let Some(base) = recipe.base {
        let _ = write!(text, " base={:032x}", u128::from_be_bytes(base));
    }
    for file in &recipe.files {
        let _ = write!(text, " file={}:{}", file.file_id.0, file.size_bytes);
    }
    text
}

/// The recipe that `text` describes, if it is such a description.
pub(super) fn recipe_of(text: &str) -> Option<BackupRecipe> {
    let mut words = text.strip_prefix(MARK)?.split_whitespace();
    let kind = match words.next()? {
        "full" => BackupKind::Full,
        "differential" => BackupKind::Differential,
        "log" => BackupKind::Log,
        _ => return None,
    };
    let words: Vec<(&str, &str)> = words.filter_map(|word| word.split_once('=')).collect();
    let all = |name: &'static str| {
        words.iter().filter(move |(key, _)| *key == name).map(|&(_, value)| value)
    };
    let first = |name: &'static str| all(name).next();
    let flag = |name: &'static str| first(name).map(|value| value == "1");
    let base = Recipe {
        page_verify: verify_of(first("verify")?)?,
        sparse: flag("sparse")?,
        ..Recipe::new(0, number(first("seed")?)?)
    };
    let file = |text: &str| {
        let (id, bytes) = text.split_once(':')?;
        Some(Recipe { file_id: FileId(number(id)?), size_bytes: number(bytes)?, ..base })
    };
    Some(BackupRecipe {
        files: all("file").take(FILES_MAX).map(file).collect::<Option<_>>()?,
        kind,
        with_checksum: flag("checksum")?,
        second_copy: flag("copy")?,
        padding: flag("padding")?,
        stripes: number(first("stripes")?)?,
        block_bytes: number(first("block")?)?,
        log_number: first("log").and_then(number),
        base: first("base").and_then(guid),
    })
}

fn guid(digits: &str) -> Option<[u8; 16]> {
    u128::from_str_radix(digits, 16).ok().map(u128::to_be_bytes)
}

fn number<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn verify_name(page_verify: PageVerify) -> &'static str {
    match page_verify {
        PageVerify::Checksum => "checksum",
        PageVerify::Torn => "torn",
        PageVerify::None => "none",
    }
}

fn verify_of(name: &str) -> Option<PageVerify> {
    match name {
        "checksum" => Some(PageVerify::Checksum),
        "torn" => Some(PageVerify::Torn),
        "none" => Some(PageVerify::None),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_survives_its_description() {
        let one = Recipe { sparse: true, page_verify: PageVerify::Torn, ..Recipe::new(1 << 22, 7) };
        let three = Recipe { file_id: FileId(3), size_bytes: 1 << 21, ..one };
        let recipe = BackupRecipe {
            files: vec![one, three],
            kind: BackupKind::Differential,
            second_copy: true,
            stripes: 3,
            log_number: Some(4),
            base: Some([0x0a; 16]),
            ..BackupRecipe::new(one)
        };
        assert_eq!(recipe_of(&text_of(&recipe)), Some(recipe));
    }

    #[test]
    fn other_descriptions_are_no_recipes() {
        let text = text_of(&BackupRecipe::new(Recipe::new(1 << 22, 7)));
        for broken in ["", "nightly", &text[..40], &text.replace("full", "half")] {
            assert_eq!(recipe_of(broken), None, "{broken}");
        }
        assert_eq!(recipe_of(&text.replace("seed=7", "seed=x")), None);
    }
}

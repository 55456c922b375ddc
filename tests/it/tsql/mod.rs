//! A strict reading of the script: its lines, its statements, and what they may be.

pub(crate) mod names;

use pagescrub::consolidate::database;
use pagescrub::consolidate::report::ScrubReport;
use pagescrub::report::tsql::write;
use sqlparser::ast::Statement;
use sqlparser::dialect::MsSqlDialect;
use sqlparser::parser::{Parser, ParserError};

/// The script for `report`, whose suspects say which databases there are.
pub(crate) fn script(report: &ScrubReport) -> String {
    let mut report = report.clone();
    for file in &mut report.files {
        let own = report.suspects.iter().find(|suspect| suspect.path == file.path);
        file.database = own.map_or(file.database.take(), |suspect| suspect.database.clone());
    }
    database::tell(&mut report);
    let mut out = Vec::new();
    write(&report, &mut out).expect("memory takes everything");
    String::from_utf8(out).expect("UTF-8")
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Active,
    /// Two dashes and one blank.
    Remark,
    /// Two dashes, and no blank or the indent of a statement.
    Off,
}

/// The lines of `script` with what they are; empty ones are remarks.
pub(crate) fn lines(script: &str) -> impl Iterator<Item = (Line, &str)> {
    script.lines().map(|line| {
        let kind = match line.strip_prefix("--") {
            None if line.is_empty() => Line::Remark,
            None => Line::Active,
            Some(rest) if rest.starts_with(' ') && !rest.starts_with("    ") => Line::Remark,
            Some(_) => Line::Off,
        };
        (kind, line)
    })
}

/// The statements that are commented out in `script`, one each, as they are once uncommented.
pub(crate) fn off(script: &str) -> Vec<String> {
    let (mut statements, mut current) = (Vec::new(), String::new());
    for (kind, line) in lines(script) {
        if kind != Line::Off {
            assert!(current.is_empty(), "a statement is cut by {line}: {current}");
            continue;
        }
        current += &line[2..];
        current.push('\n');
        let code = current.rsplit_once(" -- #").map_or(&*current, |(code, _)| code);
        if code.trim_end().ends_with(';') {
            statements.push(code.trim().trim_end_matches(';').to_owned());
            current.clear();
        }
    }
    assert!(current.is_empty(), "the script ends inside: {current}");
    statements
}

/// The part on the database whose heading has `name`.
pub(crate) fn part<'a>(script: &'a str, name: &str) -> &'a str {
    let mut parts = script.split("=\n-- | Part ").skip(1);
    let is_it = |part: &&str| part.lines().next().is_some_and(|line| line.contains(name));
    parts.find(is_it).unwrap_or_else(|| panic!("no part on {name} in\n{script}"))
}

/// The statements of a way, by its letter, after the one that leaves the database.
pub(crate) fn way(script: &str, letter: char) -> Vec<String> {
    let mut titles = script.split("\n-- ---- ");
    let found = titles.find(|text| text.starts_with(&format!("Way {letter}: ")));
    let mut statements = off(found.unwrap_or_else(|| panic!("no way {letter} in\n{script}")));
    assert_eq!(statements.remove(0), "USE [master]");
    statements
}

/// `text` without its line breaks, so that a sentence can be looked for.
pub(crate) fn flowing(text: &str) -> String {
    text.replace("\n-- | ", " ").replace("\n-- ", " ")
}

/// By sqlparser, as SQL Server's dialect.
pub(crate) fn parsed(sql: &str) -> Result<Vec<Statement>, ParserError> {
    Parser::parse_sql(&MsSqlDialect {}, sql)
}

/// Words, numbers and signs of `statement`; names, literals and what is to be filled in stand as
/// `ID` and `STR`.
pub(crate) fn shape(statement: &str) -> String {
    let joined = tokens(statement).join(" ");
    let mut shape = joined.replace("NCHAR ( NUM )", "STR");
    while shape.contains("STR + STR") {
        shape = shape.replace("STR + STR", "STR");
    }
    // A path that is no literal is a variable, which RESTORE takes in its place.
    let mut is_declared = false;
    while let Some(statement) = shape.strip_prefix("DECLARE ID nvarchar ( NUM ) = STR ; ") {
        shape = statement.to_owned();
        is_declared = true;
    }
    if is_declared {
        shape = shape.replace("DISK = ID", "DISK = STR");
    }
    for list in ["FILE = STR", "DISK = STR"] {
        let twice = format!("{list} , {list}");
        while shape.contains(&twice) {
            shape = shape.replace(&twice, list);
        }
    }
    // Which set of a backup: a first option of its own.
    shape.replacen("FROM DISK = STR WITH FILE = NUM , ", "FROM DISK = STR WITH ", 1)
}

fn tokens(statement: &str) -> Vec<String> {
    let raw = raw_tokens(statement).into_iter();
    let token = |raw: &str| match raw.as_bytes() {
        [b'\'', ..] | [b'N', b'\'', ..] => "STR".to_owned(),
        [b'[' | b'@', ..] => "ID".to_owned(),
        [b'<', ..] => hole(raw),
        [b'0'..=b'9', ..] => "NUM".to_owned(),
        _ => raw.to_owned(),
    };
    raw.map(token).collect()
}

/// How much of `statement` is to be filled in.
pub(crate) fn holes(statement: &str) -> usize {
    raw_tokens(statement).iter().filter(|token| token.starts_with('<')).count()
}

fn raw_tokens(statement: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = statement.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' => quoted(rest, '\''),
            'N' if rest[1..].starts_with('\'') => 1 + quoted(&rest[1..], '\''),
            '[' => quoted(rest, ']'),
            '<' => rest.find('>').expect("it is closed") + 1,
            '@' => 1 + word(&rest[1..]),
            _ if word(rest) > 0 => word(rest),
            sign => sign.len_utf8(),
        };
        tokens.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    tokens
}

fn word(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// Bytes of what `end` closes; doubled, it does not.
fn quoted(text: &str, end: char) -> usize {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c != end {
            continue;
        }
        match chars.peek() {
            Some((_, next)) if *next == end => drop(chars.next()),
            _ => return at + 1,
        }
    }
    panic!("not closed: {text}");
}

/// `<name, type, >`
fn hole(text: &str) -> String {
    let fields: Vec<_> = text[1..text.len() - 1].split(", ").collect();
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    assert!(fields.len() == 3 && fields[0].chars().all(is_plain) && fields[2].is_empty(), "{text}");
    match fields[1] {
        "sysname" => "ID".to_owned(),
        "nvarchar(260)" => "STR".to_owned(),
        other => panic!("{other}"),
    }
}

/// What is to be filled in last.
pub(crate) fn filled_in(statement: &str) -> String {
    let start = statement.rfind('<').expect("something to fill in");
    statement[start..=start + statement[start..].find('>').expect("closed")].to_owned()
}

/// The text that the first call of `function` in `statement` is given.
pub(crate) fn argument(statement: &str, function: &str) -> Option<String> {
    let start = statement.find(&format!("{function}("))? + function.len() + 1;
    value(&statement[start..]).filter(|(_, rest)| rest.starts_with(')')).map(|(text, _)| text)
}

/// The text that `expression` begins with, and what follows it.
pub(crate) fn value(expression: &str) -> Option<(String, &str)> {
    let (mut rest, mut units) = (expression, Vec::new());
    loop {
        if let Some(number) = rest.strip_prefix("NCHAR(0x") {
            let end = number.find(')')?;
            units.push(u16::from_str_radix(&number[..end], 16).ok()?);
            rest = &number[end + 1..];
        } else {
            let literal = rest.strip_prefix('N')?;
            let length = quoted(literal, '\'');
            units.extend(literal[1..length - 1].replace("''", "'").encode_utf16());
            rest = &literal[length..];
        }
        match rest.strip_prefix(" + ") {
            Some(more) => rest = more,
            None => return Some((String::from_utf16(&units).ok()?, rest)),
        }
    }
}

/// Statements that no parser at hand knows: all there may be.
const KNOWN: [&str; 33] = [
    "RESTORE HEADERONLY FROM DISK = STR",
    "RESTORE FILELISTONLY FROM DISK = STR",
    "RESTORE FILELISTONLY FROM DISK = STR WITH FILE = NUM",
    "RESTORE VERIFYONLY FROM DISK = STR WITH CHECKSUM",
    "RESTORE VERIFYONLY FROM DISK = STR",
    "RESTORE VERIFYONLY FROM DISK = STR WITH FILE = NUM",
    "BACKUP LOG ID TO DISK = STR WITH COPY_ONLY , CHECKSUM",
    "BACKUP LOG ID TO DISK = STR WITH COPY_ONLY , CHECKSUM , CONTINUE_AFTER_ERROR",
    "BACKUP LOG ID TO DISK = STR WITH NO_TRUNCATE",
    "BACKUP LOG ID TO DISK = STR WITH NORECOVERY , CHECKSUM",
    "BACKUP LOG ID TO DISK = STR WITH NORECOVERY , CONTINUE_AFTER_ERROR",
    "BACKUP LOG ID TO DISK = STR WITH NORECOVERY , NO_TRUNCATE",
    "BACKUP LOG ID TO DISK = STR WITH CHECKSUM",
    "BACKUP DATABASE ID TO DISK = STR WITH CHECKSUM",
    "RESTORE DATABASE ID PAGE = STR FROM DISK = STR WITH NORECOVERY",
    "RESTORE DATABASE ID FILE = STR FROM DISK = STR WITH NORECOVERY",
    "RESTORE DATABASE ID PAGE = STR , FILE = STR FROM DISK = STR WITH NORECOVERY",
    "RESTORE DATABASE ID FROM DISK = STR WITH NORECOVERY",
    "RESTORE DATABASE ID FROM DISK = STR WITH NORECOVERY , MOVE STR TO STR , MOVE STR TO STR",
    "RESTORE DATABASE ID FROM DISK = STR WITH REPLACE , RECOVERY",
    "RESTORE DATABASE ID WITH RECOVERY",
    "RESTORE LOG ID FROM DISK = STR WITH NORECOVERY",
    "RESTORE LOG ID FROM DISK = STR WITH NORECOVERY , STOPAT = STR",
    "RESTORE LOG ID FROM DISK = STR WITH RECOVERY",
    "DBCC TRACEON ( NUM ) WITH NO_INFOMSGS",
    "DBCC PAGE ( STR , NUM , NUM , NUM ) WITH TABLERESULTS",
    "DECLARE ID sysname = STR ; DBCC PAGE ( ID , NUM , NUM , NUM ) WITH TABLERESULTS",
    "DBCC CHECKDB ( ID ) WITH NO_INFOMSGS , ALL_ERRORMSGS",
    "DBCC CHECKTABLE ( STR ) WITH NO_INFOMSGS , ALL_ERRORMSGS",
    "USE ID",
    "DECLARE ID sysname = STR",
    "SELECT * FROM sys . dm_hadr_auto_page_repair",
    "SELECT * FROM sys . dm_db_mirroring_auto_page_repair",
];

/// True if `statement` is one of [`KNOWN`], or a query, an INSERT or the CREATE TABLE that parses.
pub(crate) fn is_known(statement: &str) -> bool {
    let shape = shape(statement);
    let starts =
        ["INSERT INTO dbo . pagescrub_suspect_pages", "CREATE TABLE dbo . pagescrub_", "SELECT "];
    KNOWN.contains(&&*shape)
        || (starts.iter().any(|start| shape.starts_with(start))
            && matches!(
                parsed(statement).as_deref(),
                Ok([Statement::Query(_) | Statement::Insert(_) | Statement::CreateTable(_)])
            ))
}

//! What pages must say of each other, and what they do say: the physical part of DBCC CHECKDB.
//!
//! Only what holds on every healthy file that was measured is a rule (docs/check.md). Pages come
//! in, [`Breach`]es go out; who calls decides what is damage and what recovery may still put right.

pub mod allocation;
pub mod catalog;
pub mod chains;
pub mod claims;
pub mod collected;
pub mod database;
mod extent;
mod heap;
pub mod in_page;
mod lobs;
mod maps;
pub mod outcome;
pub mod rule;
pub mod sums;
mod tree;
mod unit_pages;
pub mod units;

use crate::page::Page;
use crate::page::address::{FileId, PageAddress};
use rule::Rule;
use serde::{Deserialize, Serialize};

/// A rule that is broken, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Breach {
    /// The page that breaks it.
    pub place: PageAddress,
    /// The rule.
    pub rule: Rule,
    /// The slot in which, if it is in one.
    pub slot: Option<u16>,
    /// The page with which it disagrees, if there is one.
    pub other: Option<PageAddress>,
    /// The allocation unit that this is about, where the page's header does not tell.
    pub unit: Option<u64>,
}

impl Breach {
    /// `rule` is broken by the page at `place`.
    pub fn of(rule: Rule, place: PageAddress) -> Self {
        Self { place, rule, slot: None, other: None, unit: None }
    }

    /// The same, and the page with which it disagrees.
    #[must_use]
    pub fn with(self, other: PageAddress) -> Self {
        Self { other: Some(other), ..self }
    }

    /// The same, about `unit`.
    #[must_use]
    pub fn about(self, unit: u64) -> Self {
        Self { unit: Some(unit), ..self }
    }
}

/// The pages of a database, whichever files they are in.
pub trait Pages {
    /// The files, each with its filegroup and the page after its last one; ascending.
    fn files(&self) -> &[File];

    /// The page at `place`, torn bits restored; `None` if it is in no file that is there, cannot be
    /// read or fails its own check. It may be free.
    fn sound(&self, place: PageAddress) -> Option<Page>;

    /// Shows the sound pages from `first` on, at most `pages` of them, ascending: one read. What is
    /// not sound is left out.
    fn visit(&self, first: PageAddress, pages: u32, visit: &mut dyn FnMut(PageAddress, &Page));
}

/// A data file of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File {
    /// Its id.
    pub id: FileId,
    /// Its filegroup, by its own page 0.
    pub filegroup: u16,
    /// The page after its last one.
    pub end: u32,
}

//! Single pages, and the pages of objects, as a person asks for them: a file in, pages with their
//! verdicts, owners and names out.
//!
//! A scan sees each page once and keeps what is suspect. Here a few pages are wanted of a file that
//! may be large, so that everything is found from the boot page on: the system tables by the IAM
//! pages of their units, an object by the system tables, a page's owner by IAM pages.

pub mod against;
pub mod catalog;
pub mod chain;
pub mod diff;
pub mod fields;
mod find;
pub mod image;
pub mod listing;
pub mod maps;
pub mod owner;
pub mod place;
pub mod rows;
pub mod sector;
pub mod view;

pub use find::{Asked, NotOpened};
pub use image::{Image, Looked, Missing};

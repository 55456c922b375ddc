//! What a person asks of a few files: a file in, what is in it out.

pub mod diff;
mod find;

pub use find::{Asked, NotOpened};

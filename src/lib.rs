//! pagescrub verifies the page checksums of SQL Server data files in bulk, offline.
//!
//! The modules stand in the order in which data flows. **A module imports only modules that
//! stand above it in this list**; `tests/it/architecture.rs` enforces it.

#![cfg_attr(portable_simd, feature(portable_simd))]

pub mod page;
pub mod backup;
pub mod discover;
pub mod plan;
pub mod read;
pub mod verify;
pub mod catalog;
pub mod check;
pub mod diagnose;
pub mod consolidate;
pub mod scrub;
pub mod inspect;
pub mod report;
pub mod drill;
pub mod bench;
pub mod devices;

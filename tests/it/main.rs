//! All integration tests in one program: the library is linked once, and what several of them need
//! is compiled once. What needs a process of its own is named in Cargo.toml, with the reason.

#![allow(clippy::expect_used, reason = "a test that cannot go on must fail")]
#![allow(unreachable_pub, reason = "nothing is public here but to the tests beside it")]

// What tests share.
mod aged;
mod chain;
mod damaged;
mod harness;
mod made_damage;
mod mtf;
mod tsql;
mod witness;

// The tests.
mod advice;
mod architecture;
mod backup_compressed;
mod backup_container;
mod backup_drill;
mod backup_gaps;
mod backup_media;
mod backup_reports;
mod backups;
mod bench;
mod broken_disk;
mod causes;
mod chains;
mod check_allocation;
mod check;
mod check_damage;
mod check_pages;
mod checkpoint;
mod checkpoint_file;
mod checkpoint_signals;
mod circles;
mod clean_copies;
mod datasets;
mod devices;
mod diff_command;
mod direct;
mod documents;
mod drill;
mod drill_backup;
mod faults;
mod first_screens;
mod foreign_files;
mod formats;
mod gpu;
mod gpu_faults;
mod gpu_hostile;
mod gpu_kernel;
mod gpu_ways;
mod hints;
mod hostile;
mod html;
mod identity;
mod incidents;
mod lost_files;
mod lost_writes;
mod merge;
mod million_faults;
mod mutated_files;
mod names;
mod odd_files;
mod one_database;
mod output;
mod owners;
mod pace;
mod page_command;
mod pages_command;
mod plan;
mod real_backups;
mod real_databases;
mod real_files;
mod report_command;
mod restore_script;
mod roots;
mod scattered;
mod shifts;
mod tsql_scripts;
mod verdict;
mod way_back;
mod weights;
mod written;
mod wrong_owners;

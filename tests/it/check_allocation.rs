//! What PFS, GAM, SGAM and IAM pages of real databases say fits together.

use crate::harness::database::Database;
use crate::harness::real::{real_backups, real_files};
use pagescrub::check::units::Units;
use pagescrub::check::{Breach, allocation};

/// What is told of `database`, all of whose files are there, and the units that it has.
pub fn breaches(database: &Database) -> (Vec<Breach>, Option<Units>) {
    let mut told = Vec::new();
    let units = Units::read(database, true, &mut |breach| told.push(breach));
    let Some(units) = units else { return (told, None) };
    let not_sound = allocation::check(database, &units, true, &mut |breach| told.push(breach));
    assert_eq!(not_sound, 0);
    (told, Some(units))
}

fn assert_sound(database: &Database, name: &str) {
    let (told, units) = breaches(database);
    let units = units.expect("its catalog can be read");
    assert_eq!(told, [], "{name}");
    assert!(units.iter().count() > 40, "{name}");
    assert_eq!(units.without_whole_chain(), 0, "{name}");
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn maps_of_real_data_files_fit_together() {
    for path in real_files() {
        assert_sound(&Database::read(std::slice::from_ref(&path)), &path.display().to_string());
    }
}

#[test]
#[cfg_attr(not(real_backups), ignore = "there is no folder `backups` beside PAGESCRUB_REAL_DATA")]
fn maps_of_real_full_backups_fit_together() {
    for (database, name) in real_backups() {
        assert_sound(&database, &name);
    }
}

//! What real databases say of themselves fits together: maps, owners, trees and values.

use crate::harness::checked::checked;
use crate::harness::database::Database;
use crate::harness::real::{real_backups, real_files};
use pagescrub::check::allocation;

fn assert_sound(database: &Database, name: &str) {
    let mut told = Vec::new();
    let units = allocation::check(database, true, &mut |breach| told.push(breach));
    let units = units.expect("its catalog can be read");
    assert_eq!(told, [], "{name}");
    assert!(units.iter().count() > 40, "{name}");
    assert!(units.iter().all(|(unit, chain)| units.is_known(unit, chain)), "{name}");
    assert_eq!(units.maps_not_sound(), 0, "{name}");
    assert_eq!(checked(database), [], "{name}");
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

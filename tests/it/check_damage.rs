//! Damage on pages that keep their checksums, made on real databases and on synthetic ones: each
//! kind is found, where it is, and little else is said.

use crate::harness::checked::checked;
use crate::harness::database::Database;
use crate::harness::real::{real_backups, real_files};
use crate::harness::scanned::each;
use crate::made_damage::{Anatomy, Kind, Scene, maps, pages, system_tables, trees};
use pagescrub::check::Pages;
use pagescrub::drill::Recipe;

/// How often each kind of damage is made.
const SEEDS: u64 = 200;
/// Of pages with random bytes, which need not be found.
const RANDOM_SEEDS: u64 = 1000;

fn databases() -> Vec<Anatomy> {
    let files = real_files();
    let files = files.iter().map(|path| Database::read(std::slice::from_ref(path)));
    let backups = real_backups().into_iter().map(|(database, _)| database);
    let of_seed = |seed| Database::synthetic(Recipe::new(4 << 20, seed));
    files.chain(backups).chain([7, 8].map(of_seed)).map(Anatomy::of).collect()
}

/// Makes it with each seed, on one database after another. At most `beside_max` other pages are
/// told with it.
fn assert_found(databases: &[Anatomy], kind: &Kind, beside_max: usize) -> Result<(), String> {
    let (name, make) = kind;
    let mut times = 0;
    for seed in 0..SEEDS {
        let mut scene = Scene::new(&databases[seed as usize % databases.len()], seed);
        let Some(expected) = make(&mut scene) else { continue };
        times += 1;
        let told = checked(&scene.database);
        // What nothing protects may fail its own check, and that is told elsewhere.
        let is_seen = |page| scene.database.sound(page).is_some() || !scene.is_in_use(page);
        if told.is_empty() && !expected.iter().any(|(_, page)| is_seen(*page)) {
            continue;
        }
        let is_found = told.iter().any(|told| expected.contains(&(told.rule, told.place)));
        if !is_found || told.len() > 1 + beside_max {
            return Err(format!("{name}, seed {seed}: {expected:?}\nbut {told:?}"));
        }
    }
    if times < 10 { Err(format!("{name} was made {times} times")) } else { Ok(()) }
}

#[test]
#[cfg_attr(not(real_backups), ignore = "there is no folder `backups` beside PAGESCRUB_REAL_DATA")]
fn damage_of_maps_and_system_tables_is_found_and_told_once() {
    let databases = databases();
    let kinds = [&maps::KINDS[..], &system_tables::KINDS].concat();
    each(&kinds, |kind| assert_found(&databases, kind, 1));
}

#[test]
#[cfg_attr(not(real_backups), ignore = "there is no folder `backups` beside PAGESCRUB_REAL_DATA")]
fn damage_of_pages_and_trees_is_found() {
    let databases = databases();
    let kinds = [&pages::KINDS[..], &trees::KINDS].concat();
    each(&kinds, |kind| assert_found(&databases, kind, 3));
}

/// Whatever the pages hold that lead to others, a check ends.
#[test]
#[cfg_attr(not(real_backups), ignore = "there is no folder `backups` beside PAGESCRUB_REAL_DATA")]
fn random_bytes_in_the_pages_that_lead_to_others_end_no_check() {
    let databases = databases();
    for seed in 0..RANDOM_SEEDS {
        let mut scene = Scene::new(&databases[seed as usize % databases.len()], seed);
        let rows = scene.sound.units.iter().map(|(unit, _)| unit.row_at);
        let roots = scene.sound.units.iter().map(|(unit, _)| unit.root);
        let iam_pages = scene.sound.iam_pages.iter().copied();
        let maps: Vec<_> = scene.database.places().take(10).collect();
        let places: Vec<_> = rows.chain(roots).chain(iam_pages).chain(maps).collect();
        for _ in 0..=scene.below(3) {
            let place = places[scene.below(places.len())];
            let (at, bytes) = (96 + scene.below(8088), scene.random_bytes());
            scene
                .database
                .change(place, |page| page.bytes_mut()[at..at + 8].copy_from_slice(&bytes));
        }
        checked(&scene.database);
    }
}

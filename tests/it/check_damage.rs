//! Damage on pages that keep their checksums, made on real databases: each kind is found, where it
//! is, and little else is said.

use crate::harness::checked::checked;
use crate::harness::database::Database;
use crate::harness::real::{real_backups, real_files};
use crate::harness::scanned::each;
use crate::made_damage::{Anatomy, Kind, Scene, maps, pages, system_tables, trees};

/// How often each kind of damage is made.
const SEEDS: u64 = 200;

fn databases() -> Vec<Anatomy> {
    let files = real_files();
    let files = files.iter().map(|path| Database::read(std::slice::from_ref(path)));
    let backups = real_backups().into_iter().map(|(database, _)| database);
    files.chain(backups).map(Anatomy::of).collect()
}

/// Makes it with each seed, on one database after another. Says what was told beside it at most.
fn assert_found(databases: &[Anatomy], kind: &Kind, beside_max: usize) -> Result<(), String> {
    let (name, make) = kind;
    let (mut made, mut most) = (0, 0);
    for seed in 0..SEEDS {
        let mut scene = Scene::new(&databases[seed as usize % databases.len()], seed);
        let Some(expected) = make(&mut scene) else { continue };
        made += 1;
        let told = checked(&scene.database);
        let is_it =
            |breach: &&pagescrub::check::Breach| expected.contains(&(breach.rule, breach.place));
        if told.iter().find(is_it).is_none() {
            let expected: Vec<_> = expected.iter().take(9).collect();
            return Err(format!("{name}, seed {seed}: {expected:?} is not in {told:?}"));
        }
        most = most.max(told.len() - 1);
        if most > beside_max {
            return Err(format!("{name}, seed {seed}: {told:?}"));
        }
    }
    eprintln!("{name}: {made} made, at most {most} beside");
    Ok(())
}

#[test]
#[cfg_attr(not(real_backups), ignore = "there is no folder `backups` beside PAGESCRUB_REAL_DATA")]
fn damage_of_maps_and_system_tables_is_found_and_told_once() {
    let databases = databases();
    let kinds = [&maps::KINDS[..], &system_tables::KINDS].concat();
    each(&kinds, |kind| assert_found(&databases, kind, 2));
}

#[test]
#[cfg_attr(not(real_backups), ignore = "there is no folder `backups` beside PAGESCRUB_REAL_DATA")]
fn damage_of_pages_and_trees_is_found() {
    let databases = databases();
    let kinds = [&pages::KINDS[..], &trees::KINDS].concat();
    each(&kinds, |kind| assert_found(&databases, kind, 3));
}

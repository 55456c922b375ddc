//! What the drill writes, held byte by byte against what SQL Server wrote.

use super::mtf::{configurations, media};
use super::{bytes_of, chunks, extents_of, file, full, injection, written};
use pagescrub::drill::{
    BackupFault, BackupInjection, BackupKind, BackupRecipe, InjectError, inject_into_backup,
};
use pagescrub::page::EXTENT_PAGES;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn real(name: &str) -> Vec<u8> {
    let folder = std::env::var_os("PAGESCRUB_REAL_DATA").expect("the tests were built with it");
    fs::read(Path::new(&folder).join(name)).expect("a real file")
}

/// Real backups, and what makes one of the same shape.
fn real_ones() -> [(&'static str, BackupRecipe); 4] {
    let plain = BackupRecipe::new(file(1));
    let differential = BackupRecipe { kind: BackupKind::Differential, ..plain.clone() };
    [
        ("InventoryDB_904.bak", BackupRecipe { second_copy: true, ..plain.clone() }),
        ("sqltools_Full_859.bak", plain),
        ("sqltools_Diff_859.bak", differential.clone()),
        (
            "db1_661_diff_filler_file3.bak",
            BackupRecipe {
                files: vec![file(1), file(3)],
                with_checksum: true,
                padding: true,
                block_bytes: 512,
                ..differential
            },
        ),
    ]
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn synthetic_backups_have_the_blocks_and_streams_of_real_ones() {
    for (name, recipe) in real_ones() {
        let (real, synthetic) = (real(name), bytes_of(&recipe));
        let (real, synthetic) = (media(&real), media(&synthetic));
        assert_eq!(real.shape(), synthetic.shape(), "{name}");
        assert_eq!(real.broken_sums(), BTreeSet::new(), "{name}");
    }
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn the_configuration_is_where_real_backups_have_it() {
    for (name, recipe) in real_ones() {
        let (real, synthetic) = (real(name), bytes_of(&recipe));
        let real = configurations(&media(&real)).swap_remove(0);
        let media = media(&synthetic);
        let synthetic = configurations(&media).swap_remove(0);
        assert!(name.contains(&real.database) || real.database == "BackupTestDb", "{real:?}");
        assert_eq!((&*synthetic.database, &*synthetic.server), ("Drill", "DRILL\\SQL2019"));
        assert_eq!((real.letter, real.flags), (synthetic.letter, synthetic.flags), "{name}");
        let ids = |files: &[(u32, u32, u64, String, String)]| -> Vec<u32> {
            files.iter().map(|file| file.0).collect()
        };
        let mut wanted = ids(&synthetic.files);
        wanted.sort_unstable();
        let mut found = ids(&real.files);
        found.sort_unstable();
        assert_eq!(found, wanted, "{name}");
        let data_pages: u32 = synthetic.files.iter().map(|file| file.1).sum();
        let wanted: usize =
            recipe.files.iter().map(|&file| extents_of(file, recipe.kind).len()).sum();
        assert_eq!(data_pages as usize, wanted * EXTENT_PAGES as usize, "{name}");
    }
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn padding_pages_are_those_of_real_backups() {
    let (name, recipe) = &real_ones()[3];
    let one_file = BackupRecipe { files: vec![file(1)], ..recipe.clone() };
    let (real, synthetic) = (real(name), bytes_of(&one_file));
    let last = |bytes: &[u8]| chunks(&media(bytes), 0).pop().expect("extents");
    assert!(last(&real) == last(&synthetic));
}

/// A file of the folder beside that of the real data.
fn beside(name: &str) -> Vec<u8> {
    let folder = std::env::var_os("PAGESCRUB_REAL_DATA").expect("the tests were built with it");
    let folder = Path::new(&folder).parent().expect("it has a neighbour").join("backups");
    fs::read(folder.join(name)).expect("a real file")
}

/// What was inferred from real files is known here by bytes of real files, not by the reader.
#[test]
#[cfg_attr(not(real_backups), ignore = "there is no folder `backups` beside PAGESCRUB_REAL_DATA")]
fn the_medium_of_each_stripe_is_told_byte_by_byte_as_in_real_ones() {
    let recipe = BackupRecipe { stripes: 2, block_bytes: 512, ..full() };
    let (_folder, first) = written(&recipe);
    for n in [1, 2] {
        let real = beside(&format!("stripes_852/restoretime_s{n}.bak"));
        let synthetic = fs::read(first.with_file_name(format!("a_{n}.bak"))).expect("a member");
        // The check, the id of the family and the date are of each file its own.
        let own = [50..52, 52..56, 88..93];
        for at in (0..140).filter(|at| !own.iter().any(|own| own.contains(at))) {
            assert_eq!(real[at], synthetic[at], "byte {at} of TAPE of member {n}");
        }
        let raid = |bytes: &[u8]| {
            let media = media(bytes);
            let stream = media.streams().find(|stream| stream.id == "RAID").expect("it is there");
            bytes[stream.data.clone()].to_vec()
        };
        let (real, synthetic) = (raid(&real), raid(&synthetic));
        assert_eq!(real[16..], synthetic[16..], "behind the GUID of member {n}");
    }
}

#[test]
#[cfg_attr(not(real_backups), ignore = "there is no folder `backups` beside PAGESCRUB_REAL_DATA")]
fn padding_without_a_checksum_is_that_of_a_real_backup() {
    let padded = BackupRecipe { padding: true, with_checksum: false, block_bytes: 512, ..full() };
    let is_padding = |extent: &Vec<u8>| extent[1] == 101;
    let padding = |bytes: &[u8]| chunks(&media(bytes), 0).into_iter().find(is_padding);
    let real = padding(&beside("padding_without_checksum.bak")).expect("it has some");
    assert!(real == padding(&bytes_of(&padded)).expect("it has some"));
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn a_real_backup_is_not_damaged_unasked() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.bak");
    fs::write(&path, real("sqltools_Diff_859.bak")).expect("it can be written");
    let log_bit = injection(BackupFault::LogBit, 1, 1);
    let refused = inject_into_backup(&path, &log_bit);
    assert!(matches!(refused, Err(InjectError::NotGenerated(_))), "{refused:?}");
    assert!(fs::read(&path).expect("it is there") == real("sqltools_Diff_859.bak"));
    inject_into_backup(&path, &BackupInjection { force: true, ..log_bit }).expect("it was forced");
    assert!(fs::read(&path).expect("it is there") != real("sqltools_Diff_859.bak"));
}

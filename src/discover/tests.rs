//! What becomes of files, and of backups that describe themselves.

use super::*;
use crate::backup::layout::{PageRun, PageRuns};
use crate::backup::{BackedUpFile, BackupSet, Media, MediaFamily, StreamPiece};
use crate::page::file_header::tests::sealed;
use crate::page::{PAGE_BYTES, Page};
use backup::Stream;
use std::fs;
use tempfile::TempDir;

/// A data file of 256 pages.
const HEALTHY: &[u8] = include_bytes!("../../datasets/healthy.mdf");
const PAGES: u32 = 256;

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

/// What a folder with one file holds.
fn found(name: &str, content: &[u8]) -> Discovery {
    discover(&[folder(&[(name, content)]).path().to_owned()])
}

fn names<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> Vec<&'a str> {
    paths.into_iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect()
}

fn refused(discovery: &Discovery) -> Vec<&str> {
    names(discovery.refusals.iter().map(|refusal| &refusal.path))
}

fn noise() -> Vec<u8> {
    use rand_xoshiro::rand_core::{Rng, SeedableRng};
    let mut noise = vec![0; 1 << 16];
    rand_xoshiro::SplitMix64::seed_from_u64(5).fill_bytes(&mut noise);
    noise
}

#[test]
fn files_of_a_folder_are_sorted_by_what_they_hold() {
    let (zeros, noise) = (vec![0; 1 << 16], noise());
    let tape = [&b"TAPE"[..], &zeros].concat();
    let folder = folder(&[
        ("bills.mdf", b"a note\n"),
        ("old.zip", b"PK\x03\x04"),
        ("orders.mdf", &zeros),
        ("pages.ss", HEALTHY),
        ("readme.txt", b"a note\n"),
        ("sales.bak.gpg", &noise),
        ("sales.mdf", HEALTHY),
        ("sales.ss", &zeros),
        ("tape.bak", &tape),
    ]);
    let found = discover(&[folder.path().to_owned()]);
    assert_eq!(names(found.files.iter().map(|file| &file.path)), ["sales.mdf"]);
    assert_eq!(refused(&found), ["bills.mdf", "orders.mdf", "tape.bak"]);
    let lost: Vec<_> = found.refusals.iter().map(|refusal| refusal.lost).collect();
    assert_eq!(lost, [None, Some("zeros"), None]);
    assert_eq!(found.refusals[2].kind, FileKind::Backup);
    assert!(found.refusals.iter().all(|refusal| refusal.counts && !refusal.failed));
    assert_eq!(names(&found.skipped), ["pages.ss", "readme.txt", "sales.ss"]);
    assert_eq!(names(&found.snapshots), ["pages.ss", "sales.ss"]);
    let not_looked_into = found.not_looked_into.iter().map(|(path, _)| path);
    assert_eq!(names(not_looked_into), ["old.zip", "sales.bak.gpg"]);
    assert!(found.are_extents_guessed);
    let without = Excluded::by(&["*.mdf", "*.bak"]).unwrap();
    let found = discover_without(&[folder.path().to_owned()], &without, &|_| None);
    assert_eq!(names(&found.excluded), ["bills.mdf", "orders.mdf", "sales.mdf", "tape.bak"]);
    assert!(found.files.is_empty());
}

#[test]
fn what_the_user_names_is_never_passed_over() {
    let zeros = vec![0; 1 << 16];
    let files: [(&str, &[u8]); 3] =
        [("old.zip", b"PK\x03\x04"), ("readme.txt", b"a note\n"), ("sales.ss", &zeros)];
    let folder = folder(&files);
    let paths = files.map(|(name, _)| folder.path().join(name));
    let found = find(&paths, &Excluded::default(), (ExtentLook::Each, &|_| None));
    assert_eq!(refused(&found), ["old.zip", "readme.txt", "sales.ss"]);
    assert!(found.skipped.is_empty() && found.not_looked_into.is_empty());
    assert!(!found.are_extents_guessed);
    let missing = discover(&[folder.path().join("gone.mdf")]);
    assert!(missing.refusals[0].failed, "{missing:?}");
}

#[test]
fn a_data_file_knows_where_it_ends_and_whether_it_begins_its_database() {
    let folder = folder(&[("sales.mdf", HEALTHY)]);
    let file = discover(&[folder.path().to_owned()]).files.remove(0);
    assert!(file.has_pages() && file.is_primary() && file.is_in_its_place().unwrap());
    assert_eq!((file.end_page(), file.promise.pages), (PAGES, PAGES));
    assert_eq!(file.stored, [PageRange::between(0, PAGES)]);
    assert_eq!(file.offset_bytes(PageId(PAGES - 1)), Some(255 * 8192));
    assert_eq!(file.offset_bytes(PageId(PAGES)), None);
    assert_eq!((file.set_key(), file.page_verify()), (None, Some(PageVerify::Checksum)));
    assert!(!DataFile { file_id: FileId(3), ..file.clone() }.is_primary());
    assert!(!DataFile { kind: FileKind::Log, ..file }.has_pages());
}

#[test]
fn a_data_file_is_one_whatever_became_of_its_beginning() {
    let mut zeroed = HEALTHY.to_vec();
    zeroed[..1 << 16].fill(0);
    let moved = [&[b'x'; 100][..], HEALTHY].concat();
    for (name, content) in [("a.dat", &zeroed), ("b.mdf", &moved)] {
        let file = found(name, content).files.remove(0);
        assert_eq!((file.kind, file.file_id), (FileKind::Data, FileId(1)), "{name}");
    }
    // Pages that are sound, and none of which is where it says.
    assert!(found("c.dat", &HEALTHY[1 << 16..]).files.is_empty());
    assert!(found("d.dat", &moved).files.is_empty(), "nothing in its name promises pages");
}

#[test]
fn of_a_data_file_that_was_cut_the_pages_in_use_behind_its_end_are_lost() {
    let file = found("sales.mdf", &HEALTHY[..100 * PAGE_BYTES]).files.remove(0);
    assert_eq!((file.end_page(), file.promise.pages), (100, PAGES));
    assert!(file.lost.iter().all(|lost| lost.first.0 >= 100 && lost.end() <= PAGES));
    assert!(!file.lost.is_empty());
}

#[test]
fn files_of_one_database_have_its_boot_page() {
    let primary = found("sales.mdf", HEALTHY).files.remove(0);
    let secondary = DataFile { boot: None, file_id: FileId(3), ..primary.clone() };
    let mut stranger = secondary.clone();
    stranger.header = header();
    let mut files = [stranger, secondary, primary];
    link::secondary_files(&mut files);
    let told = files.map(|file| file.boot.map(|boot| boot.database));
    assert!(told[0].is_none() && told[1].is_some() && told[1] == told[2], "{told:?}");
}

#[cfg(unix)]
#[test]
fn a_socket_in_place_of_a_data_file_is_looked_at_and_declined() {
    let folder = folder(&[("sales.mdf", HEALTHY)]);
    let socket = folder.path().join("orders.mdf");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let found = discover(&[folder.path().to_owned()]);
    assert_eq!(refused(&found), ["orders.mdf"]);
    assert!(!found.refusals[0].failed && found.refusals[0].counts);
}

/// The kind of a file that begins with `header`, or why it is refused.
fn kind_of(header: &Page, marks: &[u8]) -> Result<FileKind, String> {
    let mut bytes = header.bytes().to_vec();
    for mark in marks {
        bytes.push(*mark);
        bytes.resize(bytes.len().next_multiple_of(PAGE_BYTES), 0);
    }
    let mut found = found("sales.ldf", &bytes);
    found.files.pop().map(|file| file.kind).ok_or_else(|| found.refusals.remove(0).why)
}

/// A log block begins with 0xab.
#[test]
fn a_log_is_known_by_its_header_else_by_its_first_block() {
    let header = sealed(0, 4);
    let is_refused =
        |marks: &[u8], why: &str| kind_of(&header, marks).is_err_and(|w| w.contains(why));
    assert_eq!(kind_of(&header, &[0xab, 0, 0]), Ok(FileKind::Log));
    assert_eq!(kind_of(&header, &[0xab, 0, 0, 0]), Ok(FileKind::Log));
    assert!(is_refused(&[0xab, 0], "holds 3 of 4 pages"));
    assert!(is_refused(&[1, 0, 0], "no log block behind that"));
    assert_eq!(kind_of(&sealed(1, 1), &[]), Ok(FileKind::Data), "a data file of one page");
    let mut damaged = header;
    damaged.bytes_mut()[5000] ^= 1;
    assert_eq!(kind_of(&damaged, &[0xab, 0, 0]), Ok(FileKind::Log));
    assert_eq!(kind_of(&damaged, &[1, 0, 0]), Ok(FileKind::Data));
}

#[cfg(unix)]
#[test]
fn links_lead_to_one_file_and_those_that_lead_nowhere_hide_data_files_only() {
    use std::os::unix::fs::{MetadataExt, symlink};
    let folder = folder(&[("sales.mdf", HEALTHY)]);
    let at = |name: &str| folder.path().join(name);
    fs::hard_link(at("sales.mdf"), at("a_copy")).unwrap();
    for name in ["gone.mdf", "gone.txt"] {
        symlink("/nowhere/at/all", at(name)).unwrap();
    }
    let by_folder = discover(&[folder.path().to_owned()]);
    let by_name = discover(&[folder.path().to_owned(), at("a_copy")]);
    assert_eq!(refused(&by_folder), ["gone.mdf"]);
    // The name of SQL Server is preferred, and the one that was given above all.
    let paths = |found: &Discovery| found.files.iter().map(|f| f.path.clone()).collect::<Vec<_>>();
    assert_eq!((paths(&by_folder), paths(&by_name)), (vec![at("sales.mdf")], vec![at("a_copy")]));
    assert_eq!(by_folder.files[0].device, fs::metadata(folder.path()).unwrap().dev());
}

#[test]
fn a_file_with_another_birth_is_another_one() {
    let born = |seconds| {
        let created = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        FileTimes { created: Some(created), ..FileTimes::default() }
    };
    assert!(born(7).may_be_of_one_file(&born(7)) && !born(7).may_be_of_one_file(&born(8)));
    assert!(born(7).may_be_of_one_file(&FileTimes::default()), "not told");
}

/// A backup of file 1 of a database.
#[derive(Clone, Copy)]
struct Member {
    /// Which member of how many.
    number: (u16, u16),
    /// Pages that it has.
    pages: u32,
    /// Pages that all members together should have.
    promised: u32,
    is_complete: bool,
}

const MEMBER: Member = Member { number: (1, 1), pages: 64, promised: 80, is_complete: true };
/// Where the pages begin.
const DATA: u64 = 4096;

impl Member {
    fn backup(self) -> (BackupFile, FoundPart) {
        let run = PageRun { range: PageRange::between(0, self.pages), offset_bytes: DATA };
        let bytes = run.bytes();
        let piece = StreamPiece {
            offset_bytes: DATA,
            bytes,
            promised_bytes: bytes,
            ..StreamPiece::default()
        };
        let set = BackupSet {
            position: 1,
            set_id: Some([3; 16]),
            files: vec![BackedUpFile { file_id: 1, pages: self.promised, ..Default::default() }],
            data: vec![piece.clone()],
            is_complete: self.is_complete,
            ..BackupSet::default()
        };
        let family = MediaFamily {
            media_set_id: Some([9; 16]),
            family_number: self.number.0,
            family_count: self.number.1,
            ..MediaFamily::default()
        };
        let backup = BackupFile {
            bytes: DATA + bytes,
            kind: FileKind::Backup,
            media: Media { family: Some(family), sets: vec![set], ..Media::default() },
            streams: vec![Stream { set: 0, is_log: false, piece }],
            rest: Vec::new(),
            records: None,
        };
        let runs = Arc::new(PageRuns::last_copies(&[run]).0);
        (backup, FoundPart { file_id: FileId(1), set: 0, runs, header: header(), boot: None })
    }
}

/// Backups at paths of their own.
fn backups(members: &[(&str, Member)]) -> Discovery {
    let mut discovery = Discovery::default();
    for (path, member) in members {
        let (backup, part) = member.backup();
        let candidate = Candidate {
            path: path.into(),
            named: true,
            identity: paths::identity_of(Path::new(".")).unwrap(),
            device: 7,
            times: FileTimes::default(),
            is_block_device: false,
        };
        add_backup(&mut discovery, &candidate, backup, vec![part]);
    }
    discovery.link();
    discovery
}

/// Pages that the parts at these paths should have.
fn promised(members: &[(&str, Member)]) -> Vec<u32> {
    let parts = backups(members).files.into_iter().filter(|file| file.part.is_some());
    parts.map(|part| part.promise.pages).collect()
}

/// Page 0 as it is in the backups.
fn header() -> Option<FileHeader> {
    FileHeader::of(&sealed(1, 80))
}

/// 64 of 80 pages of file 1, as a backup that was cut has them.
pub(crate) fn part_of_a_cut_backup() -> DataFile {
    let cut = Member { is_complete: false, ..MEMBER };
    backups(&[("sales.bak", cut)]).files.remove(1)
}

#[test]
fn a_backup_is_a_file_without_pages_and_one_for_each_data_file_in_it() {
    let [whole, part] = &backups(&[("sales.bak", MEMBER)]).files[..] else { panic!("two") };
    assert!(whole.backup.is_some() && whole.part.is_none() && !whole.has_pages());
    assert!(part.backup.is_none() && part.has_pages() && part.is_primary());
    assert_eq!((&whole.header, &part.header), (&None, &header()));
    assert_eq!((whole.set_key(), part.end_page()), (None, 64));
    assert_eq!(part.offset_bytes(PageId(8)), Some(DATA + 8 * 8192));
    assert_eq!(part.offset_bytes(PageId(64)), None);
    let backup = whole.backup.as_ref().unwrap();
    let at = [DATA - 1, DATA, DATA + 64 * 8192 - 1, DATA + 64 * 8192];
    assert_eq!(at.map(|offset| backup.stream_at(offset)), [None, Some(0), Some(0), None]);
    let copies: Vec<u32> =
        part.part.iter().flat_map(Part::first_copies).map(|run| run.range.pages).collect();
    assert_eq!(copies, [64]);
}

#[test]
fn only_members_of_a_striped_backup_are_of_one_set_and_know_each_other() {
    let of = |number| Member { number, ..MEMBER };
    let siblings = |members: [(&str, Member); 2]| {
        let parts = backups(&members).files.into_iter().filter_map(|file| {
            let key = file.set_key();
            let siblings = file.part?.siblings;
            Some((key, siblings.iter().map(|s| s.path.clone()).collect::<Vec<_>>()))
        });
        parts.collect::<Vec<_>>()
    };
    let striped = siblings([("a.bak", of((1, 2))), ("b.bak", of((2, 2)))]);
    assert_eq!(striped[0].0, striped[1].0);
    assert_eq!(
        (&striped[0].1[..], &striped[1].1[..]),
        (&["b.bak".into()][..], &["a.bak".into()][..])
    );
    // WITH INIT leaves the ids that the media had before.
    let apart = siblings([("a.bak", of((1, 1))), ("b.bak", of((1, 1)))]);
    assert_ne!(apart[0].0, apart[1].0);
    assert!(apart.iter().all(|(_, siblings)| siblings.is_empty()));
}

#[test]
fn a_set_promises_pages_only_where_something_of_it_is_missing() {
    assert_eq!(promised(&[("a.bak", MEMBER)]), [0], "a server plans more than it writes");
    let cut = Member { is_complete: false, ..MEMBER };
    assert_eq!(promised(&[("a.bak", cut)]), [80]);
    let of = |number, pages| Member { number: (number, 2), pages, promised: 200, ..MEMBER };
    assert_eq!(promised(&[("a.bak", of(1, 64)), ("b.bak", of(2, 64))]), [0, 0]);
    assert_eq!(promised(&[("b.bak", of(2, 64))]), [200]);
    // What is missing is looked for in the first member; one that is there twice counts once.
    let cut = Member { is_complete: false, ..of(2, 56) };
    assert_eq!(promised(&[("a.bak", of(1, 64)), ("b.bak", cut)]), [200 - 56, 0]);
    let copies = [("a.bak", of(1, 64)), ("a_copy.bak", of(1, 40)), ("b.bak", cut)];
    assert_eq!(promised(&copies), [200 - 56, 0, 0]);
}

#[test]
fn a_file_of_which_a_set_has_no_page_at_all_is_missing_as_a_whole() {
    let cut = Member { is_complete: false, pages: 0, ..MEMBER };
    let [whole, part] = &backups(&[("a.bak", cut)]).files[..] else { panic!("two") };
    assert!(whole.backup.is_some());
    assert_eq!((part.file_id, part.promise.pages, part.end_page()), (FileId(1), 80, 0));
}

#[test]
fn a_set_is_whole_with_its_end_and_all_of_its_bytes() {
    let is_whole = |change: fn(&mut BackupSet)| {
        let (mut backup, _) = MEMBER.backup();
        change(&mut backup.media.sets[0]);
        backup.is_set_whole(0)
    };
    assert!(is_whole(|_| {}));
    assert!(!is_whole(|set| set.is_complete = false));
    assert!(!is_whole(|set| set.has_gap = true));
    assert!(!is_whole(|set| set.data[0].promised_bytes += 1));
    assert!(!MEMBER.backup().0.is_set_whole(1), "there is no such set");
}

#[test]
fn a_backup_that_cannot_be_unpacked_stays_and_it_is_said_why() {
    let verified = Verified { faults_not_listed: 1, ..Verified::default() };
    let mut found = backups(&[("/nowhere/at/all.bak", MEMBER)]);
    found.unpack(Path::new("/nowhere/at/all.bak"), &verified, &|_| None);
    assert_eq!((found.files.len(), found.not_unpacked.len()), (2, 1));
    found.unpack(Path::new("another.bak"), &verified, &|_| None);
    assert_eq!(found.not_unpacked.len(), 1);
}

//! Where the damage is on the device, what is near what there, and what regularity it has.

use crate::harness::{pagescrub, scan_json, suspect_pages, timeless};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const PAGE: u64 = 8192;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn generated(folder: &Path, name: &str, size: &str) -> PathBuf {
    let path = folder.join(name);
    let options = [size, "--seed=1"].map(OsStr::new);
    let run = pagescrub(&[&["generate".as_ref(), path.as_os_str()], &options[..]].concat());
    assert_eq!(run.code, 0, "{}", run.stderr);
    path
}

/// Overwrites the second half of the pages.
fn damage(path: &Path, pages: impl IntoIterator<Item = u64>) {
    use std::io::{Seek, SeekFrom, Write};
    let mut file = fs::File::options().write(true).open(path).expect("ours");
    for page in pages {
        file.seek(SeekFrom::Start(page * PAGE + PAGE / 2)).expect("it has a beginning");
        file.write_all(&[0xd7; 4096]).expect("room");
    }
    file.sync_all().expect("written");
}

/// Content pages that are in use, found out by damaging all of a copy.
fn in_use(path: &Path) -> Vec<u64> {
    let folder = folder();
    let copy = folder.path().join("copy.mdf");
    fs::copy(path, &copy).expect("room");
    let pages = fs::metadata(path).expect("ours").len() / PAGE;
    damage(&copy, 40..pages);
    suspect_pages(&scan_json(&copy, &[]).1)
}

fn list<'a>(report: &'a Value, key: &str) -> &'a [Value] {
    report[key].as_array().expect("a list")
}

#[test]
fn what_encrypts_the_head_of_every_128_kib_is_named() {
    let folder = folder();
    let path = generated(folder.path(), "a.mdf", "--size=16MiB");
    damage(&path, (0..2048).filter(|page| page % 16 == 3));
    let (code, report) = scan_json(&path, &[]);
    assert_eq!(code, 1);
    let [pattern] = list(&report, "patterns") else { panic!("{}", report["patterns"]) };
    assert_eq!((&pattern["kind"], &pattern["members"]), (&"period".into(), &16.into()));
    assert_eq!((&pattern["member"], &pattern["on_device"]), (&3.into(), &false.into()));
    assert_eq!(pattern["scope"], report["files"][0]["path"]);
    assert!(pattern["p_value"].as_f64().expect("a number") < 1e-9);

    let words = |format: &str| {
        let words = ["scan".as_ref(), path.as_os_str(), "--format".as_ref(), format.as_ref()];
        pagescrub(&words).stdout
    };
    let terminal = words("terminal");
    assert!(terminal.contains("\nPatterns  "), "{terminal}");
    assert!(terminal.contains("every 16th page from page 3 on"), "{terminal}");
    let lines = words("jsonl");
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let of_kind = lines.filter(|line| line["type"] == "pattern").collect::<Vec<_>>();
    assert_eq!(of_kind.len(), 1);
    assert_eq!(of_kind[0]["text"], pattern["text"]);
}

#[test]
fn half_a_geometry_and_none_that_an_array_has_are_refused() {
    let folder = folder();
    let path = generated(folder.path(), "a.mdf", "--size=1MiB");
    let code = |words: &[&str]| {
        let args = [
            &["scan".as_ref(), path.as_os_str()],
            &words.iter().map(OsStr::new).collect::<Vec<_>>()[..],
        ];
        pagescrub(&args.concat()).code
    };
    for words in [
        &["--stripe=64KiB"][..],
        &["--members=8"],
        &["--stripe=1000", "--members=8"],
        &["--stripe=0", "--members=8"],
        &["--stripe=32MiB", "--members=8"],
        &["--stripe=64KiB", "--members=1"],
        &["--stripe=64KiB", "--members=65"],
    ] {
        assert_eq!(code(words), 2, "{words:?}");
    }
    assert_eq!(code(&["--stripe=512", "--members=64"]), 0);
}

#[test]
fn places_and_patterns_do_not_depend_on_how_the_scan_runs() {
    let folder = folder();
    let path = generated(folder.path(), "a.mdf", "--size=8MiB");
    damage(&path, (0..1024).filter(|page| page % 16 == 5 || page % 97 == 11));
    let report = |words: &[&str]| timeless(scan_json(&path, words).1);
    let first = report(&[]);
    assert!(!list(&first, "patterns").is_empty());
    for words in [&["--threads=1", "--batch-size=64KiB"][..], &["--reader=pread", "--threads=3"]] {
        assert_eq!(report(words), first, "{words:?}");
    }
}

/// What only root can set up.
#[cfg(target_os = "linux")]
mod on_devices {
    use super::*;
    use pagescrub::discover::device::placement::Placement;
    use pagescrub::discover::discover;
    use std::process::Command;

    fn done(program: &str, args: &[&OsStr]) -> String {
        let output = Command::new(program).args(args).output().expect("installed");
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// A loop device over a file; detached when it goes out of scope.
    struct Loop(String);

    impl Loop {
        fn over(path: &Path) -> Self {
            Self(done("losetup", &["--find".as_ref(), "--show".as_ref(), path.as_os_str()]))
        }
    }

    impl Drop for Loop {
        fn drop(&mut self) {
            let _ = Command::new("losetup").args(["--detach", &self.0]).status();
        }
    }

    /// A file system of its own; unmounted when it goes out of scope.
    struct Mounted {
        at: PathBuf,
        device: Option<Loop>,
        folder: TempDir,
    }

    impl Mounted {
        fn ext4(mib: u64) -> Self {
            let folder = folder();
            let (image, at) = (folder.path().join("image"), folder.path().join("mnt"));
            fs::create_dir(&at).expect("room");
            fs::File::create(&image).and_then(|file| file.set_len(mib << 20)).expect("room");
            let options = ["-q", "-F", "-N", "4096"].map(OsStr::new);
            done("mkfs.ext4", &[&options[..], &[image.as_os_str()]].concat());
            let device = Loop::over(&image);
            done("mount", &[device.0.as_ref(), at.as_os_str()]);
            Self { at, device: Some(device), folder }
        }

        fn tmpfs() -> Self {
            let folder = folder();
            let at = folder.path().join("mnt");
            fs::create_dir(&at).expect("room");
            done("mount", &["-t".as_ref(), "tmpfs".as_ref(), "none".as_ref(), at.as_os_str()]);
            Self { at, device: None, folder }
        }

        fn device(&self) -> &str {
            &self.device.as_ref().expect("it has one").0
        }

        /// Leaves free space in pieces of 64 KiB only.
        fn fragment(&self) {
            let chunk = vec![7; 64 << 10];
            let name = |i: usize| self.at.join(format!("filler{i}"));
            let full = (0..4000).find(|&i| fs::write(name(i), &chunk).is_err());
            let full = full.expect("it is small");
            done("sync", &["-f".as_ref(), self.at.as_os_str()]);
            (0..full).step_by(2).for_each(|i| fs::remove_file(name(i)).expect("ours"));
            done("sync", &["-f".as_ref(), self.at.as_os_str()]);
        }

        /// What is on the device now, whatever any cache thinks.
        fn image(mut self) -> Vec<u8> {
            self.unmount();
            self.device = None;
            fs::read(self.folder.path().join("image")).expect("ours")
        }

        fn unmount(&self) {
            let _ = Command::new("umount").arg(&self.at).output();
        }
    }

    impl Drop for Mounted {
        fn drop(&mut self) {
            self.unmount();
        }
    }

    /// Each suspect's device offset, and how far that is from its offset in its file.
    fn offsets(report: &Value) -> Vec<(usize, Option<u64>)> {
        let number = |value: &Value| value.as_u64();
        let of = |suspect: &Value| {
            let page = number(&suspect["page_id"]).expect("a number");
            (page as usize, number(&suspect["device_offset_bytes"]))
        };
        list(report, "suspects").iter().map(of).collect()
    }

    #[test]
    #[cfg_attr(not(root_tests), ignore = "PAGESCRUB_ROOT_TESTS is not 1")]
    fn at_the_offset_on_the_device_is_the_page_also_in_a_file_in_pieces_with_holes() {
        let elsewhere = folder();
        let source = generated(elsewhere.path(), "a.mdf", "--size=8MiB");
        let mounted = Mounted::ext4(48);
        mounted.fragment();
        let path = mounted.at.join("a.mdf");
        fs::copy(source, &path).expect("room");
        let damaged: Vec<u64> = in_use(&path).into_iter().step_by(5).collect();
        damage(&path, damaged.iter().copied());
        let hole_page = damaged[damaged.len() / 2];
        let hole = format!("--offset={}", hole_page * PAGE);
        let hole = ["--punch-hole", &hole, "--length=8192"].map(OsStr::new);
        done("fallocate", &[&hole[..], &[path.as_os_str()]].concat());
        let (code, report) = scan_json(&path, &[]);
        assert_eq!(code, 1);
        let suspects = list(&report, "suspects");
        let device = mounted.device();
        assert_eq!(suspect_pages(&report), damaged);
        let is_placed = |s: &Value| s["device"] == device || s["page_id"] == hole_page;
        assert!(suspects.iter().all(is_placed), "{report}");
        let file = fs::read(&path).expect("ours");
        let image = mounted.image();
        let mut distances = Vec::new();
        for (page, on_device) in offsets(&report) {
            let Some(at) = on_device else {
                assert_eq!(page as u64, hole_page, "the only hole");
                continue;
            };
            // What comes after its first block, of 1 KiB here, may be in the next piece.
            let in_file = &file[page * 8192..][..1024];
            assert_ne!(page as u64, hole_page, "a hole is nowhere");
            assert!(&image[at as usize..][..1024] == in_file, "page {page} at {at}");
            distances.push(at.wrapping_sub(page as u64 * PAGE));
        }
        distances.sort_unstable();
        distances.dedup();
        assert!(distances.len() > 5, "the file was to be in pieces: {distances:?}");
    }

    #[test]
    #[cfg_attr(not(root_tests), ignore = "PAGESCRUB_ROOT_TESTS is not 1")]
    fn a_file_system_without_a_device_tells_no_place() {
        let mounted = Mounted::tmpfs();
        let path = generated(&mounted.at, "a.mdf", "--size=2MiB");
        damage(&path, [in_use(&path)[20]]);
        let (code, report) = scan_json(&path, &[]);
        assert_eq!(code, 1);
        let [suspect] = list(&report, "suspects") else { panic!("{report}") };
        assert_eq!([&suspect["device"], &suspect["device_offset_bytes"]], [&Value::Null; 2]);
        let [span] = list(&report["incidents"][0], "spans") else { panic!("{report}") };
        assert_eq!((&span["device"], &span["pages"]), (&Value::Null, &1.into()));
        assert!(mounted.folder.path().exists());
    }

    /// Where page `page` of `path` is on its device.
    fn placed(path: &Path) -> impl Fn(u64) -> u64 {
        let discovery = discover(&[path.to_owned()]);
        let placement = Placement::of(&discovery.files[0]).expect("ext4 tells");
        move |page| placement.disk_offset(page * PAGE).expect("no holes")
    }

    #[test]
    #[cfg_attr(not(root_tests), ignore = "PAGESCRUB_ROOT_TESTS is not 1")]
    fn damage_in_two_files_that_are_neighbours_on_the_device_is_one_incident() {
        let elsewhere = folder();
        let source = generated(elsewhere.path(), "a.mdf", "--size=4MiB");
        let mounted = Mounted::ext4(48);
        mounted.fragment();
        let paths = ["a.mdf", "b.mdf"].map(|name| mounted.at.join(name));
        for path in &paths {
            fs::copy(&source, path).expect("room");
        }
        for path in &paths {
            damage(path, []);
        }
        let [a, b] = [&paths[0], &paths[1]].map(|path| placed(path));
        let pages = in_use(&source);
        let pairs = pages.iter().flat_map(|x| pages.iter().map(move |y| (*x, *y)));
        let distance = |(x, y): &(u64, u64)| a(*x).abs_diff(b(*y));
        let near = pairs.min_by_key(distance).expect("there are pairs");
        assert!(distance(&near) < 1 << 20, "{}", distance(&near));
        damage(&paths[0], [near.0]);
        damage(&paths[1], [near.1]);
        let (_, report) = scan_json(&mounted.at, &[]);
        let [incident] = list(&report, "incidents") else { panic!("{}", report["incidents"]) };
        let spans = list(incident, "spans");
        let path = |span: &Value| PathBuf::from(span["path"].as_str().expect("text"));
        assert_eq!(spans.iter().map(path).collect::<Vec<_>>(), paths);
        assert_eq!(spans[0]["device_offset_bytes"], a(near.0));
        assert_eq!(spans[1]["device_offset_bytes"], b(near.1));
        assert_eq!((&incident["pages"], &spans[0]["pages"]), (&2.into(), &1.into()));
        let words = pagescrub(&["scan".as_ref(), mounted.at.as_os_str()]).stdout;
        let one = format!("a.mdf (1:{}), b.mdf (1:{}): 2 bad checksum", near.0, near.1);
        assert!(words.contains(&one), "{words}");
    }

    #[test]
    #[cfg_attr(not(root_tests), ignore = "PAGESCRUB_ROOT_TESTS is not 1")]
    fn the_dead_member_of_an_array_is_told_by_the_offsets_on_its_device() {
        let folder = folder();
        let path = generated(folder.path(), "a.mdf", "--size=64MiB");
        damage(&path, (0..8192).filter(|page| page / 8 % 8 == 3));
        let device = Loop::over(&path);
        for words in [&["--stripe=64KiB", "--members=8"][..], &[]] {
            let (code, report) = scan_json(device.0.as_ref(), words);
            assert_eq!(code, 1);
            let [pattern] = list(&report, "patterns") else { panic!("{}", report["patterns"]) };
            let text = pattern["text"].as_str().expect("text");
            assert!(text.contains("64 KiB units lie on member 3 of 8 (counted from 0"), "{text}");
            assert!(
                text.ends_with(&format!(
                    "one failing disk or path of the array behind {}",
                    device.0
                ))
            );
            assert_eq!(pattern["hits"], pattern["events"]);
            assert_eq!(pattern["given"], !words.is_empty());
        }
    }
}

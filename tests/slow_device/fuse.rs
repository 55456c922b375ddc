//! A disk that misbehaves like real ones do: a FUSE file system with one file, for the program
//! under test to read like any other.
//!
//! Only other processes may read the file: a process that waits for an answer it has to give
//! itself cannot even be killed.

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags,
    Generation, INodeNo, InitFlags, KernelConfig, LockOwner, MountOption, OpenFlags, ReplyAttr,
    ReplyData, ReplyEntry, ReplyLseek, ReplyOpen, Request,
};
use std::ffi::OsStr;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, UNIX_EPOCH};
use tempfile::TempDir;

const FILE_NAME: &str = "drill.mdf";
const FILE: INodeNo = INodeNo(2);
/// The kernel asks again whenever it wants to know the file's length.
const ATTRIBUTES_LAST: Duration = Duration::ZERO;
/// Unanswered requests past which the kernel holds back further ones; its own 12 would let a few
/// slow answers hold up all others.
const UNANSWERED_MAX: u16 = 1024;
/// Reads past the cache are cut short at whole blocks only.
const BLOCK_BYTES: u64 = 4096;

/// Whether ordinary reads of the file go through the page cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    /// They do, with readahead.
    PageCache,
    /// Each goes to the disk as it is; the file cannot be mapped.
    Direct,
    /// Reads go past the page cache, and the kernel is not told that several may wait at a time, as
    /// by many file systems: it then waits where a queued read is submitted.
    DirectInTurn,
}

/// What the disk does.
#[derive(Clone, Copy, Debug)]
pub enum Trouble {
    /// Answers late.
    Delay(Duration),
    /// Answers EIO.
    Eio,
    /// Delivers so many bytes at most, although the file goes on. Only with [`Caching::Direct`]:
    /// the page cache takes a short answer for the end of the file.
    ShortRead(u64),
    /// From now on the file has so many bytes.
    Shrink(u64),
    /// Does not tell what of these bytes is stored. All else is.
    Unmapped,
}

/// Trouble with reads that touch `bytes`.
pub struct Misbehaviour {
    bytes: Range<u64>,
    trouble: Trouble,
    reads_max: u64,
    reads: AtomicU64,
}

impl Misbehaviour {
    /// Trouble with every read.
    pub fn always(bytes: Range<u64>, trouble: Trouble) -> Self {
        Self::first(u64::MAX, bytes, trouble)
    }

    /// Trouble with the first `reads_max` reads.
    pub fn first(reads_max: u64, bytes: Range<u64>, trouble: Trouble) -> Self {
        Self { bytes, trouble, reads_max, reads: AtomicU64::new(0) }
    }

    fn is_met_by(&self, wanted: &Range<u64>) -> bool {
        let touches = wanted.start < self.bytes.end && self.bytes.start < wanted.end;
        touches && self.reads.fetch_add(1, Ordering::Relaxed) < self.reads_max
    }
}

/// A read that was answered.
#[derive(Clone, Debug)]
pub struct Read {
    /// Bytes that were asked for.
    pub wanted: u64,
    /// Bytes that were delivered; `None` if it failed.
    pub delivered: Option<u64>,
    /// When it was asked for.
    pub asked: Instant,
    /// From being asked to answering.
    pub latency: Duration,
}

/// The file system, mounted until it goes out of scope.
pub struct Mounted {
    disk: Arc<Disk>,
    // Fields drop in order: the folder can go once nothing is mounted in it.
    _session: BackgroundSession,
    folder: TempDir,
}

impl Mounted {
    /// Mounts a file of `bytes`.
    pub fn new(bytes: Arc<[u8]>, caching: Caching, misbehaviours: Vec<Misbehaviour>) -> Self {
        let length = AtomicU64::new(bytes.len() as u64);
        let disk = Disk { bytes, length, caching, misbehaviours, reads: Mutex::default() };
        let disk = Arc::new(disk);
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = Config::default();
        config.mount_options = vec![MountOption::RO, MountOption::FSName("drill".to_owned())];
        let served = Served(Arc::clone(&disk));
        let session = fuser::spawn_mount(served, folder.path(), &config).expect("FUSE, as root");
        Self { disk, _session: session, folder }
    }

    /// The file.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join(FILE_NAME)
    }

    /// All reads so far, in the order of their answers.
    pub fn reads(&self) -> Vec<Read> {
        self.disk.reads.lock().expect("no reader panicked").clone()
    }
}

impl Drop for Mounted {
    /// Lazily, so that nothing stays mounted even if the program still reads.
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.folder.path()).output();
    }
}

struct Disk {
    bytes: Arc<[u8]>,
    length: AtomicU64,
    caching: Caching,
    misbehaviours: Vec<Misbehaviour>,
    reads: Mutex<Vec<Read>>,
}

/// What a read gets: `None` for EIO, and when.
struct Answer {
    delivers: Option<Range<u64>>,
    delay: Duration,
}

impl Disk {
    fn answer(&self, wanted: &Range<u64>, past_cache: bool) -> Answer {
        let (mut delay, mut fails, mut bytes_max) = (Duration::ZERO, false, u64::MAX);
        for misbehaviour in self.misbehaviours.iter().filter(|m| m.is_met_by(wanted)) {
            match misbehaviour.trouble {
                Trouble::Delay(by) => delay = delay.max(by),
                Trouble::Eio => fails = true,
                Trouble::ShortRead(max) if past_cache => {
                    bytes_max = bytes_max.min(max.next_multiple_of(BLOCK_BYTES));
                }
                Trouble::ShortRead(max) => bytes_max = bytes_max.min(max),
                Trouble::Unmapped => {}
                Trouble::Shrink(to) => drop(self.length.fetch_min(to, Ordering::Relaxed)),
            }
        }
        let start = wanted.start.min(self.length());
        let end = wanted.end.min(start.saturating_add(bytes_max)).min(self.length());
        Answer { delivers: (!fails).then_some(start..end), delay }
    }

    fn send(&self, read: Read, delivers: Option<Range<u64>>, reply: ReplyData) {
        self.reads.lock().expect("no reader panicked").push(read);
        match delivers {
            Some(bytes) => reply.data(&self.bytes[bytes.start as usize..bytes.end as usize]),
            None => reply.error(Errno::EIO),
        }
    }

    /// Whether it can be told if the byte at `offset` is stored.
    fn is_mapped(&self, offset: u64) -> bool {
        let is_lost =
            |m: &Misbehaviour| matches!(m.trouble, Trouble::Unmapped) && m.bytes.contains(&offset);
        !self.misbehaviours.iter().any(is_lost)
    }

    fn length(&self) -> u64 {
        self.length.load(Ordering::Relaxed)
    }

    fn attributes(&self, node: INodeNo) -> FileAttr {
        let is_file = node == FILE;
        let size = if is_file { self.length() } else { 0 };
        FileAttr {
            ino: node,
            size,
            blocks: size.div_ceil(512),
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind: if is_file { FileType::RegularFile } else { FileType::Directory },
            perm: if is_file { 0o444 } else { 0o555 },
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: BLOCK_BYTES as u32,
            flags: 0,
        }
    }
}

/// What the kernel asks.
struct Served(Arc<Disk>);

impl Filesystem for Served {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        if self.0.caching != Caching::DirectInTurn {
            let _ = config.add_capabilities(InitFlags::FUSE_ASYNC_DIO);
        }
        let _ = config.set_max_background(UNANSWERED_MAX);
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if parent == INodeNo::ROOT && name == FILE_NAME {
            reply.entry(&ATTRIBUTES_LAST, &self.0.attributes(FILE), Generation(0));
        } else {
            reply.error(Errno::ENOENT);
        }
    }

    fn getattr(&self, _: &Request, node: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&ATTRIBUTES_LAST, &self.0.attributes(node));
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let flags = match self.0.caching {
            Caching::PageCache => FopenFlags::empty(),
            Caching::Direct | Caching::DirectInTurn => FopenFlags::FOPEN_DIRECT_IO,
        };
        reply.opened(FileHandle(0), flags);
    }

    /// Holes are looked for: there are none, as far as that is known.
    fn lseek(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: i64,
        whence: i32,
        reply: ReplyLseek,
    ) {
        let from = offset.cast_unsigned();
        let end = (from..self.0.length()).step_by(BLOCK_BYTES as usize);
        let end = end.into_iter().find(|at| !self.0.is_mapped(*at)).unwrap_or(self.0.length());
        match whence {
            libc::SEEK_DATA if from >= self.0.length() => reply.error(Errno::ENXIO),
            libc::SEEK_DATA if self.0.is_mapped(from) => reply.offset(offset),
            libc::SEEK_HOLE if end > from => reply.offset(end.cast_signed()),
            _ => reply.error(Errno::EIO),
        }
    }

    /// A late answer waits in a thread of its own, so that others are given meanwhile.
    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        flags: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let asked = Instant::now();
        let bytes = offset..offset + u64::from(size);
        let past_cache = flags.0 & rustix::fs::OFlags::DIRECT.bits().cast_signed() != 0;
        let Answer { delivers, delay } = self.0.answer(&bytes, past_cache);
        let delivered = delivers.as_ref().map(|delivers| delivers.end - delivers.start);
        let disk = Arc::clone(&self.0);
        let answer = move || {
            thread::sleep(delay);
            let read = Read { wanted: size.into(), delivered, asked, latency: asked.elapsed() };
            disk.send(read, delivers, reply);
        };
        if delay.is_zero() { answer() } else { drop(thread::spawn(answer)) }
    }
}

//! How a file is written: beside its target and then renamed, so that whoever reads it never sees
//! a part of it and a full disk leaves the old one; what is no regular file is written in place.
//!
//! Links that the user names are followed, and what they lead to is replaced. In a folder that is
//! filled with reports nothing is followed: a link there was not named by anybody.

use super::guard::{Guard, is_database};
use crate::cli::exit::Failure;
use pagescrub::discover::names::promises_pages;
use pagescrub::discover::paths;
use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Links that are followed from one to the next at most.
const LINKS_MAX: usize = 40;

/// Writes what an output consists of.
pub(crate) type Fill<'a> = &'a dyn Fn(&mut dyn Write) -> io::Result<()>;

impl Guard {
    /// Whether the file at `path` may and can be written is better known before hours of scanning.
    pub(crate) fn check_file(&self, path: &Path) -> Result<(), Failure> {
        self.refuse(path)?;
        if promises_pages(path) || is_database(path) {
            let path = paths::text(path);
            let why = "is a database file, or is named like one: give another name";
            return Err(Failure::usage(format!("{path} {why}")));
        }
        let tried = Target::of(path).and_then(|target| target.try_out());
        tried.map_err(|error| cannot_write(path, &error))
    }

    /// Makes `folder`, and tells whether all its files that are called `is_ours` may and can be
    /// written.
    pub(crate) fn check_folder(
        &self,
        folder: &Path,
        is_ours: fn(&str) -> bool,
    ) -> Result<(), Failure> {
        let failed = |error| cannot_write(folder, &error);
        fs::create_dir_all(folder).map_err(failed)?;
        temporary(folder).map_err(failed)?;
        for entry in fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.file_name().to_str().is_some_and(is_ours) {
                self.check_member(&entry.path())?;
            }
        }
        Ok(())
    }

    fn check_member(&self, path: &Path) -> Result<(), Failure> {
        plain_or_none(path).map_err(|error| Failure::usage(cannot_write_words(path, &error)))?;
        self.refuse(path)?;
        if is_database(path) {
            let path = paths::text(path);
            return Err(Failure::usage(format!("{path} is a database file: give another folder")));
        }
        Ok(())
    }

    /// Writes the file at `path`.
    pub(crate) fn write_file(&self, path: &Path, content: Fill<'_>) -> Result<(), Failure> {
        let written = Target::of(path).and_then(|target| {
            let write = if target.is_in_place { Self::write_in_place } else { Self::write_beside };
            write(self, &target.path, content)
        });
        written.map_err(|error| cannot_write(path, &error))
    }

    /// Writes the file at `path` in a folder of reports.
    pub(crate) fn write_member(&self, path: &Path, content: Fill<'_>) -> Result<(), Failure> {
        let written = plain_or_none(path).and_then(|()| self.write_beside(path, content));
        written.map_err(|error| cannot_write(path, &error))
    }

    fn write_beside(&self, path: &Path, content: Fill<'_>) -> io::Result<()> {
        self.refuse_late(path)?;
        let old = fs::metadata(path).ok();
        let mut beside = match temporary(folder_of(path)) {
            Err(error) if old.is_some() && is_bound(&error) => {
                return self.write_in_place(path, content);
            }
            created => created?,
        };
        let is_like_old = old.is_none_or(|old| take_after(beside.as_file(), &old).is_ok());
        filled(beside.as_file_mut(), content)?;
        self.refuse_late(path)?;
        if is_like_old {
            match beside.persist(path) {
                Err(error) if is_bound(&error.error) => beside = error.file,
                persisted => return persisted.map(drop).map_err(|error| error.error),
            }
        }
        // It cannot be replaced without being another's, or at all: its content is.
        self.write_in_place(path, &|out| io::copy(&mut beside.reopen()?, out).map(drop))
    }

    /// Into what is there: a pipe, a device, or a file that cannot be replaced.
    fn write_in_place(&self, path: &Path, content: Fill<'_>) -> io::Result<()> {
        let mut file = opened(path)?;
        self.refuse_open(&file, path)?;
        if file.metadata()?.is_file() && !is_descriptor(path) {
            file.set_len(0)?;
        }
        filled(&mut file, content)
    }
}

/// Where a path that the user named leads to.
struct Target {
    path: PathBuf,
    is_in_place: bool,
}

impl Target {
    fn of(path: &Path) -> io::Result<Self> {
        let path = behind_links(path)?;
        let metadata = match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            other => Some(other?),
        };
        if metadata.as_ref().is_some_and(|metadata| metadata.is_dir() || is_block_device(metadata))
        {
            return Err(io::Error::other("it is no file"));
        }
        let is_file = metadata.is_none_or(|metadata| metadata.is_file());
        Ok(Self { is_in_place: !is_file || is_descriptor(&path), path })
    }

    /// Leaves no trace. Pipes and devices are not opened: whoever is at the other end would notice.
    fn try_out(&self) -> io::Result<()> {
        if self.is_in_place {
            return Ok(());
        }
        let is_there = match File::options().append(true).open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            opened => opened.map(|_| true)?,
        };
        match temporary(folder_of(&self.path)) {
            Err(error) if is_there && is_bound(&error) => Ok(()),
            created => created.map(drop),
        }
    }
}

/// True for what is written as it is, not replaced: a pipe or a device.
pub(super) fn is_in_place(path: &Path) -> bool {
    Target::of(path).is_ok_and(|target| target.is_in_place)
}

fn behind_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        if is_descriptor(&path) {
            return Ok(path);
        }
        match fs::read_link(&path) {
            Ok(to) => path = path.parent().unwrap_or(Path::new("")).join(to),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many links"))
}

/// What Linux calls an open file, such as the one behind /dev/stdout.
fn is_descriptor(path: &Path) -> bool {
    let folder = path.parent().and_then(|folder| fs::canonicalize(folder).ok());
    folder.is_some_and(|folder| folder.starts_with("/proc"))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A new file in `folder`, removed unless it is renamed. Its mode is what the umask leaves: others
/// read reports, too.
fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".pagescrub-").suffix(".tmp");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// Nothing, or a regular file; a link is neither.
fn plain_or_none(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(()),
        Ok(metadata) if metadata.is_symlink() => {
            Err(io::Error::other("it is a link, and links are not followed there: remove it"))
        }
        Ok(_) => Err(io::Error::other("it is no file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// The file itself may be written, but its folder does not let it be replaced: the folder belongs
/// to another, or the file is mounted there alone.
fn is_bound(error: &io::Error) -> bool {
    use io::ErrorKind::{CrossesDevices, PermissionDenied, ReadOnlyFilesystem, ResourceBusy};
    matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem | ResourceBusy | CrossesDevices)
}

/// Gives the new file the owner and the mode of the old one.
#[cfg(unix)]
fn take_after(new: &File, old: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
    let own = new.metadata()?;
    if (own.uid(), own.gid()) != (old.uid(), old.gid()) {
        fchown(new, Some(old.uid()), Some(old.gid()))?;
    }
    new.set_permissions(fs::Permissions::from_mode(old.mode() & 0o777))
}

#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps, reason = "as on Unix")]
fn take_after(_: &File, _: &Metadata) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn is_block_device(metadata: &Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_block_device(&metadata.file_type())
}

#[cfg(not(unix))]
fn is_block_device(_: &Metadata) -> bool {
    false
}

/// What stdout was redirected to goes on at its end.
fn opened(path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    if std::os::unix::fs::FileTypeExt::is_fifo(&fs::metadata(path)?.file_type()) {
        return super::pipe::open(path);
    }
    File::options().write(true).append(is_descriptor(path)).open(path)
}

fn filled(file: &mut File, content: Fill<'_>) -> io::Result<()> {
    let mut out = BufWriter::new(&mut *file);
    content(&mut out)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?;
    // Pipes and terminals cannot be synced, and need not be.
    if file.metadata()?.is_file() { file.sync_all() } else { Ok(()) }
}

pub(crate) fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::work(cannot_write_words(path, error))
}

fn cannot_write_words(path: &Path, error: &io::Error) -> String {
    let next = match error.kind() {
        io::ErrorKind::FileTooLarge => " (ulimit -f, or what the file system takes)",
        _ => "",
    };
    format!("cannot write {}: {error}{next}", paths::text(path))
}

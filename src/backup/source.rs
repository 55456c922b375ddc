//! Bytes at offsets: a file, or what a compressed backup decompresses to.

use std::fs::File;
use std::io;
use std::sync::Arc;

/// Something that can be read at any offset, from several threads.
pub trait ReadAt: Sync {
    /// Its size in bytes.
    fn bytes(&self) -> u64;

    /// Fills `buffer` from `offset_bytes` on; `UnexpectedEof` where there is less.
    fn read_exact_at(&self, offset_bytes: u64, buffer: &mut [u8]) -> io::Result<()>;
}

impl ReadAt for [u8] {
    fn bytes(&self) -> u64 {
        self.len() as u64
    }

    fn read_exact_at(&self, offset_bytes: u64, buffer: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset_bytes).ok();
        let end = start.and_then(|start| start.checked_add(buffer.len()));
        let bytes = start.zip(end).and_then(|(start, end)| self.get(start..end));
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl ReadAt for Vec<u8> {
    fn bytes(&self) -> u64 {
        self.as_slice().bytes()
    }

    fn read_exact_at(&self, offset_bytes: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.as_slice().read_exact_at(offset_bytes, buffer)
    }
}

/// Says when a file may be read: what the user allows for its device.
pub trait Turns: Send + Sync {
    /// Does `read`, which reads `bytes`, when it may begin.
    fn in_turn(&self, bytes: u64, read: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()>;
}

/// What says so for each device by its number; `None` where nothing is to wait.
pub type TurnsOf<'a> = &'a dyn Fn(u64) -> Option<Arc<dyn Turns>>;

/// A file and how large it was when it was opened.
pub struct SizedFile {
    file: File,
    bytes: u64,
    turns: Option<Arc<dyn Turns>>,
}

impl SizedFile {
    /// `file`, which has `bytes`.
    pub fn new(file: File, bytes: u64) -> Self {
        Self { file, bytes, turns: None }
    }

    /// The same, each read of which waits for its turn.
    #[must_use]
    pub fn in_turns(self, turns: Option<Arc<dyn Turns>>) -> Self {
        Self { turns, ..self }
    }
}

impl ReadAt for SizedFile {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn read_exact_at(&self, offset_bytes: u64, buffer: &mut [u8]) -> io::Result<()> {
        let bytes = buffer.len() as u64;
        let mut read = || read_exact_at(&self.file, offset_bytes, buffer);
        match &self.turns {
            Some(turns) => turns.in_turn(bytes, &mut read),
            None => read(),
        }
    }
}

/// Fills `buffer` from `offset_bytes` of `file`, without moving its cursor, so that threads can
/// share it; `UnexpectedEof` where the file ends.
pub fn read_exact_at(file: &File, offset_bytes: u64, mut buffer: &mut [u8]) -> io::Result<()> {
    let mut at = offset_bytes;
    while !buffer.is_empty() {
        match read_at(file, at, buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                at += count as u64;
                buffer = &mut buffer[count..];
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(unix)]
fn read_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    // ERROR_HANDLE_EOF: Windows calls the end of the file an error.
    const HANDLE_EOF: i32 = 38;
    match std::os::windows::fs::FileExt::seek_read(file, buffer, offset) {
        Err(error) if error.raw_os_error() == Some(HANDLE_EOF) => Ok(0),
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_beyond_the_end_is_an_error_wherever_it_begins() {
        let bytes = vec![7_u8; 100];
        let mut room = [0; 10];
        assert!(bytes.read_exact_at(90, &mut room).is_ok());
        for offset in [91, 100, 1 << 40, u64::MAX] {
            let error = bytes.read_exact_at(offset, &mut room).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}

//! Errors of this system as SQL Server would number them: with those of Windows, on Linux as well,
//! where it runs on a layer that gives it a Windows of its own.
//!
//! That EIO is 1117 is known. All others follow from what the two systems call the same failure;
//! that SQL Server on Linux prints them is not verified (docs/page-format.md, section 10.2).

#![cfg_attr(not(unix), allow(dead_code, reason = "error numbers are those of Windows there"))]

use crate::read::ReadError;
use std::fmt;

/// An error of Windows: its number and its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WindowsError(u32, &'static str);

const IO_DEVICE: WindowsError =
    WindowsError(1117, "The request could not be performed because of an I/O device error.");
const CRC: WindowsError = WindowsError(23, "Data error (cyclic redundancy check).");
const END_OF_FILE: WindowsError = WindowsError(38, "Reached the end of the file.");
const ACCESS_DENIED: WindowsError = WindowsError(5, "Access is denied.");
const NOT_READY: WindowsError = WindowsError(21, "The device is not ready.");
const FILE_INVALID: WindowsError = WindowsError(
    1006,
    "The volume for a file has been externally altered so that the opened file is no longer valid.",
);
const FILE_CORRUPT: WindowsError =
    WindowsError(1392, "The file or directory is corrupted and unreadable.");
const TIMEOUT: WindowsError = WindowsError(121, "The semaphore timeout period has expired.");
const NETWORK: WindowsError = WindowsError(59, "An unexpected network error occurred.");
const NO_RESOURCES: WindowsError =
    WindowsError(1450, "Insufficient system resources exist to complete the requested service.");
/// What stands for all that has no number of its own.
const GENERAL: WindowsError =
    WindowsError(31, "A device attached to the system is not functioning.");

impl WindowsError {
    /// What SQL Server would say of `error`; `None` if that is no error of the system's, or one of
    /// Windows already.
    pub(super) fn of(error: &ReadError) -> Option<Self> {
        match error {
            ReadError::Ended => Some(END_OF_FILE),
            #[cfg(unix)]
            ReadError::Os { code: Some(code), .. } => Some(of_code(*code)),
            #[cfg(not(unix))]
            ReadError::Os { code: Some(_), .. } => None,
            ReadError::Os { code: None, .. } => None,
        }
    }
}

#[cfg(unix)]
fn of_code(code: i32) -> WindowsError {
    match code {
        libc::EIO => IO_DEVICE,
        // How Linux tells that the medium has lost a block, or that its checksum fails.
        libc::ENODATA | libc::EILSEQ | libc::EBADMSG => CRC,
        libc::EACCES | libc::EPERM => ACCESS_DENIED,
        libc::ENXIO | libc::ENODEV => NOT_READY,
        libc::ESTALE => FILE_INVALID,
        libc::ETIMEDOUT => TIMEOUT,
        libc::ECONNRESET
        | libc::ECONNABORTED
        | libc::ENOTCONN
        | libc::EHOSTDOWN
        | libc::EHOSTUNREACH
        | libc::ENETDOWN
        | libc::ENETUNREACH => NETWORK,
        libc::ENOMEM | libc::ENOBUFS | libc::EAGAIN => NO_RESOURCES,
        #[cfg(target_os = "linux")]
        libc::EREMOTEIO | libc::ENOLINK => IO_DEVICE,
        #[cfg(target_os = "linux")]
        libc::ENOMEDIUM => NOT_READY,
        #[cfg(target_os = "linux")]
        libc::EUCLEAN => FILE_CORRUPT,
        _ => GENERAL,
    }
}

/// As Msg 823 has it: `1117(The request could not be performed because of an I/O device error.)`.
impl fmt::Display for WindowsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.0, self.1)
    }
}

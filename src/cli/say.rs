//! All that is printed: messages on stderr, lines and reports on stdout.
//!
//! Nothing else in the program prints, so that nothing ends because of a stream that is full,
//! closed or gone. What stderr does not take is lost: there is nobody left to be told.

use super::exit::{Exit, Failure};
use pagescrub::report::escape;
use std::fmt::Display;
use std::io::{self, BufWriter, Write};

/// Says `message` on stderr, as one line.
pub(crate) fn say(message: impl Display) {
    let line = format!("pagescrub: {}\n", escape::terminal(&message.to_string()));
    // In one piece: threads must not cut each other's lines.
    let _ = io::stderr().lock().write_all(line.as_bytes());
}

/// Says `failure` on stderr, and how the command ends for it.
pub(crate) fn tell(failure: &Failure) -> Exit {
    say(failure.message());
    failure.exit()
}

/// Has `write` print to stdout, without colours where it is no terminal.
///
/// # Errors
/// If stdout does not take it. That nobody reads it any more is none: they have read enough.
pub(crate) fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    let mut out = BufWriter::new(anstream::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|error| Failure::work(format!("cannot write stdout: {error}"))),
    }
}

/// Prints one line to stdout.
pub(crate) fn print_line(line: impl Display) -> Result<(), Failure> {
    print(|out| writeln!(out, "{line}"))
}

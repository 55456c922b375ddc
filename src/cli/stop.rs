//! What signals do: the first SIGINT or SIGTERM ends the reading, another one the look into what
//! was found, both with a report; a later one ends the program.

use super::exit::{Exit, ExitStyle, Failure};
use super::say::say;
use pagescrub::scrub::Stop;
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

/// Asked for by signals.
pub(crate) static STOP: LazyLock<Stop> = LazyLock::new(Stop::default);

/// Signals so soon after the first one are the same wish: timeout(1), sudo and terminals send two.
const SAME_WISH: Duration = Duration::from_secs(2);
/// How long a scan that is to stop may take before the user is told why.
const STOP_TAKES_LONG: Duration = Duration::from_secs(10);

/// True once a signal has come.
#[cfg(unix)]
pub(crate) fn is_asked_for() -> bool {
    STOP.is_asked()
}

/// The first SIGINT or SIGTERM ends the scan after the batches in work, and the report tells what
/// was not reached; the next one, what was not looked into. A later one ends the program.
pub(crate) fn at_a_signal() -> Result<(), Failure> {
    let mut last: Option<Instant> = None;
    let on_signal = move || {
        let is_same_wish = last.is_some_and(|last| last.elapsed() <= SAME_WISH);
        if is_same_wish {
            return;
        }
        if last.is_some() && !STOP.may_be_asked_again() {
            say("ended without a report");
            std::process::exit(ExitStyle::Plain.code(Exit::Incomplete).into());
        }
        STOP.ask();
        last = Some(Instant::now());
        // Without this thread, the user is told nothing, and no more.
        let _ = thread::Builder::new().spawn(tell_if_it_takes_long);
    };
    ctrlc::set_handler(on_signal).map_err(Failure::work)
}

fn tell_if_it_takes_long() {
    thread::sleep(STOP_TAKES_LONG);
    say("a device does not answer a read, or nobody reads the pipe that the report is written \
         to, and the end waits for it; with another signal the scan ends without a report (a \
         checkpoint, if there is one, is kept)");
}

/// A file that would become too long (`ulimit -f`) is an error like a full disk, not the end of the
/// program: with a handler of any kind, the write fails with EFBIG.
#[cfg(unix)]
pub(crate) fn survive_long_files() -> Result<(), Failure> {
    let noticed = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let registered = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, noticed);
    registered.map(drop).map_err(Failure::work)
}

#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps, reason = "there is no such signal")]
pub(crate) fn survive_long_files() -> Result<(), Failure> {
    Ok(())
}

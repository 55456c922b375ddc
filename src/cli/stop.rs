//! What signals do: the first SIGINT or SIGTERM ends a scan with its report, a later one ends the
//! program.

use super::exit::{Exit, ExitStyle, Failure};
use super::say::say;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Set by the first signal.
pub(crate) static STOP: AtomicBool = AtomicBool::new(false);

/// Signals so soon after the first one are the same wish: timeout(1), sudo and terminals send two.
const SAME_WISH: Duration = Duration::from_secs(2);
/// How long a scan that is to stop may take before the user is told why.
const STOP_TAKES_LONG: Duration = Duration::from_secs(10);

/// True once a signal has come.
#[cfg(unix)]
pub(crate) fn is_asked_for() -> bool {
    STOP.load(Ordering::Relaxed)
}

/// The first SIGINT or SIGTERM ends the scan after the batches in work, and the report tells what
/// was not reached. A later one ends the program.
pub(crate) fn at_a_signal() -> Result<(), Failure> {
    let mut first: Option<Instant> = None;
    let on_signal = move || {
        STOP.store(true, Ordering::Relaxed);
        match first {
            None => {
                first = Some(Instant::now());
                // Without this thread, the user is told nothing, and no more.
                let _ = thread::Builder::new().spawn(tell_if_it_takes_long);
            }
            Some(first) if first.elapsed() > SAME_WISH => {
                say("ended without a report");
                std::process::exit(ExitStyle::Plain.code(Exit::Incomplete).into());
            }
            Some(_) => {}
        }
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
    let noticed = std::sync::Arc::new(AtomicBool::new(false));
    let registered = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, noticed);
    registered.map(drop).map_err(Failure::work)
}

#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps, reason = "there is no such signal")]
pub(crate) fn survive_long_files() -> Result<(), Failure> {
    Ok(())
}

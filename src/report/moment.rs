//! When a scan was, in the words of other programs.

use crate::consolidate::report::Run;
use jiff::{Timestamp, tz::TimeZone};

/// When it began, as a `datetime` that SQL Server reads the same way in every language; UTC.
pub(super) fn sql_datetime(run: &Run) -> Option<String> {
    let started: Timestamp = run.started_at.parse().ok()?;
    Some(started.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S.%3f").to_string())
}

/// When it ended, in seconds since 1970.
pub(super) fn unix_seconds_of_end(run: &Run) -> Option<f64> {
    let started: Timestamp = run.started_at.parse().ok()?;
    Some((started.as_millisecond() as f64 / 1e3 + run.elapsed_seconds).round())
}

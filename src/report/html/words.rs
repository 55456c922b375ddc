//! Codes of a report in words, and as names of classes.

use super::super::escape::terminal as safe;
use crate::consolidate::advice::rank_runs;
use jiff::Timestamp;

/// Runs of ranks that are printed at most.
const RUNS_MAX: usize = 8;

pub(super) use super::super::terminal::speed::micros;
pub(super) use crate::consolidate::score::TIERS;

/// Priorities with what they ask for, most urgent first.
pub(super) const PRIORITIES: [(&str, &str); 4] =
    [("P1", "act now"), ("P2", "today"), ("P3", "plan"), ("P4", "note")];

/// `bad_checksum` as `bad checksum`.
pub(super) fn words(code: &str) -> String {
    safe(code).replace('_', " ")
}

/// The class that colours a tier; reports of before there were any are coloured by priority.
pub(super) fn colour(tier: &str, priority: &str) -> &'static str {
    match (tier, priority) {
        ("T0", _) | ("", "P1") => "t0",
        ("T1", _) => "t1",
        ("T2", _) | ("", "P2") => "t2",
        ("T3", _) | ("", "P3") => "t3",
        ("T4" | "", _) => "t4",
        _ => "tu",
    }
}

/// `1-3, 7`, cut after a few; `ranks` ascend.
pub(super) fn runs(ranks: &[usize]) -> String {
    rank_runs(ranks, RUNS_MAX)
}

/// A moment to the second, as people write it; as it is if it is none.
pub(super) fn moment(rfc_3339: &str) -> String {
    let parsed: Result<Timestamp, _> = rfc_3339.parse();
    parsed.map_or_else(|_| rfc_3339.to_owned(), |t| t.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// `1.5 TiB`.
pub(super) fn size(bytes: u64) -> String {
    bytesize::ByteSize(bytes).display().iec().to_string()
}

/// `1.5 GB/s`; nothing sensible is said of what is no rate.
pub(super) fn rate(bytes_per_second: f64) -> String {
    format!("{}/s", bytesize::ByteSize(bytes_per_second as u64).display().si())
}

/// `2 h 03 min`, `12.3 s`.
pub(super) fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    match whole {
        0..120 => format!("{seconds:.1} s"),
        120..7200 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_joined_to_runs_and_cut() {
        assert_eq!(runs(&[1, 2, 3, 7]), "1-3, 7");
        assert_eq!(runs(&[usize::MAX, 0]), format!("{}, 0", usize::MAX));
        assert!(runs(&[1, 3, 5, 7, 9, 11, 13, 15, 17]).ends_with("15, ..."));
    }

    #[test]
    fn times_are_told_in_fitting_units() {
        assert_eq!(moment("2026-01-02T03:04:05.678901Z"), "2026-01-02 03:04:05 UTC");
        assert_eq!(moment("<now>"), "<now>");
        assert_eq!([1.25, 125.0, 7380.0].map(duration), ["1.2 s", "2 min 05 s", "2 h 03 min"]);
    }
}

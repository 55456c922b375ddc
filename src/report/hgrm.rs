//! Latencies in the text form that HdrHistogram plotters read: value, percentile, count so far,
//! 1/(1-percentile).

use hdrhistogram::Histogram;
use std::io::{self, Write};

/// Lines per halving of the distance to 100 %.
const TICKS_PER_HALF: u32 = 5;

/// Writes `histogram`; values are microseconds.
pub fn write(histogram: &Histogram<u32>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "{:>12} {:>14} {:>10} {:>14}\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    )?;
    let mut total = 0;
    for step in histogram.iter_quantiles(TICKS_PER_HALF) {
        total += step.count_since_last_iteration();
        let quantile = step.quantile_iterated_to();
        write!(out, "{:>12}.000 {quantile:.12} {total:>10}", step.value_iterated_to())?;
        if quantile < 1.0 {
            writeln!(out, " {:>14.2}", 1.0 / (1.0 - quantile))?;
        } else {
            writeln!(out, " {:>14}", "inf")?;
        }
    }
    let (mean, deviation) = (histogram.mean(), histogram.stdev());
    writeln!(out, "#[Mean    = {mean:>12.3}, StdDeviation   = {deviation:>12.3}]")?;
    let (max, count) = (histogram.max(), histogram.len());
    writeln!(out, "#[Max     = {max:>12}.000, Total count    = {count:>12}]")?;
    writeln!(
        out,
        "#[Buckets = {:>12}, SubBuckets     = {:>12}]",
        histogram.buckets(),
        histogram.distinct_values()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_the_table_counts_everything() {
        let mut histogram = Histogram::<u32>::new(2).unwrap();
        for value in [10, 20, 20, 4000] {
            histogram.record(value).unwrap();
        }
        let mut out = Vec::new();
        write(&histogram, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let last = text.lines().rfind(|line| !line.starts_with('#')).unwrap();
        let fields: Vec<_> = last.split_whitespace().collect();
        assert_eq!(fields[1..], ["1.000000000000", "4", "inf"], "{text}");
        assert!(text.contains("#[Mean"));
    }
}

//! How likely chance does as much: the upper tail of the binomial distribution, as a logarithm,
//! so that it neither overflows nor becomes zero.

/// A term so much smaller than the sum before it changes nothing.
const TERM_MIN: f64 = 1e-17;

/// ln of the probability that of `events`, each a hit with `probability`, at least `hits` are.
/// Not below the mean: there it is 0, the logarithm of 1.
pub(super) fn ln_tail(events: u64, hits: u64, probability: f64) -> f64 {
    if hits as f64 <= events as f64 * probability {
        return 0.0;
    }
    if hits > events {
        return f64::NEG_INFINITY;
    }
    let (n, k) = (events as f64, hits as f64);
    let first = ln_choose(events, hits) + k * probability.ln() + (n - k) * (-probability).ln_1p();
    // Above the mean each term is smaller than the one before.
    let odds = probability / (1.0 - probability);
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in hits..events {
        term *= (events - k) as f64 / (k + 1) as f64 * odds;
        sum += term;
        if term < TERM_MIN {
            break;
        }
    }
    (first + sum.ln()).min(0.0)
}

fn ln_choose(n: u64, k: u64) -> f64 {
    ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k)
}

fn ln_factorial(n: u64) -> f64 {
    libm::lgamma(n as f64 + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Summed term by term in plain probabilities.
    fn plainly(events: u64, hits: u64, probability: f64) -> f64 {
        let pmf = |k: u64| {
            let choose: f64 = (0..k).map(|i| (events - i) as f64 / (i + 1) as f64).product();
            choose * probability.powi(k as i32) * (1.0 - probability).powi((events - k) as i32)
        };
        (hits..=events).map(pmf).sum()
    }

    #[test]
    fn the_tail_is_the_sum_of_its_terms() {
        for (events, probability) in [(1, 0.5), (6, 0.125), (40, 1.0 / 32.0), (300, 0.25)] {
            let above = (events as f64 * probability) as u64 + 1;
            for hits in above..=events.min(above + 60) {
                let (fast, plain) =
                    (ln_tail(events, hits, probability), plainly(events, hits, probability));
                assert!(
                    (fast - plain.ln()).abs() < 1e-9,
                    "{hits} of {events}: {fast}, {}",
                    plain.ln()
                );
            }
        }
        assert!((ln_tail(6, 6, 0.125) - 6.0 * 0.125_f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn the_largest_numbers_give_numbers() {
        let cases =
            [(1_000_000, 1_000_000), (1_000_000, 31_251), (1 << 40, 1 << 39), (0, 0), (5, 0)];
        for (events, hits) in cases {
            let ln = ln_tail(events, hits, 1.0 / 32.0);
            assert!(ln.is_finite() && ln <= 0.0, "{hits} of {events}: {ln}");
        }
        assert!(ln_tail(1000, 10, 1.0 / 32.0).abs() < f64::EPSILON, "below the mean");
    }
}

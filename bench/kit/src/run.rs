//! One repetition of a case.

use std::time::Duration;

/// What one repetition came to.
#[derive(Clone, Debug)]
pub struct Run {
    /// Operations done.
    pub operations: u64,
    /// From the first operation's start to the last one's end.
    pub elapsed: Duration,
    /// Nanoseconds of each operation, in no order; empty where they were not taken one by one.
    pub latencies_ns: Vec<u64>,
    /// Growth of resident memory for each entity, where that was measured.
    pub bytes_per_entity: Option<u64>,
    /// How long the system took to be ready for the first operation, where that was measured.
    pub start: Option<Duration>,
}

impl Run {
    /// A repetition of which nothing else was measured.
    pub fn new(operations: u64, elapsed: Duration, latencies_ns: Vec<u64>) -> Self {
        Run { operations, elapsed, latencies_ns, bytes_per_entity: None, start: None }
    }

    /// Operations per second.
    pub(crate) fn rate(&self) -> f64 {
        self.operations as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency in microseconds that the given part of the operations did not exceed.
    pub(crate) fn percentile_us(&mut self, part: f64) -> Option<f64> {
        self.latencies_ns.sort_unstable();
        let last = self.latencies_ns.len().checked_sub(1)?;
        let index = (last as f64 * part).round() as usize;
        Some(self.latencies_ns[index] as f64 / 1e3)
    }
}

/// The middle value, the lower of two; nothing of nothing.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    Some(values[last / 2])
}

#[cfg(test)]
mod tests {
    //! Rates and percentiles mean what they are called.
    use super::*;

    #[test]
    fn a_rate_is_operations_by_seconds() {
        assert_eq!(Run::new(500, Duration::from_millis(250), vec![]).rate(), 2_000.0);
    }

    #[test]
    fn a_percentile_is_one_of_the_latencies() {
        let latencies = (1..=101).rev().map(|us| us * 1_000).collect();
        let mut run = Run::new(101, Duration::from_secs(1), latencies);
        assert_eq!((run.percentile_us(0.5), run.percentile_us(0.99)), (Some(51.0), Some(100.0)));
        assert_eq!(Run::new(1, Duration::from_secs(1), vec![]).percentile_us(0.5), None);
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0]), Some(1.0));
        assert_eq!(median(vec![]), None);
    }
}

//! One result: a line of the table for people, and a line of JSON.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::run::{Run, median};
use crate::{Counts, Lane};

/// The repetitions of one case, summed up.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What was done.
    pub lane: Lane,
    /// By which system.
    pub system: &'static str,
    /// On which storage: `none`, `memory`, `sqlite`, `postgres` or `mariadb`.
    pub storage: &'static str,
    /// Operations per second: the median of the repetitions.
    pub ops_per_s: f64,
    /// Operations per second of the slowest repetition.
    pub min: f64,
    /// Operations per second of the fastest repetition.
    pub max: f64,
    /// Repetitions.
    pub runs: usize,
    /// Median of the repetitions' median latency, in microseconds.
    pub p50_us: Option<f64>,
    /// Median of the repetitions' 99th percentile of latency, in microseconds.
    pub p99_us: Option<f64>,
    /// Median of the flushes measured right before each repetition of a durable case.
    pub fsync_us: Option<f64>,
    /// Median growth of resident memory for each entity.
    pub bytes_per_entity: Option<f64>,
    /// Median of how long the starts took, in milliseconds.
    pub start_ms: Option<f64>,
    /// What the server counted in a repetition of its own.
    pub counts: Option<Counts>,
}

impl Row {
    /// Sums up the repetitions.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn new(
        lane: Lane,
        system: &'static str,
        storage: &'static str,
        mut runs: Vec<Run>,
        fsyncs: &[Duration],
    ) -> Self {
        let rates: Vec<f64> = runs.iter().map(Run::rate).collect();
        let fsyncs_us = fsyncs.iter().map(|fsync| fsync.as_secs_f64() * 1e6).collect();
        let starts = runs.iter().filter_map(|run| run.start);
        let bytes = runs.iter().filter_map(|run| run.bytes_per_entity);
        Row {
            lane,
            system,
            storage,
            min: rates.iter().copied().fold(f64::INFINITY, f64::min),
            max: rates.iter().copied().fold(0.0, f64::max),
            ops_per_s: median(rates).expect("a case has at least one repetition"),
            runs: runs.len(),
            bytes_per_entity: median(bytes.map(|bytes| bytes as f64).collect()),
            start_ms: median(starts.map(|start| start.as_secs_f64() * 1e3).collect()),
            counts: None,
            p50_us: median(runs.iter_mut().filter_map(|run| run.percentile_us(0.50)).collect()),
            p99_us: median(runs.iter_mut().filter_map(|run| run.percentile_us(0.99)).collect()),
            fsync_us: median(fsyncs_us),
        }
    }

    /// The header of the table.
    pub fn header() -> String {
        columns(
            ["lane", "system", "storage"],
            [
                "callers", "entities", "ops/s", "min", "max", "p50 us", "p99 us", "fsync us",
                "B each",
            ],
        )
    }

    /// The line of the table.
    pub fn line(&self) -> String {
        columns(
            [self.lane.name, self.system, self.storage],
            [
                &grouped(f64::from(self.lane.callers)),
                &grouped(f64::from(self.lane.entities)),
                &grouped(self.ops_per_s),
                &grouped(self.min),
                &grouped(self.max),
                &self.p50_us.map_or_else(dash, |us| format!("{us:.1}")),
                &self.p99_us.map_or_else(dash, |us| format!("{us:.1}")),
                &self.fsync_us.map_or_else(dash, |us| format!("{us:.0}")),
                &self.bytes_per_entity.map_or_else(dash, grouped),
            ],
        )
    }

    /// The line of JSON, without its newline. What is measured in some lanes alone is there only
    /// where it was; a latency that was not taken is null.
    pub fn json(&self) -> String {
        let Row { lane, system, storage, .. } = self;
        let mut json = format!(
            r#"{{"lane":"{}","system":"{system}","storage":"{storage}","callers":{},"entities":{}"#,
            lane.name, lane.callers, lane.entities,
        );
        let mut field = |name: &str, value: String| {
            write!(json, r#","{name}":{value}"#).expect("writing to a string never fails");
        };
        field("ops_per_s", format!("{:.0}", self.ops_per_s));
        field("min", format!("{:.0}", self.min));
        field("max", format!("{:.0}", self.max));
        field("runs", self.runs.to_string());
        field("p50_us", self.p50_us.map_or_else(null, |us| format!("{us:.3}")));
        field("p99_us", self.p99_us.map_or_else(null, |us| format!("{us:.3}")));
        if let Some(us) = self.fsync_us {
            field("fsync_us", format!("{us:.1}"));
        }
        if let Some(bytes) = self.bytes_per_entity {
            field("bytes_per_entity", format!("{bytes:.0}"));
        }
        if let Some(ms) = self.start_ms {
            field("start_ms", format!("{ms:.1}"));
        }
        for (name, figure) in
            self.counts.into_iter().flat_map(|counts| counts.per_operation(lane.operations))
        {
            field(name, format!("{figure:.5}"));
        }
        json.push('}');
        json
    }

    /// Appends the line of JSON to a file.
    ///
    /// # Errors
    ///
    /// A sentence naming the file.
    pub fn append_to(&self, path: &Path) -> Result<(), String> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| writeln!(file, "{}", self.json()))
            .map_err(|error| format!("{}: {error}", path.display()))
    }
}

fn columns(names: [&str; 3], figures: [&str; 9]) -> String {
    let [lane, system, storage] = names;
    let mut line = format!("{lane:<22} {system:<10} {storage:<8}");
    for (figure, width) in figures.into_iter().zip([7, 9, 11, 11, 11, 9, 9, 8, 7]) {
        write!(line, " {figure:>width$}").expect("writing to a string never fails");
    }
    line
}

fn dash() -> String {
    "-".to_owned()
}

fn null() -> String {
    "null".to_owned()
}

/// A whole number with a comma between thousands.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    //! A row says in the table and in JSON what the repetitions came to.
    use super::*;
    use crate::lane;

    fn run(operations: u64, latency_us: u64) -> Run {
        Run::new(operations, Duration::from_secs(1), vec![latency_us * 1_000; 3])
    }

    #[test]
    fn a_row_is_the_median_of_its_runs() {
        let runs = vec![run(900, 5), run(100, 7), run(500, 6)];
        let row = Row::new(lane::ASK_64, "cluster", "none", runs, &[]);
        assert_eq!((row.ops_per_s, row.min, row.max, row.runs), (500.0, 100.0, 900.0, 3));
        assert_eq!((row.p50_us, row.p99_us), (Some(6.0), Some(6.0)));
        assert_eq!(
            row.json(),
            r#"{"lane":"ask-64","system":"cluster","storage":"none","callers":64,"entities":1000,"#
                .to_owned()
                + r#""ops_per_s":500,"min":100,"max":900,"runs":3,"p50_us":6.000,"p99_us":6.000}"#
        );
        assert_eq!(row.line().len(), Row::header().len());
    }

    #[test]
    fn what_was_measured_beside_the_rate_is_shown() {
        let mut memory = run(10, 1);
        memory.latencies_ns.clear();
        memory.bytes_per_entity = Some(218);
        let fsyncs = [Duration::from_micros(90)];
        let row = Row::new(lane::IDLE_MEMORY, "cluster", "sqlite", vec![memory], &fsyncs);
        assert!(row.json().contains(r#""p50_us":null,"p99_us":null,"fsync_us":90.0"#));
        assert!(row.json().ends_with(r#""bytes_per_entity":218}"#));
        assert!(row.line().contains(" 1,000,000 "));
    }

    #[test]
    fn what_the_server_counted_is_told_for_each_operation() {
        let mut started = run(10, 1);
        started.start = Some(Duration::from_micros(2_500));
        let row = Row::new(lane::PERSISTED_64, "cluster", "postgres", vec![started], &[]);
        let counts = Counts { commits: 5_000, statements: None, packets: None, rows: 300_000 };
        let json = Row { counts: Some(counts), ..row }.json();
        assert!(
            json.ends_with(r#","start_ms":2.5,"commits_per_op":0.05000,"rows_per_op":3.00000}"#)
        );
    }
}

//! What a run of the gate came to: steps with their durations, counted tests, the last words of
//! those that failed, what could not run.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::Duration;

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It succeeded.
    Passed,
    /// It failed; the steps after it were not started.
    Failed,
    /// A step before it failed.
    NotStarted,
}

/// One step of the gate.
#[derive(Debug)]
pub(crate) struct Step {
    /// Its name in the summary.
    pub(crate) name: &'static str,
    /// How it ended.
    pub(crate) ending: Ending,
    /// How long it took.
    pub(crate) took: Duration,
}

/// Tests counted over all test programs of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Tests that passed.
    pub(crate) passed: u64,
    /// Tests that failed.
    pub(crate) failed: u64,
    /// Tests that their authors marked as not to be run.
    pub(crate) ignored: u64,
}

impl Totals {
    /// Adds what a line of cargo's output counts; other lines count nothing.
    pub(crate) fn see(&mut self, line: &str) {
        let Some((_, counts)) = line.trim().split_once("test result: ") else { return };
        for count in counts.split([';', '.']) {
            let mut words = count.split_whitespace();
            let Some(number) = words.next().and_then(|word| word.parse::<u64>().ok()) else {
                continue;
            };
            match words.next() {
                Some("passed") => self.passed += number,
                Some("failed") => self.failed += number,
                Some("ignored") => self.ignored += number,
                _ => {}
            }
        }
    }
}

/// How many of its last lines are kept of a test that failed: what it panicked with comes last.
const LAST_LINES: usize = 12;

/// What tests that failed printed last, so that the end of a long output says what is wrong.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    /// By test, in the order in which cargo printed them.
    all: Vec<(String, VecDeque<String>)>,
    /// Whether lines that come belong to the last of them.
    inside: bool,
}

impl Failures {
    /// Keeps a line of cargo's output if it is of a failed test: `---- name stdout ----` begins
    /// what that printed, and the next such line or the list of all names ends it.
    pub(crate) fn see(&mut self, line: &str) {
        let line = line.trim_end();
        if let Some(name) = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" ----")) {
            self.all.push((name.trim_end_matches(" stdout").to_owned(), VecDeque::new()));
            self.inside = true;
        } else if line == "failures:" {
            self.inside = false;
        } else if let Some((_, lines)) = self.all.last_mut().filter(|_| self.inside)
            && !line.is_empty()
        {
            lines.push_back(line.to_owned());
            if lines.len() > LAST_LINES {
                lines.pop_front();
            }
        }
    }
}

/// Everything that the end of a run prints.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// The steps in their order.
    pub(crate) steps: Vec<Step>,
    /// The tests of all programs.
    pub(crate) totals: Totals,
    /// The last words of those that failed.
    pub(crate) failures: Failures,
    /// `name: reason` of each check that this machine cannot do.
    pub(crate) not_run: Vec<String>,
    /// The one line of the coverage check, once it has run.
    pub(crate) coverage: Option<String>,
}

impl Report {
    /// The summary; its last line is `N passed, N failed`.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (name, lines) in &self.failures.all {
            line(&mut text, format_args!("\n-- FAILED: {name}, in the end --"));
            for last in lines {
                line(&mut text, format_args!("{last}"));
            }
        }
        text.push_str("\n== summary ==\n");
        for Step { name, ending, took } in &self.steps {
            let ending = match ending {
                Ending::Passed => "passed",
                Ending::Failed => "FAILED",
                Ending::NotStarted => "not started",
            };
            let seconds = took.as_secs_f64();
            line(&mut text, format_args!("  {name:<10} {ending:<12} {seconds:>7.1} s"));
        }
        if self.not_run.is_empty() {
            line(&mut text, format_args!("could not run here: nothing"));
        }
        for check in &self.not_run {
            line(&mut text, format_args!("could not run here: {check}"));
        }
        if let Some(coverage) = &self.coverage {
            line(&mut text, format_args!("{coverage}"));
        }
        let Totals { passed, failed, ignored } = self.totals;
        if ignored > 0 {
            line(&mut text, format_args!("marked as ignored: {ignored}"));
        }
        line(&mut text, format_args!("{passed} passed, {failed} failed"));
        text
    }
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    writeln!(text, "{content}").expect("writing to a string never fails");
}

#[cfg(test)]
mod tests {
    //! The summary counts what cargo prints and ends in the line that tools read.
    use super::*;

    #[test]
    fn totals_are_summed_over_programs() {
        let mut totals = Totals::default();
        totals.see("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out");
        totals.see("test result: FAILED. 2 passed; 4 failed; 0 ignored; finished in 0.52s");
        totals.see("test it_said_5_passed ... ok");
        totals.see("5 passed; 5 failed");
        assert_eq!(totals, Totals { passed: 5, failed: 4, ignored: 1 });
    }

    #[test]
    fn what_failed_tests_printed_last_is_told_once_more() {
        let mut failures = Failures::default();
        let printed = "running 2 tests\ntest a::b ... FAILED\n\nfailures:\n\n\
            ---- a::b stdout ----\n0\n1\n2\n3\n4\n5\n6\n7\n8\n\nthread 'a::b' panicked at x.rs:1:\n\
            left is not right\nnote: run with\n\n\
            ---- c stdout ----\noops\n\nfailures:\n    a::b\n    c\n";
        printed.lines().for_each(|line| failures.see(line));
        let text = Report { failures, ..Report::default() }.text();
        let told = "\n-- FAILED: a::b, in the end --\n0\n1\n2\n3\n4\n5\n6\n7\n8\n\
            thread 'a::b' panicked at x.rs:1:\nleft is not right\nnote: run with\n\
            \n-- FAILED: c, in the end --\noops\n\n== summary ==\n";
        assert!(text.starts_with(told), "{text}");
    }

    #[test]
    fn the_last_line_counts_the_tests_also_when_a_step_failed() {
        let step = |name, ending| Step { name, ending, took: Duration::from_millis(1234) };
        let report = Report {
            steps: vec![step("clippy", Ending::Failed), step("test", Ending::NotStarted)],
            not_run: vec!["kill test: no /proc".to_owned()],
            ..Report::default()
        };
        let text = report.text();
        assert!(text.contains("clippy     FAILED           1.2 s"), "{text}");
        assert!(text.contains("could not run here: kill test: no /proc"), "{text}");
        assert_eq!(text.lines().last(), Some("0 passed, 0 failed"));
    }
}

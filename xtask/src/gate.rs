//! `cargo xtask test`: the one gate, with the same words on a developer's machine and in CI.
//!
//! The steps run in one target folder, the cheap ones first; the first that fails ends the run. The
//! summary is printed whatever happened.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::report::{Ending, Report, Step, Totals};
use crate::{coverage, process, source};

/// A test that this machine cannot run appends `name: reason` to the file that this variable names.
const NOT_RUN_VARIABLE: &str = "CLUSTER_TESTS_NOT_RUN";

type Action = fn(&mut Report) -> Result<(), String>;

const STEPS: [(&str, Action); 8] = [
    ("tools", tools),
    ("format", format),
    ("coverage", covered),
    ("clippy", clippy),
    ("features", features),
    ("docs", docs),
    ("build", build),
    ("test", test),
];

/// # Errors
///
/// Names the step that failed.
pub(crate) fn run() -> Result<(), String> {
    let mut report = Report::default();
    let mut failure = None;
    for (name, action) in STEPS {
        if failure.is_some() {
            report.steps.push(Step { name, ending: Ending::NotStarted, took: Duration::ZERO });
            continue;
        }
        println!("\n== {name} ==");
        let started = now();
        let result = action(&mut report);
        let took = now().duration_since(started);
        println!("== {name}: {:.1} s ==", took.as_secs_f64());
        let ending = if result.is_ok() { Ending::Passed } else { Ending::Failed };
        report.steps.push(Step { name, ending, took });
        failure = result.err().map(|error| format!("{name}: {error}"));
    }
    if let Some(failure) = &failure {
        eprintln!("\n{failure}");
    }
    print!("{}", report.text());
    match failure {
        None => Ok(()),
        Some(_) => Err("the gate is closed: see the step that failed above".to_owned()),
    }
}

#[allow(clippy::disallowed_methods)] // Shows a person how long a step took; nothing depends on it.
fn now() -> Instant {
    Instant::now()
}

/// rustfmt and clippy are parts of a toolchain that may be missing.
fn tools(_: &mut Report) -> Result<(), String> {
    for (command, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if !process::answers(process::cargo().args([command, "--version"])) {
            return Err(format!(
                "`cargo {command}` is missing; install it with `rustup component add {component}`"
            ));
        }
    }
    process::run(process::cargo().arg("--version"))
}

fn format(_: &mut Report) -> Result<(), String> {
    process::run(process::cargo().args(["fmt", "--all", "--check"]))
}

fn covered(report: &mut Report) -> Result<(), String> {
    report.coverage = Some(coverage::check()?);
    Ok(())
}

fn clippy(_: &mut Report) -> Result<(), String> {
    let workspace = ["clippy", "--locked", "--workspace", "--all-targets"];
    process::run(process::cargo().args(workspace).args(["--", "-D", "warnings"]))
}

/// What has features compiles without them, each by itself: together one would bring the other's.
fn features(_: &mut Report) -> Result<(), String> {
    for package in ["cluster", "cluster-sql"] {
        let alone = ["clippy", "--locked", "--package", package, "--lib", "--no-default-features"];
        process::run(process::cargo().args(alone).args(["--", "-D", "warnings"]))?;
    }
    Ok(())
}

fn docs(_: &mut Report) -> Result<(), String> {
    let mut command = process::cargo();
    command.args(["doc", "--locked", "--workspace", "--no-deps"]);
    process::run(command.env("RUSTDOCFLAGS", "-D warnings"))
}

/// Apart from `test`, so that compiling and running are timed apart.
fn build(_: &mut Report) -> Result<(), String> {
    process::run(process::cargo().args(["test", "--locked", "--workspace", "--no-run"]))
}

/// Unit, integration, compile-fail, tidy and doc tests; examples are built on the way.
fn test(report: &mut Report) -> Result<(), String> {
    let not_run = not_run_file()?;
    let mut command: Command = process::cargo();
    command.args(["test", "--locked", "--workspace", "--no-fail-fast"]);
    command.env(NOT_RUN_VARIABLE, &not_run);
    let mut totals = Totals::default();
    let result = process::run_watched(&mut command, |line| totals.see(line));
    report.totals = totals;
    report.not_run = lines(&source::read(&not_run)?);
    if result.is_ok() && totals.passed == 0 {
        return Err("no test ran".to_owned());
    }
    result
}

/// An empty file for the tests to write to.
fn not_run_file() -> Result<PathBuf, String> {
    let dir = process::target_dir();
    let file = dir.join("tests-not-run.txt");
    std::fs::create_dir_all(&dir)
        .and_then(|()| std::fs::write(&file, ""))
        .map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(file)
}

fn lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines.dedup();
    lines
}

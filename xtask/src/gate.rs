//! `cargo xtask test`: the one gate, with the same words on a developer's machine and in CI.
//!
//! The steps run in one target folder, the cheap ones first; the first that fails ends the run. The
//! summary is printed whatever happened.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::report::{Ending, Failures, Report, Step, Totals};
use crate::servers::Starting;
use crate::{coverage, process, servers, source};

/// A test that this machine cannot run appends `name: reason` to the file that this variable names.
const NOT_RUN_VARIABLE: &str = "CLUSTER_TESTS_NOT_RUN";

/// What the steps leave for later ones and for the end.
#[derive(Default)]
struct Run {
    report: Report,
    /// The servers of the tests, from the step that begins to start them on.
    servers: Option<Starting>,
}

type Action = fn(&mut Run) -> Result<(), String>;

const STEPS: [(&str, Action); 9] = [
    ("tools", tools),
    ("format", format),
    ("coverage", covered),
    ("servers", servers),
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
    let mut run = Run::default();
    let mut failure = None;
    for (name, action) in STEPS {
        if failure.is_some() {
            run.report.steps.push(Step { name, ending: Ending::NotStarted, took: Duration::ZERO });
            continue;
        }
        println!("\n== {name} ==");
        let started = now();
        let result = action(&mut run);
        let took = now().duration_since(started);
        println!("== {name}: {:.1} s ==", took.as_secs_f64());
        let ending = if result.is_ok() { Ending::Passed } else { Ending::Failed };
        run.report.steps.push(Step { name, ending, took });
        failure = result.err().map(|error| format!("{name}: {error}"));
    }
    if let Some(failure) = &failure {
        eprintln!("\n{failure}");
    }
    print!("{}", run.report.text());
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
fn tools(_: &mut Run) -> Result<(), String> {
    for (command, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if !process::answers(process::cargo().args([command, "--version"])) {
            return Err(format!(
                "`cargo {command}` is missing; install it with `rustup component add {component}`"
            ));
        }
    }
    process::run(process::cargo().arg("--version"))
}

fn format(_: &mut Run) -> Result<(), String> {
    process::run(process::cargo().args(["fmt", "--all", "--check"]))
}

fn covered(run: &mut Run) -> Result<(), String> {
    run.report.coverage = Some(coverage::check()?);
    Ok(())
}

/// Installs the database servers that are missing; those of the tests start while the next steps
/// compile.
fn servers(run: &mut Run) -> Result<(), String> {
    servers::ensure()?;
    run.servers = Some(Starting::for_tests());
    Ok(())
}

fn clippy(_: &mut Run) -> Result<(), String> {
    let workspace = ["clippy", "--locked", "--workspace", "--all-targets"];
    process::run(process::cargo().args(workspace).args(["--", "-D", "warnings"]))
}

/// Those of the packages that have features.
const FEATURES: [&str; 3] = ["sqlite", "postgres", "mysql"];

/// What has features compiles without any, and with each alone: together one would bring what
/// another has forgotten. Both packages at once, for the one has its features from the other.
fn features(_: &mut Run) -> Result<(), String> {
    for feature in [""].into_iter().chain(FEATURES) {
        let packages = ["clippy", "--locked", "--package", "cluster", "--package", "cluster-sql"];
        let alone = ["--lib", "--no-default-features", "--features", feature];
        let mut command = process::cargo();
        process::run(command.args(packages).args(alone).args(["--", "-D", "warnings"]))?;
    }
    Ok(())
}

fn docs(_: &mut Run) -> Result<(), String> {
    let mut command = process::cargo();
    command.args(["doc", "--locked", "--workspace", "--no-deps"]);
    process::run(command.env("RUSTDOCFLAGS", "-D warnings"))
}

/// Apart from `test`, so that compiling and running are timed apart.
fn build(_: &mut Run) -> Result<(), String> {
    process::run(process::cargo().args(["test", "--locked", "--workspace", "--no-run"]))
}

/// Unit, integration, compile-fail, tidy and doc tests; examples are built on the way.
fn test(run: &mut Run) -> Result<(), String> {
    let servers = run.servers.take().expect("an earlier step starts them").wait()?;
    println!("{}", servers.describe());
    let not_run = not_run_file()?;
    let mut command: Command = process::cargo();
    command.args(["test", "--locked", "--workspace", "--no-fail-fast"]);
    command.env(NOT_RUN_VARIABLE, &not_run);
    // Handlers of tests panic on purpose: their backtraces would bury what went wrong.
    command.env("RUST_BACKTRACE", "0");
    servers.tell(&mut command);
    let (mut totals, mut failures) = (Totals::default(), Failures::default());
    let result = process::run_watched(&mut command, |line| {
        totals.see(line);
        failures.see(line);
    });
    run.report.totals = totals;
    run.report.failures = failures;
    run.report.not_run = lines(&source::read(&not_run)?);
    if result.is_ok() && totals.passed == 0 {
        return Err("no test ran".to_owned());
    }
    match servers.ended().first() {
        Some(kind) => Err(format!("the {kind} that all tests share has ended meanwhile")),
        None => result,
    }
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

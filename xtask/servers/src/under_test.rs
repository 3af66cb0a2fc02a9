//! What a test asks for: a server, or to be left out and to say so.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::disk::Disk;
use crate::kind::Kind;
use crate::place::Place;
use crate::server::Launch;

/// Set by whoever runs the tests with servers: the path of their [`Place`].
const PLACE: &str = "TEST_SERVERS";
/// Names the file for what a machine cannot run, if somebody reads it: lines of `name: reason`.
const NOT_RUN: &str = "CLUSTER_TESTS_NOT_RUN";

/// The URL of the server that all tests share: a superuser's, so that each test can make a database
/// of its own. `None` without servers; this program has then said that it leaves tests out.
///
/// # Panics
/// If there must be one and is none.
#[must_use]
pub fn shared(kind: Kind) -> Option<String> {
    match std::env::var(kind.variable()) {
        Ok(url) => Some(url),
        Err(_) if std::env::var_os(PLACE).is_some() => {
            panic!("{PLACE} is set and {} is not: {kind} must be there", kind.variable())
        }
        Err(_) => left_out(kind),
    }
}

/// A server for one test alone, to be killed or spoilt. `None` as for [`shared`].
///
/// # Panics
/// If the folder for servers cannot be used.
#[must_use]
pub fn private(launch: Launch) -> Option<Launch> {
    match std::env::var_os(PLACE) {
        Some(path) => {
            let place = Place::of(Path::new(&path)).expect("there is a folder for servers");
            Some(launch.at(&place))
        }
        None => left_out(launch.kind()),
    }
}

/// As [`private`], with its data on a disk of its own of so many bytes: see [`Launch::disk_of`].
/// `None` also where this machine can make no such disk; the summary of the run then says so.
///
/// # Panics
/// As [`private`], or if the file for that summary cannot be written.
#[must_use]
pub fn private_on_disk(launch: Launch, bytes: u64) -> Option<Launch> {
    let launch = private(launch)?;
    let place = launch.place().expect("a private one has a place");
    match Disk::try_in(place.path(), place.account()) {
        Ok(()) => Some(launch.disk_of(bytes)),
        Err(reason) => {
            not_run(&reason);
            None
        }
    }
}

/// Notes for the summary of the run that the test of this thread cannot run here.
fn not_run(reason: &str) {
    let thread = std::thread::current();
    let line = format!("{}: {reason}\n", thread.name().unwrap_or("a test"));
    let Some(file) = std::env::var_os(NOT_RUN) else { return say(&line) };
    let appended = OpenOptions::new().append(true).open(&file);
    let written = appended.and_then(|mut file| file.write_all(line.as_bytes()));
    written.unwrap_or_else(|error| panic!("{}: {error}", Path::new(&file).display()));
}

/// Says once for each kind, past the capture of a passing test's output, that tests are left out.
fn left_out<T>(kind: Kind) -> Option<T> {
    static SAID: [AtomicBool; Kind::ALL.len()] = [const { AtomicBool::new(false) }; 3];
    if !SAID[kind as usize].swap(true, Ordering::Relaxed) {
        let program = std::env::current_exe().unwrap_or_default();
        let name = program.file_stem().unwrap_or_default().to_string_lossy();
        let name = name.rsplit_once('-').map_or(&*name, |(name, _)| name);
        say(&format!(
            "LEFT OUT: tests of `{name}` that need {kind}; `cargo xtask test` runs them\n"
        ));
    }
    None
}

/// Writes to the terminal; `eprint` would be captured with the output of a test that passes.
fn say(line: &str) {
    // The test runner may be in the middle of a line.
    let _ = std::io::stderr().write_all(format!("\n{line}").as_bytes());
}

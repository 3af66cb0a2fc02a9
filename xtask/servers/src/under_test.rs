//! What a test asks for: a server, or to be left out and to say so.

use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::kind::Kind;
use crate::place::Place;
use crate::server::Launch;

/// Set by whoever runs the tests with servers: the path of their [`Place`].
pub(crate) const PLACE: &str = "TEST_SERVERS";

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

/// Says once for each kind, past the capture of a passing test's output, that tests are left out.
fn left_out<T>(kind: Kind) -> Option<T> {
    static SAID: [AtomicBool; Kind::ALL.len()] = [const { AtomicBool::new(false) }; 3];
    if !SAID[kind as usize].swap(true, Ordering::Relaxed) {
        let program = std::env::current_exe().unwrap_or_default();
        let name = program.file_stem().unwrap_or_default().to_string_lossy();
        let name = name.rsplit_once('-').map_or(&*name, |(name, _)| name);
        let line =
            format!("LEFT OUT: tests of `{name}` that need {kind}; `cargo xtask test` runs them\n");
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
    None
}

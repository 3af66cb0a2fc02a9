//! The project's own tasks: `cargo xtask test | servers | coverage | audit | bench`.
//!
//! The one dependency starts database servers and has none itself, so that the tasks start within
//! seconds on a fresh clone.
// A tool for a terminal: printing is its output.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod audit;
mod bench;
mod coverage;
mod gate;
mod peers;
mod process;
mod report;
mod servers;
mod source;
mod tools;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <task>

  test                    everything: format, coverage, clippy, docs, and all tests
  servers COMMAND..       any command, with database servers for its tests while it runs; a
                          server of your own by its URL: TEST_SERVERS_POSTGRES, TEST_SERVERS_MARIADB
  coverage                which behaviours of docs/behaviours.md have a test
  audit                   advisories, licences and sources of the dependencies (needs cargo-deny)
  bench [options]         the benchmark program, in release
      --lane NAME         only this lane; may be repeated
      --runs N            repetitions of each lane (default 5)
      --peers             also the harness programs of bench/peers, lane by lane in turn
      --no-servers        start no database servers: their lanes and peers are left out
      --json FILE         write one JSON line for each result";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (task, options) = match args.split_first() {
        Some((task, options)) => (task.as_str(), options),
        None => ("", &[][..]),
    };
    let done = match task {
        "test" if options.is_empty() => gate::run(),
        "servers" if !options.is_empty() => servers::run(options),
        "coverage" if options.is_empty() => coverage::run(),
        "audit" if options.is_empty() => audit::run(),
        "bench" => bench::run(options),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

//! How everything is measured: the same loops, clocks, percentiles and rows for `cluster`, for its
//! peers and for the raw limits, so that figures of one run can be divided by each other.
//!
//! A program lists its [`Case`]s and hands them to [`run`], which reads the command line, repeats
//! each case, prints a table and writes JSON lines.
// A tool for a terminal: printing is its output.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod args;
mod case;
mod counts;
pub mod drive;
mod fsync;
pub mod lane;
mod memory;
mod rng;
mod row;
mod run;
mod watch;

pub use case::{Bench, Case};
pub use counts::Counts;
pub use fsync::probe as fsync_probe;
pub use lane::Lane;
pub use memory::resident_bytes;
pub use rng::Rng;
pub use row::Row;
pub use run::Run;
pub use watch::{Watch, unix_micros};

use std::process::ExitCode;

use args::Args;

/// Runs what the command line asks of the cases: the `main` of every program.
///
/// ```text
/// program [--list] [--lane NAME]... [--runs N] [--json FILE] [--dir FOLDER] [--no-header]
/// ```
pub fn run(cases: Vec<Case>) -> ExitCode {
    let done = Args::parse(std::env::args().skip(1)).and_then(|args| run_with(&args, cases));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn run_with(args: &Args, cases: Vec<Case>) -> Result<(), String> {
    if args.list {
        for case in &cases {
            println!("{}", case.lane().name);
        }
        return Ok(());
    }
    let bench = Bench::new(&args.dir)?;
    if args.header {
        println!("{}", Row::header());
    }
    for mut case in cases.into_iter().filter(|case| args.wants(case.lane())) {
        let row = case.measure(&bench, args.runs);
        println!("{}", row.line());
        case.end(&bench);
        if let Some(file) = &args.json {
            row.append_to(file)?;
        }
    }
    Ok(())
}

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
use case::measure_in_turns;

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
    let mut cases: Vec<Case> = cases.into_iter().filter(|case| args.wants(case.lane())).collect();
    while let Some(first) = cases.first() {
        let (lane, storage) = (*first.lane(), first.storage());
        let are_compared = |case: &mut Case| *case.lane() == lane && case.storage() == storage;
        let mut group: Vec<Case> = cases.extract_if(.., are_compared).collect();
        let rows = measure_in_turns(&mut group, &bench, args.runs);
        group.iter_mut().for_each(|case| case.end(&bench));
        for row in rows {
            println!("{}", row.line());
            if let Some(file) = &args.json {
                row.append_to(file)?;
            }
        }
    }
    Ok(())
}

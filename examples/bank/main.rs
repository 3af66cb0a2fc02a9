//! A bank: applies a file of transfers to accounts, each exactly once. Kill it at any moment, with
//! `kill -9` too, and run it again: it ends with the same balances.
#![allow(clippy::print_stdout, clippy::print_stderr)] // A program for a terminal.

mod account;
mod report;
mod transfers;
mod work;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, value_parser};
use indicatif::{ProgressBar, ProgressStyle};

use crate::report::{Report, write_balances};
use crate::transfers::Transfer;
use crate::work::Rejection;

/// Far below what a cluster accepts to store at a time (`commit_queue_max`).
const CONCURRENCY_MAX: i64 = 16_384;

/// Applies a file of transfers to the accounts `acc-0000` to `acc-4999`.
#[derive(Parser)]
struct Options {
    /// The transfers, as `id,from,to,cents` with this header.
    #[arg(long, value_name = "FILE", default_value = "examples/data/transfers.csv")]
    file: PathBuf,
    /// The database: a file, made if it is missing, or `postgres://user:password@host/database`,
    /// or the same with `mysql`.
    #[arg(long, value_name = "FILE or URL", default_value = "bank.db")]
    db: String,
    /// How many transfers are under way at once.
    #[arg(long, value_name = "NUMBER", default_value = "1024")]
    #[arg(value_parser = value_parser!(u16).range(1..=CONCURRENCY_MAX))]
    concurrency: u16,
    /// Prints the result as one JSON object.
    #[arg(long)]
    json: bool,
    /// Writes what each account holds at the end, as `id,cents`, sorted.
    #[arg(long, value_name = "FILE")]
    balances: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", with_causes(&*error));
            ExitCode::FAILURE
        }
    }
}

fn with_causes(error: &dyn Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", with_causes(cause)),
        None => error.to_string(),
    }
}

async fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let (transfers, malformed) = read(&options)?;
    let cluster = work::open(&options.db).await?;

    let concurrency = usize::from(options.concurrency);
    let progress = progress_bar(transfers.len());
    let mut tally = work::apply(&cluster, transfers, concurrency, || progress.inc(1)).await?;
    progress.finish_and_clear();
    tally.rejected.insert(Rejection::Malformed, malformed);

    let balances = work::balances(&cluster, concurrency).await?;
    cluster.shutdown().await?;
    if let Some(path) = &options.balances {
        write_balances(path, &balances).map_err(|error| at(path, error))?;
    }
    let report = Report::new(&tally, &balances);
    if options.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{report}");
    }
    Ok(())
}

/// The transfers of the file, and how many of its rows are none: each is reported with its line.
fn read(options: &Options) -> Result<(Vec<Transfer>, u64), Box<dyn Error>> {
    let path = &options.file;
    let file = std::fs::read(path).map_err(|error| at(path, error))?;
    let rows = transfers::read(&file).map_err(|error| at(path, error))?;
    let mut malformed = 0;
    let mut transfers = Vec::with_capacity(rows.len());
    for row in rows {
        match row.transfer {
            Ok(transfer) => transfers.push(transfer),
            Err(problem) => {
                malformed += 1;
                eprintln!("{}: line {}: {problem}", path.display(), row.line);
            }
        }
    }
    Ok((transfers, malformed))
}

fn progress_bar(transfers: usize) -> ProgressBar {
    let style = "{bar:40} {human_pos}/{human_len} transfers, {per_sec}, {eta} left";
    let style = ProgressStyle::with_template(style).expect("the template is well-formed");
    ProgressBar::new(transfers as u64).with_style(style)
}

fn at(path: &std::path::Path, error: impl Error) -> String {
    format!("{}: {error}", path.display())
}

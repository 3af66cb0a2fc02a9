//! The benchmark program of `cluster`; `cargo xtask bench` builds and runs it.
//!
//! One file for each family of lanes. A family lists its cases; what a lane's name stands for
//! (callers, entities, operations) and how it is measured is the kit's, which the peers' harnesses
//! share.

mod ask;
mod memory;
mod persisted;
mod raw;
mod retained;
mod scheduled;
mod servers;
mod stream;
mod transactions;

use std::process::ExitCode;

use bench_kit::Case;

/// The system's name in the results.
const SYSTEM: &str = "cluster";

fn main() -> ExitCode {
    let families: [fn() -> Vec<Case>; 8] = [
        ask::cases,
        persisted::cases,
        retained::cases,
        transactions::cases,
        scheduled::cases,
        stream::cases,
        memory::cases,
        ask::recorded_cases,
    ];
    bench_kit::run(families.into_iter().flat_map(|family| family()).collect())
}

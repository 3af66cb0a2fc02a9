//! A flush of the disk alone: one block of a preallocated file overwritten and flushed.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use bench_kit::{Bench, Case, Run, Watch};

use crate::FSYNC;

const BLOCK: usize = 4096;
const BLOCKS: u64 = 1024;

pub(crate) fn case() -> Case {
    Case::durable(FSYNC, "disk", "none", run)
}

fn run(bench: &Bench) -> Run {
    let path = bench.fresh_file("raw-fsync.bin");
    let file = OpenOptions::new().create(true).truncate(true).write(true).open(path);
    let file = file.expect("the bench's folder is writable");
    let whole_file = vec![0; BLOCK * BLOCKS as usize];
    file.write_all_at(&whole_file, 0).expect("the disk has room");
    file.sync_all().expect("the disk can be flushed");
    let block = [7; BLOCK];
    let mut latencies_ns = Vec::new();
    let whole = Watch::start();
    for number in 0..FSYNC.operations {
        let watch = Watch::start();
        file.write_all_at(&block, number % BLOCKS * BLOCK as u64).expect("the block exists");
        file.sync_data().expect("the disk can be flushed");
        latencies_ns.push(watch.nanos());
    }
    Run::new(FSYNC.operations, whole.elapsed(), latencies_ns)
}

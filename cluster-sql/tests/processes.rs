//! What only real processes show: a second live one is refused, one that is killed leaves the file
//! free at once, everything that was acknowledged before a kill is there after it, and a full disk
//! loses nothing either.
#![allow(clippy::unwrap_used)] // Helpers of tests fail as tests do.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use cluster_core::id::{Epoch, StateVersion};
use cluster_core::storage::{
    Batch, MessageStorage, OwnershipStorage, RequestRow, StateKey, StateWrite, StorageError,
};
use cluster_sql::Sqlite;
use support::{Folder, join, request, request_id};

/// Tells a copy of this program which database it is to work on.
const DATABASE: &str = "CLUSTER_SQL_TEST_DATABASE";

fn key() -> StateKey {
    let RequestRow { shard, entity_type, entity_id, .. } = request(1);
    StateKey { shard, entity_type, entity_id }
}

/// The batch that counts from `number - 1` to `number`: a request and a state that belong together.
fn counting(number: u64) -> Batch {
    let state = StateWrite {
        key: key(),
        epoch: Epoch::new(1),
        from: StateVersion::new(number - 1),
        to: StateVersion::new(number),
        payload: Bytes::from(vec![7; 3_000]),
    };
    Batch { accepts: vec![request(number)], states: vec![state], ..Batch::default() }
}

async fn counted(storage: &Sqlite) -> u64 {
    let state = storage.load_states(vec![key()]).await.unwrap().remove(0);
    state.map(|row| row.version.as_u64()).unwrap_or_default()
}

/// Not a test of its own: what a copy of this program does. It counts on, and tells every commit
/// that is acknowledged, until it is killed or cannot go on.
#[tokio::test]
async fn work_until_killed() {
    let Ok(database) = std::env::var(DATABASE) else { return };
    let storage = Sqlite::open(database).await.unwrap();
    let fence = join(&storage).await;
    let mut number = counted(&storage).await;
    loop {
        number += 1;
        let committed = storage.commit(fence, Arc::new(counting(number))).await;
        if let Err(error) = committed {
            assert!(is_disk_trouble(&error), "{error:?}");
            tell("full");
            // Reading goes on. A smaller write may still find room.
            assert!(counted(&storage).await + 1 >= number);
            let raised = storage.raise_fence(fence).await;
            assert!(raised.as_ref().err().is_none_or(is_disk_trouble), "{raised:?}");
            return;
        }
        tell(&format!("counted {number}"));
    }
}

fn is_disk_trouble(error: &StorageError) -> bool {
    matches!(error, StorageError::UnknownOutcome { .. } | StorageError::Unavailable { .. })
}

fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).unwrap();
}

fn start_worker(database: &Path) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "work_until_killed", "--nocapture"])
        .env(DATABASE, database)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    (child, out)
}

/// Reads up to that many acknowledgements; the last number.
fn acknowledged(out: &mut BufReader<ChildStdout>, at_most: usize) -> u64 {
    let numbers = out.lines().map_while(Result::ok).filter_map(|line| {
        let (_, number) = line.split_once("counted ")?;
        number.parse().ok()
    });
    numbers.take(at_most).last().unwrap_or(0)
}

#[tokio::test]
async fn a_second_live_process_is_refused_and_a_killed_one_leaves_the_file_free() {
    let folder = Folder::new();
    let (mut worker, mut out) = start_worker(&folder.database());
    assert_eq!(acknowledged(&mut out, 3), 3);

    let refused = folder.options().open().await;
    let Err(StorageError::InUse { prefix, .. }) = refused else {
        panic!("in use, not {refused:?}");
    };
    assert_eq!(prefix, "cluster_");

    worker.kill().unwrap();
    worker.wait().unwrap();
    folder.options().open().await.expect("a restart after a kill waits for nothing");
}

// proves: B121
#[tokio::test]
async fn what_was_acknowledged_before_a_kill_is_there_after_it() {
    let folder = Folder::new();
    let mut last = 0;
    let mut fences = Vec::new();
    for round in 0..5 {
        let (mut worker, mut out) = start_worker(&folder.database());
        let before = acknowledged(&mut out, 20 + 37 * round);
        worker.kill().unwrap();
        worker.wait().unwrap();
        // What it told between the last line read and the kill counts too.
        let told = before.max(acknowledged(&mut out, usize::MAX));
        assert!(told > last, "the worker went on from where the last one was killed");

        let storage = folder.options().open().await.unwrap();
        let stored = counted(&storage).await;
        assert!(stored == told || stored == told + 1, "told {told}, stored {stored}");
        let ids = (1..=stored + 1).map(request_id).collect();
        let found = storage.find_requests(ids).await.unwrap();
        let there = found.iter().filter(|found| found.is_some()).count();
        assert_eq!(there as u64, stored, "requests and state are of one transaction");
        fences.push(join(&storage).await.incarnation);
        last = stored;
    }
    assert!(fences.is_sorted_by(|a, b| a < b), "every start is a new incarnation: {fences:?}");
}

#[tokio::test]
async fn a_full_disk_loses_nothing() {
    let folder = Folder::new();
    // No file of the worker may grow beyond 1 MiB: the kernel then refuses to write, as on a full
    // disk.
    let mut worker = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 2048; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "work_until_killed", "--nocapture"])
        .env(DATABASE, folder.database())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let out = BufReader::new(worker.stdout.take().unwrap());
    let lines: Vec<String> = out.lines().map_while(Result::ok).collect();
    assert!(worker.wait().unwrap().success(), "{lines:?}");
    assert!(lines.iter().any(|line| line == "full"), "{lines:?}");
    let told = lines.iter().rev().find_map(|line| line.strip_prefix("counted ")).unwrap();
    let told: u64 = told.parse().unwrap();
    assert!(told > 20, "the disk was full after {told} commits");

    let storage = folder.options().open().await.unwrap();
    let stored = counted(&storage).await;
    assert!(stored == told || stored == told + 1, "told {told}, stored {stored}");
    let fence = join(&storage).await;
    storage.commit(fence, Arc::new(counting(stored + 1))).await.unwrap();
}

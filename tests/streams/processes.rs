//! Persisted streams whose process dies for real: SIGKILL, then another one on the same file.
//!
//! The process that dies is this test's own executable, told by its environment what to do.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use cluster::prelude::*;
use futures_util::stream::{self, StreamExt};

use crate::support::{Bed, Folder, soon};

const DATABASE: &str = "CLUSTER_STREAMS_DATABASE";
/// Where the process begins to read; without it nobody reads.
const AFTER: &str = "CLUSTER_STREAMS_AFTER";
/// What the process that dies says begins with this.
const SAYS: &str = "says: ";
/// What a handler says begins with this.
const BEGAN: &str = "began ";

/// A process that makes a stream and may read it.
struct Victim {
    child: Child,
    says: std::io::Lines<BufReader<ChildStdout>>,
}

impl Victim {
    fn start(database: &Path, after: Option<u64>) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["processes::victim", "--exact", "--nocapture"]).env(DATABASE, database);
        if let Some(after) = after {
            command.env(AFTER, after.to_string());
        }
        let child = command.stdout(Stdio::piped()).spawn();
        let mut child = child.expect("this very executable can be started");
        let stdout = child.stdout.take().expect("it is piped");
        Victim { child, says: BufReader::new(stdout).lines() }
    }

    /// The next thing that it says; `None` when it has ended.
    fn says(&mut self) -> Option<String> {
        loop {
            // What stands before it is the test runner's own.
            let line = self.says.next()?.expect("its output can be read");
            if let Some((_, said)) = line.split_once(SAYS) {
                return Some(said.to_owned());
            }
        }
    }

    /// Kills it, as no process can prevent, and waits until it is gone; what it had said.
    fn kill(mut self) -> Vec<String> {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it has ended");
        std::iter::from_fn(|| self.says()).collect()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Entity, Default)]
struct Tape;

#[entity]
impl Tape {
    /// The numbers below `end`; goes on behind the last one that was stored.
    #[message(persisted, stream)]
    fn numbers(&self, ctx: &Context, end: u64) -> impl Stream<Item = u64> + use<> {
        let last = ctx.resume::<u64>().unwrap();
        println!("{SAYS}{BEGAN}{last:?}");
        let from = last.map_or(0, |(_, value)| value + 1);
        stream::iter(from..end).inspect(|number| println!("{SAYS}made {number}"))
    }
}

const WINDOW: usize = 64;
const END: u64 = 1_000;

async fn start(bed: &Bed) -> Cluster {
    let window = |config: &mut cluster::Config| config.stream_window = WINDOW;
    bed.start(|builder| builder.config(window).entity::<Tape>()).await
}

/// Not a test by itself: what the process does that is to die.
#[test]
fn victim() {
    let Some(database) = std::env::var_os(DATABASE) else { return };
    let bed = Bed::on_file(PathBuf::from(database));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    runtime.block_on(async {
        let cluster = start(&bed).await;
        let receipt = cluster.get::<Tape>("t").numbers(END).key("k").send().await.unwrap();
        println!("{SAYS}id {}", receipt.id());
        if let Ok(after) = std::env::var(AFTER) {
            let mut numbers = receipt.chunks_after(after.parse().unwrap());
            while let Some(number) = numbers.next().await {
                println!("{SAYS}read {}", number.unwrap());
            }
        }
        std::future::pending::<()>().await;
    });
}

/// The numbers in what was said behind this word.
fn numbers(said: &[String], word: &str) -> Vec<u64> {
    let behind = said.iter().filter_map(|said| said.strip_prefix(word)?.strip_prefix(' '));
    behind.map(|number| number.parse().unwrap()).collect()
}

fn id_in(said: &[String]) -> RequestId {
    said.iter().find_map(|said| said.strip_prefix("id ")).unwrap().parse().unwrap()
}

/// Whoever reads keeps the place up to which it has read.
// proves: B73, B75
#[tokio::test]
async fn a_stream_goes_on_in_the_next_process_without_a_gap_or_a_duplicate() {
    let folder = Folder::new();
    let (mut read, mut said) = (Vec::new(), Vec::new());
    for kill_at in [1, 64, 65, 300, 777] {
        // The chunk of a number has the next one.
        let after = read.len() as u64;
        let mut victim = Victim::start(&folder.database(), Some(after));
        let mut run = Vec::new();
        while numbers(&run, "read").last().is_none_or(|last| *last < kill_at)
            || !run.iter().any(|said: &String| said.starts_with(BEGAN))
        {
            run.push(victim.says().expect("it goes on"));
        }
        run.extend(victim.kill());
        read.extend(numbers(&run, "read"));
        said.extend(run);
    }
    let bed = Bed::on_file(folder.database());
    soon(async {
        let cluster = start(&bed).await;
        let receipt = cluster.stream_receipt::<TapeNumbers>(id_in(&said));
        let rest = receipt.chunks_after(read.len() as u64);
        read.extend(rest.map(Result::unwrap).collect::<Vec<_>>().await);
        receipt.outcome().await.unwrap();
    })
    .await;
    assert_eq!(read, (0..END).collect::<Vec<_>>());
    // Every run but the first was told the last stored chunk, with its number.
    let begins: Vec<_> = said.iter().filter_map(|said| said.strip_prefix(BEGAN)).collect();
    assert_eq!((begins.len(), begins[0]), (5, "None"));
    for begin in &begins[1..] {
        let (number, value) = begin[6..begin.len() - 2].split_once(", ").unwrap();
        assert_eq!(number.parse::<u64>().unwrap(), value.parse::<u64>().unwrap() + 1);
    }
}

// proves: B75, B77
#[tokio::test]
async fn an_unread_stream_is_finished_by_the_next_process() {
    let folder = Folder::new();
    let mut said = Vec::new();
    for _ in 0..2 {
        let mut victim = Victim::start(&folder.database(), None);
        let last = WINDOW as u64 - 1;
        while !said.iter().any(|said: &String| said.starts_with("id "))
            || numbers(&said, "made").last() != Some(&last)
        {
            said.push(victim.says().expect("it goes on"));
        }
        said.extend(victim.kill());
    }
    assert!(numbers(&said, "made").iter().all(|made| *made < WINDOW as u64), "{said:?}");
    let bed = Bed::on_file(folder.database());
    soon(async {
        let cluster = start(&bed).await;
        let receipt = cluster.stream_receipt::<TapeNumbers>(id_in(&said));
        let mut numbers = receipt.chunks_after(0);
        for expected in 0..END {
            assert_eq!(numbers.next().await.unwrap().unwrap(), expected);
        }
        assert!(numbers.next().await.is_none());
        receipt.outcome().await.unwrap();
    })
    .await;
}

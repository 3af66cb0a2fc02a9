//! Persisted streams whose process dies for real: SIGKILL, then another one on the same database.

use cluster::prelude::*;
use futures_util::stream::{self, StreamExt};

use crate::support::{Bed, Victim, backends, be_victim, say, soon};

/// A process in which nobody reads; else its scenario is the place to read on from, and how many
/// numbers are read at most.
const UNREAD: &str = "unread";
/// What a handler says begins with this.
const BEGAN: &str = "began ";

#[derive(Entity, Default)]
struct Tape;

#[entity]
impl Tape {
    /// The numbers below `end`; goes on behind the last one that was stored.
    #[message(persisted, stream)]
    fn numbers(&self, ctx: &Context, end: u64) -> impl Stream<Item = u64> + use<> {
        let last = ctx.resume::<u64>().unwrap();
        say(format_args!("{BEGAN}{last:?}"));
        let from = last.map_or(0, |(_, value)| value + 1);
        stream::iter(from..end).inspect(|number| say(format_args!("made {number}")))
    }
}

const WINDOW: usize = 64;
const END: u64 = 1_000;
/// How far a process reads on at most before it is killed: never to the end.
const RUN_ON: u64 = 100;

async fn start(bed: &Bed) -> Cluster {
    let window = |config: &mut cluster::Config| config.stream_window = WINDOW;
    bed.start(|builder| builder.config(window).entity::<Tape>()).await
}

/// Not a test by itself: what the process does that is to die.
#[test]
fn victim() {
    be_victim(async |scenario, bed| {
        let cluster = start(bed).await;
        let receipt = cluster.get::<Tape>("t").numbers(END).key("k").send().await.unwrap();
        say(format_args!("id {}", receipt.id()));
        if scenario != UNREAD {
            let (after, most) = scenario.split_once('+').unwrap();
            let numbers = receipt.chunks_after(after.parse().unwrap());
            let mut numbers = numbers.take(most.parse().unwrap());
            while let Some(number) = numbers.next().await {
                say(format_args!("read {}", number.unwrap()));
            }
            // The stream stays open, as that of a slow reader.
            std::future::pending::<()>().await;
        }
        std::future::pending().await
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
async fn a_stream_goes_on_in_the_next_process_without_a_gap_or_a_duplicate(bed: Bed) {
    let (mut read, mut said) = (Vec::new(), Vec::new());
    for kill_at in [1, 64, 65, 300, 777] {
        // The chunk of a number has the next one.
        let after = read.len() as u64;
        let most = (kill_at + RUN_ON).saturating_sub(after);
        let mut victim = Victim::start(&format!("{after}+{most}"), &bed);
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
async fn an_unread_stream_is_finished_by_the_next_process(bed: Bed) {
    let mut said = Vec::new();
    for _ in 0..2 {
        let mut victim = Victim::start(UNREAD, &bed);
        let last = WINDOW as u64 - 1;
        while !said.iter().any(|said: &String| said.starts_with("id "))
            || numbers(&said, "made").last() != Some(&last)
        {
            said.push(victim.says().expect("it goes on"));
        }
        said.extend(victim.kill());
    }
    assert!(numbers(&said, "made").iter().all(|made| *made < WINDOW as u64), "{said:?}");
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

backends!(on disk:
    a_stream_goes_on_in_the_next_process_without_a_gap_or_a_duplicate,
    an_unread_stream_is_finished_by_the_next_process,
);

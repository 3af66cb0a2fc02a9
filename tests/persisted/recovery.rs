//! An accepted request runs to its outcome: without its caller, through full mailboxes and crashes,
//! in the order in which requests were accepted.

use cluster::prelude::*;
use futures_util::future::join_all;
use tokio::spawn;

use crate::entities::{Desk, Other, start, start_with};
use crate::support::{Bed, backends};

/// The numbers that were run, in order; nothing else was noted.
fn numbers(log: Vec<String>) -> Vec<u32> {
    log.iter().filter_map(|noted| noted.parse().ok()).collect()
}

// proves: B37
async fn requests_start_in_order_of_acceptance_through_a_restart_and_a_full_mailbox(bed: Bed) {
    const REQUESTS: u32 = 10_000;
    const BEFORE_THE_CRASH: usize = 3_000;
    let start = async || start_with(&bed, |builder| builder.config(|c| c.mailbox = 64)).await;
    let cluster = start().await;
    let other = cluster.get::<Other>("o");
    bed.probe.close("numbers");
    // Handed over in this order, by one task: so accepted in this order.
    let sent = join_all((0..REQUESTS / 2).map(|n| other.number(n).send().into_future())).await;
    assert!(sent.into_iter().all(|sent| sent.is_ok()));
    bed.probe.open("numbers");
    let sent = (REQUESTS / 2..REQUESTS).map(|n| other.number(n).send().into_future());
    assert!(join_all(sent).await.iter().all(Result::is_ok));
    bed.probe.wait_for("numbers", BEFORE_THE_CRASH).await;
    // Two crashes, the second before anything can end.
    bed.probe.close("numbers");
    drop((other, cluster));
    let first = numbers(bed.probe.take_log());
    let runs = bed.probe.count("numbers");
    let cluster = start().await;
    bed.probe.wait_for("numbers", runs + 1).await;
    drop(cluster);
    let second = numbers(bed.probe.take_log());
    bed.probe.open("numbers");
    let cluster = start().await;
    cluster.caught_up().await.unwrap();
    let last = numbers(bed.probe.take_log());

    // What was not committed starts again, in the same order.
    let ordered = |run: &[u32]| run.windows(2).all(|two| two[0] + 1 == two[1]);
    assert!(ordered(&first) && first[0] == 0 && first.len() >= BEFORE_THE_CRASH);
    assert!(second.len() == 1 && second[0] as usize <= first.len(), "{second:?}");
    assert!(ordered(&last) && last[0] == second[0], "begins with {:?}", &last[..10]);
    assert_eq!(last.last(), Some(&(REQUESTS - 1)));
}

// proves: B39
async fn a_request_runs_on_when_its_caller_is_gone(bed: Bed) {
    let cluster = start(&bed).await;
    for caller_ends_by_timeout in [false, true] {
        let line = format!("line, timeout {caller_ends_by_timeout}");
        bed.probe.close(&line);
        let desk = cluster.get::<Desk>("d");
        let call = desk.write(line.clone()).key(&line).timeout(Duration::from_secs(5));
        let caller = spawn(async move { call.await });
        bed.probe.wait_for(&line, 1).await;
        if caller_ends_by_timeout {
            bed.advance(Duration::from_secs(5)).await;
            let timeout = caller.await.unwrap();
            assert!(matches!(timeout, Err(ClusterError::Timeout { .. })), "{timeout:?}");
        } else {
            caller.abort();
            assert!(caller.await.unwrap_err().is_cancelled());
        }
        bed.settle().await;
        assert_eq!(bed.probe.count(&format!("{line}!")), 0);
        bed.probe.open(&line);
        bed.probe.wait_for(&format!("{line}!"), 1).await;
        cluster.caught_up().await.unwrap();
        let lines = cluster.get::<Desk>("d").lines().await.unwrap();
        assert_eq!(lines.last(), Some(&line));
        let outcome = desk.write(line.clone()).key(&line).await.unwrap();
        assert_eq!((outcome, bed.probe.count(&line)), (lines.len(), 1));
    }
}

// proves: B39
async fn a_request_whose_caller_ends_with_the_process_runs_after_the_next_start(bed: Bed) {
    let cluster = start(&bed).await;
    bed.probe.close("line");
    let caller = spawn({
        let desk = cluster.get::<Desk>("d");
        async move { desk.write("line".into()).key("k").await }
    });
    bed.probe.wait_for("line", 1).await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    drop(cluster);
    bed.probe.open("line");
    let cluster = start(&bed).await;
    // Nobody asks for it.
    bed.probe.wait_for("line!", 1).await;
    cluster.caught_up().await.unwrap();
    assert_eq!(cluster.get::<Desk>("d").lines().await.unwrap(), ["line"]);
}

backends!(in virtual time:
    requests_start_in_order_of_acceptance_through_a_restart_and_a_full_mailbox,
    a_request_runs_on_when_its_caller_is_gone,
    a_request_whose_caller_ends_with_the_process_runs_after_the_next_start,
);

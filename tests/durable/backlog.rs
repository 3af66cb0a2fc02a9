//! More work than fits: full mailboxes, more entities than places, long backlogs.

use std::sync::Arc;
use std::time::Duration;

use cluster::EntityOptions;
use cluster::id::{Epoch, RequestId, Seq};
use cluster::prelude::*;
use cluster::storage::{Batch, JoinRequest, RequestRow, StorageError};
use futures_util::future::join_all;
use tokio::spawn;

use crate::entities::{Counter, CounterAdd, Desk, start, start_with};
use crate::support::{Bed, Probe, backends, is_waiting, settle};

fn small_mailbox(mailbox: usize) -> EntityOptions {
    EntityOptions { mailbox: Some(mailbox), ..Default::default() }
}

// proves: B58
async fn a_full_mailbox_refuses_volatile_calls_and_keeps_persisted_ones(bed: Bed) {
    // No time passes, so no poll can help.
    let bed = bed.with_virtual_time();
    let probe = Probe::default();
    let cluster =
        start_with(&bed, &probe, |builder| builder.options::<Desk>(small_mailbox(4))).await;
    let desk = cluster.get::<Desk>("d");
    probe.close("first");
    let first = desk.file("first".into()).send().await.unwrap();
    probe.wait_for("first", 1).await;
    let mut volatile: Vec<_> =
        (0..4).map(|n| Box::pin(desk.jot(format!("jot {n}")).into_future())).collect();
    for call in &mut volatile {
        assert!(is_waiting(call).await);
    }
    let full = desk.jot("no room".into()).await;
    let Err(ClusterError::MailboxFull { address, limit: 4 }) = full else { panic!("{full:?}") };
    assert_eq!(address.entity_id().as_str(), "d");
    let full = desk.jot("no room".into()).send().await;
    assert!(matches!(full, Err(ClusterError::MailboxFull { .. })), "{full:?}");

    let sends = (0..20).map(|n| desk.file_at_once(format!("{n:02}")).send().into_future());
    let stored: Vec<_> = join_all(sends).await.into_iter().map(Result::unwrap).collect();
    probe.open("first");
    for (n, receipt) in stored.iter().enumerate() {
        assert_eq!(receipt.outcome().await.unwrap(), n + 6);
    }
    assert_eq!(first.outcome().await.unwrap(), 1);
    for call in volatile {
        call.await.unwrap();
    }
    let papers = desk.papers().await.unwrap();
    assert_eq!(papers.len(), 25);
    assert!(papers[5..].is_sorted());
    assert_eq!(probe.count("no room"), 0);
}

// proves: B37, B58
async fn a_backlog_with_requests_in_back_off_is_run_to_its_end(bed: Bed) {
    let probe = Probe::default();
    let options = |builder: cluster::ClusterBuilder| builder.options::<Desk>(small_mailbox(4));
    let cluster = start_with(&bed, &probe, options).await;
    let desk = cluster.get::<Desk>("d");
    // Some of them panic once, so that after the restart some are in back-off.
    for n in (0..40).step_by(5) {
        probe.panic_at(&format!("{n:02}"), 1);
    }
    probe.close("07");
    let sends = (0..40).map(|n| desk.file(format!("{n:02}")).send().into_future());
    let ids: Vec<_> = join_all(sends).await.into_iter().map(|sent| sent.unwrap().id()).collect();
    probe.wait_for("07", 1).await;
    settle().await;
    drop((desk, cluster));
    let cluster = start_with(&bed, &probe, options).await;
    probe.open("07");
    for id in ids {
        cluster.receipt::<crate::entities::DeskFile>(id).outcome().await.unwrap();
    }
    let mut papers = cluster.get::<Desk>("d").papers().await.unwrap();
    papers.sort();
    assert_eq!(papers, (0..40).map(|n| format!("{n:02}")).collect::<Vec<_>>());
}

// proves: B37
async fn requests_beyond_a_full_mailbox_run_though_one_among_them_is_in_back_off(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let desk = cluster.get::<Desk>("d");
    // All fit at first; the last one fails and is in back-off when the process ends.
    probe.panic_at("late", 1);
    probe.close("0");
    for n in 0..8 {
        desk.file(n.to_string()).send().await.unwrap();
    }
    let late = desk.file("late".into()).send().await.unwrap().id();
    drop((desk, cluster));
    mark_failed(&bed, late).await;
    let cluster =
        start_with(&bed, &probe, |builder| builder.options::<Desk>(small_mailbox(2))).await;
    probe.open("0");
    let desk = cluster.get::<Desk>("d");
    cluster.receipt::<crate::entities::DeskFile>(late).outcome().await.unwrap();
    desk.file_at_once("last".into()).await.unwrap();
    let mut papers = desk.papers().await.unwrap();
    papers.sort();
    assert_eq!(papers, ["0", "1", "2", "3", "4", "5", "6", "7", "last", "late"]);
}

/// Writes a failed attempt of a request, as a runner before has done.
async fn mark_failed(bed: &Bed, id: RequestId) {
    let storage = bed.open().await;
    let joined = storage.join(join_request()).await.unwrap();
    let found = storage.find_requests(vec![id]).await.unwrap().remove(0).unwrap();
    let attempt = cluster::storage::AttemptWrite {
        seq: found.request.seq,
        shard: found.request.shard,
        epoch: found.request.epoch,
        attempts: 1,
        retry_at: bed.clock().wall(),
        in_order: false,
        error: "failed".into(),
    };
    let batch = Batch { attempts: vec![attempt], ..Batch::default() };
    storage.commit(joined.fence, Arc::new(batch)).await.unwrap();
}

fn join_request() -> JoinRequest {
    JoinRequest {
        shard_count: cluster::ShardCount::default(),
        shard_hash_version: cluster::id::SHARD_HASH_VERSION,
        groups: vec!["default".into()],
        advertised: String::new(),
        lease: Duration::from_secs(5),
    }
}

// proves: B59, B60
async fn a_backlog_of_many_entities_drains_through_few_places(bed: Bed) {
    // As many as each can run in some seconds.
    let entities = match bed {
        _ if bed.is_in_memory() => 100_000,
        _ if bed.is_on_server() => 20_000,
        _ => 5_000,
    };
    let places = 100;
    let probe = Probe::default();
    make_backlog(&bed, entities).await;
    let started = bed.door.calls_by_name();
    let cluster = start_with(&bed, &probe, |builder| {
        builder.config(|config| config.resident_entities_max = places)
    })
    .await;
    let drained = bed.door.outcomes_committed(entities);
    tokio::pin!(drained);
    // Looks at memory again and again, until everything has run.
    while is_pending(&mut drained).await {
        let stats = cluster.stats();
        let records: usize = stats.types.iter().map(|of_type| of_type.records).sum();
        assert!(stats.resident_entities <= places, "{stats:?}");
        assert!(records <= 4 * 1_024, "{stats:?}");
    }
    let loads = bed.door.calls("load_pending") - started.get("load_pending").unwrap_or(&0);
    // A page holds 1,024.
    let pages = u64::try_from(entities).unwrap() / 1_024 + 1;
    assert!(loads <= 2 * pages + 10, "{loads} loads for {pages} pages");
    for n in [0, 1, entities / 2, entities - 1] {
        let counter = cluster.get::<Counter>(format!("c{n}"));
        assert_eq!(counter.value().await.unwrap(), 1, "{n}");
    }
}

/// Whether the future is pending still after a while.
async fn is_pending<F: Future + Unpin>(future: &mut F) -> bool {
    tokio::select! {
        biased;
        _ = future => false,
        () = settle() => true,
    }
}

/// Accepts one request for each of so many entities, as a runner before has done.
async fn make_backlog(bed: &Bed, entities: usize) {
    let probe = Probe::default();
    let cluster = start(bed, &probe).await;
    let id = cluster.get::<Counter>("pattern").add(1).send().await.unwrap().id();
    let shards: Vec<_> =
        (0..entities).map(|n| cluster.shard_of::<Counter>(format!("c{n}")).unwrap()).collect();
    drop(cluster);
    let storage = bed.open().await;
    let joined = storage.join(join_request()).await.unwrap();
    let mut all = shards.clone();
    all.sort();
    all.dedup();
    storage.take_shards(joined.fence, all).await.unwrap();
    let pattern = storage.find_requests(vec![id]).await.unwrap().remove(0).unwrap().request;
    let floor = storage.highest_seq().await.unwrap().as_u64();
    let rows = shards.into_iter().enumerate().map(|(n, shard)| RequestRow {
        seq: Seq::new(floor + 1 + n as u64),
        shard,
        epoch: Epoch::default(),
        id: request_id(n),
        entity_id: format!("c{n}").into(),
        ..pattern.clone()
    });
    let rows: Vec<_> = rows.collect();
    for rows in rows.chunks(4_096) {
        let batch = Arc::new(Batch { accepts: rows.to_vec(), ..Batch::default() });
        let committed: Result<_, StorageError> = storage.commit(joined.fence, batch).await;
        committed.unwrap();
    }
}

fn request_id(n: usize) -> RequestId {
    let mut bytes = [7; 16];
    bytes[8..].copy_from_slice(&(n as u64).to_be_bytes());
    RequestId::from_bytes(bytes)
}

// proves: B59, B60
async fn no_request_runs_twice_though_entities_come_and_go(bed: Bed) {
    let probe = Probe::default();
    let cluster = start_with(&bed, &probe, |builder| {
        builder.options::<Counter>(small_mailbox(2)).config(|config| {
            config.resident_entities_max = 3;
            config.load_page = 16;
        })
    })
    .await;
    let callers = (0..20).map(|caller| {
        let cluster = cluster.clone();
        spawn(async move {
            for n in 0..30 {
                let counter = cluster.get::<Counter>(format!("c{}", (caller + n) % 12));
                counter.add(1).await.unwrap();
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    assert!(cluster.stats().resident_entities <= 3);
    let mut sum = 0;
    for n in 0..12 {
        sum += cluster.get::<Counter>(format!("c{n}")).add(0).await.unwrap();
    }
    assert_eq!(sum, 600);
}

// proves: B96
async fn requests_of_a_message_that_is_gone_hold_up_nobody(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let counter = cluster.get::<Counter>("c");
    let known = counter.add(1).send().await.unwrap().id();
    cluster.receipt::<CounterAdd>(known).outcome().await.unwrap();
    drop((counter, cluster));
    // More than a mailbox of them, of an older program.
    let storage = bed.open().await;
    let joined = storage.join(join_request()).await.unwrap();
    let pattern = storage.find_requests(vec![known]).await.unwrap().remove(0).unwrap().request;
    storage.take_shards(joined.fence, vec![pattern.shard]).await.unwrap();
    let rows = (0..10).map(|n| RequestRow {
        seq: Seq::new(pattern.seq.as_u64() + 1 + n as u64),
        id: request_id(n),
        message: cluster::id::MessageTag::of(if n % 5 == 4 { "add" } else { "gone" }),
        ..pattern.clone()
    });
    let batch = Arc::new(Batch { accepts: rows.collect(), ..Batch::default() });
    storage.commit(joined.fence, batch).await.unwrap();
    drop(storage);

    let cluster =
        start_with(&bed, &probe, |builder| builder.options::<Counter>(small_mailbox(1))).await;
    let counter = cluster.get::<Counter>("c");
    assert_eq!(counter.add(1).await.unwrap(), 4);
    settle().await;
    let loads = bed.door.calls("load_pending");
    settle().await;
    assert_eq!(bed.door.calls("load_pending"), loads);
}

backends!(
    a_full_mailbox_refuses_volatile_calls_and_keeps_persisted_ones,
    a_backlog_with_requests_in_back_off_is_run_to_its_end,
    requests_beyond_a_full_mailbox_run_though_one_among_them_is_in_back_off,
    a_backlog_of_many_entities_drains_through_few_places,
    no_request_runs_twice_though_entities_come_and_go,
    requests_of_a_message_that_is_gone_hold_up_nobody,
);

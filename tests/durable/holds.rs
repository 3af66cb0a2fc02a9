//! Requests that wait for a program that can run them.

use cluster::prelude::*;
use cluster::storage::Missing;
use cluster::{Cancelled, EntityOptions, Hold};
use futures_util::StreamExt;

use crate::entities::Counter;
use crate::support::{Bed, backends};

/// The older program.
mod old {
    use super::*;

    #[derive(Entity, Default, Serialize, Deserialize)]
    #[entity(durable)]
    pub(super) struct Ledger {
        lines: Vec<String>,
    }

    #[entity]
    impl Ledger {
        #[message(persisted)]
        pub(super) fn note(&mut self, line: String) -> usize {
            self.lines.push(line);
            self.lines.len()
        }

        #[message]
        pub(super) fn lines(&self) -> Vec<String> {
            self.lines.clone()
        }
    }
}

/// The newer program: one message more, and one whose arguments have changed.
mod new {
    use super::*;

    #[derive(Entity, Default, Serialize, Deserialize)]
    #[entity(durable)]
    pub(super) struct Ledger {
        lines: Vec<String>,
    }

    #[entity]
    impl Ledger {
        #[message(persisted)]
        pub(super) fn note(&mut self, line: String) -> usize {
            self.lines.push(line);
            self.lines.len()
        }

        #[message(persisted)]
        pub(super) fn note_number(&mut self, number: u32) -> usize {
            self.lines.push(number.to_string());
            self.lines.len()
        }

        #[message]
        pub(super) fn lines(&self) -> Vec<String> {
            self.lines.clone()
        }
    }
}

/// A program whose `note` takes something else.
mod other {
    use super::*;

    #[derive(Entity, Default, Serialize, Deserialize)]
    #[entity(durable)]
    pub(super) struct Ledger {
        lines: Vec<String>,
    }

    #[entity]
    impl Ledger {
        #[message(persisted)]
        pub(super) fn note(&mut self, at: u64, line: (u8, u8)) -> usize {
            self.lines.push(format!("{at} {line:?}"));
            self.lines.len()
        }

        #[message(persisted)]
        pub(super) fn note_number(&mut self, number: u32) -> usize {
            self.lines.push(number.to_string());
            self.lines.len()
        }
    }
}

async fn holds(cluster: &Cluster) -> Vec<Hold> {
    cluster.holds().list().map(Result::unwrap).collect().await
}

/// Stores requests whose time has not come, so that no handler runs.
async fn stored(bed: &Bed, calls: impl AsyncFnOnce(&Cluster) -> Vec<RequestId>) -> Vec<RequestId> {
    let cluster =
        bed.start_impatient(|builder| builder.entity::<new::Ledger>().entity::<Counter>()).await;
    calls(&cluster).await
}

// proves: B95, B96
async fn what_nobody_can_run_is_held_until_somebody_can(bed: Bed) {
    let bed = bed.with_virtual_time();
    let minute = Duration::from_secs(60);
    let ids = stored(&bed, async |cluster| {
        let ledger = cluster.get::<new::Ledger>("l");
        let one = ledger.note("one".into()).after(minute).send().await.unwrap();
        let two = ledger.note_number(2).after(2 * minute).send().await.unwrap();
        let three = ledger.note("three".into()).after(3 * minute).send().await.unwrap();
        vec![one.id(), two.id(), three.id()]
    })
    .await;

    // A program that does not know the type at all.
    let cluster = bed.start_impatient(|builder| builder.entity::<Counter>()).await;
    bed.advance(90 * minute / 60).await;
    let held = until_held(&cluster, 1).await;
    assert_eq!((held[0].id(), held[0].message()), (ids[0], "note"));
    assert_eq!(held[0].missing(), &Missing::EntityType);
    assert_eq!(held[0].entity().to_string(), "Ledger/l");
    assert_eq!(held[0].arguments().map(ToString::to_string).as_deref(), Some(r#"{"line":"one"}"#));
    let notice = cluster.receipt::<new::LedgerNote>(ids[0]).outcome().await;
    assert!(matches!(notice, Err(ClusterError::Held { .. })), "{notice:?}");
    assert_eq!(cluster.get::<Counter>("c").add(1).await.unwrap(), 1, "others run");
    drop(cluster);

    // One that knows the type and not the message.
    let cluster = bed.start_impatient(|builder| builder.entity::<old::Ledger>()).await;
    bed.advance(3 * minute).await;
    let ledger = cluster.get::<old::Ledger>("l");
    let third = cluster.receipt::<old::LedgerNote>(ids[2]);
    assert_eq!(third.outcome().await.unwrap(), 2, "later known ones run");
    assert_eq!(ledger.lines().await.unwrap(), ["one", "three"]);
    let held = until_held(&cluster, 1).await;
    assert_eq!((held[0].id(), held[0].missing()), (ids[1], &Missing::Message));
    drop((ledger, third, cluster));

    // Three days later.
    bed.time().advance(3 * 24 * 60 * minute);
    let cluster = bed.start_impatient(|builder| builder.entity::<new::Ledger>()).await;
    let second = cluster.receipt::<new::LedgerNoteNumber>(ids[1]);
    assert_eq!(second.outcome().await.unwrap(), 3);
    assert!(holds(&cluster).await.is_empty());
    let lines = cluster.get::<new::Ledger>("l").lines().await.unwrap();
    assert_eq!(lines, ["one", "three", "2"]);
}

// proves: B97
async fn what_cannot_be_read_is_held_for_a_program_that_can(bed: Bed) {
    let bed = bed.with_virtual_time();
    let minute = Duration::from_secs(60);
    let ids = stored(&bed, async |cluster| {
        let ledger = cluster.get::<new::Ledger>("l");
        let one = ledger.note("one".into()).after(minute).send().await.unwrap();
        let two = ledger.note_number(2).after(2 * minute).send().await.unwrap();
        vec![one.id(), two.id()]
    })
    .await;
    let mut since = Vec::new();
    for _ in 0..2 {
        let cluster = bed.start_impatient(|builder| builder.entity::<other::Ledger>()).await;
        bed.advance(3 * minute).await;
        let second = cluster.receipt::<other::LedgerNoteNumber>(ids[1]);
        assert_eq!(second.outcome().await.unwrap(), 1, "the mailbox goes on");
        let held = until_held(&cluster, 1).await;
        assert_eq!(held[0].id(), ids[0]);
        assert!(matches!(held[0].missing(), Missing::Contract(_)), "{held:?}");
        since.push(held[0].held_at());
        drop((second, cluster));
    }
    assert_eq!(since[0], since[1], "a start that cannot read it either changes nothing");
    let cluster = bed.start_impatient(|builder| builder.entity::<new::Ledger>()).await;
    assert_eq!(cluster.receipt::<new::LedgerNote>(ids[0]).outcome().await.unwrap(), 2);
    assert!(holds(&cluster).await.is_empty());
}

const STRICT: EntityOptions = EntityOptions { strict_order: Some(true), ..EntityOptions::DEFAULT };

/// A request that is due in a minute.
async fn one_note(cluster: &Cluster) -> Vec<RequestId> {
    let one = cluster.get::<new::Ledger>("l").note("one".into());
    vec![one.after(Duration::from_secs(60)).send().await.unwrap().id()]
}

/// A program that cannot read it, and keeps its place free.
async fn start_strict(bed: &Bed) -> Cluster {
    bed.start(|builder| builder.entity::<other::Ledger>().options::<other::Ledger>(STRICT)).await
}

// proves: B257
async fn by_strict_order_nothing_passes_a_held_request(bed: Bed) {
    let bed = bed.with_virtual_time();
    let minute = Duration::from_secs(60);
    let ids = stored(&bed, one_note).await;
    let (mut two, mut since) = (None, Vec::new());
    for _ in 0..2 {
        let cluster = start_strict(&bed).await;
        bed.advance(3 * minute).await;
        since.push(until_held(&cluster, 1).await[0].held_at());
        if two.is_none() {
            let ledger = cluster.get::<other::Ledger>("l");
            two = Some(ledger.note_number(2).send().await.unwrap().id());
        }
        bed.advance(3 * minute).await;
        let found = cluster.receipt::<other::LedgerNoteNumber>(two.unwrap());
        let waits = tokio::spawn(async move { found.outcome().await });
        bed.advance(minute).await;
        let timeout = waits.await.unwrap();
        assert!(matches!(timeout, Err(ClusterError::Timeout { .. })), "{timeout:?}");
    }
    assert_eq!(since[0], since[1], "though it was tried once more");
    let cluster = bed
        .start_impatient(|builder| builder.entity::<new::Ledger>().options::<new::Ledger>(STRICT))
        .await;
    assert_eq!(cluster.receipt::<new::LedgerNote>(ids[0]).outcome().await.unwrap(), 1);
    let two = cluster.receipt::<new::LedgerNoteNumber>(two.unwrap());
    assert_eq!(two.outcome().await.unwrap(), 2);
}

// proves: B83, B257
async fn by_strict_order_a_held_request_that_is_cancelled_holds_up_nobody(bed: Bed) {
    let bed = bed.with_virtual_time();
    let minute = Duration::from_secs(60);
    let ids = stored(&bed, one_note).await;
    let cluster = start_strict(&bed).await;
    bed.advance(3 * minute).await;
    until_held(&cluster, 1).await;
    let two = cluster.get::<other::Ledger>("l").note_number(2).send().await.unwrap();
    bed.settle().await;
    assert_eq!(cluster.cancel(ids[0]).await.unwrap(), Cancelled::Interrupted);
    assert_eq!(two.outcome().await.unwrap(), 1);
    assert!(holds(&cluster).await.is_empty());
}

/// Waits until so many are held.
async fn until_held(cluster: &Cluster, many: usize) -> Vec<Hold> {
    loop {
        let held = holds(cluster).await;
        if held.len() == many {
            return held;
        }
        tokio::task::yield_now().await;
    }
}

backends!(
    what_nobody_can_run_is_held_until_somebody_can,
    what_cannot_be_read_is_held_for_a_program_that_can,
    by_strict_order_nothing_passes_a_held_request,
    by_strict_order_a_held_request_that_is_cancelled_holds_up_nobody,
);

//! Handing over without waiting.

use std::sync::Arc;

use cluster::prelude::*;
use cluster::storage::Storage;

use crate::helpers::memory;
use crate::stage::Stage;
use crate::support::{Bed, backends, poll_once, soon};

#[derive(Entity)]
#[entity(mailbox = 2)]
struct Printer {
    stage: Stage,
}

#[entity]
impl Printer {
    #[message(persisted)]
    async fn print(&mut self, page: u32) -> Result<u32, String> {
        self.stage.note(format!("prints {page}"));
        self.stage.pause().await;
        if page == 13 { Err("unlucky".into()) } else { Ok(page * 2) }
    }

    #[message]
    async fn clean(&mut self, with: String) {
        self.stage.pause().await;
        self.stage.note(with);
    }
}

#[derive(Entity, Default)]
struct Unhosted;

#[entity]
impl Unhosted {
    #[message]
    fn hello(&self) {}
}

async fn start(storage: Arc<dyn Storage>, stage: &Stage) -> Cluster {
    let stage = stage.clone();
    Cluster::builder()
        .storage(storage)
        .entity_with::<Printer>(move |_| Printer { stage: stage.clone() })
        .start()
        .await
        .expect("it starts")
}

// proves: B16
async fn a_receipt_is_given_when_durable_and_gives_the_outcome_later_anywhere(bed: Bed) {
    let storage = bed.open().await;
    let stage = Stage::default();
    let cluster = start(storage.clone(), &stage).await;
    let printer = cluster.get::<Printer>("p");
    let first = soon(printer.print(1).send().into_future()).await.unwrap();
    stage.arrived(1).await;
    let second = soon(printer.print(13).send().into_future()).await.unwrap();
    // Durable, and neither has ended.
    let found = storage.find_requests(vec![first.id(), second.id()]).await.unwrap();
    let states: Vec<_> =
        found.iter().map(|found| found.as_ref().map(|f| f.outcome.is_some())).collect();
    assert_eq!(states, [Some(false), Some(false)]);
    let waiting = tokio::spawn({
        let first = first.clone();
        async move { first.outcome().await }
    });
    stage.let_on(2);
    assert_eq!(soon(waiting).await.unwrap().unwrap(), 2);
    assert_eq!(soon(first.outcome()).await.unwrap(), 2, "asked again");
    let error = soon(second.outcome()).await.unwrap_err();
    assert!(matches!(&error, CallError::Entity(text) if text == "unlucky"), "{error:?}");
    let third = printer.print(3).send().await.unwrap();
    stage.arrived(2).await;
    let ids = [first.id(), second.id(), third.id()];
    drop((cluster, printer, first, second, third));

    // Another process, as far as the storage can tell.
    let stage = Stage::default();
    stage.let_on(1);
    let cluster = start(storage, &stage).await;
    let receipts = ids.map(|id| cluster.receipt::<PrinterPrint>(id));
    assert_eq!(soon(receipts[0].outcome()).await.unwrap(), 2);
    let refused = soon(receipts[1].outcome()).await;
    assert!(matches!(refused, Err(CallError::Entity(text)) if text == "unlucky"));
    assert_eq!(soon(receipts[2].outcome()).await.unwrap(), 6);
    cluster.shutdown().await.unwrap();
}

// A receipt is a proof: nothing is handed out while the request could still be lost.
#[tokio::test]
async fn a_receipt_waits_for_the_commit() {
    let stage = Stage::default();
    let bed = Bed::memory();
    let cluster = start(bed.open().await, &stage).await;
    let printer = cluster.get::<Printer>("p");
    bed.door.hold_commits();
    let mut sending = printer.print(1).send().into_future();
    assert!(poll_once(&mut sending).await.is_pending());
    soon(bed.door.commits_held(1)).await;
    assert!(poll_once(&mut sending).await.is_pending());
    assert!(stage.notes().is_empty());
    bed.door.release();
    soon(sending).await.unwrap();
    stage.arrived(1).await;
    stage.let_on(1);
    cluster.shutdown().await.unwrap();
}

// proves: B17
#[tokio::test]
async fn a_volatile_hand_over_ends_while_the_handler_runs_and_reports_what_stops_it() {
    let stage = Stage::default();
    let bed = Bed::memory();
    let cluster = start(bed.open().await, &stage).await;
    let printer = cluster.get::<Printer>("p");
    let before = bed.door.calls("commit");
    let (): () = soon(printer.clean("one".into()).send().into_future()).await.unwrap();
    stage.arrived(1).await;
    for with in ["two", "three"] {
        soon(printer.clean(with.into()).send().into_future()).await.unwrap();
    }
    let error = printer.clean("four".into()).send().await.unwrap_err();
    assert!(matches!(error, ClusterError::MailboxFull { limit: 2, .. }), "{error:?}");
    let error = cluster.get::<Unhosted>("u").hello().send().await.unwrap_err();
    assert!(matches!(error, ClusterError::NotAssigned { .. }), "{error:?}");
    assert!(stage.notes().is_empty(), "nothing has ended yet");
    stage.let_on(3);
    stage.noted(3).await;
    assert_eq!(stage.notes(), ["one", "two", "three"]);
    assert_eq!(bed.door.calls("commit"), before);
    cluster.shutdown().await.unwrap();
    let error = printer.clean("five".into()).send().await.unwrap_err();
    assert!(matches!(error, ClusterError::ShuttingDown), "{error:?}");
}

// Nobody waits for what was handed over, so its sender's end does not end it.
#[tokio::test]
async fn what_was_handed_over_runs_without_its_sender() {
    let stage = Stage::default();
    let cluster = start(memory(), &stage).await;
    let printer = cluster.get::<Printer>("p");
    {
        let mut sending = printer.clean("kept".into()).send().into_future();
        assert!(poll_once(&mut sending).await.is_ready());
    }
    stage.arrived(1).await;
    stage.let_on(1);
    stage.noted(1).await;
    assert_eq!(stage.notes(), ["kept"]);
    cluster.shutdown().await.unwrap();
}

backends!(
    a_receipt_is_given_when_durable_and_gives_the_outcome_later_anywhere on threads,
);

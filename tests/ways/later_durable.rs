//! Later replies of persisted requests, and beside a state that is stored.

use std::future::IntoFuture;
use std::sync::{Arc, Mutex};

use cluster::Cancelled;
use cluster::prelude::*;
use futures_util::StreamExt as _;
use tokio::spawn;

use crate::later::Owed;
use crate::support::{Bed, Probe, backends, is_waiting, refused, settle, until};

/// A state that is stored, and replies that are owed.
#[derive(Entity)]
pub(crate) struct Office {
    #[state]
    files: Vec<String>,
    owed: Owed,
    probe: Probe,
    /// Who waits for the next file.
    next: Arc<Mutex<Vec<Reply<String>>>>,
}

#[entity]
impl Office {
    #[message(persisted)]
    pub(crate) async fn decide(&self, ctx: &Context, name: String) -> Later<String> {
        self.probe.note(&*name);
        ctx.get::<Office>("archive").file(format!("asked {name}")).send().await.unwrap();
        let (reply, later) = Later::new();
        self.owed.put(&name, reply);
        later
    }

    #[message(persisted)]
    fn judge(&self, name: String) -> Later<Result<String, CallError<String>>> {
        self.probe.note(&*name);
        let (reply, later) = Later::new();
        let (text, told) = Later::new();
        self.owed.put(&name, text);
        spawn(async move {
            if let Some(text) = told.answer().await {
                reply.send(match &*text {
                    "no" => Err(CallError::Entity(text)),
                    "trouble" => Err(CallError::Cluster(ClusterError::Interrupted)),
                    _ => Ok(text),
                });
            }
        });
        later
    }

    #[message(persisted)]
    fn long(&self) -> Later<String> {
        Later::now("x".repeat(20_000))
    }

    #[message]
    fn next_file(&self) -> Later<String> {
        let (reply, later) = Later::new();
        self.next.lock().unwrap().push(reply);
        later
    }

    #[message(fenced)]
    fn next_confirmed(&self) -> Later<String> {
        self.next_file()
    }

    #[message]
    fn count_later(&self) -> Later<usize> {
        Later::now(self.files.len())
    }

    #[message(persisted)]
    pub(crate) fn file(&mut self, file: String) -> Result<usize, String> {
        self.files.push(file.clone());
        for reply in self.next.lock().unwrap().drain(..) {
            reply.send(file.clone());
        }
        if file == "refused" {
            return Err(file);
        }
        Ok(self.files.len())
    }

    #[message]
    async fn file_slowly(&mut self, file: String) -> usize {
        self.files.push(file.clone());
        self.probe.pass("slowly").await;
        let waiting: Vec<_> = self.next.lock().unwrap().drain(..).collect();
        waiting.into_iter().for_each(|reply| reply.send(file.clone()));
        self.files.len()
    }

    #[message]
    pub(crate) fn files(&self) -> Vec<String> {
        self.files.clone()
    }
}

#[derive(Clone, Default)]
pub(crate) struct World {
    pub(crate) owed: Owed,
    pub(crate) probe: Probe,
    next: Arc<Mutex<Vec<Reply<String>>>>,
}

pub(crate) async fn start(bed: &Bed, world: &World) -> Cluster {
    start_with(bed, world, |config| config.payload_bytes_max = 10_000).await
}

async fn start_with(
    bed: &Bed,
    world: &World,
    configure: impl FnOnce(&mut cluster::Config),
) -> Cluster {
    let world = world.clone();
    bed.start_impatient(move |builder| {
        let builder = builder.config(configure);
        builder.entity_with::<Office>(move |_| {
            let World { owed, probe, next } = world.clone();
            Office { files: Vec::new(), owed, probe, next }
        })
    })
    .await
}

// proves: B62, B38
async fn a_later_reply_is_the_outcome_and_commits_with_what_was_sent(bed: Bed) {
    let world = World::default();
    let cluster = start(&bed, &world).await;
    let office = cluster.get::<Office>("o");
    let mut waits = office.decide("a".into()).key("k").into_future();
    assert!(is_waiting(&mut waits).await);
    world.probe.wait_for("a", 1).await;
    let joins = spawn(office.decide("a".into()).key("k").into_future());
    let receipt = office.decide("b".into()).send().await.unwrap();
    until(|| world.owed.has("a") && world.owed.has("b")).await;
    assert_eq!(office.file("meanwhile".into()).await.unwrap(), 1);
    assert!(cluster.get::<Office>("archive").files().await.unwrap().is_empty());
    world.owed.take("b").send("two".into());
    assert_eq!(receipt.outcome().await.unwrap(), "two");
    world.owed.take("a").send("one".into());
    assert_eq!(waits.await.unwrap(), "one");
    assert_eq!(joins.await.unwrap().unwrap(), "one");
    drop((receipt, office, cluster));
    // In the next process it is what is stored.
    let cluster = start(&bed, &world).await;
    let office = cluster.get::<Office>("o");
    assert_eq!(office.decide("a".into()).key("k").await.unwrap(), "one");
    let archive = cluster.get::<Office>("archive");
    while archive.files().await.unwrap().len() < 2 {
        tokio::task::yield_now().await;
    }
    let mut asked = archive.files().await.unwrap();
    asked.sort();
    assert_eq!(asked, ["asked a", "asked b"]);
    assert_eq!((world.probe.count("a"), world.probe.count("b")), (1, 1));
}

// proves: B62, B29
async fn a_request_without_its_reply_runs_again_after_a_restart(bed: Bed) {
    let world = World::default();
    let cluster = start(&bed, &world).await;
    let receipt = cluster.get::<Office>("o").decide("a".into()).send().await.unwrap();
    until(|| world.owed.has("a")).await;
    let id = receipt.id();
    drop((receipt, cluster));
    let mut lost = world.owed.take("a");
    lost.closed().await;
    let cluster = start(&bed, &world).await;
    until(|| world.owed.has("a")).await;
    world.owed.take("a").send("told".into());
    let receipt = cluster.receipt::<OfficeDecide>(id);
    assert_eq!(receipt.outcome().await.unwrap(), "told");
    assert_eq!(world.probe.count("a"), 2);
}

// proves: B62, B89
async fn a_dropped_reply_counts_as_an_attempt(bed: Bed) {
    let world = World::default();
    let cluster = start(&bed, &world).await;
    let office = cluster.get::<Office>("o");
    let waits = spawn(office.judge("a".into()).into_future());
    for attempt in 1..3 {
        world.probe.wait_for("a", attempt).await;
        until(|| world.owed.has("a")).await;
        drop(world.owed.take("a"));
    }
    world.probe.wait_for("a", 3).await;
    until(|| world.owed.has("a")).await;
    assert!(!waits.is_finished());
    world.owed.take("a").send("yes".into());
    assert_eq!(waits.await.unwrap().unwrap(), "yes");
    // The third one is the last.
    let waits = spawn(office.judge("b".into()).into_future());
    for attempt in 1..=3 {
        world.probe.wait_for("b", attempt).await;
        until(|| world.owed.has("b")).await;
        drop(world.owed.take("b"));
    }
    let told = waits.await.unwrap();
    let Err(CallError::Cluster(ClusterError::Defect { attempts: 3, reason, .. })) = told else {
        panic!("{told:?}");
    };
    assert!(reason.contains("dropped without an answer"), "{reason}");
    let letter = cluster.dead_letters().list().next().await.unwrap().unwrap();
    assert_eq!((letter.message(), letter.attempts()), ("judge", 3));
}

// proves: B62
async fn what_is_replied_is_read_as_what_is_returned(bed: Bed) {
    let world = World::default();
    let cluster = start(&bed, &world).await;
    let office = cluster.get::<Office>("o");
    let waits = spawn(office.judge("a".into()).key("a").into_future());
    until(|| world.owed.has("a")).await;
    world.owed.take("a").send("no".into());
    assert!(matches!(waits.await.unwrap(), Err(CallError::Entity(no)) if no == "no"));
    assert!(matches!(office.judge("a".into()).key("a").await, Err(CallError::Entity(_))));
    // Trouble is no outcome: it runs again.
    let waits = spawn(office.judge("b".into()).into_future());
    until(|| world.owed.has("b")).await;
    world.owed.take("b").send("trouble".into());
    world.probe.wait_for("b", 2).await;
    until(|| world.owed.has("b")).await;
    world.owed.take("b").send("yes".into());
    assert_eq!(waits.await.unwrap().unwrap(), "yes");
}

// proves: B62, B100
async fn a_later_reply_that_cannot_be_stored_is_a_stored_failure(bed: Bed) {
    let world = World::default();
    let cluster = start(&bed, &world).await;
    let office = cluster.get::<Office>("o");
    for _ in 0..2 {
        let told = office.long().key("k").await.unwrap_err();
        assert!(matches!(told, ClusterError::LimitExceeded { max: 10_000, .. }), "{told}");
    }
    assert_eq!(office.file("a".into()).await.unwrap(), 1);
}

// proves: B62, B84
async fn a_cancel_reaches_a_request_without_its_reply(bed: Bed) {
    let world = World::default();
    let cluster = start(&bed, &world).await;
    let office = cluster.get::<Office>("o");
    let receipt = office.decide("a".into()).send().await.unwrap();
    until(|| world.owed.has("a")).await;
    let mut reply = world.owed.take("a");
    settle().await;
    assert_eq!(receipt.cancel().await.unwrap(), Cancelled::Interrupted);
    reply.closed().await;
    reply.send("too late".into());
    let told = receipt.outcome().await;
    assert!(matches!(told, Err(ClusterError::Interrupted)), "{told:?}");
    // What its handler has sent is not sent.
    assert!(cluster.get::<Office>("archive").files().await.unwrap().is_empty());
}

/// A reply that a handler gives tells of what it has changed: it leaves with the commit.
// proves: B47, B62
async fn a_reply_given_by_a_handler_leaves_with_its_commit(bed: Bed) {
    let world = World::default();
    let cluster = start(&bed, &world).await;
    let office = cluster.get::<Office>("o");
    office.file("first".into()).await.unwrap();
    // An async handler, and a plain one; accepting the latter is a commit of its own.
    for (text, commits) in [("slowly", 1), ("plainly", 2)] {
        let mut waits = office.next_file().into_future();
        assert!(is_waiting(&mut waits).await);
        bed.door.hold_commits();
        let other = office.clone();
        let filed = spawn(async move {
            match text {
                "slowly" => other.file_slowly(text.into()).await.unwrap(),
                _ => other.file(text.into()).await.unwrap(),
            }
        });
        for _ in 1..commits {
            bed.door.pass_one();
        }
        bed.door.commits_held(commits).await;
        assert!(is_waiting(&mut waits).await, "{text}");
        bed.door.release();
        assert_eq!(waits.await.unwrap(), text);
        assert!(filed.await.unwrap() > 1);
    }
}

// proves: B48, B62
async fn a_reply_given_by_a_handler_that_fails_is_dropped(bed: Bed) {
    let world = World::default();
    let cluster = start(&bed, &world).await;
    let office = cluster.get::<Office>("o");
    let mut waits = office.next_file().into_future();
    assert!(is_waiting(&mut waits).await);
    office.file("refused".into()).await.unwrap_err();
    let told = waits.await.unwrap_err();
    assert!(matches!(told, ClusterError::Defect { .. }), "{told}");
    assert!(office.files().await.unwrap().is_empty());
}

/// Nobody sees what a crash can undo, also not later.
// proves: B47, B62
async fn a_later_reply_waits_for_what_its_handler_has_read(bed: Bed) {
    let world = World::default();
    let cluster = start(&bed, &world).await;
    let office = cluster.get::<Office>("o");
    assert_eq!(office.count_later().await.unwrap(), 0);
    bed.door.hold_commits();
    let filed = spawn(office.file_slowly("a".into()).into_future());
    bed.door.commits_held(1).await;
    let mut counts = office.count_later().into_future();
    assert!(is_waiting(&mut counts).await);
    let reads = spawn(counts);
    settle().await;
    for _ in 0..5 {
        bed.door.turn_away(refused());
    }
    let told = filed.await.unwrap();
    assert!(matches!(told, Err(ClusterError::OutcomeUnknown { .. })), "{told:?}");
    bed.door.release();
    let told = reads.await.unwrap();
    assert!(matches!(told, Err(ClusterError::OutcomeUnknown { .. })), "{told:?}");
}

// proves: B62, B258
async fn a_fenced_later_reply_is_confirmed_when_it_leaves(bed: Bed) {
    let world = World::default();
    let cluster = start(&bed, &world).await;
    let office = cluster.get::<Office>("o");
    office.files().await.unwrap();
    bed.door.hold_commits();
    let mut waits = office.next_confirmed().into_future();
    assert!(is_waiting(&mut waits).await);
    world.next.lock().unwrap().pop().unwrap().send("told".into());
    bed.door.commits_held(1).await;
    assert!(is_waiting(&mut waits).await);
    bed.door.release();
    assert_eq!(waits.await.unwrap(), "told");
}

/// They wait far longer than all attempts would take.
// proves: B62, B90
async fn those_beyond_the_limit_wait_for_room_and_no_attempt_is_counted(bed: Bed) {
    let bed = bed.with_virtual_time();
    let world = World::default();
    let cluster = start_with(&bed, &world, |config| config.later_replies_max = 2).await;
    let office = cluster.get::<Office>("o");
    let mut owing = vec!["a", "b", "c", "d", "e"];
    let mut receipts = Vec::new();
    for name in &owing {
        receipts.push(office.decide((*name).into()).send().await.unwrap());
        bed.settle().await;
    }
    bed.advance(Duration::from_secs(1)).await;
    let ran = |name: &&str| world.probe.count(name) > 0;
    assert_eq!(owing.iter().filter(|name| ran(name)).count(), 2);
    assert_eq!(office.file("meanwhile".into()).await.unwrap(), 1, "it serves others");
    while let Some(at) = owing.iter().position(|name| world.owed.has(name)) {
        world.owed.take(owing.remove(at)).send("decided".into());
        bed.advance(Duration::from_secs(1)).await;
    }
    assert!(owing.is_empty(), "{owing:?} never found room");
    for receipt in receipts {
        assert_eq!(receipt.outcome().await.unwrap(), "decided");
    }
    assert!(cluster.dead_letters().list().next().await.is_none());
    let counted = bed.door.commits();
    let counted = counted.iter().flat_map(|batch| &batch.attempts).map(|write| write.attempts);
    assert_eq!(counted.max(), Some(0), "it waits in the storage");
}

backends!(
    those_beyond_the_limit_wait_for_room_and_no_attempt_is_counted,
    a_later_reply_is_the_outcome_and_commits_with_what_was_sent,
    a_request_without_its_reply_runs_again_after_a_restart,
    a_dropped_reply_counts_as_an_attempt,
    what_is_replied_is_read_as_what_is_returned,
    a_later_reply_that_cannot_be_stored_is_a_stored_failure,
    a_cancel_reaches_a_request_without_its_reply,
    a_reply_given_by_a_handler_leaves_with_its_commit,
    a_reply_given_by_a_handler_that_fails_is_dropped,
    a_later_reply_waits_for_what_its_handler_has_read,
    a_fenced_later_reply_is_confirmed_when_it_leaves,
);

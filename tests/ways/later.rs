//! Replies that come later than their handlers return: who is served meanwhile, who is told what.

use std::collections::HashMap;
use std::future::IntoFuture;
use std::sync::{Arc, Mutex};

use cluster::prelude::*;
use tokio::spawn;

use crate::support::{Bed, backends, is_waiting, settle, until};

/// The replies that are owed, by the name of who waits.
#[derive(Clone, Default)]
pub(crate) struct Owed(Arc<Mutex<HashMap<String, Reply<String>>>>);

impl Owed {
    pub(crate) fn put(&self, name: &str, reply: Reply<String>) {
        self.0.lock().unwrap().insert(name.to_owned(), reply);
    }

    pub(crate) fn take(&self, name: &str) -> Reply<String> {
        self.0.lock().unwrap().remove(name).expect("it is owed")
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.lock().unwrap().contains_key(name)
    }
}

/// Nothing of it is stored.
#[derive(Entity)]
#[entity(idle = "50ms")]
struct Desk {
    owed: Owed,
    served: u32,
}

#[entity]
impl Desk {
    #[message]
    fn wait(&self, name: String) -> Later<String> {
        let (reply, later) = Later::new();
        self.owed.put(&name, reply);
        later
    }

    #[message]
    async fn wait_alone(&mut self, name: String) -> Later<Result<String, String>> {
        self.served += 1;
        tokio::task::yield_now().await;
        self.served += 1;
        let (reply, later) = Later::new();
        let (text, told) = Later::new();
        self.owed.put(&name, text);
        spawn(async move { reply.send(told.answer().await.ok_or("nobody".to_owned())) });
        later
    }

    #[message(uninterruptible)]
    fn wait_on(&self, name: String) -> Later<String> {
        self.wait(name)
    }

    #[message]
    fn at_once(&self, text: String) -> Later<String> {
        Later::now(text)
    }

    #[message]
    fn answer(&self, name: String, text: String) {
        self.owed.take(&name).send(text);
    }

    #[message]
    fn served(&mut self) -> u32 {
        self.served += 1;
        self.served
    }
}

async fn start(bed: &Bed, owed: &Owed) -> Cluster {
    let owed = owed.clone();
    bed.start(move |builder| {
        builder
            .config(|config| config.later_replies_max = 4)
            .entity_with::<Desk>(move |_| Desk { owed: owed.clone(), served: 0 })
    })
    .await
}

// proves: B62
async fn others_are_served_meanwhile_and_replies_come_in_any_order(bed: Bed) {
    let cluster = start(&bed, &Owed::default()).await;
    let desk = cluster.get::<Desk>("d");
    let mut first = desk.wait("first".into()).into_future();
    let mut second = desk.wait("second".into()).into_future();
    let mut third = desk.wait_alone("third".into()).into_future();
    assert!(is_waiting(&mut first).await);
    assert!(is_waiting(&mut second).await);
    assert!(is_waiting(&mut third).await);
    // Alone, and beside them.
    assert_eq!(desk.served().await.unwrap(), 3);
    assert_eq!(desk.at_once("now".into()).await.unwrap(), "now");
    desk.answer("third".into(), "3".into()).await.unwrap();
    assert_eq!(third.await.unwrap(), "3");
    desk.answer("first".into(), "1".into()).await.unwrap();
    assert_eq!(first.await.unwrap(), "1");
    assert!(is_waiting(&mut second).await);
    desk.answer("second".into(), "2".into()).await.unwrap();
    assert_eq!(second.await.unwrap(), "2");
}

// proves: B62
async fn a_dropped_reply_is_a_defect_at_once(bed: Bed) {
    let owed = Owed::default();
    let cluster = start(&bed, &owed).await;
    let desk = cluster.get::<Desk>("d");
    let mut waits = desk.wait("a".into()).into_future();
    assert!(is_waiting(&mut waits).await);
    drop(owed.take("a"));
    let told = waits.await.unwrap_err();
    let ClusterError::Defect { message, attempts: 1, reason, .. } = told else { panic!("{told}") };
    assert_eq!((&*message, &*reason), ("wait", "its reply was dropped without an answer"));
    let mut waits = desk.wait_alone("b".into()).into_future();
    assert!(is_waiting(&mut waits).await);
    drop(owed.take("b"));
    assert!(matches!(waits.await, Err(CallError::Entity(nobody)) if nobody == "nobody"));
}

// proves: B62
async fn the_holder_sees_that_nobody_waits_any_more(bed: Bed) {
    let owed = Owed::default();
    let cluster = start(&bed, &owed).await;
    let desk = cluster.get::<Desk>("d");
    let mut waits = desk.wait("gone".into()).into_future();
    assert!(is_waiting(&mut waits).await);
    let mut reply = owed.take("gone");
    assert!(!reply.is_closed());
    drop(waits);
    reply.closed().await;
    assert!(reply.is_closed());
    reply.send("into the wind".into());

    let told = desk.wait("late".into()).timeout(Duration::from_millis(20)).await;
    assert!(matches!(told, Err(ClusterError::Timeout { .. })), "{told:?}");
    owed.take("late").closed().await;

    // By the handler's word or the caller's, it goes on without its caller.
    let mut waits = desk.wait_on("on".into()).into_future();
    assert!(is_waiting(&mut waits).await);
    drop(waits);
    let mut waits = desk.wait("on too".into()).uninterruptible().into_future();
    assert!(is_waiting(&mut waits).await);
    drop(waits);
    for _ in 0..3 {
        desk.served().await.unwrap();
        settle().await;
    }
    assert!(!owed.take("on").is_closed() && !owed.take("on too").is_closed());
}

// proves: B62, B64
async fn an_entity_stays_in_memory_while_a_reply_is_outstanding(bed: Bed) {
    let owed = Owed::default();
    let cluster = start(&bed, &owed).await;
    let desk = cluster.get::<Desk>("d");
    assert_eq!(desk.served().await.unwrap(), 1);
    let mut waits = desk.wait("a".into()).into_future();
    assert!(is_waiting(&mut waits).await);
    bed.advance(Duration::from_secs(10)).await;
    assert_eq!(cluster.stats().resident_entities, 1);
    desk.answer("a".into(), "1".into()).await.unwrap();
    assert_eq!(waits.await.unwrap(), "1");
    assert_eq!(desk.served().await.unwrap(), 2);
    bed.advance(Duration::from_secs(10)).await;
    assert_eq!(cluster.stats().resident_entities, 0);
}

// proves: B62
async fn no_more_replies_are_outstanding_than_may_be(bed: Bed) {
    let owed = Owed::default();
    let cluster = start(&bed, &owed).await;
    let desk = cluster.get::<Desk>("d");
    let mut waiting = Vec::new();
    for n in 0..4 {
        let mut waits = desk.wait(n.to_string()).into_future();
        assert!(is_waiting(&mut waits).await);
        waiting.push(waits);
    }
    for n in 0..3 {
        let told = desk.wait("one too many".into()).await.unwrap_err();
        let ClusterError::LimitExceeded { limit, max: 4, .. } = told else { panic!("{told}") };
        assert_eq!(limit, "later_replies_max");
        // Its handler has not run. Another entity has places of its own.
        assert!(!owed.has("one too many"));
        assert_eq!(cluster.get::<Desk>("e").at_once("x".into()).await.unwrap(), "x");
        assert_eq!(desk.served().await.unwrap(), n + 1);
    }
    // Answered, dropped, given up: the place is free again.
    owed.take("0").send("x".into());
    drop(owed.take("1"));
    drop(waiting.remove(2));
    waiting.pop();
    for waits in waiting {
        let _ = waits.await;
    }
    until(|| owed.has("2") && owed.has("3")).await;
    owed.take("2").closed().await;
    owed.take("3").closed().await;
    let mut again = Vec::new();
    for n in 0..4 {
        let mut waits = desk.wait(n.to_string()).into_future();
        assert!(is_waiting(&mut waits).await);
        again.push(waits);
    }
}

// proves: B62, B92
async fn a_shutdown_waits_for_a_reply_within_its_limit(bed: Bed) {
    let owed = Owed::default();
    let cluster = start(&bed, &owed).await;
    let desk = cluster.get::<Desk>("d");
    let mut waits = desk.wait("a".into()).into_future();
    assert!(is_waiting(&mut waits).await);
    let other = desk.clone();
    let lasts = spawn(async move { other.wait("b".into()).await });
    until(|| owed.has("b")).await;
    let ending = cluster.clone();
    let mut ends = spawn(async move { ending.shutdown().await });
    assert!(is_waiting(&mut ends).await);
    owed.take("a").send("in time".into());
    assert_eq!(waits.await.unwrap(), "in time");
    assert!(is_waiting(&mut ends).await);
    let reply = owed.take("b");
    assert!(!reply.is_closed());
    bed.advance(Duration::from_secs(14)).await;
    assert!(is_waiting(&mut ends).await);
    bed.advance(Duration::from_secs(2)).await;
    ends.await.unwrap().unwrap();
    assert!(reply.is_closed());
    lasts.await.unwrap().unwrap_err();
}

/// Callers and answers at once: none is lost, and no place.
// proves: B62
async fn none_is_lost_when_many_wait_and_many_answer(bed: Bed) {
    let owed = Owed::default();
    let cluster = start(&bed, &owed).await;
    let workers = (0..4).map(|worker| {
        let (desk, owed) = (cluster.get::<Desk>("d"), owed.clone());
        spawn(async move {
            for n in 0..200 {
                let name = format!("{worker} {n}");
                let waits = spawn(desk.wait(name.clone()).into_future());
                until(|| owed.has(&name)).await;
                match n % 3 {
                    0 => drop(owed.take(&name)),
                    1 => desk.answer(name.clone(), name.clone()).await.unwrap(),
                    _ => owed.take(&name).send(name.clone()),
                }
                match waits.await.unwrap() {
                    Ok(told) => assert_eq!((told, n % 3 > 0), (name, true)),
                    Err(told) => assert!(matches!(told, ClusterError::Defect { .. }) && n % 3 == 0),
                }
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
}

/// No runtime of ours is needed to look at what a handler does.
#[test]
fn a_handler_is_a_plain_method_in_a_test() {
    let desk = Desk { owed: Owed::default(), served: 0 };
    let later = desk.wait("a".into());
    desk.answer("a".into(), "told".into());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(later.answer()).as_deref(), Some("told"));
    let later = desk.wait("b".into());
    drop(desk.owed.take("b"));
    assert_eq!(runtime.block_on(later.answer()), None);
}

backends!(
    others_are_served_meanwhile_and_replies_come_in_any_order,
    a_dropped_reply_is_a_defect_at_once,
    the_holder_sees_that_nobody_waits_any_more,
    an_entity_stays_in_memory_while_a_reply_is_outstanding in virtual time,
    no_more_replies_are_outstanding_than_may_be,
    a_shutdown_waits_for_a_reply_within_its_limit in virtual time,
    none_is_lost_when_many_wait_and_many_answer on threads,
);

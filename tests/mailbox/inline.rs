//! A free entity's handler runs in its caller's poll: as deep as that is safe, and never so that a
//! caller who stops polling holds up others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cluster::prelude::*;
use cluster::{Cluster, ClusterBuilder};
use tokio::task::{unconstrained, yield_now};

use crate::support::{Bed, HANG, is_waiting, poll_once, settle, soon};
use crate::witness::Gate;

/// More calls inside each other than any stack has room for.
const DEPTH: u32 = 10_000;

/// An entity that calls the next one.
#[derive(Entity)]
struct Well {
    bottom: Gate,
    /// Handlers that have not ended.
    running: Arc<AtomicUsize>,
}

struct Running<'a>(&'a AtomicUsize);

impl<'a> Running<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Running(count)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize)]
#[error("never")]
struct Never;

#[entity]
impl Well {
    /// Goes down so many entities, each beside other readers.
    #[message]
    async fn descend(&self, ctx: &Context, left: u32) -> Result<u32, CallError<Never>> {
        let _running = Running::begin(&self.running);
        match left.checked_sub(1) {
            Some(left) => Ok(ctx.get::<Well>(left.to_string()).descend(left).await? + 1),
            None => {
                self.bottom.pass().await;
                Ok(0)
            }
        }
    }

    /// The same, each alone.
    #[message]
    async fn dig(&mut self, ctx: &Context, left: u32) -> Result<u32, CallError<Never>> {
        let _running = Running::begin(&self.running);
        match left.checked_sub(1) {
            Some(left) => Ok(ctx.get::<Well>(left.to_string()).dig(left).await? + 1),
            None => Ok(0),
        }
    }

    /// Gives way once.
    #[message]
    async fn pause(&mut self) {
        yield_now().await;
    }

    #[message]
    fn touch(&mut self) {}
}

struct Depths {
    cluster: Cluster,
    bottom: Gate,
    running: Arc<AtomicUsize>,
}

async fn start() -> Depths {
    let (bottom, running) = (Gate::default(), Arc::new(AtomicUsize::new(0)));
    let well = (bottom.clone(), running.clone());
    let factory = move |_: &EntityId| Well { bottom: well.0.clone(), running: well.1.clone() };
    let start = |builder: ClusterBuilder| {
        // The deepest chains take their time on a busy machine.
        builder.entity_with::<Well>(factory).config(|config| config.call_timeout = HANG)
    };
    let cluster = Bed::memory().start(start).await;
    Depths { cluster, bottom, running }
}

// proves: B259
#[tokio::test]
async fn calls_may_be_nested_deeper_than_a_stack() {
    let depths = start().await;
    depths.bottom.open();
    let top = depths.cluster.get::<Well>("top");
    assert_eq!(soon(top.descend(DEPTH)).await.unwrap(), DEPTH);
    assert_eq!(soon(unconstrained(top.descend(DEPTH).into_future())).await.unwrap(), DEPTH);
    assert_eq!(soon(unconstrained(top.dig(1_000).into_future())).await.unwrap(), 1_000);
    assert_eq!(depths.running.load(Ordering::SeqCst), 0);
}

// proves: B259
#[tokio::test]
async fn deeply_nested_calls_may_wait_be_abandoned_and_be_ended() {
    let depths = start().await;
    let top = depths.cluster.get::<Well>("top");
    let all = DEPTH as usize + 1;
    for round in 0..2 {
        let mut call = Box::pin(top.descend(DEPTH).into_future());
        soon(async {
            while depths.running.load(Ordering::SeqCst) < all {
                assert!(poll_once(&mut call).await.is_pending());
                yield_now().await;
            }
        })
        .await;
        if round == 0 {
            drop(call);
            soon(async {
                while depths.running.load(Ordering::SeqCst) > 0 {
                    yield_now().await;
                }
            })
            .await;
        }
    }
    // The second time the whole chain ends with its cluster.
    let Depths { cluster, running, .. } = depths;
    drop((cluster, top));
    soon(async {
        while running.load(Ordering::SeqCst) > 0 {
            yield_now().await;
        }
    })
    .await;
}

// proves: B259
#[tokio::test]
async fn a_call_that_nobody_polls_holds_up_nobody() {
    let depths = start().await;
    let well = depths.cluster.get::<Well>("w");
    let mut polled_once = Box::pin(well.pause().into_future());
    assert!(poll_once(&mut polled_once).await.is_pending());
    // Its handler has begun and is suspended; the same task awaits another call.
    soon(well.touch()).await.unwrap();
    soon(well.pause()).await.unwrap();
    soon(polled_once).await.unwrap();

    let mut queued = Box::pin(well.pause().into_future());
    let mut behind = Box::pin(well.touch().into_future());
    assert!(poll_once(&mut queued).await.is_pending());
    assert!(poll_once(&mut behind).await.is_pending());
    // A third one waits behind one that is in the mailbox and is polled by nobody.
    soon(well.pause()).await.unwrap();
    settle().await;
    assert!(!is_waiting(&mut behind).await);
    soon(queued).await.unwrap();
}

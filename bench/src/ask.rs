//! Volatile calls: `ask-1`, `ask-64`, `ask-64-async`, `ask-hot`, `ask-suspend`; and `trace-off`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bench_kit::drive::{Target, closed_loop};
use bench_kit::{Case, Lane, Run, lane};
use cluster::prelude::{Cluster, Entity, entity};
use metrics::{Gauge, Histogram, KeyName, Metadata, Recorder, SharedString, Unit};

use crate::SYSTEM;

#[derive(Entity, Default)]
struct Counter {
    value: u64,
}

#[entity]
impl Counter {
    #[message]
    fn add(&mut self, amount: u64) -> u64 {
        self.value += amount;
        self.value
    }

    #[message]
    async fn add_async(&mut self, amount: u64) -> u64 {
        self.value += amount;
        self.value
    }

    #[message]
    async fn add_suspended(&mut self, amount: u64) -> u64 {
        tokio::task::yield_now().await;
        self.value += amount;
        self.value
    }
}

/// Asks for a plain addition.
struct Plain(CounterClient);

impl Target for Plain {
    async fn ask(&self, _: u64) {
        self.0.add(1).await.expect("the cluster runs");
    }
}

/// Asks for an addition by an `async fn` that has nothing to wait for.
struct Async(CounterClient);

impl Target for Async {
    async fn ask(&self, _: u64) {
        self.0.add_async(1).await.expect("the cluster runs");
    }
}

/// Asks for an addition whose handler suspends once.
struct Suspended(CounterClient);

impl Target for Suspended {
    async fn ask(&self, _: u64) {
        self.0.add_suspended(1).await.expect("the cluster runs");
    }
}

/// The cases of this family.
pub(crate) fn cases() -> Vec<Case> {
    vec![
        case(lane::ASK_1, Plain),
        case(lane::ASK_64, Plain),
        case(lane::ASK_64_ASYNC, Async),
        case(lane::ASK_HOT, Plain),
        case(lane::ASK_SUSPEND, Suspended),
    ]
}

/// The same with metrics on. To be the last case of a process, which has one recorder.
pub(crate) fn recorded_cases() -> Vec<Case> {
    let lane = lane::TRACE_OFF;
    vec![Case::volatile(lane, SYSTEM, move |bench| {
        // The second repetition finds it there.
        let _ = metrics::set_global_recorder(Tally);
        bench.block_on(asks(lane, Plain))
    })]
}

/// A recorder that keeps numbers, as those of programs do.
struct Tally;

/// How often something was recorded, and the last value.
#[derive(Default)]
struct Values(AtomicU64, AtomicU64);

impl metrics::HistogramFn for Values {
    fn record(&self, value: f64) {
        self.0.fetch_add(1, Ordering::Relaxed);
        self.1.store(value.to_bits(), Ordering::Relaxed);
    }
}

impl Recorder for Tally {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &metrics::Key, _: &Metadata<'_>) -> metrics::Counter {
        metrics::Counter::from_arc(Arc::new(AtomicU64::new(0)))
    }

    fn register_gauge(&self, _: &metrics::Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::new(AtomicU64::new(0)))
    }

    fn register_histogram(&self, _: &metrics::Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Values::default()))
    }
}

fn case<T: Target>(lane: Lane, target: fn(CounterClient) -> T) -> Case {
    Case::volatile(lane, SYSTEM, move |bench| bench.block_on(asks(lane, target)))
}

async fn asks<T: Target>(lane: Lane, target: fn(CounterClient) -> T) -> Run {
    let cluster = Cluster::builder().entity::<Counter>().start().await.expect("memory works");
    let clients = (0..lane.entities).map(|number| cluster.get::<Counter>(number.to_string()));
    let run = closed_loop(&lane, clients.map(target).collect()).await;
    cluster.shutdown().await.expect("memory works");
    run
}

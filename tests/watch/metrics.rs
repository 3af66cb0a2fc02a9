//! Metrics: every one of the list comes to the recorder, with its labels and the right figures; and
//! the figures of a cluster. In one test, since a process has one recorder.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use cluster::metric::{ALL, Metric, MetricKind};
use cluster::prelude::*;
use cluster::storage::{MessageStorage, Wish, Wished};
use cluster::testing::{Fault, TestCluster, Write};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

use crate::support::{soon, until};

/// What was told of one metric with its labels.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Told {
    value: f64,
    times: u64,
}

/// A recorder that can be read.
#[derive(Clone, Default)]
struct Board {
    told: Arc<Mutex<BTreeMap<String, Told>>>,
    described: Arc<Mutex<BTreeMap<String, MetricKind>>>,
}

struct Line {
    board: Board,
    key: String,
}

impl Line {
    fn tell(&self, change: impl FnOnce(&mut Told)) {
        change(self.board.told.lock().unwrap().entry(self.key.clone()).or_default());
    }
}

impl CounterFn for Line {
    fn increment(&self, by: u64) {
        self.tell(|told| told.value += by as f64);
    }

    fn absolute(&self, to: u64) {
        self.tell(|told| told.value = told.value.max(to as f64));
    }
}

impl GaugeFn for Line {
    fn increment(&self, by: f64) {
        self.tell(|told| told.value += by);
    }

    fn decrement(&self, by: f64) {
        self.tell(|told| told.value -= by);
    }

    fn set(&self, to: f64) {
        self.tell(|told| told.value = to);
    }
}

impl HistogramFn for Line {
    fn record(&self, value: f64) {
        self.tell(|told| {
            told.value += value;
            told.times += 1;
        });
    }
}

impl Board {
    fn line(&self, key: &Key) -> Arc<Line> {
        let labels: Vec<String> =
            key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let key = format!("{}[{}]", key.name(), labels.join(","));
        let line = Line { board: self.clone(), key };
        line.tell(|_| {});
        Arc::new(line)
    }

    fn describe(&self, name: &KeyName, kind: MetricKind) {
        self.described.lock().unwrap().insert(name.as_str().to_owned(), kind);
    }

    fn told(&self, key: &str) -> Told {
        self.told.lock().unwrap().get(key).copied().unwrap_or_default()
    }

    fn value(&self, key: &str) -> f64 {
        self.told(key).value
    }
}

impl Recorder for Board {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.describe(&name, MetricKind::Counter);
    }

    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.describe(&name, MetricKind::Gauge);
    }

    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.describe(&name, MetricKind::Histogram);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.line(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.line(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.line(key))
    }
}

#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable, mailbox = 2, attempts = 3, backoff_min = "10ms", idle = "10s")]
struct Shop {
    sold: u32,
    #[serde(skip)]
    opens: Opens,
}

/// Says when a handler may go on.
#[derive(Clone)]
struct Opens(Arc<tokio::sync::Semaphore>);

impl Default for Opens {
    fn default() -> Self {
        Opens(Arc::new(tokio::sync::Semaphore::new(0)))
    }
}

#[entity]
impl Shop {
    #[message(persisted)]
    fn sell(&mut self, amount: u32) -> u32 {
        self.sold += amount;
        self.sold
    }

    #[message(persisted)]
    fn refuse(&mut self) -> Result<(), String> {
        Err("closed".to_owned())
    }

    #[message(persisted)]
    fn panic(&mut self) {
        panic!("told to");
    }

    #[message]
    async fn hold(&self) {
        self.opens.0.acquire().await.unwrap().forget();
    }

    #[message]
    fn sold(&mut self) -> u32 {
        self.sold
    }
}

/// Sleeps for a time, or works until told.
#[derive(Default)]
struct Night {
    opens: Opens,
}

#[workflow(name = "night", version = 1)]
impl Night {
    #[run]
    async fn run(&self, ctx: &Workflow, seconds: u64) -> Result<u64, String> {
        match seconds {
            0 => self.watch().await,
            13 => return Err("bad luck".to_owned()),
            14 => panic!("told to"),
            _ => ctx.sleep("sleep", Duration::from_secs(seconds)).await,
        }
        Ok(seconds)
    }

    #[step]
    async fn watch(&self) {
        self.opens.0.acquire().await.unwrap().forget();
    }
}

/// Something else of the same shard group.
#[derive(Entity, Default)]
struct Other;

#[entity]
impl Other {
    #[message]
    fn touch(&self) {}
}

async fn start(opens: &Opens) -> TestCluster {
    let opens = opens.clone();
    TestCluster::new()
        .entity_with::<Shop>(move |_| Shop { sold: 0, opens: opens.clone() })
        .with(|builder| builder.workflow::<Night>())
        .with(|builder| builder.config(|config| config.commit_attempts = 1))
        .start()
        .await
}

// proves: B230, B252
#[tokio::test]
async fn every_metric_is_told_with_its_labels() {
    let board = Board::default();
    let _listening = metrics::set_default_local_recorder(&board);
    let opens = Opens::default();
    let cluster = start(&opens).await;
    assert_eq!(board.value("cluster_runner_up[]"), 1.0);
    assert_eq!(board.value("cluster_shards_owned[group=default]"), 256.0);

    busy(&cluster, &board, &opens).await;
    outcomes(&cluster, &board).await;

    let wished = Wished { request: RequestId::from_bytes([7; 16]), wish: Wish::Cancel };
    cluster.storage().wish(vec![wished; 2]).await.unwrap();
    cluster.advance(Duration::from_secs(5)).await;
    assert_eq!(board.value("cluster_inbox_rows_total[wish=cancel]"), 2.0);

    // Three have ended and go; the dead letter stays.
    cluster.advance(Duration::from_secs(11 * 60)).await;
    assert_eq!(board.value("cluster_requests_retired_total[]"), 3.0);
    next_runner(cluster, &board).await;
    check_list(&board);
}

/// Executions are counted where they are, also after a crash, and their ends once.
// proves: B230
#[tokio::test]
async fn workflows_are_told_by_state() {
    let board = Board::default();
    let _listening = metrics::set_default_local_recorder(&board);
    let opens = Opens::default();
    let service = opens.clone();
    let night = move || Night { opens: service.clone() };
    let cluster = TestCluster::new()
        .with(move |builder| builder.workflow_with::<Night>(night.clone()))
        .start()
        .await;
    let nights = cluster.workflow::<Night>();
    for seconds in [3_600, 7_200, 100_000, 0, 0, 13, 14] {
        nights.start(seconds).await.unwrap();
    }
    let cancelled = nights.start(100_000).await.unwrap();
    cluster.advance(Duration::from_secs(10)).await;
    assert_states(&cluster, &board, 2, 4);
    cancelled.cancel().await.unwrap();
    assert_ends(&board, [0.0, 1.0, 1.0, 1.0]);

    let cluster = cluster.crash().await;
    cluster.advance(Duration::from_secs(10)).await;
    assert_states(&cluster, &board, 2, 3);
    opens.0.add_permits(1);
    cluster.advance(Duration::from_secs(10)).await;
    assert_states(&cluster, &board, 1, 3);
    cluster.advance(Duration::from_secs(7_200)).await;
    assert_states(&cluster, &board, 1, 1);
    assert_ends(&board, [3.0, 1.0, 1.0, 1.0]);
    opens.0.add_permits(1);
    cluster.advance(Duration::from_secs(10)).await;
    assert_states(&cluster, &board, 0, 1);
    cluster.shutdown().await.unwrap();
    assert!(cluster.stats().workflows.is_empty());
    assert_eq!(board.value("cluster_workflows[workflow=night,state=waiting]"), 0.0);
    assert_eq!(board.value("cluster_workflows[workflow=night,state=running]"), 0.0);
    assert_ends(&board, [4.0, 1.0, 1.0, 1.0]);
}

fn assert_states(cluster: &TestCluster, board: &Board, running: usize, waiting: usize) {
    let [of] = &cluster.stats().workflows[..] else { panic!("there is one workflow") };
    assert_eq!((&*of.workflow, of.running, of.waiting), ("night", running, waiting));
    let told = |state| board.value(&format!("cluster_workflows[workflow=night,state={state}]"));
    assert_eq!((told("running"), told("waiting")), (running as f64, waiting as f64));
}

fn assert_ends(board: &Board, expected: [f64; 4]) {
    let told = ["finished", "failed", "broken", "interrupted"].map(|end| {
        board.value(&format!("cluster_workflows_ended_total[workflow=night,end={end}]"))
    });
    assert_eq!(told, expected);
}

/// How long ago the lease was renewed is told while that fails, and while nobody answers.
// proves: B230
#[tokio::test]
async fn the_age_of_the_lease_is_told() {
    let board = Board::default();
    let _listening = metrics::set_default_local_recorder(&board);
    let cluster = TestCluster::new().entity::<Other>().start().await;
    let age = || board.value("cluster_lease_age_seconds[]");
    let second = Duration::from_secs(1);
    cluster.advance(second).await;
    assert_eq!(age(), 0.0);
    cluster.storage().fail_next(Write::Renew, Fault::Refused, 3);
    for expected in [1.0, 2.0, 3.0, 0.0] {
        cluster.advance(second).await;
        assert_eq!(age(), expected);
        assert_eq!(cluster.stats().lease_age.as_secs_f64(), expected);
    }
    cluster.storage().hang();
    for expected in 1..10 {
        cluster.advance(second).await;
        assert_eq!(age(), f64::from(expected));
    }
    cluster.heal().await;
    assert!(age() <= 1.0, "renewed again, {} s ago", age());
}

/// A busy shop: one handler holds it, two calls wait, and there is no room for a third.
async fn busy(cluster: &TestCluster, board: &Board, opens: &Opens) {
    let shop = cluster.get::<Shop>("s");
    let held = tokio::spawn(shop.hold().into_future());
    until(|| cluster.stats().handlers_started == 1).await;
    let waiting: Vec<_> = (0..2).map(|_| tokio::spawn(shop.sold().into_future())).collect();
    until(|| cluster.stats().waiting_requests == 2).await;
    assert!(matches!(shop.sold().await, Err(ClusterError::MailboxFull { .. })));
    let stats = cluster.stats();
    let of = &stats.types[0];
    assert_eq!((&*of.entity_type, of.resident, of.waiting, of.handlers_started), ("Shop", 1, 2, 1));
    assert_eq!((stats.resident_entities, stats.shards), (1, 256));
    cluster.advance(Duration::from_secs(6)).await;
    assert_eq!(board.value("cluster_mailbox_waiting[entity=Shop]"), 2.0);
    assert_eq!(board.value("cluster_entities_resident[entity=Shop]"), 1.0);
    assert_eq!(board.value("cluster_mailbox_full_total[entity=Shop]"), 1.0);
    opens.0.add_permits(1);
    soon(held).await.unwrap().unwrap();
    for call in waiting {
        soon(call).await.unwrap().unwrap();
    }
}

/// Outcomes of every kind, and a commit that fails.
async fn outcomes(cluster: &TestCluster, board: &Board) {
    let shop = cluster.get::<Shop>("s");
    assert_eq!(shop.sell(3).await.unwrap(), 3);
    assert_eq!(shop.sell(4).await.unwrap(), 7);
    shop.refuse().await.unwrap_err();
    let panics = tokio::spawn(shop.panic().into_future());
    until(|| board.value("cluster_retries_total[entity=Shop]") == 1.0).await;
    cluster.advance(Duration::from_secs(1)).await;
    assert!(matches!(soon(panics).await.unwrap(), Err(ClusterError::Defect { .. })));
    cluster.storage().fail_next(Write::Commit, Fault::Refused, 1);
    assert!(matches!(shop.sell(1).await, Err(ClusterError::Persistence { .. })));
    assert_eq!(shop.sold().await.unwrap(), 7);
    cluster.advance(Duration::from_secs(20)).await;
    let of_shop = |name: &str| board.value(&format!("{name}[entity=Shop]"));
    assert_eq!(of_shop("cluster_messages_total"), 10.0);
    assert_eq!(cluster.stats().handlers_started, 10);
    assert_eq!(of_shop("cluster_handler_errors_total"), 1.0);
    assert_eq!(of_shop("cluster_panics_total"), 3.0);
    assert_eq!(of_shop("cluster_retries_total"), 2.0);
    assert_eq!(of_shop("cluster_dead_letters_total"), 1.0);
    // A panic gives the instance up; in the end it left since it was idle.
    assert_eq!(of_shop("cluster_activations_total"), 4.0);
    assert_eq!(of_shop("cluster_passivations_total"), 1.0);
    assert_eq!(of_shop("cluster_entities_resident"), 0.0);
    assert_eq!(of_shop("cluster_mailbox_waiting"), 0.0);
    let sells = "[entity=Shop,message=sell]";
    assert_eq!(board.told(&format!("cluster_handler_seconds{sells}")).times, 2);
    assert_eq!(board.told(&format!("cluster_call_seconds{sells}")).times, 3);
    // Each accepted and ended, and the volatile one's wait: nothing else was written.
    assert_eq!(board.value("cluster_commit_failures_total[storage=memory]"), 1.0);
    let commits = board.value("cluster_commits_total[storage=memory]");
    let timed = board.told("cluster_commit_seconds[storage=memory]").times;
    assert_eq!(timed as f64, commits);
    let batches = board.told("cluster_commit_batch_units[storage=memory]");
    assert!(batches.times as f64 > commits && batches.value >= batches.times as f64);
    assert_eq!(board.value("cluster_commit_queue_units[storage=memory]"), 0.0);
}

/// The next runner knows no shops: what it finds of them is held.
async fn next_runner(cluster: TestCluster, board: &Board) {
    let shop = cluster.get::<Shop>("s");
    let held = tokio::spawn(shop.hold().into_future());
    until(|| cluster.stats().types[0].resident == 1).await;
    shop.sell(1).send().await.unwrap();
    let (storage, before) = (cluster.storage().clone(), cluster.stats().incarnation);
    drop(cluster);
    held.await.unwrap().unwrap_err();
    assert_eq!(board.value("cluster_runner_up[]"), 0.0);
    let next = TestCluster::new().storage(storage).entity::<Other>().start().await;
    assert!(next.stats().incarnation > before);
    assert_eq!((next.stats().shards, next.owns::<Shop>("s")), (256, false));
    until(|| board.value("cluster_holds_total[entity=Shop]") == 1.0).await;
    next.shutdown().await.unwrap();
    assert!(next.is_shutting_down());
    assert_eq!((next.stats().shards, next.stats().types.len()), (0, 0));
    assert_eq!(board.value("cluster_runner_up[]"), 0.0);
    assert_eq!(board.value("cluster_shards_owned[group=default]"), 0.0);
}

/// Every metric of the list was described, and told with its labels; no other was.
fn check_list(board: &Board) {
    let told = board.told.lock().unwrap();
    let names: BTreeSet<&str> = told.keys().map(|key| key.split('[').next().unwrap()).collect();
    // Only a damaged database has such rows: the tests of the storage have one.
    let seldom = [cluster::metric::UNREADABLE];
    let listed: BTreeSet<&str> = ALL.iter().map(|metric| metric.name).collect();
    let expected: BTreeSet<&str> =
        listed.iter().copied().filter(|name| !seldom.contains(name)).collect();
    assert_eq!(names, expected);
    for Metric { name, kind, labels, .. } in ALL {
        assert_eq!(board.described.lock().unwrap().get(*name), Some(kind), "{name}");
        for key in told.keys().filter(|key| key.starts_with(&format!("{name}["))) {
            let inner = key.trim_end_matches(']').split('[').nth(1).unwrap();
            let of: Vec<_> = inner.split(',').filter_map(|label| label.split_once('=')).collect();
            assert_eq!(of.iter().map(|(name, _)| *name).collect::<Vec<_>>(), *labels, "{key}");
        }
    }
}

#[test]
fn the_table_of_metrics_is_complete() {
    let page = include_str!("../../docs/metrics.md");
    let (_, rest) = page.split_once("|---|---|---|---|\n").unwrap();
    let end = rest.find("\n\n").map_or(rest.len(), |end| end + 1);
    let line = |metric: &Metric| {
        let kind = format!("{:?}", metric.kind).to_lowercase();
        let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let about = metric.about.trim();
        format!("| `{}` | {kind} | {} | {about} |\n", metric.name, labels.join(", "))
    };
    let table: String = ALL.iter().map(line).collect();
    assert_eq!(&rest[..end], table, "docs/metrics.md differs from the list of metrics");
}

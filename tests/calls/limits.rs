//! What happens where something is full.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::task::Poll;

use cluster::EntityOptions;
use cluster::prelude::*;
use cluster::storage::Storage;
use cluster::testing::TestCluster;
use tokio::sync::{Notify, watch};

use crate::helpers::memory;
use crate::stage::Stage;
use crate::support::{Bed, backends, poll_once, settle, soon, until};

#[derive(Entity)]
#[entity(mailbox = 2)]
struct Booth {
    stage: Stage,
}

#[entity]
impl Booth {
    #[message(persisted)]
    async fn vote(&mut self, voter: u32) {
        self.stage.pause().await;
        self.stage.note(voter.to_string());
    }

    #[message]
    async fn look(&self) {
        self.stage.pause().await;
    }

    #[message]
    fn open(&self) {}
}

// proves: B58
async fn a_full_mailbox_refuses_volatile_calls_and_stores_the_others(bed: Bed) {
    let storage = bed.open().await;
    let stage = Stage::default();
    let shared = stage.clone();
    let cluster = TestCluster::new()
        .storage(storage)
        .entity_with::<Booth>(move |_| Booth { stage: shared.clone() })
        .start()
        .await;
    let booth = cluster.get::<Booth>("b");
    let mut receipts = Vec::new();
    for voter in 0..100 {
        let sending = booth.vote(voter).send();
        receipts.push(soon(sending.into_future()).await.unwrap());
        if voter == 0 {
            // From here on the entity is busy.
            stage.arrived(1).await;
        }
        if voter >= 2 {
            let error = refusal(&booth).await;
            assert!(matches!(error, ClusterError::MailboxFull { limit: 2, .. }), "{error:?}");
        }
    }
    // Time stands still: whatever waits for a poll would never come.
    stage.let_on(100);
    for receipt in receipts {
        soon(receipt.outcome()).await.unwrap();
    }
    let in_order: Vec<String> = (0..100).map(|voter| voter.to_string()).collect();
    assert_eq!(stage.notes(), in_order);
    soon(booth.open().into_future()).await.unwrap();
    cluster.shutdown().await.unwrap();
}

/// Why a call is not let in. What is accepted while the cluster still looks for what an earlier
/// one has left comes to the mailbox a moment later than its sender is told.
async fn refusal(booth: &BoothClient) -> ClusterError {
    let refused = async {
        loop {
            if let Poll::Ready(ended) = poll_once(&mut booth.open().into_future()).await {
                return ended.unwrap_err();
            }
            tokio::task::yield_now().await;
        }
    };
    soon(refused).await
}

// Requests that nobody waits for any more keep out nobody.
#[tokio::test]
async fn abandoned_calls_make_room_in_a_full_mailbox() {
    let stage = Stage::default();
    let shared = stage.clone();
    let cluster = TestCluster::new()
        .entity_with::<Booth>(move |_| Booth { stage: shared.clone() })
        .start()
        .await;
    let booth = cluster.get::<Booth>("b");
    let voting = tokio::spawn(booth.vote(1).into_future());
    stage.arrived(1).await;
    for _ in 0..10 {
        let mut call = booth.open().into_future();
        assert!(poll_once(&mut call).await.is_pending());
    }
    let mut one = booth.open().into_future();
    let mut other = booth.open().into_future();
    assert!(poll_once(&mut one).await.is_pending());
    assert!(poll_once(&mut other).await.is_pending());
    let error = booth.open().await.unwrap_err();
    assert!(matches!(error, ClusterError::MailboxFull { .. }), "{error:?}");
    stage.let_on(1);
    for ended in [soon(voting).await.unwrap(), soon(one).await, soon(other).await] {
        ended.unwrap();
    }
}

/// Counts how many are in memory at once.
#[derive(Default)]
struct Crowd {
    now: AtomicI64,
    most: AtomicI64,
    ran: AtomicU64,
}

#[derive(Entity)]
struct Guest {
    crowd: Arc<Crowd>,
    stage: Stage,
}

impl Guest {
    fn new(crowd: &Arc<Crowd>, stage: &Stage) -> Self {
        let now = crowd.now.fetch_add(1, Ordering::SeqCst) + 1;
        crowd.most.fetch_max(now, Ordering::SeqCst);
        Guest { crowd: crowd.clone(), stage: stage.clone() }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.crowd.now.fetch_sub(1, Ordering::SeqCst);
    }
}

#[entity]
impl Guest {
    #[message]
    fn greet(&self) -> u64 {
        self.crowd.ran.fetch_add(1, Ordering::SeqCst)
    }

    #[message]
    async fn stay(&self) {
        self.stage.pause().await;
    }

    #[message(persisted)]
    async fn dine(&mut self) {
        self.stage.pause().await;
        self.crowd.ran.fetch_add(1, Ordering::SeqCst);
    }
}

async fn house(storage: Arc<dyn Storage>, crowd: &Arc<Crowd>, stage: &Stage) -> TestCluster {
    let (crowd, stage) = (crowd.clone(), stage.clone());
    TestCluster::new()
        .storage(storage)
        .with(|builder| builder.config(|config| config.resident_entities_max = 3))
        .entity_with::<Guest>(move |_| Guest::new(&crowd, &stage))
        .start()
        .await
}

fn no_room<T: std::fmt::Debug>(ended: Result<T, ClusterError>) {
    match ended {
        Err(ClusterError::LimitExceeded { limit: "resident_entities_max", max: 3, .. }) => {}
        ended => panic!("{ended:?}"),
    }
}

// proves: B59
async fn at_the_resident_limit_idle_entities_leave_and_the_rest_waits(bed: Bed) {
    let storage = bed.open().await;
    let (crowd, stage) = (Arc::new(Crowd::default()), Stage::default());
    let cluster = house(storage, &crowd, &stage).await;
    let guest = |id: &str| cluster.get::<Guest>(id);
    for id in 0..50 {
        guest(&id.to_string()).greet().await.unwrap();
        assert!(cluster.stats().resident_entities <= 3);
    }
    // Nobody is idle any more.
    let staying: Vec<_> =
        ["x", "y", "z"].map(|id| tokio::spawn(guest(id).stay().into_future())).into();
    stage.arrived(3).await;
    no_room(guest("new").greet().await);
    no_room(guest("other").stay().await);
    for id in ["x", "y", "z"] {
        guest(id).greet().await.unwrap();
    }
    let ran = crowd.ran.load(Ordering::SeqCst);
    let mut dining = Vec::new();
    for number in 0..40 {
        let id = format!("diner-{}", number % 20);
        dining.push(soon(guest(&id).dine().send().into_future()).await.unwrap());
    }
    cluster.settle().await;
    no_room(guest("new").greet().await);
    assert_eq!(crowd.ran.load(Ordering::SeqCst), ran, "no diner was let in");
    // Time stands still: whoever waits for a poll would wait for ever.
    stage.let_on(3 + 40);
    for receipt in dining {
        soon(receipt.outcome()).await.unwrap();
    }
    for stayed in staying {
        soon(stayed).await.unwrap().unwrap();
    }
    assert_eq!(crowd.ran.load(Ordering::SeqCst), ran + 40);
    assert!(crowd.most.load(Ordering::SeqCst) <= 3);
    // An outcome that was read from the storage may be known here before its diner is idle.
    cluster.settle().await;
    guest("new").greet().await.unwrap();
    cluster.shutdown().await.unwrap();
}

/// Takes its time to leave.
#[derive(Entity)]
struct Lingerer {
    stage: Stage,
}

#[entity]
impl Lingerer {
    #[deactivate]
    async fn leave(&mut self) -> Result<(), std::io::Error> {
        self.stage.pause().await;
        Ok(())
    }

    #[message]
    fn greet(&self) {}

    #[message]
    async fn stay(&self) {
        self.stage.pause().await;
    }
}

// proves: B59
#[tokio::test]
async fn an_idle_entity_that_takes_its_time_to_leave_is_waited_for() {
    let stage = Stage::default();
    let shared = stage.clone();
    let cluster = TestCluster::new()
        .with(|builder| builder.config(|config| config.resident_entities_max = 2))
        .entity_with::<Lingerer>(move |_| Lingerer { stage: shared.clone() })
        .start()
        .await;
    let one = |id: &str| cluster.get::<Lingerer>(id);
    let staying = tokio::spawn(one("a").stay().into_future());
    stage.arrived(1).await;
    one("b").greet().await.unwrap();
    let mut third = one("c").greet().into_future();
    assert!(poll_once(&mut third).await.is_pending(), "it waits for b");
    stage.arrived(1).await;
    let ended = one("d").greet().await;
    assert!(matches!(ended, Err(ClusterError::LimitExceeded { .. })), "{ended:?}");
    stage.let_on(2);
    soon(third).await.unwrap();
    soon(staying).await.unwrap().unwrap();
    stage.let_on(10);
    cluster.shutdown().await.unwrap();
}

/// Takes its time to come.
#[derive(Entity)]
struct Latecomer {
    stage: Stage,
}

#[entity]
impl Latecomer {
    #[activate]
    async fn come(&mut self) -> Result<(), std::io::Error> {
        self.stage.pause().await;
        Ok(())
    }

    #[message]
    async fn stay(&self) {
        self.stage.pause().await;
    }
}

/// Who waits for one that leaves goes on waiting while another comes, who had its place before.
// proves: B59
#[tokio::test]
async fn one_that_comes_takes_nobodys_turn() {
    let (leaving, coming) = (Stage::default(), Stage::default());
    let (lingers, late) = (leaving.clone(), coming.clone());
    let cluster = TestCluster::new()
        .with(|builder| builder.config(|config| config.resident_entities_max = 2))
        .entity_with::<Lingerer>(move |_| Lingerer { stage: lingers.clone() })
        .entity_with::<Latecomer>(move |_| Latecomer { stage: late.clone() })
        .start()
        .await;
    cluster.get::<Lingerer>("b").greet().await.unwrap();
    let staying = tokio::spawn(cluster.get::<Latecomer>("l").stay().into_future());
    coming.arrived(1).await;
    let mut third = cluster.get::<Lingerer>("c").greet().into_future();
    assert!(poll_once(&mut third).await.is_pending(), "it waits for b");
    leaving.arrived(1).await;
    coming.let_on(1);
    coming.arrived(1).await;
    settle().await;
    assert!(poll_once(&mut third).await.is_pending(), "it waits for b still");
    leaving.let_on(10);
    soon(third).await.unwrap();
    coming.let_on(1);
    soon(staying).await.unwrap().unwrap();
    cluster.shutdown().await.unwrap();
}

/// How large a backlog is.
const BACKLOG: u32 = 100_000;
/// The same on a server.
const BACKLOG_ON_SERVER: u32 = 20_000;
/// How many of it are in memory at once.
const RESIDENT: usize = 100;

/// What has run, and whether more has since somebody looked.
#[derive(Default)]
struct Ran {
    numbers: Mutex<HashSet<u32>>,
    twice: AtomicU64,
    more: Notify,
}

#[derive(Entity)]
#[entity(idle = "20ms")]
struct Backlogged {
    open: watch::Receiver<bool>,
    ran: Arc<Ran>,
}

#[entity]
impl Backlogged {
    #[message(persisted)]
    async fn run(&mut self, number: u32) {
        self.open.wait_for(|open| *open).await.expect("the sender lives on");
        if !self.ran.numbers.lock().unwrap().insert(number) {
            self.ran.twice.fetch_add(1, Ordering::SeqCst);
        }
        self.ran.more.notify_one();
    }
}

async fn drain_backlog(bed: &Bed, backlog: u32) {
    let (open, opened) = watch::channel(false);
    let ran = Arc::new(Ran::default());
    let all = ran.clone();
    let cluster = TestCluster::new()
        .storage(bed.open().await)
        .with(|builder| builder.config(|config| config.resident_entities_max = RESIDENT))
        .entity_with::<Backlogged>(move |_| Backlogged { open: opened.clone(), ran: all.clone() })
        .start()
        .await;
    let senders: Vec<_> = (0..64)
        .map(|sender| {
            let cluster = Cluster::clone(&cluster);
            tokio::spawn(async move {
                for number in (0..backlog).filter(|number| number % 64 == sender) {
                    let entity = cluster.get::<Backlogged>(number.to_string());
                    entity.run(number).send().await.unwrap();
                }
            })
        })
        .collect();
    for sender in senders {
        soon(sender).await.unwrap();
    }

    // All are stored, some wait in memory, and nobody asks the storage again and again, however
    // much time passes.
    cluster.advance(Duration::from_secs(1)).await;
    until(|| cluster.stats().types[0].records <= 4 * RESIDENT).await;
    cluster.settle().await;
    let loads = || bed.door.calls("load_pending");
    let before = loads();
    cluster.advance(Duration::from_secs(10)).await;
    assert!(loads() <= before + 2, "{} loads for nothing", loads() - before);
    assert!(cluster.stats().resident_entities <= RESIDENT);

    open.send_replace(true);
    let mut most = 0;
    while ran.numbers.lock().unwrap().len() < backlog as usize {
        soon(ran.more.notified()).await;
        let stats = cluster.stats();
        assert!(stats.resident_entities <= RESIDENT);
        most = most.max(stats.types[0].records);
    }
    assert_eq!(ran.twice.load(Ordering::SeqCst), 0);
    assert!(most <= 20 * RESIDENT, "{most} records in memory");
    let pages = u64::from(backlog) / 1_024;
    // Those that wait beside the page, 256 at a time, each load their own.
    assert!(loads() <= before + 4 * pages + 300, "{} loads", loads());
    soon(cluster.shutdown()).await.unwrap();
}

// proves: B60
async fn a_backlog_drains_fully_within_the_resident_limit(bed: Bed) {
    let backlog = if bed.is_on_server() { BACKLOG_ON_SERVER } else { BACKLOG };
    drain_backlog(&bed, backlog).await;
}

// Instances leave and come again at the limit while calls of all kinds race for the places.
async fn evictions_race_calls_and_nothing_is_lost(bed: Bed) {
    let storage = bed.open().await;
    let (crowd, stage) = (Arc::new(Crowd::default()), Stage::default());
    stage.let_on(1_000_000);
    let (of_guests, on) = (crowd.clone(), stage.clone());
    let cluster = Cluster::builder()
        .storage(storage)
        .config(|config| config.resident_entities_max = 3)
        .entity_with::<Guest>(move |_| Guest::new(&of_guests, &on))
        .start()
        .await
        .unwrap();
    let senders: Vec<_> = (0..8)
        .map(|sender| {
            let cluster = cluster.clone();
            tokio::spawn(async move {
                let mut done = 0_u64;
                for number in 0..100 {
                    let guest = cluster.get::<Guest>(((sender * 7 + number) % 11).to_string());
                    if number % 2 == 0 {
                        guest.dine().await.unwrap();
                        done += 1;
                    } else if let Err(error) = guest.greet().await {
                        let full = matches!(error, ClusterError::LimitExceeded { .. });
                        assert!(full, "{error:?}");
                    } else {
                        done += 1;
                    }
                }
                done
            })
        })
        .collect();
    let mut done = 0;
    for sender in senders {
        done += soon(sender).await.unwrap();
    }
    assert_eq!(crowd.ran.load(Ordering::SeqCst), done);
    assert!(crowd.most.load(Ordering::SeqCst) <= 3);
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_mailbox_of_no_size_is_refused_at_the_start() {
    let error = Cluster::builder()
        .storage(memory())
        .entity_with::<Booth>(|_| Booth { stage: Stage::default() })
        .options::<Booth>(EntityOptions { mailbox: Some(0), ..EntityOptions::DEFAULT })
        .start()
        .await
        .unwrap_err();
    assert!(error.to_string().contains("mailbox"), "{error}");
}

backends!(
    a_full_mailbox_refuses_volatile_calls_and_stores_the_others,
    at_the_resident_limit_idle_entities_leave_and_the_rest_waits,
    a_backlog_drains_fully_within_the_resident_limit on threads,
    evictions_race_calls_and_nothing_is_lost on threads,
);

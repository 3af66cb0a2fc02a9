//! Entities that are kept alive: they stay, and they come back by themselves.

use std::future::IntoFuture;

use cluster::prelude::*;

use crate::support::{Bed, Probe, backends, is_waiting, refused, until};

/// Watches something for as long as it is told to; notes every life of its own.
#[derive(Entity)]
#[entity(idle = "50ms")]
pub(crate) struct Watch {
    #[state]
    ticks: u32,
    name: String,
    probe: Probe,
}

#[entity]
impl Watch {
    #[activate]
    fn begin(&mut self, ctx: &Context) {
        if self.name.starts_with("eager") {
            ctx.keep_alive().unwrap();
        }
        self.probe.arrive(&format!("begin {}", self.name));
    }

    #[message(persisted)]
    pub(crate) fn watch(&mut self, ctx: &Context, fails: bool) -> Result<u32, String> {
        ctx.keep_alive().map_err(|error| error.to_string())?;
        self.ticks += 1;
        if fails { Err("failed".to_owned()) } else { Ok(self.ticks) }
    }

    #[message]
    pub(crate) fn rest(&mut self, ctx: &Context) -> u32 {
        ctx.release();
        self.ticks
    }

    #[message]
    fn rest_once_more(&self, ctx: &Context) {
        ctx.keep_alive().unwrap();
        ctx.release();
    }

    #[message]
    async fn tick(&mut self) -> u32 {
        self.probe.pass("tick").await;
        self.ticks += 1;
        self.ticks
    }
}

/// Nothing of it is stored but that it is kept alive.
#[derive(Entity)]
#[entity(idle = "50ms")]
struct Beacon {
    probe: Probe,
}

#[entity]
impl Beacon {
    #[activate]
    async fn begin(&mut self, ctx: &Context) {
        self.probe.note(format!("lit {}", ctx.entity_id()));
    }

    #[message]
    async fn light(&self, ctx: &Context) -> Result<(), String> {
        ctx.keep_alive().map_err(|error| error.to_string())
    }

    #[message]
    fn fail(&self, ctx: &Context) -> Result<(), String> {
        ctx.keep_alive().map_err(|error| error.to_string())?;
        Err("failed".to_owned())
    }

    #[message]
    fn put_out(&self, ctx: &Context) {
        ctx.release();
    }

    #[message]
    fn look(&self) {}
}

pub(crate) async fn start(bed: &Bed, probe: &Probe) -> Cluster {
    start_with(bed, probe, |_| {}).await
}

async fn start_with(
    bed: &Bed,
    probe: &Probe,
    configure: impl FnOnce(&mut cluster::Config),
) -> Cluster {
    let (first, second) = (probe.clone(), probe.clone());
    bed.start(move |builder| {
        builder
            .config(configure)
            .entity_with::<Watch>(move |id| {
                let (name, probe) = (id.as_str().to_owned(), first.clone());
                Watch { ticks: 0, name, probe }
            })
            .entity_with::<Beacon>(move |_| Beacon { probe: second.clone() })
    })
    .await
}

fn resident(cluster: &Cluster) -> usize {
    cluster.stats().resident_entities
}

// proves: B68
async fn it_stays_and_comes_back_until_it_is_released(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    assert_eq!(cluster.get::<Watch>("w").watch(false).await.unwrap(), 1);
    cluster.get::<Watch>("other").tick().await.unwrap();
    bed.advance(Duration::from_secs(60)).await;
    // It was idle all the time; the other one has left.
    assert_eq!((resident(&cluster), probe.count("begin w")), (1, 1));
    // A crash, an orderly end; nobody calls it.
    drop(cluster);
    let cluster = start(&bed, &probe).await;
    probe.wait_for("begin w", 2).await;
    until(|| resident(&cluster) == 1).await;
    cluster.shutdown().await.unwrap();
    drop(cluster);
    let cluster = start(&bed, &probe).await;
    probe.wait_for("begin w", 3).await;
    let watch = cluster.get::<Watch>("w");
    assert_eq!(watch.watch(false).await.unwrap(), 2);
    assert_eq!(watch.rest().await.unwrap(), 2);
    bed.advance(Duration::from_secs(60)).await;
    assert_eq!((resident(&cluster), probe.count("begin w")), (0, 3));
    drop((watch, cluster));
    // For good.
    let cluster = start(&bed, &probe).await;
    bed.advance(Duration::from_secs(60)).await;
    assert_eq!((resident(&cluster), probe.count("begin w")), (0, 3));
    let watch = cluster.get::<Watch>("w");
    watch.rest_once_more().await.unwrap();
    bed.advance(Duration::from_secs(60)).await;
    assert_eq!(resident(&cluster), 0);
}

// proves: B68
async fn what_fails_has_not_asked(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    cluster.get::<Watch>("w").watch(true).await.unwrap_err();
    cluster.get::<Beacon>("b").fail().await.unwrap_err();
    bed.advance(Duration::from_secs(60)).await;
    assert_eq!(resident(&cluster), 0);
    drop(cluster);
    let cluster = start(&bed, &probe).await;
    bed.advance(Duration::from_secs(60)).await;
    assert_eq!((resident(&cluster), probe.count("begin w")), (0, 1));
}

// proves: B68
async fn it_commits_before_the_reply_leaves(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let beacon = cluster.get::<Beacon>("b");
    beacon.look().await.unwrap();
    bed.door.hold_commits();
    let mut lit = beacon.light().into_future();
    assert!(is_waiting(&mut lit).await);
    bed.door.commits_held(1).await;
    assert!(is_waiting(&mut lit).await);
    bed.door.release();
    lit.await.unwrap();
    drop((beacon, cluster));
    let cluster = start(&bed, &probe).await;
    probe.wait_for("lit b", 2).await;
    // What is stored nowhere else is told as well.
    let beacon = cluster.get::<Beacon>("b");
    beacon.put_out().await.unwrap();
    drop((beacon, cluster));
    let cluster = start(&bed, &probe).await;
    assert_eq!(cluster.get::<Watch>("w").tick().await.unwrap(), 1);
    until(|| bed.door.calls("load_kept_alive") >= 3).await;
    assert_eq!(probe.count("lit b"), 2);
}

// proves: B68
async fn its_hook_may_ask(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    assert_eq!(cluster.get::<Watch>("eager").tick().await.unwrap(), 1);
    drop(cluster);
    let cluster = start(&bed, &probe).await;
    probe.wait_for("begin eager", 2).await;
    bed.advance(Duration::from_secs(60)).await;
    assert_eq!(resident(&cluster), 1);
}

/// An instance that is lost is made anew, without a call.
// proves: B68
async fn it_comes_back_when_its_instance_is_lost(bed: Bed) {
    let probe = Probe::default();
    let cluster = start_with(&bed, &probe, |config| config.commit_attempts = 1).await;
    let watch = cluster.get::<Watch>("w");
    watch.watch(false).await.unwrap();
    probe.panic_at("tick", 1);
    watch.tick().await.unwrap_err();
    probe.wait_for("begin w", 2).await;
    until(|| resident(&cluster) == 1).await;
    // A commit that fails takes the instance with it.
    bed.door.hold_commits();
    bed.door.turn_away(refused());
    watch.tick().await.unwrap_err();
    bed.door.release();
    probe.wait_for("begin w", 3).await;
    until(|| resident(&cluster) == 1).await;
    assert_eq!(watch.tick().await.unwrap(), 2);
    // Also when its hook fails for a while.
    probe.panic_at("begin w", 3);
    probe.panic_at("tick", 1);
    watch.tick().await.unwrap_err();
    probe.wait_for("begin w", 7).await;
    assert_eq!(watch.tick().await.unwrap(), 3);
}

// proves: B56, B68
async fn no_more_are_kept_than_may_be(bed: Bed) {
    let probe = Probe::default();
    let few = |config: &mut cluster::Config| {
        config.kept_alive_max = 3;
        config.resident_entities_max = 4;
        config.load_page = 2;
    };
    let cluster = start_with(&bed, &probe, few).await;
    for name in ["a", "b", "c"] {
        // Twice is once.
        cluster.get::<Watch>(name).watch(false).await.unwrap();
        cluster.get::<Watch>(name).watch(false).await.unwrap();
    }
    let told = cluster.get::<Watch>("d").watch(false).await;
    let Err(CallError::Entity(told)) = told else { panic!("{told:?}") };
    assert!(told.contains("`kept_alive_max`: 4, at most 3"), "{told}");
    // They are not evicted for others, which share what is left.
    for name in ["e", "f", "g"] {
        cluster.get::<Watch>(name).tick().await.unwrap();
    }
    for name in ["a", "b", "c"] {
        assert_eq!(probe.count(&format!("begin {name}")), 1);
    }
    drop(cluster);
    // All come back, page by page; more than may be wait until there is room.
    let fewer = |config: &mut cluster::Config| {
        few(config);
        config.kept_alive_max = 2;
    };
    let cluster = start_with(&bed, &probe, fewer).await;
    probe.wait_for("begin a", 2).await;
    probe.wait_for("begin b", 2).await;
    assert_eq!(cluster.get::<Watch>("x").tick().await.unwrap(), 1);
    assert_eq!(probe.count("begin c"), 1);
    cluster.get::<Watch>("a").rest().await.unwrap();
    probe.wait_for("begin c", 2).await;
}

/// Released at a moment at which the page with its name was read already.
// proves: B68
async fn one_released_while_it_is_brought_back_is_not_kept(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    for n in 0..100 {
        cluster.get::<Watch>(format!("w{n:02}")).watch(false).await.unwrap();
    }
    drop(cluster);
    let few = |config: &mut cluster::Config| config.kept_alive_max = 1;
    let cluster = start_with(&bed, &probe, few).await;
    // One page has all names; only the first has a place.
    probe.wait_for("begin w00", 2).await;
    for n in 1..99 {
        cluster.get::<Watch>(format!("w{n:02}")).rest().await.unwrap();
    }
    let before = probe.log().len();
    cluster.get::<Watch>("w00").rest().await.unwrap();
    probe.wait_for("begin w99", 2).await;
    bed.advance(Duration::from_secs(60)).await;
    assert_eq!(resident(&cluster), 1, "{:?}", &probe.log()[before..]);
}

backends!(
    it_stays_and_comes_back_until_it_is_released in virtual time,
    what_fails_has_not_asked in virtual time,
    its_hook_may_ask in virtual time,
    one_released_while_it_is_brought_back_is_not_kept in virtual time,
    it_commits_before_the_reply_leaves,
    it_comes_back_when_its_instance_is_lost,
    no_more_are_kept_than_may_be,
);

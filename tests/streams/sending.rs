//! What the handler of a persisted stream sends and sets leaves with the end of its stream.

use cluster::prelude::*;
use futures_util::stream::{self, StreamExt};

use crate::support::{Bed, Probe, Side, backends, refused, settle, soon, unknown, until};

#[derive(Entity)]
struct Press {
    probe: Probe,
}

#[entity]
impl Press {
    /// Two pages, and behind them a typed error if it is to fail.
    #[message(persisted, stream, attempts = 5, backoff_min = "1ms")]
    async fn print(
        &self,
        ctx: &Context,
        fails: bool,
    ) -> impl Stream<Item = Result<u32, String>> + use<> {
        let told = ctx.get::<Press>("reader").announce("printed".into()).send().await;
        told.expect("it is put into the outbox");
        let set = ctx.remind::<Self>().announce("reminded".into()).send().await;
        set.expect("it is set with the stream's end");
        ctx.keep_alive().expect("there is room");
        self.probe.pass("print").await;
        let probe = self.probe.clone();
        let pages = stream::iter(1..=2).inspect(move |_| probe.arrive("page")).map(Ok);
        pages.chain(stream::iter(fails.then(|| Err("spoiled".to_owned()))))
    }

    #[message(persisted)]
    fn announce(&mut self, ctx: &Context, what: String) {
        self.probe.note(format!("{} {what}", ctx.entity_id()));
    }
}

async fn start(bed: &Bed) -> Cluster {
    let probe = bed.probe.clone();
    bed.start(move |builder| {
        let builder = builder.config(|config| config.commit_attempts = 1);
        builder.entity_with::<Press>(move |_| Press { probe: probe.clone() })
    })
    .await
}

fn announced(bed: &Bed) -> (usize, usize) {
    (bed.probe.count("reader printed"), bed.probe.count("p reminded"))
}

/// Its first two runs fail in the midst of it.
// proves: B50, B68, B82
async fn what_a_streams_handler_sends_leaves_with_its_end(bed: Bed) {
    let cluster = start(&bed).await;
    bed.probe.panic_at("page", 2);
    let mut pages = soon(cluster.get::<Press>("p").print(false)).await.unwrap();
    assert_eq!(soon(pages.next()).await.unwrap().unwrap(), 1);
    assert_eq!(soon(pages.next()).await.unwrap().unwrap(), 2);
    assert!(soon(pages.next()).await.is_none());
    until(|| announced(&bed) == (1, 1)).await;
    cluster.caught_up().await.unwrap();
    settle().await;
    assert_eq!(announced(&bed), (1, 1));
    drop((pages, cluster));
    let cluster = start(&bed).await;
    until(|| cluster.stats().resident_entities == 1).await;
}

/// With an error nothing of it leaves.
// proves: B51, B82
async fn what_the_handler_of_a_failed_stream_sends_is_dropped(bed: Bed) {
    let cluster = start(&bed).await;
    let receipt = soon(cluster.get::<Press>("p").print(true).send()).await.unwrap();
    let spoiled = soon(receipt.outcome()).await.unwrap_err();
    assert!(matches!(spoiled, CallError::Entity(_)), "{spoiled:?}");
    cluster.caught_up().await.unwrap();
    settle().await;
    assert_eq!(announced(&bed), (0, 0));
    drop((receipt, cluster));
    let cluster = start(&bed).await;
    cluster.caught_up().await.unwrap();
    settle().await;
    assert_eq!(cluster.stats().resident_entities, 0);
}

/// Whether the commit of its end fails or is not known to have succeeded.
// proves: B50, B109
async fn what_a_streams_handler_sends_leaves_once_whatever_breaks(bed: Bed) {
    let cluster = start(&bed).await;
    for (round, is_unknown) in [false, true].into_iter().enumerate() {
        bed.probe.close("print");
        let runs = bed.probe.count("print");
        let receipt = soon(cluster.get::<Press>("p").print(false).send()).await.unwrap();
        soon(bed.probe.wait_for("print", runs + 1)).await;
        bed.door.hold_commits();
        bed.probe.open("print");
        // The chunks, then the end.
        soon(bed.door.commits_held(1)).await;
        bed.door.pass_one();
        soon(bed.door.commits_held(2)).await;
        match is_unknown {
            true => bed.door.fail_at(Side::After, unknown()),
            false => bed.door.turn_away(refused()),
        }
        bed.door.release();
        soon(receipt.outcome()).await.unwrap();
        soon(cluster.caught_up()).await.unwrap();
        assert_eq!(announced(&bed), (round + 1, round + 1));
    }
}

backends!(
    what_a_streams_handler_sends_leaves_with_its_end,
    what_the_handler_of_a_failed_stream_sends_is_dropped,
    what_a_streams_handler_sends_leaves_once_whatever_breaks,
);

//! Values that cannot be stored end their own request and nothing else.

use cluster::prelude::*;
use cluster::storage::Missing;
use futures_util::StreamExt as _;
use serde::{Deserializer, Serializer};
use tokio::spawn;

use crate::entities::Counter;
use crate::support::{Bed, backends, settle};

/// A number whose encoding fails below zero, and panics at 13.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Shy(i64);

impl Serialize for Shy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        assert!(self.0 != 13, "thirteen is never written");
        if self.0 < 0 {
            return Err(serde::ser::Error::custom("too shy"));
        }
        serializer.serialize_i64(self.0)
    }
}

impl<'de> Deserialize<'de> for Shy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = i64::deserialize(deserializer)?;
        // So that the panic is seen where a stored request is read.
        assert!(number != 14, "fourteen is never read");
        Ok(Shy(number))
    }
}

#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable)]
struct Speaker {
    said: Vec<i64>,
}

#[entity]
impl Speaker {
    #[message(persisted)]
    fn say(&mut self, number: i64) -> Shy {
        self.said.push(number);
        Shy(number)
    }

    #[message(persisted)]
    fn fail(&mut self, number: i64) -> Result<i64, Shy> {
        self.said.push(number);
        Err(Shy(number))
    }

    #[message(persisted)]
    fn long(&mut self, bytes: u32) -> String {
        self.said.push(1);
        "x".repeat(bytes as usize)
    }

    #[message(persisted)]
    fn hear(&mut self, shy: Shy) -> i64 {
        self.said.push(shy.0);
        shy.0
    }

    #[message(persisted)]
    fn hear_text(&mut self, text: String) -> usize {
        text.len()
    }

    #[message]
    fn said(&self) -> Vec<i64> {
        self.said.clone()
    }
}

impl std::fmt::Display for Shy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "shy {}", self.0)
    }
}

impl std::error::Error for Shy {}

async fn start(bed: &Bed) -> Cluster {
    bed.start_impatient(|builder| {
        let builder = builder.entity::<Speaker>().entity::<Counter>();
        builder.config(|config| config.payload_bytes_max = 10_000)
    })
    .await
}

// proves: B100
async fn a_reply_that_cannot_be_encoded_is_a_stored_failure(bed: Bed) {
    let mut cluster = start(&bed).await;
    for _ in 0..2 {
        let speaker = cluster.get::<Speaker>("s");
        let told = speaker.say(-1).key("value").await.unwrap_err();
        let ClusterError::Defect { reason, attempts: 1, .. } = told else { panic!("{told}") };
        assert!(reason.contains("too shy"), "{reason}");
        let told = speaker.fail(-1).key("error").await;
        let defect = matches!(told, Err(CallError::Cluster(ClusterError::Defect { .. })));
        assert!(defect, "{told:?}");
        assert!(speaker.said().await.unwrap().is_empty());
        drop(speaker);
        drop(cluster);
        cluster = start(&bed).await;
    }
    let speaker = cluster.get::<Speaker>("s");
    assert_eq!(speaker.say(1).await.unwrap(), Shy(1));
    assert_eq!(speaker.said().await.unwrap(), [1]);
}

// proves: B100
async fn a_reply_over_its_limit_is_a_stored_failure(bed: Bed) {
    let cluster = start(&bed).await;
    let speaker = cluster.get::<Speaker>("s");
    for _ in 0..2 {
        let told = speaker.long(20_000).key("k").await;
        let Err(ClusterError::LimitExceeded { limit, max: 10_000, .. }) = told else {
            panic!("{told:?}");
        };
        assert_eq!(limit, "payload_bytes_max");
    }
    assert!(speaker.said().await.unwrap().is_empty());
    assert_eq!(speaker.long(10).await.unwrap().len(), 10);
}

// proves: B100
async fn a_panic_of_an_encoding_is_the_handlers_and_hangs_nobody(bed: Bed) {
    let cluster = start(&bed).await;
    let speaker = cluster.get::<Speaker>("s");
    for _ in 0..2 {
        let told = speaker.say(13).key("k").await;
        let Err(ClusterError::Defect { attempts: 1, reason, .. }) = told else {
            panic!("{told:?}");
        };
        assert!(reason.contains("thirteen is never written"), "{reason}");
    }
    assert_eq!(speaker.say(1).await.unwrap(), Shy(1));
    assert_eq!(speaker.said().await.unwrap(), [1]);
}

// proves: B97, B100
async fn a_panic_of_a_decoding_is_the_requests_own(bed: Bed) {
    let cluster = start(&bed).await;
    let speaker = cluster.get::<Speaker>("s");
    // As the reply: read where somebody joins.
    let _ = speaker.say(14).key("k").await;
    let told = speaker.say(14).key("k").await;
    assert!(matches!(told, Err(ClusterError::Malformed { .. })), "{told:?}");
    // As the arguments: read when they come from the storage.
    bed.door.hold_answers();
    let heard = spawn({
        let speaker = speaker.clone();
        async move { speaker.hear(Shy(14)).send().await }
    });
    bed.door.answers_held(1).await;
    drop((speaker, cluster));
    bed.door.release();
    drop(heard.await);
    // Held: the mailbox goes on without it, and it is not lost.
    let cluster = start(&bed).await;
    let speaker = cluster.get::<Speaker>("s");
    assert_eq!(speaker.say(1).await.unwrap(), Shy(1));
    assert_eq!(cluster.get::<Counter>("c").add(1).await.unwrap(), 1);
    assert_eq!(speaker.said().await.unwrap(), [14, 1]);
    let id = bed.door.last_accepted(cluster::storage::RetentionClass::Sent);
    let notice = cluster.receipt::<SpeakerHear>(id).outcome().await;
    assert!(matches!(notice, Err(ClusterError::Held { .. })), "{notice:?}");
    let hold = cluster.holds().list().next().await.unwrap().unwrap();
    assert_eq!((hold.id(), hold.message()), (id, "hear"));
    assert!(matches!(hold.missing(), Missing::Contract(_)), "{hold:?}");
}

// proves: B100
async fn what_the_storage_finds_too_large_harms_no_neighbour(bed: Bed) {
    // The storage's own limit is about 4 MiB; the cluster is told a larger one.
    let cluster = bed
        .start(|builder| {
            let builder = builder.entity::<Speaker>().entity::<Counter>();
            builder.config(|config| config.payload_bytes_max = 16 << 20)
        })
        .await;
    let speaker = cluster.get::<Speaker>("s");
    speaker.say(1).await.unwrap();
    bed.door.hold_commits();
    let other = spawn({
        let counter = cluster.get::<Counter>("first");
        async move { counter.add(1).await }
    });
    bed.door.commits_held(1).await;
    // All of these are in the next batch, and one of them is too large.
    let arguments = "x".repeat(5 << 20);
    let large = spawn({
        let holder = cluster.get::<Speaker>("t");
        async move { holder.hear_text(arguments).await }
    });
    let neighbours: Vec<_> = (0..10)
        .map(|n| {
            let counter = cluster.get::<Counter>(format!("c{n}"));
            spawn(async move { counter.add(1).await })
        })
        .collect();
    settle().await;
    bed.door.release();
    let told = large.await.unwrap();
    assert!(matches!(told, Err(ClusterError::LimitExceeded { .. })), "{told:?}");
    for neighbour in neighbours {
        assert_eq!(neighbour.await.unwrap().unwrap(), 1);
    }
    assert_eq!(other.await.unwrap().unwrap(), 1);
    // A reply is stored as well: its failure is stored in its place.
    for _ in 0..2 {
        let told = speaker.long(5 << 20).key("k").await;
        assert!(matches!(told, Err(ClusterError::LimitExceeded { .. })), "{told:?}");
    }
    assert_eq!(speaker.said().await.unwrap(), [1]);
}

backends!(
    a_reply_that_cannot_be_encoded_is_a_stored_failure,
    a_reply_over_its_limit_is_a_stored_failure,
    a_panic_of_an_encoding_is_the_handlers_and_hangs_nobody,
    a_panic_of_a_decoding_is_the_requests_own,
    what_the_storage_finds_too_large_harms_no_neighbour,
);

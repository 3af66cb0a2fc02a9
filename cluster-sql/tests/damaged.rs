//! A row that cannot be read is passed: what stands behind it is found all the same.
#![allow(clippy::unwrap_used)] // Helpers of tests fail as tests do.

mod support;

use std::sync::Arc;

use bytes::Bytes;
use cluster_core::id::{Epoch, Key, KeyDigest, Seq};
use cluster_core::storage::{
    Batch, DeadWrite, Due, DueScan, Fence, KeyRow, MessageStorage, OutcomeKind, OutcomeRow,
    PendingScan, RequestRow, RetentionClass, RetireScan, StateKey, StoredOutcome,
};
use cluster_core::time::Timestamp;
use cluster_sql::Sqlite;
use rusqlite::Connection;
use support::{Folder, join, request};

/// What no release has written: each makes another part of a request unreadable.
const DAMAGES: [&str; 6] = [
    "class = 9",
    "class = 300",
    "headers = '{}'",
    "headers = 'no JSON'",
    "key_digest = x'00'",
    "entity_type = x'ff'",
];

struct Place {
    folder: Folder,
    storage: Sqlite,
    fence: Fence,
}

impl Place {
    /// Stores requests of these numbers.
    async fn with(requests: std::ops::RangeInclusive<u64>) -> Place {
        Place::with_rows(requests.map(keyed)).await
    }

    async fn with_rows(requests: impl Iterator<Item = RequestRow>) -> Place {
        let folder = Folder::new();
        let storage = folder.options().open().await.unwrap();
        let fence = join(&storage).await;
        let accepts = requests.collect();
        let place = Place { folder, storage, fence };
        place.commit(Batch { accepts, ..Batch::default() }).await;
        place
    }

    async fn commit(&self, batch: Batch) {
        self.storage.commit(self.fence, Arc::new(batch)).await.unwrap();
    }

    fn damage(&self, seq: u64, damage: &str) {
        let tool = Connection::open(self.folder.database()).unwrap();
        let text = format!("UPDATE cluster_request SET {damage} WHERE seq = {seq}");
        assert_eq!(tool.execute(&text, []).unwrap(), 1);
    }

    async fn pending(&self, after: u64, limit: usize, entity: Option<StateKey>) -> Vec<u64> {
        let scan = PendingScan { after: Seq::new(after), entity, limit, bytes: usize::MAX };
        let pending = self.storage.load_pending(self.fence, scan).await.unwrap();
        pending.iter().map(|found| found.request.seq.as_u64()).collect()
    }
}

fn keyed(seq: u64) -> RequestRow {
    let row = request(seq);
    let key = Key::new(format!("key-{seq}")).unwrap();
    let digest = KeyDigest::of(&row.entity_type, &row.entity_id, row.message, &key);
    RequestRow { key: Some(KeyRow { digest, key }), ..row }
}

#[tokio::test]
async fn pending_requests_behind_it_are_found() {
    for damage in DAMAGES {
        let place = Place::with(1..=9).await;
        for seq in [1, 4, 5] {
            // Digests are unique.
            place.damage(seq, &damage.replace("x'00'", &format!("x'{seq:02}'")));
        }
        assert_eq!(place.pending(0, 100, None).await, [2, 3, 6, 7, 8, 9], "{damage}");
        // Who gets less than a full page may take it for the last one.
        assert_eq!(place.pending(0, 1, None).await, [2], "{damage}");
        assert_eq!(place.pending(2, 2, None).await, [3, 6], "{damage}");
        assert_eq!(place.pending(3, 4, None).await, [6, 7, 8, 9], "{damage}");
        let RequestRow { shard, entity_type, entity_id, .. } = request(1);
        let entity = Some(StateKey { shard, entity_type, entity_id });
        assert_eq!(place.pending(0, 4, entity).await, [2, 3, 6, 7], "{damage}");
    }
}

#[tokio::test]
async fn due_requests_behind_it_are_found() {
    for damage in DAMAGES {
        let place = Place::with_rows((1..=9).map(|seq| {
            // The later ones first.
            let due_at = Some(Timestamp::from_unix_ms(-i64::try_from(seq).unwrap() / 4));
            RequestRow { due_at, ..keyed(seq) }
        }))
        .await;
        for seq in [8, 9, 4] {
            place.damage(seq, &damage.replace("x'00'", &format!("x'{seq:02}'")));
        }
        let load = async |limit| {
            let scan = DueScan { after: Due::FIRST, limit, bytes: usize::MAX };
            let due = place.storage.load_due(place.fence, scan).await.unwrap();
            due.iter().map(|found| found.request.seq.as_u64()).collect::<Vec<_>>()
        };
        assert_eq!(load(100).await, [5, 6, 7, 1, 2, 3], "{damage}");
        assert_eq!(load(1).await, [5], "{damage}");
        assert_eq!(load(4).await, [5, 6, 7, 1], "{damage}");
    }
}

#[tokio::test]
async fn pending_requests_keep_their_order() {
    let place = Place::with(1..=9).await;
    for seq in 1..=3 {
        place.damage(seq, "class = 9");
    }
    assert_eq!(place.pending(0, 2, None).await, [4, 5]);
    assert_eq!(place.pending(0, 4, None).await, [4, 5, 6, 7]);
    let bytes = 2 * keyed(5).bytes();
    let scan = PendingScan { after: Seq::default(), entity: None, limit: 100, bytes };
    let pending = place.storage.load_pending(place.fence, scan).await.unwrap();
    let pending: Vec<u64> = pending.iter().map(|found| found.request.seq.as_u64()).collect();
    assert_eq!(pending, [4, 5]);
}

#[tokio::test]
async fn dead_letters_behind_it_are_listed() {
    let place = Place::with(1..=4).await;
    let dead = (1..=4).map(|seq| DeadWrite {
        seq: Seq::new(seq),
        epoch: Epoch::new(1),
        shard: request(seq).shard,
        attempts: 1,
        error: "gave up".to_owned(),
        died_at: Timestamp::from_unix_ms(1),
    });
    place.commit(Batch { dead: dead.collect(), ..Batch::default() }).await;
    place.damage(1, "headers = '{}'");
    place.damage(3, "class = 9");
    let letters = place.storage.dead_letters(Seq::default(), 2).await.unwrap();
    let seqs: Vec<u64> = letters.iter().map(|row| row.request.seq.as_u64()).collect();
    assert_eq!(seqs, [2, 4]);
}

/// A class that a later release has made is its own to retire.
#[tokio::test]
async fn requests_of_unknown_classes_are_kept() {
    let place = Place::with(1..=4).await;
    let outcomes = (1..=4).map(|seq| OutcomeRow {
        seq: Seq::new(seq),
        shard: request(seq).shard,
        epoch: Epoch::new(1),
        outcome: StoredOutcome { kind: OutcomeKind::Ok, payload: Bytes::new() },
        finished_at: Timestamp::from_unix_ms(1),
        elsewhere: true,
    });
    place.commit(Batch { outcomes: outcomes.collect(), ..Batch::default() }).await;
    place.damage(1, "class = 9");
    place.damage(3, "class = 300");
    let scan = RetireScan {
        finished_before: [Timestamp::from_unix_ms(2); RetentionClass::COUNT],
        after: Seq::default(),
        limit: 100,
        reached: None,
    };
    let retired = place.storage.retire(place.fence, scan).await.unwrap();
    assert_eq!((retired.removed, retired.next), (2, None));
    let tool = Connection::open(place.folder.database()).unwrap();
    let mut left = tool.prepare("SELECT seq FROM cluster_request ORDER BY seq").unwrap();
    let left = left.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap);
    assert_eq!(left.collect::<Vec<i64>>(), [1, 3]);
}

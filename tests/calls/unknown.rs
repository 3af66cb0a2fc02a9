//! Calls of what nobody here knows end with a clear error, at once.

use cluster::prelude::*;
use cluster::testing::TestCluster;

/// What this program serves under the name.
mod served {
    use super::*;

    #[derive(Entity, Default)]
    pub(super) struct Shelf {
        pieces: u32,
    }

    #[entity]
    impl Shelf {
        #[message]
        pub(super) fn pieces(&self) -> u32 {
            self.pieces
        }
    }
}

/// What a caller takes it for, by a later version of its contract.
mod later {
    use super::*;

    #[derive(Entity, Default)]
    pub(super) struct Shelf;

    #[entity]
    impl Shelf {
        #[message]
        pub(super) fn dust(&self) {}
    }
}

#[derive(Entity, Default)]
struct Nowhere;

#[entity]
impl Nowhere {
    #[message]
    async fn call(&self) {}
}

// Time stands still meanwhile: none of them waits for its limit, and nobody tries again.
// proves: B98
#[tokio::test]
async fn a_call_of_an_unknown_type_or_message_ends_at_once() {
    let cluster = TestCluster::new().entity::<served::Shelf>().start().await;
    let before = cluster.clock().now();
    let unknown = cluster.get::<Nowhere>("n").call().await.unwrap_err();
    assert!(matches!(unknown, ClusterError::NotAssigned { .. }), "{unknown:?}");
    assert!(unknown.to_string().contains("Nowhere/n"), "{unknown}");
    let sent = cluster.get::<Nowhere>("n").call().send().await.unwrap_err();
    assert!(matches!(sent, ClusterError::NotAssigned { .. }), "{sent:?}");
    let unknown = cluster.get::<later::Shelf>("s").dust().await.unwrap_err();
    assert!(
        matches!(unknown, ClusterError::NotAssigned { .. }),
        "nobody serves it so: {unknown:?}"
    );
    assert_eq!(cluster.get::<served::Shelf>("s").pieces().await.unwrap(), 0);
    assert_eq!(cluster.clock().now(), before);
}

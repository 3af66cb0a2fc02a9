//! Local calls in tests pass through encode and decode: what cannot travel fails in the first test,
//! by type and path, and not when its entity is elsewhere one day.

use std::error::Error as _;

use cluster::prelude::*;
use cluster::testing::TestCluster;

use crate::support::{Bed, Probe, backends, soon};

/// Leaves a field out when it is empty, which the compact format cannot carry.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Line {
    text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

fn whole() -> Line {
    Line { text: "a".into(), note: Some("b".into()) }
}

/// One that does not travel.
fn half() -> Line {
    Line { text: "a".into(), note: None }
}

#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize)]
#[error("no")]
struct No {
    line: Line,
}

#[derive(Entity)]
struct Page {
    #[state]
    written: u32,
    probe: Probe,
}

#[entity]
impl Page {
    #[message]
    fn write(&mut self, line: Line) -> u32 {
        assert!(line.text == "a");
        self.written += 1;
        self.written
    }

    #[message(persisted)]
    fn print(&mut self, line: Line) -> usize {
        line.text.len()
    }

    /// In its caller's own poll.
    #[message]
    fn read(&self, whole: bool) -> Line {
        line(whole)
    }

    /// Its caller waits.
    #[message]
    async fn read_later(&self, whole: bool) -> Line {
        self.probe.pass("reading").await;
        line(whole)
    }

    #[message]
    fn refuse(&self, whole: bool) -> Result<u32, No> {
        Err(No { line: line(whole) })
    }
}

fn line(is_whole: bool) -> Line {
    if is_whole { whole() } else { half() }
}

/// The error and all its causes.
fn told(error: ClusterError) -> String {
    let ClusterError::Malformed { .. } = error else { panic!("{error:?}") };
    format!("{error}: {}", error.source().expect("what the codec said"))
}

/// Whether type, field and message are told.
fn names(told: &str, path: &str, message: &str) -> bool {
    told.contains(path) && told.contains(message) && told.contains("Page/p")
}

async fn waits(bed: &Bed, page: &PageClient, whole: bool) -> Result<Line, ClusterError> {
    bed.probe.close("reading");
    let before = bed.probe.count("reading");
    let reading = tokio::spawn(page.read_later(whole).into_future());
    bed.probe.wait_for("reading", before + 1).await;
    bed.probe.open("reading");
    soon(reading).await.unwrap()
}

// proves: B239
async fn what_cannot_travel_fails_in_the_first_test(bed: Bed) {
    let probe = bed.probe.clone();
    let cluster = TestCluster::new()
        .storage(bed.open().await)
        .entity_with::<Page>(move |_| Page { written: 0, probe: probe.clone() })
        .start()
        .await;
    let page = cluster.get::<Page>("p");

    let arguments = [
        told(page.write(half()).await.unwrap_err()),
        told(page.write(half()).send().await.unwrap_err()),
    ];
    for told in arguments {
        assert!(names(&told, ".line.note", "the arguments of Page/p write"), "{told}");
    }
    assert!(page.print(half()).await.is_err());
    assert!(page.print(half()).send().await.is_err());
    for told in [
        told(page.read(false).await.unwrap_err()),
        told(waits(&bed, &page, false).await.unwrap_err()),
    ] {
        assert!(names(&told, "Line.note", "the reply of Page/p read"), "{told}");
    }
    let Err(CallError::Cluster(error)) = page.refuse(false).await else { panic!("it travels") };
    let told = told(error);
    assert!(names(&told, "No.line.note", "the error of Page/p refuse"), "{told}");

    // What can travel arrives as it was.
    assert_eq!(page.write(whole()).await.unwrap(), 1, "the others never started");
    assert_eq!(page.print(whole()).await.unwrap(), 1);
    assert_eq!(page.read(true).await.unwrap(), whole());
    assert_eq!(waits(&bed, &page, true).await.unwrap(), whole());
    let refused = page.refuse(true).await;
    assert!(matches!(&refused, Err(CallError::Entity(no)) if no.line == whole()), "{refused:?}");
    cluster.shutdown().await.unwrap();
}

// proves: B239
async fn it_can_be_switched_off(bed: Bed) {
    let probe = bed.probe.clone();
    let cluster = TestCluster::new()
        .direct_calls()
        .storage(bed.open().await)
        .entity_with::<Page>(move |_| Page { written: 0, probe: probe.clone() })
        .start()
        .await;
    let page = cluster.get::<Page>("p");
    assert_eq!(page.write(half()).await.unwrap(), 1);
    page.write(half()).send().await.unwrap();
    assert_eq!(page.read(false).await.unwrap(), half());
    assert_eq!(waits(&bed, &page, false).await.unwrap(), half());
    let refused = page.refuse(false).await;
    assert!(matches!(&refused, Err(CallError::Entity(no)) if no.line == half()), "{refused:?}");
    cluster.shutdown().await.unwrap();
}

backends!(what_cannot_travel_fails_in_the_first_test, it_can_be_switched_off);

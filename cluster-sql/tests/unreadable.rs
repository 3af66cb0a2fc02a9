//! A row that cannot be read is passed, and what comes behind it takes its place in the page.
#![allow(clippy::unwrap_used)] // Helpers of tests fail as tests do.

mod support;

use std::sync::Arc;

use cluster_core::id::Seq;
use cluster_core::storage::{Batch, MessageStorage, PendingScan};
use rusqlite::Connection;
use support::{Folder, join, request};

#[tokio::test]
async fn a_page_is_full_though_some_of_its_rows_cannot_be_read() {
    let folder = Folder::new();
    let storage = folder.options().open().await.unwrap();
    let fence = join(&storage).await;
    let accepts = (1..=8).map(request).collect();
    storage.commit(fence, Arc::new(Batch { accepts, ..Batch::default() })).await.unwrap();
    let spoil = "UPDATE cluster_request SET headers = 'no headers' WHERE seq IN (2, 3, 5, 8)";
    Connection::open(folder.database()).unwrap().execute(spoil, []).unwrap();

    let load = async |after: u64, limit: usize, bytes: usize| {
        let scan = PendingScan { after: Seq::new(after), entity: None, limit, bytes };
        let page = storage.load_pending(fence, scan).await.unwrap();
        page.iter().map(|found| found.request.seq.as_u64()).collect::<Vec<_>>()
    };
    let row = request(1).bytes();
    assert_eq!(load(0, 3, usize::MAX).await, [1, 4, 6]);
    assert_eq!(load(0, 2, usize::MAX).await, [1, 4]);
    assert_eq!(load(0, 9, 3 * row).await, [1, 4, 6]);
    assert_eq!(load(4, 9, 1).await, [6]);
    assert_eq!(load(6, 9, usize::MAX).await, [7]);
    assert!(load(7, 9, usize::MAX).await.is_empty());
}

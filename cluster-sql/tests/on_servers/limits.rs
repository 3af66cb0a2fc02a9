//! What is waited for and what is sent has limits, and no error tells a password.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cluster_core::id::{Epoch, Seq, ShardId, StateVersion};
use cluster_core::storage::{
    AttemptWrite, Batch, JournalEntry, JournalKind, JournalStorage, MessageStorage,
    OwnershipStorage, RequestRow, StateKey, StateWrite, StorageError, TransactionStorage,
};
use cluster_core::time::{Clock, Timestamp};
use sqlx::Executor;

use crate::support::{
    BAD_TLS, Connected, LOCK_JOURNAL, TLS_MODE, TestDatabase, UNLOCK_JOURNAL, accept, join,
    outcome, request,
};

fn key() -> StateKey {
    StateKey { shard: ShardId::new(1), entity_type: "Shop".into(), entity_id: "a".into() }
}

fn state() -> Arc<Batch> {
    let (from, to) = (StateVersion::new(0), StateVersion::new(1));
    let payload = Bytes::from_static(b"state");
    let write = StateWrite { key: key(), epoch: Epoch::new(1), from, to, payload };
    Arc::new(Batch { states: vec![write], ..Batch::default() })
}

/// All connections that write wait for the server: a batch waits, then says so; what only reads has
/// its own. So have handlers' transactions, which wait for each other however long that takes.
// proves: B49, B109, B115
#[tokio::test]
async fn waiting_for_a_connection_ends() {
    let Some(backend) = TestDatabase::make().await else { return };
    let options = backend.options().connections(4).connect_timeout(Duration::from_secs(1));
    let storage = options.connect().await.unwrap();
    let fence = join(&storage).await;
    let open = storage.begin().await.unwrap();
    let waiting = storage.clone();
    let next = tokio::spawn(async move { waiting.begin().await.map(drop) });
    let mut tool = backend.tool().await;
    let lock = "BEGIN; SELECT number FROM cluster_fence FOR UPDATE";
    tool.execute(sqlx::raw_sql(lock)).await.unwrap();
    let commit = || {
        let storage = storage.clone();
        tokio::spawn(async move { storage.commit(fence, Arc::default()).await })
    };
    let waiting = [commit(), commit()];
    let refused = commit().await.unwrap();
    let Err(StorageError::Unavailable { source }) = refused else { panic!("{refused:?}") };
    assert!(source.to_string().contains("1s"), "{source}");
    assert!(storage.load_states(vec![key()]).await.unwrap()[0].is_none());
    tool.execute("ROLLBACK").await.unwrap();
    for waiting in waiting {
        waiting.await.unwrap().unwrap();
    }
    assert!(!next.is_finished());
    storage.commit(fence, state()).await.unwrap();
    open.rollback().await;
    next.await.unwrap().unwrap();
}

/// Statements that somebody else's lock on a table keeps from returning end by themselves, each
/// within the time for an answer, and nothing of them is done; everything else goes on meanwhile,
/// and so do they when the lock is gone.
// proves: B115
#[tokio::test]
async fn a_statement_that_does_not_return_ends() {
    const PATIENCE: Duration = Duration::from_secs(3);
    let Some(backend) = TestDatabase::make().await else { return };
    let storage = backend.options().answer_timeout(PATIENCE).connect().await.unwrap();
    let fence = join(&storage).await;
    accept(&storage, fence, vec![request(1)]).await;
    let execution = request(1).seq;
    let journal = || Arc::new(Batch { journal: vec![step(execution)], ..Batch::default() });
    let mut tool = backend.tool().await;
    tool.execute(sqlx::raw_sql(LOCK_JOURNAL)).await.unwrap();
    let clock = Clock::system();
    let begun = clock.now();
    let mut write = storage.commit(fence, journal());
    let mut read = storage.load_journal(execution);
    let (mut written, mut found, mut others) = (None, None, 0);
    while written.is_none() || found.is_none() {
        tokio::select! {
            biased;
            done = &mut write, if written.is_none() => written = Some(done),
            done = &mut read, if found.is_none() => found = Some(done),
            () = accept(&storage, fence, vec![request(2 + others)]) => others += 1,
        }
    }
    assert!(clock.now() - begun < PATIENCE * 2, "each is waited for once");
    assert!(others > 10, "{others} others were written");
    let (written, found) = (written.unwrap(), found.unwrap());
    assert!(matches!(written, Err(StorageError::Unavailable { .. })), "{written:?}");
    assert!(matches!(found, Err(StorageError::Unavailable { .. })), "{found:?}");
    // Nothing that has been given up is in the way of a new fence.
    let raised = storage.raise_fence(fence).await.unwrap();
    tool.execute(UNLOCK_JOURNAL).await.unwrap();
    assert_eq!(storage.load_journal(execution).await.unwrap().entries, []);
    storage.commit(raised, journal()).await.unwrap();
    assert_eq!(storage.load_journal(execution).await.unwrap().entries, [step(execution)]);
}

/// A batch that is written row by row takes longer than one answer may: while its answers come, it
/// is waited for, for it would take as long another time.
#[tokio::test]
async fn a_batch_of_many_statements_takes_as_long_as_it_takes() {
    const PATIENCE: Duration = Duration::from_secs(2);
    let Some(backend) = TestDatabase::make().await else { return };
    let storage = backend.options().answer_timeout(PATIENCE).connect().await.unwrap();
    let fence = join(&storage).await;
    let requests: Vec<_> = (1..=100).map(request).collect();
    accept(&storage, fence, requests.clone()).await;
    let clock = Clock::system();
    for round in 0.. {
        let attempt = |attempts| {
            requests.iter().map(move |request| AttemptWrite {
                seq: request.seq,
                shard: request.shard,
                epoch: request.epoch,
                attempts,
                retry_at: Timestamp::from_unix_ms(1),
                in_order: false,
                error: "failed".to_owned(),
            })
        };
        // A number of statements that takes long enough, however fast they are.
        let attempts: Vec<_> = (1..=60 << round).flat_map(attempt).collect();
        let begun = clock.now();
        let batch = Arc::new(Batch { attempts, ..Batch::default() });
        storage.commit(fence, batch).await.unwrap();
        if clock.now() - begun > PATIENCE * 3 / 2 {
            return;
        }
    }
}

fn step(execution: Seq) -> JournalEntry {
    JournalEntry {
        execution,
        position: 0,
        shard: request(1).shard,
        epoch: Epoch::new(1),
        kind: JournalKind::StepEnded,
        name: "step".into(),
        occurrence: 1,
        recorded_at: Timestamp::from_unix_ms(0),
        due_at: None,
        payload: Bytes::from_static(b"done"),
    }
}

/// More than the limit is refused before anything is sent; what is just below it is kept whole.
// proves: B106
#[tokio::test]
async fn what_is_larger_than_the_limit_is_refused() {
    const LIMIT: usize = 6 << 20;
    let Some(backend) = TestDatabase::make().await else { return };
    let storage = backend.options().payload_bytes_max(LIMIT).connect().await.unwrap();
    let fence = join(&storage).await;
    let sized = |seq, bytes| RequestRow { arguments: vec![7; bytes].into(), ..request(seq) };
    let accept = |row| Batch { accepts: vec![row], ..Batch::default() };
    let mut end = outcome(2);
    end.outcome.payload = vec![8; LIMIT + 1].into();
    let finish = |row| Batch { outcomes: vec![row], ..Batch::default() };
    storage.commit(fence, accept(sized(2, LIMIT)).into()).await.unwrap();
    for batch in [accept(sized(1, LIMIT + 1)), finish(end.clone())] {
        let refused = storage.commit(fence, batch.into()).await;
        assert!(matches!(refused, Err(StorageError::TooLarge { .. })), "{refused:?}");
    }
    end.outcome.payload = vec![8; LIMIT].into();
    storage.commit(fence, finish(end.clone()).into()).await.unwrap();
    let found = storage.find_requests(vec![request(2).id]).await.unwrap().remove(0).unwrap();
    assert!(found.request.arguments == sized(2, LIMIT).arguments);
    assert!(found.outcome.unwrap().payload == end.outcome.payload);
    assert!(found.request.accepted_at == Timestamp::from_unix_ms(0));
}

fn with_parameter(url: &str, parameter: &str) -> String {
    format!("{url}{}{parameter}", if url.contains('?') { '&' } else { '?' })
}

/// A misspelt parameter is named, and what may be a part of a password is not.
#[tokio::test]
async fn an_unknown_parameter_is_named() {
    let Some(backend) = TestDatabase::make().await else { return };
    let url = with_parameter(&backend.url(), "sslmood=x");
    let refused = Connected::options(url).connect().await.unwrap_err();
    assert!(matches!(refused, StorageError::BadSetting { setting: "url", .. }), "{refused:?}");
    assert!(refused.to_string().contains("`sslmood`"), "{refused}");
}

/// A parameter with a value that it cannot have is named.
#[tokio::test]
async fn a_bad_value_of_a_parameter_is_told() {
    let Some(backend) = TestDatabase::make().await else { return };
    let url = with_parameter(&backend.url(), &format!("{TLS_MODE}=some"));
    let refused = Connected::options(url).connect().await.unwrap_err();
    assert!(matches!(refused, StorageError::BadSetting { setting: "url", .. }), "{refused:?}");
    assert!(refused.to_string().contains(&format!("`{TLS_MODE}`")), "{refused}");
}

/// What only a person can mend is told apart from what passes.
#[tokio::test]
async fn who_is_not_let_in_is_denied() {
    let Some(backend) = TestDatabase::make().await else { return };
    let url = backend.url();
    let (scheme, rest) = url.split_once("://").unwrap();
    let (user, place) = rest.split_once('@').unwrap();
    let (host, _) = place.split_once('/').unwrap();
    let wrong_password = format!("{scheme}://cluster:wrong@{place}");
    let no_database = format!("{scheme}://{user}@{host}/no_such_database");
    for url in [wrong_password, no_database] {
        let denied = Connected::options(url).connect().await.unwrap_err();
        assert!(matches!(denied, StorageError::Denied { .. }), "{denied:?}");
        assert!(!denied.source().unwrap().to_string().is_empty());
    }
    let nobody = format!("{scheme}://{user}@127.0.0.1:1/test");
    let options = Connected::options(nobody).connect_timeout(Duration::from_secs(2));
    let gone = options.connect().await.unwrap_err();
    assert!(matches!(gone, StorageError::Unavailable { .. }), "{gone:?}");
}

/// Whatever is wrong with a URL, nobody hears its password.
#[tokio::test]
async fn no_error_tells_a_password() {
    let Some(backend) = TestDatabase::make().await else { return };
    let url = backend.url();
    let (scheme, rest) = url.split_once("://").unwrap();
    let (user, place) = rest.split_once('@').unwrap();
    let (_, password) = user.split_once(':').unwrap();
    let (host, _) = place.split_once('/').unwrap();
    let secret = "s3cr3t-w0rd";
    let urls = [
        format!("{scheme}://cluster:{secret}@{place}"),
        format!("{scheme}://nobody:{secret}@{place}"),
        format!("{scheme}://cluster:{secret}@127.0.0.1:1/test"),
        format!("{scheme}://cluster:{secret}@no.such.host.invalid/test"),
        format!("{scheme}://cluster:{secret}@{host}/test?{TLS_MODE}={secret}"),
        format!("{scheme}://cluster:{secret}@{host}/test?passwort={secret}"),
        format!("{scheme}://cluster:{secret}@127.0.0.1:no port/test"),
        format!("{scheme}://cluster:{secret}@{host}/test?pass%{secret}=1"),
        format!("amqp://cluster:{secret}@127.0.0.1/x"),
        // Passwords with what ends the part of a URL that they stand in.
        format!("{scheme}://cluster:pa?{secret}@{place}"),
        format!("{scheme}://cluster:12?{secret}@{place}"),
        format!("{scheme}://cluster:12?a&{secret}&b@{place}"),
        format!("{scheme}://cluster:12?{TLS_MODE}={secret}@{place}"),
        format!("{scheme}://cluster:pa#{secret}@{place}"),
        format!("{scheme}://cluster:12#{secret}@{place}"),
        format!("{scheme}://cluster:pa/{secret}@{place}"),
        format!("{scheme}://cluster:12/{secret}@{place}"),
        format!("{scheme}://127.0.0.1:1/{secret}@{place}"),
        format!("{scheme}://cluster:a@{secret}@{place}"),
        format!("{scheme}://cluster:{secret}%zz@{place}"),
        format!("{scheme}://{user}@{host}/no_such_database"),
        format!("{scheme}://{user}@{host}/no_such_database?{BAD_TLS}"),
        secret.to_owned(),
    ];
    for url in urls {
        let options = Connected::options(&url).connect_timeout(Duration::from_secs(5));
        assert!(!format!("{options:?}").contains(secret));
        let error = options.connect().await.unwrap_err();
        let mut told = format!("{error} {error:?}");
        let mut source = error.source();
        while let Some(error) = source {
            told.push_str(&format!(" {error} {error:?}"));
            source = error.source();
        }
        assert!(!told.contains(secret) && !told.contains(password), "{told}");
    }
}

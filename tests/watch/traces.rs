//! Spans and traces: whose they are, and how they go on through calls, storage and restarts.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use cluster::prelude::*;
use cluster::storage::Storage;
use cluster::{TraceBridge, TraceContext};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Instrument, Span, Subscriber};
use tracing_subscriber::layer::{Context as Within, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};

use crate::log::listen;
use crate::support::{on_each_storage, soon, until};

/// The fields of a span or event, by name; `""` is its own name.
type Fields = BTreeMap<String, String>;

/// What a span was when it closed, or an event: its fields, and those of the spans around it, the
/// innermost first.
#[derive(Debug, Clone)]
struct Seen {
    fields: Fields,
    around: Vec<Fields>,
}

impl Seen {
    fn get(&self, field: &str) -> Option<&str> {
        self.fields.get(field).map(String::as_str)
    }

    fn is(&self, name: &str, method: &str) -> bool {
        self.get("") == Some(name) && self.get("rpc.method") == Some(method)
    }
}

/// Writes down every span that closes and every event.
#[derive(Clone, Default)]
struct Book(Arc<Mutex<Vec<Seen>>>);

impl Book {
    /// The one span or event for which `is_it` says so, once it is there.
    async fn find(&self, is_it: impl Fn(&Seen) -> bool) -> Seen {
        until(|| self.0.lock().unwrap().iter().any(&is_it)).await;
        self.0.lock().unwrap().iter().find(|seen| is_it(seen)).unwrap().clone()
    }

    async fn span(&self, name: &str, method: &str) -> Seen {
        self.find(|seen| seen.is(name, method)).await
    }

    async fn event(&self, text: &str) -> Seen {
        self.find(|seen| seen.get("message") == Some(text)).await
    }

    /// Runs it while everything of this thread is written down.
    async fn listening<R>(&self, run: impl Future<Output = R>) -> R {
        let _listening = listen(Registry::default().with(self.clone()));
        run.await
    }
}

struct Writer<'a>(&'a mut Fields);

impl Visit for Writer<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Book {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, within: Within<'_, S>) {
        let name = attributes.metadata().name().to_owned();
        let mut fields = Fields::from([(String::new(), name)]);
        attributes.record(&mut Writer(&mut fields));
        within.span(id).unwrap().extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, within: Within<'_, S>) {
        let span = within.span(id).unwrap();
        values.record(&mut Writer(span.extensions_mut().get_mut::<Fields>().unwrap()));
    }

    fn on_event(&self, event: &Event<'_>, within: Within<'_, S>) {
        let mut fields = Fields::new();
        event.record(&mut Writer(&mut fields));
        let scope = within.event_scope(event).into_iter().flatten();
        let around = scope.map(|span| span.extensions().get::<Fields>().unwrap().clone()).collect();
        self.0.lock().unwrap().push(Seen { fields, around });
    }

    fn on_close(&self, id: Id, within: Within<'_, S>) {
        let span = within.span(&id).unwrap();
        let mut around: Vec<Fields> =
            span.scope().map(|span| span.extensions().get::<Fields>().unwrap().clone()).collect();
        let fields = around.remove(0);
        self.0.lock().unwrap().push(Seen { fields, around });
    }
}

/// Stands for a tracer: the position of a span is its own id in the trace of the outermost one, or
/// of the caller that it continues.
#[derive(Clone, Default)]
struct Bridge(Arc<Mutex<BTreeMap<u64, TraceContext>>>);

impl TraceBridge for Bridge {
    fn position(&self, span: &Span) -> Option<TraceContext> {
        let id = span.id()?.into_u64();
        let resumed = self.0.lock().unwrap().get(&id).cloned();
        let trace = resumed.map_or(TRACE, |resumed| resumed.trace_id());
        TraceContext::new(trace, id, 1)
    }

    fn resume(&self, span: &Span, caller: &TraceContext) {
        if let Some(id) = span.id() {
            self.0.lock().unwrap().insert(id.into_u64(), caller.clone());
        }
    }
}

const TRACE: u128 = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c;

fn caller() -> TraceContext {
    let parent = format!("00-{TRACE:032x}-b7ad6b7169203331-01");
    TraceContext::from_headers(&parent, "vendor=1,other=2").unwrap()
}

/// The two headers of each position.
type Positions = Vec<Option<(String, String)>>;

fn headers(position: &TraceContext) -> (String, String) {
    (position.traceparent(), position.tracestate().to_owned())
}

/// Says where it stands in its trace, and logs all its life.
struct Notary(u32);

impl Drop for Notary {
    fn drop(&mut self) {
        tracing::info!("the notary {} goes", self.0);
    }
}

#[derive(Entity)]
#[entity(idle = "10ms")]
struct Clerk {
    _notary: Notary,
    opens: Arc<tokio::sync::Semaphore>,
}

#[entity]
impl Clerk {
    #[activate]
    async fn come(&mut self) -> Result<(), std::io::Error> {
        tracing::info!("a clerk comes");
        tokio::task::yield_now().await;
        tracing::info!("a clerk has come");
        Ok(())
    }

    #[deactivate]
    async fn go(&mut self) -> Result<(), std::io::Error> {
        tracing::info!("a clerk goes");
        Ok(())
    }

    #[message]
    fn ask(&self, ctx: &Context) -> Positions {
        tracing::info!("asked");
        vec![ctx.trace().map(headers)]
    }

    #[message(persisted)]
    async fn file(&mut self, ctx: &Context) -> Positions {
        self.opens.acquire().await.unwrap().forget();
        tracing::info!("filed");
        let mut seen = vec![ctx.trace().map(headers)];
        seen.extend(ctx.get::<Clerk>("next").ask().await.unwrap());
        ctx.get::<Clerk>("last").note().send().await.unwrap();
        seen
    }

    #[message(persisted)]
    fn note(&mut self) {
        tracing::info!("noted");
    }

    #[message]
    async fn hold(&mut self) {
        self.opens.acquire().await.unwrap().forget();
    }

    #[message]
    fn fail(&self) {
        panic!("told to");
    }
}

/// An entity that is made in its caller's own poll.
#[derive(Entity)]
struct Quick(#[allow(dead_code, reason = "it logs when it goes")] Notary);

#[entity]
impl Quick {
    #[message]
    fn touch(&self) {
        tracing::info!("touched");
    }

    #[message]
    async fn wait(&mut self, opens: u32) {
        tracing::info!("waits {opens}");
        tokio::task::yield_now().await;
    }
}

fn serve(
    storage: &Arc<dyn Storage>,
    opens: &Arc<tokio::sync::Semaphore>,
) -> cluster::ClusterBuilder {
    let opens = opens.clone();
    Cluster::builder_without_env()
        .storage(storage.clone())
        .entity_with::<Clerk>(move |_| {
            tracing::info!("a clerk is made");
            Clerk { _notary: Notary(1), opens: opens.clone() }
        })
        .entity_with::<Quick>(|_| {
            tracing::info!("a quick one is made");
            Quick(Notary(2))
        })
}

fn closed() -> Arc<tokio::sync::Semaphore> {
    Arc::new(tokio::sync::Semaphore::new(0))
}

// proves: B229
on_each_storage!(a_trace_goes_on_through_calls_storage_and_a_restart);
async fn a_trace_goes_on_through_calls_storage_and_a_restart(storage: Arc<dyn Storage>) {
    let opens = closed();
    let cluster = serve(&storage, &opens).start().await.unwrap();
    let asked = cluster.get::<Clerk>("c").ask().trace(caller()).await.unwrap();
    let position = Some(headers(&caller()));
    assert_eq!(asked, std::slice::from_ref(&position));
    assert_eq!(cluster.get::<Clerk>("c").ask().await.unwrap(), [None]);
    let filed = cluster.get::<Clerk>("c").file().trace(caller()).send().await.unwrap().id();
    drop(cluster);

    let cluster = serve(&storage, &opens).start().await.unwrap();
    opens.add_permits(1);
    let seen = soon(cluster.receipt::<ClerkFile>(filed).outcome()).await.unwrap();
    // As it was, with its state: the handler's position and that of the one it called.
    assert_eq!(seen, [position.clone(), position]);
    soon(cluster.caught_up()).await.unwrap();
    cluster.shutdown().await.unwrap();
}

// proves: B229
on_each_storage!(a_stored_request_is_a_child_of_its_callers_span_also_after_a_restart);
async fn a_stored_request_is_a_child_of_its_callers_span_also_after_a_restart(
    storage: Arc<dyn Storage>,
) {
    let (book, opens, bridge) = (Book::default(), closed(), Bridge::default());
    let filed = async {
        let cluster = serve(&storage, &opens).trace_bridge(bridge.clone()).start().await.unwrap();
        cluster.get::<Clerk>("c").file().trace(caller()).send().await.unwrap().id()
    };
    let filed = book.listening(filed).await;
    let sent = book.span("call", "file").await;
    assert_eq!(sent.get("rpc.service"), Some("Clerk"));

    let (book, resumed) = (Book::default(), Bridge::default());
    let seen = async {
        let cluster = serve(&storage, &opens).trace_bridge(resumed.clone()).start().await.unwrap();
        opens.add_permits(1);
        let seen = soon(cluster.receipt::<ClerkFile>(filed).outcome()).await.unwrap();
        soon(cluster.caught_up()).await.unwrap();
        cluster.shutdown().await.unwrap();
        seen
    };
    let seen = book.listening(seen).await;
    let handled = book.span("handle", "file").await;
    for (field, value) in [
        ("rpc.system", "cluster"),
        ("rpc.service", "Clerk"),
        ("otel.name", "Clerk/file"),
        ("otel.kind", "consumer"),
        ("entity.id", "c"),
        ("request.id", &filed.to_string()),
        ("trace_id", &format!("{TRACE:032x}")),
    ] {
        assert_eq!(handled.get(field), Some(value), "{field}");
    }
    assert!(handled.around.is_empty(), "its parent is in another process");
    // The span continues the position of the call that was sent before the restart.
    let (parent, state) = seen[0].clone().unwrap();
    let stored = TraceContext::from_headers(&parent, &state).unwrap();
    assert_eq!(stored.trace_id(), TRACE);
    assert_ne!(stored.span_id(), caller().span_id(), "it is the call's own");
    assert!(resumed.0.lock().unwrap().values().any(|resumed| *resumed == stored));
    // What it calls and sends is within its span, and in its trace.
    let called = book.span("handle", "ask").await;
    let methods: Vec<_> =
        called.around.iter().map(|span| (&*span[""], &*span["rpc.method"])).collect();
    assert_eq!(methods, [("call", "ask"), ("handle", "file")]);
    assert_eq!(book.span("handle", "note").await.get("trace_id"), handled.get("trace_id"));
}

// proves: B234
on_each_storage!(an_entity_carries_nothing_of_whoever_brings_it_into_memory);
async fn an_entity_carries_nothing_of_whoever_brings_it_into_memory(storage: Arc<dyn Storage>) {
    let (book, opens) = (Book::default(), closed());
    let run = async {
        let builder = serve(&storage, &opens).config(|config| config.resident_entities_max = 1);
        let cluster = builder.start().await.unwrap();
        let visit = tracing::info_span!("visit", visitor = "ann");
        async {
            cluster.get::<Clerk>("c").ask().await.unwrap();
            // There is room for one only: each sends the other one away, in its caller's poll.
            cluster.get::<Quick>("q").touch().await.unwrap();
            cluster.get::<Clerk>("c").ask().await.unwrap();
        }
        .instrument(visit)
        .await;
        cluster.shutdown().await.unwrap();
    };
    book.listening(run).await;
    let own = [
        "a clerk is made",
        "a clerk comes",
        "a clerk has come",
        "a clerk goes",
        "the notary 1 goes",
        "a quick one is made",
        "the notary 2 goes",
    ];
    for text in own {
        let seen = book.event(text).await;
        let spans: Vec<_> = seen.around.iter().map(|span| &*span[""]).collect();
        assert_eq!(spans, ["life"], "{text}");
        assert!(!format!("{seen:?}").contains("ann"), "{seen:?}");
    }
    // A handler is its caller's work: its log is within that.
    let touched = book.event("touched").await;
    let spans: Vec<_> = touched.around.iter().map(|span| &*span[""]).collect();
    assert_eq!(spans, ["handle", "call", "visit"]);
    // The caller's own span has ended, so nothing held on to it.
    book.find(|seen| seen.get("visitor") == Some("ann")).await;
}

// The same where only the caller's spans are listened to.
// proves: B234
#[tokio::test]
async fn nothing_is_carried_either_where_spans_of_the_cluster_are_not_listened_to() {
    let (book, opens) = (Book::default(), closed());
    let filter = tracing_subscriber::filter::LevelFilter::INFO;
    let subscriber = Registry::default().with(filter).with(book.clone());
    let run = async {
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
        let builder = serve(&storage, &opens).config(|config| config.resident_entities_max = 1);
        let cluster = builder.start().await.unwrap();
        async {
            cluster.get::<Quick>("q").touch().await.unwrap();
            cluster.get::<Quick>("r").touch().await.unwrap();
        }
        .instrument(tracing::info_span!("visit", visitor = "ann"))
        .await;
        cluster.shutdown().await.unwrap();
    };
    let listening = listen(subscriber);
    run.await;
    drop(listening);
    for text in ["a quick one is made", "the notary 2 goes"] {
        let all: Vec<_> = book.0.lock().unwrap().clone();
        let of = all.iter().filter(|seen| seen.get("message") == Some(text));
        assert_eq!(of.filter(|seen| seen.around.is_empty()).count(), 2, "{all:?}");
    }
    assert_eq!(book.event("touched").await.around.len(), 1, "the caller's own");
}

// Whoever frees an entity starts what waits for it, in its own poll: the next handler is not its
// own.
// proves: B234
#[tokio::test]
async fn a_handler_is_of_its_own_caller_whoever_starts_it() {
    let (book, opens) = (Book::default(), closed());
    let run = async {
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
        let cluster = serve(&storage, &opens).start().await.unwrap();
        let clerk = cluster.get::<Clerk>("c");
        let by = |name: &'static str| tracing::info_span!("by", name);
        let holding = tokio::spawn(clerk.hold().into_future().instrument(by("first")));
        until(|| cluster.stats().handlers_started == 1).await;
        let asking = tokio::spawn(clerk.ask().into_future().instrument(by("second")));
        until(|| cluster.stats().waiting_requests == 1).await;
        opens.add_permits(1);
        soon(holding).await.unwrap().unwrap();
        soon(asking).await.unwrap().unwrap();
        cluster.shutdown().await.unwrap();
    };
    book.listening(run).await;
    let around = book.event("asked").await.around;
    assert_eq!(around.len(), 3, "{around:?}");
    assert_eq!((&*around[0][""], &*around[1][""]), ("handle", "call"));
    assert_eq!(around[2]["name"], "second");
}

#[tokio::test]
async fn what_fails_is_marked() {
    let (book, opens) = (Book::default(), closed());
    let run = async {
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
        let cluster = serve(&storage, &opens).start().await.unwrap();
        cluster.get::<Clerk>("c").fail().await.unwrap_err();
        cluster.get::<Clerk>("c").ask().await.unwrap();
        cluster.shutdown().await.unwrap();
    };
    book.listening(run).await;
    for name in ["call", "handle"] {
        assert_eq!(book.span(name, "fail").await.get("otel.status_code"), Some("ERROR"));
        assert_eq!(book.span(name, "ask").await.get("otel.status_code"), None);
    }
    let told = book.event("a handler panicked").await;
    assert_eq!(told.around[0]["rpc.method"], "fail");
}

// The rules of the Recommendation's `traceparent`: what is not so is no trace.
#[test]
fn a_traceparent_is_read_strictly() {
    let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let read = |parent: &str| TraceContext::from_headers(parent, "");
    let good = read(&format!("00-{trace}-{span}-01")).unwrap();
    assert_eq!((good.trace_id(), good.span_id()), (TRACE, 0xb7ad_6b71_6920_3331));
    assert!(good.is_sampled() && good.tracestate().is_empty());
    // Flags that are not known are dropped; a later version may say more, and is written as this.
    let flags = read(&format!("00-{trace}-{span}-fe")).unwrap();
    assert_eq!(flags.traceparent(), format!("00-{trace}-{span}-00"));
    for later in [format!("cc-{trace}-{span}-01"), format!("cc-{trace}-{span}-01-what-follows")] {
        assert_eq!(read(&later).unwrap().traceparent(), format!("00-{trace}-{span}-01"));
    }
    let zeros = |many: usize| "0".repeat(many);
    let bad = [
        String::new(),
        format!("ff-{trace}-{span}-01"),
        format!("00-{trace}-{span}-01-more"),
        format!("00-{trace}-{span}-01-"),
        format!("cc-{trace}-{span}-01.more"),
        format!("00-{trace}-{span}-0"),
        format!("00-{trace}-{span}-0g"),
        format!("00-{}-{span}-01", zeros(32)),
        format!("00-{trace}-{}-01", zeros(16)),
        format!("00-{}-{span}-01", trace.to_uppercase()),
        format!("00-{trace}-{}-01", span.to_uppercase()),
        format!("0-{trace}-{span}-01"),
        format!("000-{trace}-{span}-01"),
        format!("00_{trace}-{span}-01"),
        format!(" 00-{trace}-{span}-01"),
        format!("00-{trace}-{span}-é"),
        format!("00-{}-{span}-01", &trace[1..]),
    ];
    for parent in bad {
        assert!(read(&parent).is_none(), "{parent}");
    }
    assert!(TraceContext::new(0, 1, 0).is_none() && TraceContext::new(1, 0, 0).is_none());
}

// A `tracestate` that breaks a rule is left out, and its trace goes on without it.
#[test]
fn a_tracestate_is_read_strictly() {
    let state = |text: &str| {
        let parent = format!("00-{TRACE:032x}-b7ad6b7169203331-01");
        TraceContext::from_headers(&parent, text).unwrap().tracestate().to_owned()
    };
    assert_eq!(state("a=1, b_-*/=x y ,,\tc=!~ "), "a=1,b_-*/=x y,c=!~");
    assert_eq!(state("2tenant@vendor=1"), "2tenant@vendor=1");
    let long = |many: usize| "x".repeat(many);
    for bad in [
        "a",
        "=1",
        "a=",
        "A=1",
        "1a=1",
        "a=1=2",
        "a=é",
        "a=1,a=2",
        "@v=1",
        "t@=1",
        "t@1v=1",
        "t@v@w=1",
        "a =1",
        &format!("{}=1", long(257)),
        &format!("a={}", long(257)),
        &format!("t@{}=1", long(15)),
        &(0..33).map(|n| format!("k{n}=1,")).collect::<String>(),
    ] {
        assert_eq!(state(bad), "", "{bad}");
    }
    let many: String = (0..32).map(|n| format!("k{n}=1,")).collect();
    assert_eq!(state(&many), many.trim_end_matches(','));
    // What is too long loses its long members, then its last ones.
    let list = format!("a={},b={},c=1,d={}", long(100), long(250), long(200));
    assert_eq!(state(&list), format!("a={},b={},c=1", long(100), long(250)));
    let list: String = (0..10).map(|n| format!("k{n}={},", long(60))).collect();
    assert_eq!(state(&list).split(',').count(), 8);
    assert!(state(&list).len() <= 512);
    let whole = TraceContext::new(TRACE, 7, 1).unwrap().with_state("a=1");
    assert_eq!(TraceContext::from_bytes(&whole.to_bytes()), Some(whole));
    assert_eq!(TraceContext::from_bytes(&[1; 24]), None);
}

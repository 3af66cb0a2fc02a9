//! An execution as an entity, and its run as a persisted message.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::context::Workflow;
use super::definition::{WorkflowType, steps};
use super::drive::Drive;
use super::running::{Running, Stop};
use crate::contract::{Schema, TraceError};
use crate::entity::{
    Access, Bell, Caller, Client, Context, Contract, Delivery, Durable, Entity, EntityOptions,
    Handle, Message, MessageInfo, MessageSchema, Method, OnPanic, Outcome, Persisted,
    ReminderHandle, RetryOptions, ServedBy, Serves, Shared, Verdict,
};
use crate::error::{CallError, ClusterError, text};
use crate::id::{ExecutionId, Key, MessageTag};
use crate::storage::{History, RetentionClass, StorageError};

/// The message that runs an execution.
pub(super) const RUN: &str = "run";
/// The header that holds the version of the workflow that started the execution.
pub(super) const VERSION_HEADER: &str = "workflow-version";

/// Executions of a workflow are entities of this type: there is one in memory for each that runs.
pub(crate) struct Host<W>(pub(crate) W);

impl<W: WorkflowType> Entity for Host<W> {
    const OPTIONS: EntityOptions =
        EntityOptions { on_panic: Some(OnPanic::Defect), ..EntityOptions::DEFAULT };
}

impl<W: WorkflowType> Contract for Host<W> {
    const NAME: &'static str = W::ENTITY_TYPE;
    type Client = HostClient;
    type Reminders = HostClient<ReminderHandle>;

    fn messages() -> &'static [&'static MessageInfo] {
        const { &[<Run<W> as Message>::INFO] }
    }

    fn schemas() -> Result<Vec<MessageSchema>, TraceError> {
        Ok(vec![MessageSchema::of::<Run<W>>()?])
    }

    fn parts() -> Result<Vec<(String, Schema)>, TraceError> {
        steps(W::steps())
    }
}

impl<W: WorkflowType> ServedBy<Host<W>> for Host<W> {
    type Contract = Self;

    fn table() -> &'static [Method<Host<W>>] {
        const { &[Method::shared::<Run<W>>()] }
    }
}

impl<W: WorkflowType> Serves for Host<W> {
    type Contract = Self;
}

/// The untyped client of an execution.
#[derive(Clone)]
pub(crate) struct HostClient<H = Handle>(H);

impl<H: Caller> Client<H> for HostClient<H> {
    fn new(handle: H) -> Self {
        HostClient(handle)
    }

    fn handle(&self) -> &H {
        &self.0
    }
}

/// Runs the execution with these arguments.
pub(crate) struct Run<W: WorkflowType>(pub(super) W::Arguments);

impl<W: WorkflowType> Serialize for Run<W> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, W: WorkflowType> Deserialize<'de> for Run<W> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        W::Arguments::deserialize(deserializer).map(Run)
    }
}

impl<W: WorkflowType> Message for Run<W> {
    type Contract = Host<W>;
    type Ok = W::Ok;
    type Err = W::Err;
    type Outcome = Executed<W>;
    type Delivery = Durable;

    const CLASS: Option<RetentionClass> = Some(RetentionClass::Execution);
    const INFO: &'static MessageInfo = &MessageInfo {
        name: RUN,
        tag: MessageTag::of(RUN),
        index: 0,
        delivery: Delivery::Persisted,
        access: Access::Shared,
        timeout: None,
        retry: RetryOptions::DEFAULT,
        uninterruptible: false,
        fenced: false,
        transaction: false,
        context: true,
        arguments: W::ARGUMENTS,
    };
}

impl<W: WorkflowType> Persisted for Run<W> {}

impl<W: WorkflowType> Shared<Host<W>> for Run<W> {
    fn run<'a>(
        self,
        entity: &'a Host<W>,
        ctx: &'a Context,
    ) -> impl Future<Output = Verdict<W::Ok, W::Err>> + Send + 'a {
        execute(&entity.0, ctx, self.0)
    }
}

/// How an execution's run ends: as the body's return type says, or by what stopped it.
pub(crate) struct Executed<W>(PhantomData<fn() -> W>);

impl<W: WorkflowType> Outcome for Executed<W> {
    type Return = Verdict<W::Ok, W::Err>;
    type Ok = W::Ok;
    type Err = W::Err;
    type Reply = <W::Outcome as Outcome>::Reply;

    fn verdict(returned: Self::Return) -> Verdict<W::Ok, W::Err> {
        returned
    }

    fn reply(result: Result<W::Ok, CallError<W::Err>>) -> Self::Reply {
        <W::Outcome as Outcome>::reply(result)
    }
}

impl<W> fmt::Debug for Executed<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Executed")
    }
}

/// Runs a body from its beginning, along its journal and on.
async fn execute<W: WorkflowType>(
    workflow: &W,
    ctx: &Context,
    arguments: W::Arguments,
) -> Verdict<W::Ok, W::Err> {
    if let Some(reason) = other_version::<W>(ctx) {
        return Verdict::GiveUp(reason);
    }
    let place = ctx.place().expect("a run is a persisted request");
    // Hung before the journal is loaded, so that no completion is missed.
    let kind = ctx.shared().kind_named(W::ENTITY_TYPE);
    let counted = kind.and_then(|kind| kind.metrics().executions.clone());
    let hung = ctx.shared().bells.hang(place.seq, counted);
    let bell = hung.bell().clone();
    let history = match load(ctx, &bell).await {
        Ok(history) => history,
        Err(error) => return Verdict::Retry(error),
    };
    let key = Key::new(ctx.entity_id().as_str()).expect("an entity's id is a text of that size");
    let id = ExecutionId::new(W::NAME, key);
    let run = Running::new(ctx.clone(), id, place, bell.clone(), history);
    let context = Workflow::new(run.clone());
    let body = Box::pin(workflow.run(&context, arguments));
    let drive = Drive { run: run.clone(), bell: bell.clone(), body, returned: None, timer: None };
    match drive.await {
        Ok(returned) => match <W::Outcome as Outcome>::verdict(returned) {
            // What has happened in this run is not to happen again.
            Verdict::Retry(error) => match run.all_written().await {
                Some(Stop::GiveUp(reason)) => Verdict::GiveUp(reason),
                Some(Stop::Again(error)) => Verdict::Retry(error),
                None => Verdict::Retry(error),
            },
            verdict => verdict,
        },
        Err(Stop::Again(error)) => Verdict::Retry(error),
        Err(Stop::GiveUp(reason)) => {
            // What has happened is for whoever goes on. A body that has done something else than
            // its journal leaves it alone.
            if run.is_live() {
                run.all_written().await;
            }
            Verdict::GiveUp(reason)
        }
    }
}

/// Why the execution cannot run here, if another version has started it.
fn other_version<W: WorkflowType>(ctx: &Context) -> Option<String> {
    let version = ctx.header(VERSION_HEADER)?;
    (version != W::VERSION.to_string()).then(|| {
        format!(
            "version {version} of workflow `{}` has started this execution; here is version {}",
            W::NAME,
            W::VERSION
        )
    })
}

/// Loads what is stored of the execution, however often the storage is away: that is no failure of
/// the execution.
async fn load(ctx: &Context, bell: &Bell) -> Result<History, ClusterError> {
    let shared = ctx.shared();
    let seq = ctx.place().expect("a run is a persisted request").seq;
    let mut attempt = 1;
    loop {
        match shared.storage.load_journal(seq).await {
            Ok(history) => return Ok(history),
            Err(error @ StorageError::Unavailable { .. }) => {
                if !shared.gate.is_open() {
                    return Err(ClusterError::ShuttingDown);
                }
                tracing::warn!(error = text(&error), "a journal cannot be loaded now");
                let pause = shared.clock.sleep(shared.config.backoff(attempt));
                bell.rung_or(pause).await;
                attempt = attempt.saturating_add(1);
            }
            Err(error) => return Err(ClusterError::Persistence { source: Arc::new(error) }),
        }
    }
}

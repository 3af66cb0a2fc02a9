//! Steps: what runs once, and whose result is kept.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};

use bytes::Bytes;
use pin_project_lite::pin_project;

use super::ambient::{current_body, in_step};
use super::definition::StepType;
use super::pending::Pending;
use super::replay::{Command, End, Sort};
use super::running::Running;
use crate::contract::TraceError;
use crate::entity::{Context, decode_error, encode_error};
use crate::error::{ClusterError, Source};
use crate::id::Key;

/// The future of a method with `#[step]`: journaled inside of an execution, plain outside.
pub fn step<F: Future>(of: StepType<F::Output>, body: F) -> Step<F> {
    let at = match current_body() {
        None => At::Plain,
        Some(run) => {
            let command = run.make(Sort::Step, of.info().name());
            At::Waits(Pending::new(run, command))
        }
    };
    Step { of, body: Some(body), at }
}

pin_project! {
    /// A step under way. Dropped, it is cancelled; its result is kept only if the execution was
    /// given it before.
    #[must_use = "a step does nothing until it is awaited"]
    pub struct Step<F: Future> {
        of: StepType<F::Output>,
        // `None` once it has ended.
        #[pin]
        body: Option<F>,
        at: At,
    }
}

enum At {
    /// Not in an execution.
    Plain,
    /// It has not begun: its result stands in the journal, or what comes before it is not durable.
    Waits(Pending),
    Runs(Box<Runs>),
    /// Its result is on its way to the body.
    Ended(Pending),
    Over,
}

/// A step that runs.
struct Runs {
    pending: Pending,
    ctx: Context,
    key: Key,
    _counted: Counted,
}

impl Runs {
    fn new(pending: Pending) -> Self {
        let Command { name, occurrence, .. } = &pending.command;
        let scope = format!("{name}#{occurrence}/");
        let request = pending.run.ctx.request_id().expect("a run is a persisted request");
        let key = Key::new(format!("~{request}/{name}#{occurrence}")).expect("names are short");
        let ctx = pending.run.ctx.of_step(scope);
        let _counted = Counted(pending.run.clone());
        Runs { pending, ctx, key, _counted }
    }

    /// Gives the result to the execution, to be journaled and handed to the body.
    fn end<R>(self, of: &StepType<R>, value: R) -> Pending {
        let Runs { pending, ctx, .. } = self;
        match encode(of, &pending, &value) {
            Ok(result) => pending.run.step_ended(&pending.command, result, ctx.take_outbox()),
            Err(error) => pending.run.stop_for_value(&error),
        }
        pending
    }
}

/// Counts as a running step, however that is left.
struct Counted(Arc<Running>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.step_left();
    }
}

fn encode<R>(of: &StepType<R>, pending: &Pending, value: &R) -> Result<Bytes, ClusterError> {
    let what = format!("the result of {} of {}", pending.command, pending.run.id);
    let untraced = |error| ClusterError::Malformed { what: what.clone(), source: untraced(error) };
    let schema = of.info().schema().map_err(untraced)?;
    let limit = pending.run.ctx.shared().config.payload_bytes_max;
    of.encode(value, &schema, limit)
        .map_err(|error| encode_error(&what, "payload_bytes_max", error))
}

fn decode<R>(of: &StepType<R>, pending: &Pending, end: End) -> Result<R, ClusterError> {
    let End::Result(payload) = end else { unreachable!("a step ends with a result") };
    let what = format!("the result of {} of {}", pending.command, pending.run.id);
    match of.info().schema() {
        Ok(schema) => of.decode(&payload, &schema).map_err(|error| decode_error(what, error)),
        Err(error) => Err(ClusterError::Malformed { what, source: untraced(error) }),
    }
}

fn untraced(error: TraceError) -> Source {
    Arc::new(error)
}

impl<F: Future> Future for Step<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        loop {
            match this.at {
                At::Plain => {
                    let body = this.body.as_mut().as_pin_mut().expect("there until the drop");
                    return body.poll(cx);
                }
                At::Waits(pending) | At::Ended(pending) => {
                    if let Poll::Ready(end) = pending.poll_end(cx) {
                        let value = decode(this.of, pending, end);
                        let run = pending.run.clone();
                        this.body.set(None);
                        *this.at = At::Over;
                        match value {
                            Ok(value) => return Poll::Ready(value),
                            Err(error) => run.stop_for_value(&error),
                        }
                        return Poll::Pending;
                    }
                    let begins = matches!(this.at, At::Waits(pending) if pending.may_begin());
                    if !begins {
                        return Poll::Pending;
                    }
                    let At::Waits(pending) = std::mem::replace(this.at, At::Over) else {
                        unreachable!("just seen")
                    };
                    *this.at = At::Runs(Box::new(Runs::new(pending)));
                }
                At::Runs(runs) => {
                    let body = this.body.as_mut().as_pin_mut().expect("there while it runs");
                    let value = ready!(in_step(&runs.key, || runs.ctx.enter(|| body.poll(cx))));
                    this.body.set(None);
                    let At::Runs(runs) = std::mem::replace(this.at, At::Over) else {
                        unreachable!("just seen")
                    };
                    *this.at = At::Ended(runs.end(this.of, value));
                }
                // Its execution has been stopped.
                At::Over => return Poll::Pending,
            }
        }
    }
}

impl<F: Future> fmt::Debug for Step<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            At::Plain => f.write_str("Step"),
            At::Waits(pending) | At::Ended(pending) => write!(f, "Step({})", pending.command),
            At::Runs(runs) => write!(f, "Step({})", runs.pending.command),
            At::Over => f.write_str("Step(ended)"),
        }
    }
}

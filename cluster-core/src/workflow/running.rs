//! One run of an execution, as its futures and its driver share it.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use hashbrown::HashMap;
use parking_lot::Mutex;

use super::replay::{Began, Command, End, Next, Replay, Sort};
use crate::commit::CommitFailure;
use crate::entity::{Bell, Context, Place, Record, not_committed};
use crate::error::{ClusterError, text};
use crate::id::{ExecutionId, TEXT_BYTES_MAX};
use crate::storage::{DeferredRow, History, JournalEntry, JournalKind, RequestRow, StorageError};
use crate::time::Timestamp;

/// Why a run ends without an outcome.
#[derive(Debug, Clone)]
pub(super) enum Stop {
    /// It begins again, from its journal.
    Again(ClusterError),
    /// No run of this program could go on.
    GiveUp(String),
}

/// One run of an execution. Held by its futures and by what is told of its commits.
pub(super) struct Running {
    pub(super) ctx: Context,
    pub(super) id: ExecutionId,
    place: Place,
    bell: Arc<Bell>,
    state: Mutex<State>,
}

/// Guarded by the run's lock; no user code and no waker runs under it.
#[derive(Default)]
struct State {
    replay: Replay,
    /// Ends that were handed to the body, which has not looked yet.
    delivered: HashMap<Command, End>,
    /// Who looks for the end of a command, or for leave to begin.
    wakers: HashMap<Command, Waker>,
    /// Steps that run.
    steps: usize,
    /// A part of the journal is on its way to the storage.
    writing: bool,
    /// The journal was handed to the body, and it was polled since: what runs from here on is new.
    live: bool,
    stop: Option<Stop>,
}

/// What the driver does after the body was polled and waits.
pub(super) enum Turn {
    /// Poll the body again.
    Poll,
    /// Wait; until then at the latest.
    Rest(Option<Timestamp>),
}

impl Running {
    pub(super) fn new(
        ctx: Context,
        id: ExecutionId,
        place: Place,
        bell: Arc<Bell>,
        history: History,
    ) -> Arc<Self> {
        let state = State { replay: Replay::new(history), ..State::default() };
        Arc::new(Running { ctx, id, place, bell, state: Mutex::new(state) })
    }

    pub(super) fn now(&self) -> Timestamp {
        self.ctx.shared().clock.wall()
    }

    /// Makes a command; what it is called is fixed from here on.
    pub(super) fn make(&self, sort: Sort, name: &str) -> Command {
        assert!(
            !name.is_empty() && name.len() <= TEXT_BYTES_MAX,
            "a name in a journal has 1 to {TEXT_BYTES_MAX} bytes"
        );
        let mut state = self.state.lock();
        let command = state.replay.make(sort, name);
        if state.replay.made() > self.ctx.shared().config.journal_max {
            // Before it begins: whatever began has its place.
            state.stop(self.too_many(&command));
        }
        command
    }

    /// Makes a sleep, whose end is recorded from here on.
    pub(super) fn make_sleep(&self, name: &str, duration: Duration) -> Command {
        let sleep = self.make(Sort::Sleep, name);
        let due_at = self.now().after(duration);
        let mut state = self.state.lock();
        match state.replay.began(&sleep, due_at) {
            Ok(Began { position: None, .. }) => {}
            Ok(Began { position: Some(position), due_at }) => {
                let entry = self.entry(&sleep, JournalKind::SleepBegan, position);
                let entry = JournalEntry { due_at: Some(due_at), ..entry };
                self.ctx.record(|record| record.entries.push(entry));
            }
            Err(mismatch) => state.stop(Stop::GiveUp(mismatch.to_string())),
        }
        sleep
    }

    /// The end of a command, once the body may know it.
    pub(super) fn poll_end(&self, command: &Command, cx: &mut TaskContext<'_>) -> Poll<End> {
        let mut state = self.state.lock();
        match state.delivered.remove(command) {
            Some(end) => Poll::Ready(end),
            None => {
                let before = state.wakers.insert(command.clone(), cx.waker().clone());
                drop(state);
                drop(before);
                Poll::Pending
            }
        }
    }

    /// Nobody waits for the command any more.
    pub(super) fn forget(&self, command: &Command) {
        let mut state = self.state.lock();
        state.replay.forget(command);
        state.delivered.remove(command);
        let waker = state.wakers.remove(command);
        drop(state);
        drop(waker);
    }

    /// Lets a step begin, if everything before it is durable. Otherwise it is woken to ask again.
    pub(super) fn may_begin(&self, step: &Command) -> bool {
        let mut state = self.state.lock();
        let may = state.live
            && state.replay.is_new(step)
            && state.stop.is_none()
            && !state.writing
            && self.ctx.record(|record| record.entries.is_empty())
            && self.ctx.shared().gate.is_open();
        state.steps += usize::from(may);
        may
    }

    /// A step does not run any more.
    pub(super) fn step_left(&self) {
        self.state.lock().steps -= 1;
    }

    /// A step has ended with this result, and has sent these messages.
    pub(super) fn step_ended(&self, step: &Command, result: Bytes, sent: Vec<RequestRow>) {
        self.state.lock().replay.ended(step.clone(), result, sent);
    }

    /// Ends the run without an outcome; the first reason holds.
    pub(super) fn stop(&self, stop: Stop) {
        self.state.lock().stop(stop);
        self.bell.wake();
    }

    /// Ends the run for a value that cannot be written or read.
    pub(super) fn stop_for_value(&self, error: &ClusterError) {
        self.stop(Stop::GiveUp(text(error)));
    }

    /// Completions that came from outside.
    pub(super) fn completed(&self, rows: Vec<DeferredRow>) {
        let mut state = self.state.lock();
        rows.into_iter().for_each(|row| state.replay.completed(row));
    }

    /// Why the run has to end, once nothing of it is on its way any more.
    pub(super) fn stopped(&self) -> Poll<Option<Stop>> {
        let state = self.state.lock();
        match &state.stop {
            Some(_) if state.writing => Poll::Pending,
            stop => Poll::Ready(stop.clone()),
        }
    }

    /// Whether the runner ends and the execution waits, with everything written: its next run goes
    /// on from there.
    pub(super) fn is_drained(&self) -> bool {
        let state = self.state.lock();
        let written = !state.writing && self.ctx.record(|record| record.entries.is_empty());
        !self.ctx.shared().gate.is_open() && state.steps == 0 && written
    }

    /// Whether nothing of the journal is on its way.
    pub(super) fn is_quiet(&self) -> bool {
        !self.state.lock().writing
    }

    /// Whether the body may have to look once more before it is told of another end: at the last
    /// one, or at its journal, for which it must have made the next command.
    pub(super) fn may_be_unseen(&self) -> bool {
        let state = self.state.lock();
        !state.live || !state.delivered.is_empty()
    }

    /// Whether the body has been told of its whole journal, and has done the same.
    pub(super) fn is_live(&self) -> bool {
        self.state.lock().live
    }

    /// The body was polled and waits: hands it the next end.
    pub(super) fn turn(&self) -> Turn {
        let now = self.now();
        let mut state = self.state.lock();
        let wakers = match state.replay.next(now) {
            Ok(Next::Deliver(command, end)) => state.deliver(command, end),
            Ok(Next::DeliverNew(command, end, sent)) => {
                let position = state.replay.next_position();
                let entry = self.end_entry(&command, &end, position);
                self.ctx.record(|record| {
                    record.entries.push(entry);
                    record.sent.extend(sent);
                });
                state.deliver(command, end)
            }
            Ok(Next::Rest) if !state.live => {
                state.live = true;
                state.all_wakers()
            }
            Ok(Next::Rest) => {
                // A step that is built starts when what is before it is durable.
                let durable = !state.writing && self.ctx.record(|record| record.entries.is_empty());
                self.bell.set_waits(state.steps == 0 && durable);
                return Turn::Rest(state.replay.next_due());
            }
            Err(mismatch) => {
                state.stop(Stop::GiveUp(mismatch.to_string()));
                Vec::new()
            }
        };
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        Turn::Poll
    }

    /// The body has made more than it may.
    fn too_many(&self, last: &Command) -> Stop {
        let max = self.ctx.shared().config.journal_max;
        Stop::GiveUp(text(&ClusterError::LimitExceeded {
            limit: "journal_max",
            what: format!("the number of steps, sleeps and deferreds of {}, with {last},", self.id),
            max,
            actual: max + 1,
        }))
    }

    /// The body has ended.
    pub(super) fn body_ended(&self) {
        let mut state = self.state.lock();
        if let Err(mismatch) = state.replay.body_ended() {
            state.stop(Stop::GiveUp(mismatch.to_string()));
        }
    }

    fn end_entry(&self, command: &Command, end: &End, position: u32) -> JournalEntry {
        let (kind, payload) = match end {
            End::Result(payload) => (JournalKind::StepEnded, payload.clone()),
            End::Over => (JournalKind::SleepEnded, Bytes::new()),
            End::Completed(..) => (JournalKind::DeferredTaken, Bytes::new()),
        };
        JournalEntry { payload, ..self.entry(command, kind, position) }
    }

    fn entry(&self, command: &Command, kind: JournalKind, position: u32) -> JournalEntry {
        let Place { seq, shard, epoch } = self.place;
        JournalEntry {
            execution: seq,
            position,
            shard,
            epoch,
            kind,
            name: command.name.clone(),
            occurrence: command.occurrence,
            recorded_at: self.now(),
            due_at: None,
            payload: Bytes::new(),
        }
    }

    /// Hands what was recorded to the committer, one part after the other.
    pub(super) fn write(self: &Arc<Self>) {
        {
            let mut state = self.state.lock();
            if state.writing || self.ctx.record(|record| record.entries.is_empty()) {
                return;
            }
            state.writing = true;
        }
        let record = self.ctx.record(std::mem::take);
        self.write_part(record, 1);
    }

    /// Waits until everything that was recorded is durable; says why, if it cannot be. Cancel safe.
    pub(super) async fn all_written(self: &Arc<Self>) -> Option<Stop> {
        poll_fn(|cx| {
            self.bell.listen(cx.waker());
            self.write();
            match self.stopped() {
                Poll::Ready(None) if !self.is_quiet() => Poll::Pending,
                stopped => stopped,
            }
        })
        .await
    }

    /// Writes a part, however often the storage is away: what has happened is not lost for that.
    fn write_part(self: &Arc<Self>, record: Record, attempt: u32) {
        let (run, again) = (self.clone(), record.clone());
        self.ctx.write(record, move |written| {
            if let Err(CommitFailure::Storage(StorageError::Unavailable { .. })) = &written {
                let shared = run.ctx.shared().clone();
                let later = shared.config.backoff(attempt);
                shared.alarms.arm(&shared.clock, later, move || {
                    run.write_part(again, attempt.saturating_add(1));
                });
                return;
            }
            run.written(written);
        });
    }

    fn written(&self, written: Result<(), CommitFailure>) {
        let wakers = {
            let mut state = self.state.lock();
            state.writing = false;
            if let Err(failure) = written {
                state.stop(Stop::Again(why_not(&failure)));
            }
            state.all_wakers()
        };
        wakers.into_iter().for_each(Waker::wake);
        self.bell.wake();
    }
}

/// The error of a run whose journal could not be written.
fn why_not(failure: &CommitFailure) -> ClusterError {
    match failure {
        CommitFailure::Storage(
            StorageError::Fenced { .. } | StorageError::UnknownOutcome { .. },
        ) => ClusterError::ShuttingDown,
        failure => not_committed(failure),
    }
}

impl State {
    fn stop(&mut self, stop: Stop) {
        self.stop.get_or_insert(stop);
    }

    fn deliver(&mut self, command: Command, end: End) -> Vec<Waker> {
        let waker = self.wakers.remove(&command);
        self.delivered.insert(command, end);
        waker.into_iter().collect()
    }

    /// In the order in which their commands were made.
    fn all_wakers(&mut self) -> Vec<Waker> {
        let mut wakers: Vec<_> = self.wakers.drain().collect();
        wakers.sort_by_key(|(command, _)| self.replay.number_of(command));
        wakers.into_iter().map(|(_, waker)| waker).collect()
    }
}

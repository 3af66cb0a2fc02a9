//! Reminders: messages that an entity sends itself later, once or again and again.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::call::Call;
use super::cancel::Whereabouts;
use super::context::Context;
use super::contract::{Client, Contract, Message, Persisted};
use super::endpoint::{DueSpec, Wanted};
use super::handle::Handle;
use super::send::Receipt;
use super::shared::Shared;
use crate::commit::{Reminded, ReminderChange, ReminderIntent};
use crate::error::ClusterError;
use crate::id::{Epoch, MessageTag};
use crate::storage::{
    PendingRequest, ReminderKey, Repeat, RequestRow, RetentionClass, StateKey, StoredOutcome,
};
use crate::time::Timestamp;

/// What makes something of a message: a [`Handle`] makes calls, a [`ReminderHandle`] reminders.
pub trait Caller: Clone + fmt::Debug + Send + Sync + 'static {
    /// What is made.
    type Call<M: Message>;

    /// Makes it; nothing happens until it is awaited, sent or cleared.
    fn call<M: Message>(&self, message: M) -> Self::Call<M>;
}

/// What can repeat and be cleared. No call is.
#[diagnostic::on_unimplemented(
    message = "a call comes once: only a reminder has `every` and `clear`",
    label = "this is no reminder",
    note = "in a handler, begin with `ctx.remind::<Self>()` instead of a client"
)]
pub trait IsReminder {}

impl<M: Message> IsReminder for Reminder<M> {}

/// What `ctx.remind::<Self>()` wraps in the client of its entity.
#[derive(Clone)]
pub struct ReminderHandle {
    context: Context,
    handle: Handle,
}

impl Caller for ReminderHandle {
    type Call<M: Message> = Reminder<M>;

    fn call<M: Message>(&self, message: M) -> Reminder<M> {
        let call = Call::new(self.handle.clone(), message);
        Reminder { context: self.context.clone(), call, due: None, period: None }
    }
}

impl fmt::Debug for ReminderHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReminderHandle({:?})", self.handle)
    }
}

/// A reminder that is not set yet: a persisted message that the handler's own entity will get.
/// Say when, then `.send().await`; or `.clear().await` the one that is set.
///
/// An entity has one reminder for each of its messages. What is set or cleared becomes durable
/// with the handler's outcome, and not at all when the handler returns an error or panics.
#[must_use = "a reminder is not set until it is sent"]
pub struct Reminder<M: Message> {
    context: Context,
    call: Call<M>,
    due: Option<DueSpec>,
    period: Option<Duration>,
}

impl<M: Message> Reminder<M> {
    /// Sets a header; see [`Call::header`]. Every request of the reminder has it.
    pub fn header(mut self, name: impl Into<Box<str>>, value: impl Into<Box<str>>) -> Self {
        self.call = self.call.header(name, value);
        self
    }

    /// The first time, in cluster time; `SystemTime` is rounded up to the millisecond. One that has
    /// passed is as soon as the reminder is set. Replaces an earlier `at` or `after`.
    pub fn at(mut self, time: impl Into<Timestamp>) -> Self
    where
        M: Persisted,
    {
        self.due = Some(DueSpec::At(time.into()));
        self
    }

    /// The first time is so long from when `send` is awaited; rounded up to the millisecond.
    pub fn after(mut self, delay: Duration) -> Self
    where
        M: Persisted,
    {
        self.due = Some(DueSpec::After(delay));
        self
    }

    /// Comes again and again, so long after the time at which it was due before; for the first time
    /// after one period, unless [`Reminder::at`] or [`Reminder::after`] says when. It is rounded
    /// down to the millisecond, and at least the setting `reminder_period_min`.
    ///
    /// The next request is accepted with the end of the one before, however that ended: with a
    /// value, an error, cancelled, or as a dead letter. So two never run at once, and times that
    /// pass meanwhile, or while no runner is up, are left out: one overdue request comes, and the
    /// next at the next of its times.
    pub fn every(mut self, period: Duration) -> Self
    where
        M: Persisted,
    {
        self.period = Some(period);
        self
    }

    /// Sets the reminder, with the handler's outcome. Where the entity has one of this message
    /// already, this one takes its place: the outcome of the request that was to come is
    /// `Interrupted`; one whose handler runs ends by itself.
    ///
    /// Without a time it comes as soon as it is set. The receipt is of the first request: to cancel
    /// that one leaves out one time of a reminder with a period, which goes on. To end it, clear
    /// it. When one handler sets a reminder twice, only the last is stored.
    ///
    /// # Errors
    /// `Persistence`: the handler has no commit to set it with (a volatile one that changes no
    /// durable state, or a life-cycle hook), `C` of [`Context::remind`] is another entity type, or
    /// the period is too short. `LimitExceeded`: the arguments are too large, or the handler sends
    /// too much.
    pub async fn send(self) -> Result<Receipt<M>, ClusterError>
    where
        M: Persisted,
    {
        let Reminder { context, call, due, period } = self;
        context.check_reminder(&call.handle)?;
        let min = context.shared().config.reminder_period_min;
        if let Some(period) = period.filter(|period| *period < min) {
            return Err(refused(NoReminder::ShortPeriod { period, min }));
        }
        let (handle, request) = call.request(Some(context.clone()), Wanted::HandOver)?;
        let row = context.row_of(&handle, &request)?;
        let now = row.accepted_at;
        let due = match (due, period) {
            (Some(due), _) => due.at(now),
            (None, Some(period)) => now.after(period),
            (None, None) => now,
        };
        let row = RequestRow {
            due_at: Some(due),
            reminder: Some(period.map_or(Repeat::Once, Repeat::Every)),
            class: RetentionClass::Sent,
            ..row
        };
        let id = row.id;
        context.remind_with_commit(row.epoch, key_of(&row), Some(row))?;
        Ok(Receipt::new(context.shared().clone(), id, None))
    }

    /// Ends the reminder of this message, with the handler's outcome; the arguments do not matter.
    /// The outcome of the request that was to come is `Interrupted`; one whose handler runs ends by
    /// itself, and is the last. So the handler of the reminder itself ends it as well. Does nothing
    /// when none is set.
    ///
    /// # Errors
    /// `Persistence`, as [`Reminder::send`].
    pub async fn clear(self) -> Result<(), ClusterError>
    where
        M: Persisted,
    {
        let Reminder { context, call, .. } = self;
        context.check_reminder(&call.handle)?;
        let kind = call.handle.kind()?;
        let address = kind.address(call.handle.entity_id());
        let entity = StateKey {
            shard: address.shard(),
            entity_type: kind.name().clone(),
            entity_id: address.entity_id().clone(),
        };
        let key = ReminderKey { entity, message: M::INFO.tag };
        context.remind_with_commit(kind.epoch(address.shard()), key, None)
    }
}

impl<M: Message> fmt::Debug for Reminder<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reminder({:?}, {})", self.call.handle, M::INFO.name)
    }
}

/// Why a reminder is not set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
enum NoReminder {
    #[error("`{0}` commits nothing that a reminder could be set with: make it `persisted`")]
    NoCommit(&'static str),
    #[error("a handler of {entity} sets reminders of itself, not of {asked}")]
    OtherType { entity: String, asked: &'static str },
    #[error("a period of {period:?} is shorter than `reminder_period_min`, {min:?}")]
    ShortPeriod { period: Duration, min: Duration },
}

fn refused(why: NoReminder) -> ClusterError {
    ClusterError::Persistence { source: Arc::new(why) }
}

impl Context {
    /// The client of this very entity, whose methods make reminders instead of calls: messages
    /// that it gets later, set and cleared with this handler's outcome.
    ///
    /// `ctx.remind::<Self>().renew().after(month).send().await?` sets one that comes once,
    /// `.every(day)` one that comes again and again, and `.clear()` in the place of both takes it
    /// back. The guide to delivery has the whole example.
    ///
    /// Only persisted messages can be reminded of. `C` is the handler's own entity type, or the
    /// contract that it serves.
    pub fn remind<C: ?Sized + Contract>(&self) -> C::Reminders {
        let handle = Handle::of::<C>(self.shared(), self.entity_id().clone());
        C::Reminders::new(ReminderHandle { context: self.clone(), handle })
    }

    /// Refuses a reminder that could not become durable with this handler's outcome, or is not of
    /// its entity.
    fn check_reminder(&self, handle: &Handle) -> Result<(), ClusterError> {
        if !self.0.commits {
            return Err(refused(NoReminder::NoCommit(self.0.message)));
        }
        let entity = self.address().entity_type();
        if handle.kind()?.name().as_ref() != entity {
            let (entity, asked) = (entity.to_owned(), handle.entity_type());
            return Err(refused(NoReminder::OtherType { entity, asked }));
        }
        Ok(())
    }

    /// Notes what becomes of a reminder with the handler's commit. What the handler said of it
    /// before does not hold any more.
    fn remind_with_commit(
        &self,
        epoch: Epoch,
        key: ReminderKey,
        request: Option<RequestRow>,
    ) -> Result<(), ClusterError> {
        let mut sent = self.0.sent.lock();
        let sent = sent.get_or_insert_default();
        let before = sent.reminders.iter().position(|intent| intent.key == key);
        if let Some(intent) = before.map(|at| sent.reminders.remove(at))
            && let ReminderChange::Set(earlier) = intent.change
        {
            sent.outbox.retain(|row| row.id != earlier);
        }
        let change = match request {
            None => ReminderChange::Clear,
            Some(row) => {
                let id = row.id;
                sent.put(row, self.shared().config.outbox_max)?;
                ReminderChange::Set(id)
            }
        };
        sent.reminders.push(ReminderIntent { key, epoch, change });
        Ok(())
    }
}

/// The reminder that a request belongs to.
fn key_of(row: &RequestRow) -> ReminderKey {
    let message: MessageTag = row.message;
    let entity = StateKey {
        shard: row.shard,
        entity_type: row.entity_type.clone(),
        entity_id: row.entity_id.clone(),
    };
    ReminderKey { entity, message }
}

/// What the end of a request means for reminders, in whatever way it ends: one with a period goes
/// on, one that comes once is over. To be written with the end.
pub(super) fn ended(shared: &Shared, row: &RequestRow) -> Vec<ReminderIntent> {
    let Some(repeat) = row.reminder else { return Vec::new() };
    let now = shared.clock.wall();
    let epoch = shared.epoch_of(row.shard).unwrap_or(row.epoch);
    let due = repeat.next(row.due_at.unwrap_or(row.accepted_at), now);
    let next = due.map(|due| {
        Box::new(RequestRow {
            id: shared.request_ids.next(now),
            epoch,
            accepted_at: now,
            due_at: Some(due),
            ..row.clone()
        })
    });
    let change = ReminderChange::Ended(row.seq, next);
    vec![ReminderIntent { key: key_of(row), epoch, change }]
}

/// What has become durable of reminders is known to those who have the requests in memory. Nothing
/// of the replaced ones has begun: they start only when their entity is quiet.
pub(crate) fn reminded(shared: &Arc<Shared>, reminded: Reminded) {
    for replaced in reminded.replaced {
        let (entity, row) = (replaced.entity, replaced.row);
        shared.request_ended(row.occurrence);
        // After this: what is on its way is either stopped by it or is in the mailbox then.
        let kind = shared.kind_named(&entity.entity_type);
        let taken = kind.map(|kind| kind.take(&entity.entity_id, row.occurrence));
        if let Some(Whereabouts::Taken(tell)) = taken {
            tell(ClusterError::Interrupted);
        }
        shared.waiters.tell(row.request, || Ok(StoredOutcome::interrupted()));
    }
    for request in reminded.armed {
        let due_at = request.due_at;
        shared.schedule.add(PendingRequest { request, attempts: 0, due_at });
    }
}

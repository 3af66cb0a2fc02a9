//! Group commit: every durable write of a runner goes through one [`Committer`].

mod batching;
mod committer;
mod gathered;
mod lane;
mod reminders;
mod seqs;
mod unit;
mod untold;

pub(crate) use committer::{Committer, Full};
pub(crate) use gathered::Track;
pub(crate) use lane::Lane;
pub(crate) use reminders::{Reminded, ReminderChange, ReminderIntent};
pub(crate) use unit::{CommitFailure, Completion, Lineage, Rare, Unit, Writes};

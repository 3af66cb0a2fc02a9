//! What a run of an execution is told, and in which order: decided here, without time or I/O.
//!
//! The body is a function of the order in which its commands (steps, sleeps, deferreds) end. So
//! they end one at a time, each between two polls of the body, and that order is the journal: a
//! later run hands the same ends to the body in the same order, and it does the same. A command is
//! named by sort, name and occurrence, which are fixed when it is made.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use hashbrown::HashMap;

use crate::storage::{DeferredKind, DeferredRow, History, JournalEntry, JournalKind, RequestRow};
use crate::time::Timestamp;

/// What a body can wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Sort {
    Step,
    Sleep,
    Deferred,
}

/// One thing that a body waits for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Command {
    pub(super) sort: Sort,
    pub(super) name: Arc<str>,
    /// Which of those of its sort and name, counted from one.
    pub(super) occurrence: u32,
}

impl Command {
    fn of(entry: &JournalEntry) -> Self {
        let sort = match entry.kind {
            JournalKind::StepEnded => Sort::Step,
            JournalKind::SleepBegan | JournalKind::SleepEnded => Sort::Sleep,
            JournalKind::DeferredTaken => Sort::Deferred,
        };
        Command { sort, name: entry.name.clone(), occurrence: entry.occurrence }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sort = match self.sort {
            Sort::Step => "step",
            Sort::Sleep => "sleep",
            Sort::Deferred => "deferred",
        };
        write!(f, "{sort} `{}` #{}", self.name, self.occurrence)
    }
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// A step, with this result.
    Result(Bytes),
    /// A sleep.
    Over,
    /// A deferred, with this completion.
    Completed(DeferredKind, Bytes),
}

/// The body does not do what the journal says that it did.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "NonDeterministic: the journal goes on with {expected} at position {position}, the body with \
     {found}; run the code that wrote it, or start anew"
)]
pub(super) struct Mismatch {
    expected: Command,
    position: u32,
    found: Found,
}

/// What the body does instead.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    Command(Command),
    Nothing,
    End,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Found::Command(command) => command.fmt(f),
            Found::Nothing => f.write_str("nothing that the journal knows of"),
            Found::End => f.write_str("its end"),
        }
    }
}

/// What to do next.
#[derive(Debug)]
pub(super) enum Next {
    /// Hand the end to the body and poll it.
    Deliver(Command, End),
    /// The same; and it is new: record it, and what was sent with it.
    DeliverNew(Command, End, Vec<RequestRow>),
    /// The body waits.
    Rest,
}

/// What is to be recorded, at which position.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Began {
    pub(super) due_at: Timestamp,
    /// `None`: it stands in the journal already.
    pub(super) position: Option<u32>,
}

/// One run of an execution.
#[derive(Debug, Default)]
pub(super) struct Replay {
    /// What stands in the journal and was not handed to the body yet.
    history: VecDeque<JournalEntry>,
    /// When the sleeps of the journal end.
    due: HashMap<Command, Timestamp>,
    /// The position of the next new entry.
    position: u32,
    /// How many commands of each sort and name there are.
    made: HashMap<(Sort, Arc<str>), u32>,
    /// Commands that were made and have not ended, by the order in which they were made.
    open: HashMap<Command, u64>,
    numbered: u64,
    /// Sleeps that were made and have not ended.
    sleeps: BTreeSet<(Timestamp, Command)>,
    /// Known completions of deferreds that the body was not given yet.
    completions: BTreeMap<(Arc<str>, u32), (DeferredKind, Bytes)>,
    /// Steps that ended in this run, not handed to the body yet, and what they have sent.
    results: VecDeque<(Command, Bytes, Vec<RequestRow>)>,
}

impl Replay {
    pub(super) fn new(history: History) -> Self {
        let began = history.entries.iter().filter(|entry| entry.kind == JournalKind::SleepBegan);
        let mut replay = Replay {
            due: began.filter_map(|entry| Some((Command::of(entry), entry.due_at?))).collect(),
            position: history.entries.last().map_or(0, |last| last.position + 1),
            history: history.entries.into(),
            ..Replay::default()
        };
        history.deferreds.into_iter().for_each(|row| replay.completed(row));
        replay
    }

    /// Whether everything of the journal has been handed to the body.
    pub(super) fn is_live(&self) -> bool {
        self.history.is_empty()
    }

    /// The body makes a command.
    pub(super) fn make(&mut self, sort: Sort, name: &str) -> Command {
        let name: Arc<str> = name.into();
        let count = self.made.entry((sort, name.clone())).or_insert(0);
        *count += 1;
        let command = Command { sort, name, occurrence: *count };
        self.numbered += 1;
        self.open.insert(command.clone(), self.numbered);
        command
    }

    /// The number of a command that has not ended, in the order in which all were made.
    pub(super) fn number_of(&self, command: &Command) -> Option<u64> {
        self.open.get(command).copied()
    }

    /// A sleep was made, which ends then unless the journal says otherwise.
    pub(super) fn began(&mut self, sleep: &Command, due_at: Timestamp) -> Result<Began, Mismatch> {
        let began = match self.due.get(sleep) {
            Some(due_at) => Began { due_at: *due_at, position: None },
            None => {
                // All that it could have waited for stands in the journal before it.
                let ends = |entry: &&JournalEntry| entry.kind != JournalKind::SleepBegan;
                if let Some(expected) = self.history.iter().find(ends) {
                    return Err(mismatch(expected, Found::Command(sleep.clone())));
                }
                Began { due_at, position: Some(self.next_position()) }
            }
        };
        self.sleeps.insert((began.due_at, sleep.clone()));
        Ok(began)
    }

    /// A step has ended in this run.
    pub(super) fn ended(&mut self, step: Command, result: Bytes, sent: Vec<RequestRow>) {
        self.results.push_back((step, result, sent));
    }

    /// A deferred is completed, whether it was made or not. The first completion holds; the storage
    /// has seen to that, but may tell twice.
    pub(super) fn completed(&mut self, row: DeferredRow) {
        let deferred = (row.deferred.name, row.deferred.occurrence);
        self.completions.entry(deferred).or_insert((row.kind, row.payload));
    }

    /// The body does not wait for it any more.
    pub(super) fn forget(&mut self, command: &Command) {
        if self.open.remove(command).is_some() {
            self.sleeps.retain(|(_, sleep)| sleep != command);
            self.results.retain(|(step, ..)| step != command);
        }
    }

    /// What to do after the body was polled and waits.
    pub(super) fn next(&mut self, now: Timestamp) -> Result<Next, Mismatch> {
        while let Some(entry) = self.history.front().cloned() {
            let entry = &entry;
            let command = Command::of(entry);
            if entry.kind == JournalKind::SleepBegan {
                let made = self.made.get(&(Sort::Sleep, command.name.clone()));
                if made.is_none_or(|made| *made < command.occurrence) {
                    return Err(mismatch(entry, self.stranger()));
                }
                self.history.pop_front();
                continue;
            }
            if !self.open.contains_key(&command) {
                return Err(mismatch(entry, self.stranger()));
            }
            let end = match entry.kind {
                JournalKind::StepEnded => Some(End::Result(entry.payload.clone())),
                JournalKind::SleepEnded | JournalKind::SleepBegan => Some(End::Over),
                JournalKind::DeferredTaken => self.take_completion(&command),
            };
            // A completion is stored before it is taken, and goes with the journal.
            let Some(end) = end else { return Err(mismatch(entry, Found::Nothing)) };
            self.history.pop_front();
            self.forget(&command);
            return Ok(Next::Deliver(command, end));
        }
        Ok(self.next_new(now))
    }

    fn next_new(&mut self, now: Timestamp) -> Next {
        let arrived =
            self.results.pop_front().map(|(step, result, sent)| (step, End::Result(result), sent));
        let other = |(command, end)| (command, end, Vec::new());
        let arrived = arrived.or_else(|| self.next_completed().map(other)).or_else(|| {
            let (due_at, sleep) = self.sleeps.first()?;
            (*due_at <= now).then(|| other((sleep.clone(), End::Over)))
        });
        match arrived {
            Some((command, end, sent)) => {
                self.forget(&command);
                Next::DeliverNew(command, end, sent)
            }
            None => Next::Rest,
        }
    }

    /// A completion for which the body waits.
    fn next_completed(&mut self) -> Option<(Command, End)> {
        let command = |(name, occurrence): &(Arc<str>, u32)| {
            let (name, occurrence) = (name.clone(), *occurrence);
            Command { sort: Sort::Deferred, name, occurrence }
        };
        let mut waited_for = self.completions.keys().map(command);
        let command = waited_for.find(|command| self.open.contains_key(command))?;
        let end = self.take_completion(&command)?;
        Some((command, end))
    }

    fn take_completion(&mut self, deferred: &Command) -> Option<End> {
        let taken = self.completions.remove(&(deferred.name.clone(), deferred.occurrence));
        taken.map(|(kind, payload)| End::Completed(kind, payload))
    }

    /// How many commands the body has made.
    pub(super) fn made(&self) -> usize {
        usize::try_from(self.numbered).unwrap_or(usize::MAX)
    }

    /// Takes the position of a new entry.
    pub(super) fn next_position(&mut self) -> u32 {
        self.position += 1;
        self.position - 1
    }

    /// When the next sleep ends.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.sleeps.first().map(|(due_at, _)| *due_at)
    }

    /// Whether a step may begin: the journal does not hold its end.
    pub(super) fn is_new(&self, step: &Command) -> bool {
        self.is_live() && self.open.contains_key(step)
    }

    /// The body has ended: everything of the journal must have happened.
    pub(super) fn body_ended(&mut self) -> Result<(), Mismatch> {
        let rest = self.history.iter().find(|entry| {
            let Command { sort, name, occurrence } = Command::of(entry);
            let made = self.made.get(&(sort, name)).is_some_and(|made| *made >= occurrence);
            entry.kind != JournalKind::SleepBegan || !made
        });
        rest.map_or(Ok(()), |entry| Err(mismatch(entry, Found::End)))
    }

    /// What was made first of all that the journal does not know.
    fn stranger(&self) -> Found {
        let known: Vec<Command> = self.history.iter().map(Command::of).collect();
        let strange = self.open.iter().filter(|(command, _)| !known.contains(command));
        let first = strange.min_by_key(|(_, number)| **number);
        first.map_or(Found::Nothing, |(command, _)| Found::Command(command.clone()))
    }
}

fn mismatch(expected: &JournalEntry, found: Found) -> Mismatch {
    Mismatch { expected: Command::of(expected), position: expected.position, found }
}

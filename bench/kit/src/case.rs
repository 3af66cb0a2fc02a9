//! A lane on one system.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::runtime::Runtime;

use crate::run::Run;
use crate::{Counts, Lane, Row, fsync};

/// Worker threads of the runtime: the same for every system on every machine.
const WORKERS: usize = 2;

/// What a repetition needs from outside.
#[derive(Debug)]
pub struct Bench {
    runtime: Runtime,
    dir: PathBuf,
}

impl Bench {
    /// A runtime, and a folder for the files of durable cases, made if it is missing.
    pub(crate) fn new(dir: &Path) -> Result<Self, String> {
        std::fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(WORKERS).enable_all().build();
        let runtime = runtime.map_err(|error| format!("the runtime did not start: {error}"))?;
        Ok(Bench { runtime, dir: dir.to_owned() })
    }

    /// Runs a future to its end on a worker of the runtime, as a program's own tasks run.
    ///
    /// # Panics
    ///
    /// If the future panics.
    pub fn block_on<F>(&self, future: F) -> F::Output
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let task = self.runtime.spawn(future);
        self.runtime.block_on(task).expect("a measured task ends without a panic")
    }

    /// A path for a file of the case, on the disk that is probed; the files of a database of that
    /// name are removed first.
    pub fn fresh_file(&self, name: &str) -> PathBuf {
        for suffix in ["", "-wal", "-shm", "-lock"] {
            _ = std::fs::remove_file(self.dir.join(format!("{name}{suffix}")));
        }
        self.dir.join(name)
    }
}

/// What a case's figure depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// On the processor.
    Volatile,
    /// On the disk: a flush is measured right before each repetition.
    Durable,
    /// On a fresh heap: repeated in one process it would find memory that was freed before.
    Memory,
}

/// A lane on one system, ready to be repeated.
pub struct Case {
    lane: Lane,
    system: &'static str,
    storage: &'static str,
    kind: Kind,
    repeat: Box<dyn FnMut(&Bench) -> Run>,
    count: Option<Box<dyn FnMut(&Bench) -> Counts>>,
    end: Option<Box<dyn FnMut(&Bench)>>,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Case { lane, system, storage, kind, .. } = self;
        f.debug_struct("Case")
            .field("lane", lane)
            .field("system", system)
            .field("storage", storage)
            .field("kind", kind)
            .finish_non_exhaustive()
    }
}

impl Case {
    /// A case that touches no disk; `repeat` does one repetition.
    pub fn volatile(
        lane: Lane,
        system: &'static str,
        repeat: impl FnMut(&Bench) -> Run + 'static,
    ) -> Self {
        Case::new(lane, system, "none", Kind::Volatile, repeat)
    }

    /// A case whose operations end on the disk: a flush is measured right before each repetition.
    pub fn durable(
        lane: Lane,
        system: &'static str,
        storage: &'static str,
        repeat: impl FnMut(&Bench) -> Run + 'static,
    ) -> Self {
        Case::new(lane, system, storage, Kind::Durable, repeat)
    }

    /// A case that measures memory: done once, however many repetitions are asked for.
    pub fn memory(
        lane: Lane,
        system: &'static str,
        repeat: impl FnMut(&Bench) -> Run + 'static,
    ) -> Self {
        Case::new(lane, system, "none", Kind::Memory, repeat)
    }

    fn new(
        lane: Lane,
        system: &'static str,
        storage: &'static str,
        kind: Kind,
        repeat: impl FnMut(&Bench) -> Run + 'static,
    ) -> Self {
        let repeat = Box::new(repeat);
        Case { lane, system, storage, kind, repeat, count: None, end: None }
    }

    /// The same case, repeated once more after what is timed: then the server counts what the
    /// lane's operations are to it, which may take time.
    pub fn counted(self, count: impl FnMut(&Bench) -> Counts + 'static) -> Self {
        Case { count: Some(Box::new(count)), ..self }
    }

    /// The same case, with something to do when it has been measured: to remove what is large.
    pub fn ended(self, end: impl FnMut(&Bench) + 'static) -> Self {
        Case { end: Some(Box::new(end)), ..self }
    }

    /// The same case, with another storage behind it: a storage that touches no disk.
    pub fn on(self, storage: &'static str) -> Self {
        Case { storage, ..self }
    }

    /// What it does.
    pub fn lane(&self) -> &Lane {
        &self.lane
    }

    /// What it writes to.
    pub(crate) fn storage(&self) -> &'static str {
        self.storage
    }

    /// One repetition.
    fn repeat(&mut self, bench: &Bench, done: &mut Done) {
        if self.kind == Kind::Durable {
            done.fsyncs.push(fsync::probe(&bench.dir).expect("the bench's folder is writable"));
        }
        done.runs.push((self.repeat)(bench));
    }

    /// Sums up its repetitions.
    fn row(&mut self, bench: &Bench, done: Done) -> Row {
        let counts = self.count.as_mut().map(|count| count(bench));
        let row = Row::new(self.lane, self.system, self.storage, done.runs, &done.fsyncs);
        Row { counts, ..row }
    }

    /// Does what is to be done when it has been measured.
    pub(crate) fn end(&mut self, bench: &Bench) {
        if let Some(end) = &mut self.end {
            end(bench);
        }
    }
}

/// The repetitions of a case so far.
#[derive(Default)]
struct Done {
    runs: Vec<Run>,
    fsyncs: Vec<Duration>,
}

/// Repeats cases that are compared, one repetition of each after the other: what the machine does
/// meanwhile is done to all of them.
pub(crate) fn measure_in_turns(cases: &mut [Case], bench: &Bench, runs: usize) -> Vec<Row> {
    let mut all: Vec<Done> = cases.iter().map(|_| Done::default()).collect();
    for turn in 0..runs {
        for (case, done) in cases.iter_mut().zip(&mut all) {
            if turn == 0 || case.kind != Kind::Memory {
                case.repeat(bench, done);
            }
        }
    }
    cases.iter_mut().zip(all).map(|(case, done)| case.row(bench, done)).collect()
}

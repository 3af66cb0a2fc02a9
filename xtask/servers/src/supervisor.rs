//! The process between this one and a server: it outlives this one and cleans up.
//!
//! It notices that this process is gone by the end of its input, which no way of dying prevents,
//! so that signals need no handlers here. It is in a process group of its own: Ctrl-C at the
//! terminal reaches this process alone, and the cleaning up is done in peace.

use std::cell::Cell;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use crate::account::Account;
use crate::disk::Disk;

const SCRIPT: &str = include_str!("supervisor.sh");
/// Events that wait for being looked at; more make the supervisor wait.
const EVENTS_MAX: usize = 16;
/// How long the supervisor may take for an answer, and what makes a data folder for its work: far
/// longer than either does on a machine with much else to do.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// What the supervisor tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A program runs as this process.
    Started(u32),
    /// It has ended with this status; 128 and more stand for signals.
    Ended(i32),
    /// Another order has been followed.
    Done,
}

impl Event {
    fn parse(line: &str) -> Option<Self> {
        match line.split_once(' ') {
            Some(("pid", number)) => number.parse().ok().map(Event::Started),
            Some(("ended", status)) => status.parse().ok().map(Event::Ended),
            _ => (line == "done").then_some(Event::Done),
        }
    }
}

/// A running supervisor. Dropped, it ends what it has started and removes the folder.
#[derive(Debug)]
pub(crate) struct Supervisor {
    child: Child,
    /// `None` only while it is dropped.
    orders: Option<ChildStdin>,
    events: Receiver<Event>,
    /// The program that runs, as far as events have been looked at.
    running: Cell<Option<u32>>,
    folder: PathBuf,
}

impl Supervisor {
    /// Starts it for a folder that `account` owns. `last` is the signal that ends its last program
    /// at once and without a trace.
    pub(crate) fn start(
        folder: &Path,
        account: Account,
        disk: Disk,
        last: &str,
    ) -> Result<Self, String> {
        let mut command = disk.shell(account, &folder.join("data"));
        command.args(["-c", SCRIPT, "supervisor"]).arg(folder).arg(last);
        // Nothing of this process's environment is a setting of a server.
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", folder).env("TMPDIR", folder).env("LC_ALL", "C");
        command.current_dir(folder).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let started = command.spawn();
        let mut child =
            started.map_err(|error| format!("/bin/sh in {}: {error}", folder.display()))?;
        let orders = child.stdin.take();
        let output = child.stdout.take().expect("stdout is piped");
        let (sender, events) = sync_channel(EVENTS_MAX);
        std::thread::spawn(move || tell(output, &sender));
        Ok(Supervisor {
            child,
            orders,
            events,
            running: Cell::new(None),
            folder: folder.to_owned(),
        })
    }

    /// The program that runs.
    pub(crate) fn running(&self) -> Option<u32> {
        while let Ok(event) = self.events.try_recv() {
            self.see(&event);
        }
        self.running.get()
    }

    /// Starts a program. None may be running.
    pub(crate) fn run(&mut self, words: &[String]) -> Result<u32, String> {
        assert!(self.running().is_none(), "one program runs at a time");
        let quoted: Vec<String> = words.iter().map(|word| quote(word)).collect();
        self.order(&format!("run {}", quoted.join(" ")))?;
        self.answer(|event| match event {
            Event::Started(pid) => Some(*pid),
            _ => None,
        })
    }

    /// Starts a program and waits for its end.
    pub(crate) fn complete(&mut self, words: &[String]) -> Result<(), String> {
        self.run(words)?;
        match self.wait(ANSWER_WITHIN) {
            Some(0) => Ok(()),
            Some(status) => {
                Err(format!("`{}` failed with {status}:\n{}", words.join(" "), self.log_tail()))
            }
            None => Err(format!("`{}` takes too long", words.join(" "))),
        }
    }

    /// Sends a signal; processes that are gone do not matter.
    pub(crate) fn signal(&mut self, name: &str, processes: &[u32]) -> Result<(), String> {
        let numbers: Vec<String> = processes.iter().map(u32::to_string).collect();
        self.order(&format!("signal {name} {}", numbers.join(" ")))?;
        self.answer(|event| (*event == Event::Done).then_some(()))
    }

    /// Takes all room that is left where the data is.
    pub(crate) fn fill_disk(&mut self) -> Result<(), String> {
        self.order("fill")?;
        self.answer(|event| (*event == Event::Done).then_some(()))
    }

    /// Gives back what [`fill_disk`](Self::fill_disk) has taken.
    pub(crate) fn free_disk(&mut self) -> Result<(), String> {
        self.order("free")?;
        self.answer(|event| (*event == Event::Done).then_some(()))
    }

    /// Waits until the program ends, so long at most, and tells its status. `None` if it is still
    /// running, or none was.
    pub(crate) fn wait(&mut self, at_most: Duration) -> Option<i32> {
        match self.events.recv_timeout(at_most) {
            Ok(event) => {
                self.see(&event);
                if let Event::Ended(status) = event { Some(status) } else { None }
            }
            Err(_) => None,
        }
    }

    /// The last lines that its programs have written.
    pub(crate) fn log_tail(&self) -> String {
        const LINES_MAX: usize = 20;
        let bytes = std::fs::read(self.folder.join("log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LINES_MAX)..].join("\n")
    }

    fn order(&mut self, line: &str) -> Result<(), String> {
        assert!(!line.contains('\n'), "an order is one line");
        let orders = self.orders.as_mut().expect("taken only when dropped");
        writeln!(orders, "{line}").map_err(|error| format!("the supervisor is gone: {error}"))
    }

    fn answer<T>(&mut self, wanted: impl Fn(&Event) -> Option<T>) -> Result<T, String> {
        loop {
            let event = match self.events.recv_timeout(ANSWER_WITHIN) {
                Ok(event) => event,
                Err(RecvTimeoutError::Timeout) => return Err("no answer".to_owned()),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err("the supervisor is gone".to_owned());
                }
            };
            self.see(&event);
            if let Some(answer) = wanted(&event) {
                return Ok(answer);
            }
        }
    }

    fn see(&self, event: &Event) {
        match event {
            Event::Started(pid) => self.running.set(Some(*pid)),
            Event::Ended(_) => self.running.set(None),
            Event::Done => {}
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // The end of its input is the order to end.
        self.orders = None;
        let _ = self.child.wait();
        // Root's temporary folder may be one in which nobody else can remove anything.
        let _ = std::fs::remove_dir_all(&self.folder);
        if let Some(parent) = self.folder.parent() {
            let _ = std::fs::remove_dir(parent);
        }
    }
}

fn tell(output: ChildStdout, events: &SyncSender<Event>) {
    let lines = BufReader::new(output).lines().map_while(Result::ok);
    for event in lines.filter_map(|line| Event::parse(&line)) {
        if events.send(event).is_err() {
            return;
        }
    }
}

/// One word for a shell, whatever it contains.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[test]
fn words_are_quoted_and_events_read() {
    assert_eq!(quote("it's $a"), "'it'\\''s $a'");
    let events = ["pid 7", "ended 137", "done", "pid x"].map(Event::parse);
    let [started, ended, done, nonsense] = events;
    assert_eq!((started, ended), (Some(Event::Started(7)), Some(Event::Ended(137))));
    assert_eq!((done, nonsense), (Some(Event::Done), None));
}

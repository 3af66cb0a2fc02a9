//! Processes that die for real, by SIGKILL. Such a process is the test's own executable: it runs
//! the test `processes::victim` alone, which does as its environment tells it.

use std::fmt::Display;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

use super::Bed;

const SCENARIO: &str = "VICTIM_SCENARIO";
const DATABASE: &str = "VICTIM_DATABASE";
/// What the process says begins with this; the rest of its output is the test runner's own.
const SAYS: &str = "says: ";

/// A process that runs a scenario; killed when dropped.
pub(crate) struct Victim {
    child: Child,
    says: Lines<BufReader<ChildStdout>>,
}

impl Victim {
    /// Starts it on a bed that no cluster of this process is on any more.
    pub(crate) fn start(scenario: &str, bed: &Bed) -> Self {
        bed.let_go();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["processes::victim", "--exact", "--nocapture"])
            .env(SCENARIO, scenario)
            .env(DATABASE, bed.address())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this very executable can be started");
        let stdout = child.stdout.take().expect("it is piped");
        Victim { child, says: BufReader::new(stdout).lines() }
    }

    /// The next thing that it says; `None` when it has ended.
    pub(crate) fn says(&mut self) -> Option<String> {
        loop {
            let line = self.says.next()?.expect("its output can be read");
            if let Some((_, said)) = line.split_once(SAYS) {
                return Some(said.to_owned());
            }
        }
    }

    /// Waits until it says this.
    pub(crate) fn wait_for(&mut self, what: &str) {
        while let Some(said) = self.says() {
            if said == what {
                return;
            }
        }
        panic!("it has ended without saying `{what}`");
    }

    /// Kills it, as no process can prevent, and waits until it is gone; what it had said.
    pub(crate) fn kill(mut self) -> Vec<String> {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it has ended");
        std::iter::from_fn(|| self.says()).collect()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Tells the process that watches this one.
pub(crate) fn say(what: impl Display) {
    println!("{SAYS}{what}");
}

/// Does what this process was started for, with the scenario and the database it was given; nothing
/// where it is a run of all tests.
pub(crate) fn be_victim(run: impl AsyncFnOnce(&str, &Bed)) {
    let Ok(scenario) = std::env::var(SCENARIO) else { return };
    let bed = Bed::at_address(&std::env::var(DATABASE).expect("set with it"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    runtime.block_on(run(&scenario, &bed));
}

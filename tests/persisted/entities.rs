//! The entities of most tests, and clusters of them.

use cluster::ClusterBuilder;
use cluster::prelude::*;

use crate::support::{Bed, Probe};

/// A handler's own error.
#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize)]
pub(crate) enum Refusal {
    #[error("refused when there were {lines} lines")]
    No { lines: usize },
}

/// A number and a text, durable as a whole.
#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable)]
pub(crate) struct Counter {
    value: i64,
    filling: String,
}

#[entity]
impl Counter {
    #[message(persisted)]
    pub(crate) fn add(&mut self, amount: i64) -> i64 {
        self.value += amount;
        self.value
    }

    /// Changes the state, then refuses what is below zero.
    #[message(persisted)]
    pub(crate) fn add_checked(&mut self, amount: i64) -> Result<i64, Refusal> {
        self.value += amount;
        if amount < 0 { Err(Refusal::No { lines: 0 }) } else { Ok(self.value) }
    }

    /// The same, not persisted.
    #[message]
    pub(crate) fn bump_checked(&mut self, amount: i64) -> Result<i64, Refusal> {
        self.add_checked(amount)
    }

    /// Changes half of the state, then panics.
    #[message]
    pub(crate) fn panic_half_way(&mut self) {
        self.value += 1_000;
        panic!("half of it is done");
    }

    /// Makes the state so large.
    #[message(persisted)]
    pub(crate) fn fill(&mut self, bytes: usize) -> usize {
        self.filling = "x".repeat(bytes);
        bytes
    }

    #[message]
    pub(crate) fn value(&self) -> i64 {
        self.value
    }

    #[message]
    pub(crate) fn filled(&self) -> usize {
        self.filling.len()
    }
}

/// What a desk stores.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Drawer {
    lines: Vec<String>,
}

/// An entity with a durable field beside a service whose other end the test holds.
#[derive(Entity)]
pub(crate) struct Desk {
    #[state]
    drawer: Drawer,
    probe: Probe,
}

impl Desk {
    pub(crate) fn new(probe: &Probe) -> Self {
        Desk { drawer: Drawer::default(), probe: probe.clone() }
    }
}

#[entity]
impl Desk {
    /// Passes the point of the line's name, writes the line, passes the name with `!`.
    #[message(persisted)]
    pub(crate) async fn write(&mut self, line: String) -> usize {
        self.probe.pass(&line).await;
        self.drawer.lines.push(line.clone());
        self.probe.pass(&format!("{line}!")).await;
        self.drawer.lines.len()
    }

    /// Another message of the same arguments.
    #[message(persisted)]
    pub(crate) async fn copy(&mut self, line: String) -> usize {
        self.write(line).await
    }

    /// The same, not persisted.
    #[message]
    pub(crate) async fn jot(&mut self, line: String) -> usize {
        self.write(line).await
    }

    /// Writes, then refuses.
    #[message(persisted)]
    pub(crate) async fn refuse(&mut self, line: String) -> Result<usize, Refusal> {
        Err(Refusal::No { lines: self.write(line).await })
    }

    /// The same, not persisted.
    #[message]
    pub(crate) async fn refuse_lightly(&mut self, line: String) -> Result<usize, Refusal> {
        self.refuse(line).await
    }

    /// Writes, then sends a line to another desk, then panics or refuses if the line says so.
    #[message(persisted)]
    pub(crate) async fn write_and_send(
        &mut self,
        ctx: &Context,
        line: String,
        to: String,
    ) -> Result<usize, CallError<Refusal>> {
        self.drawer.lines.push(line.clone());
        ctx.get::<Desk>(to).write(format!("sent by {line}")).send().await?;
        self.probe.pass(&line).await;
        if line.starts_with("refused") {
            return Err(Refusal::No { lines: self.drawer.lines.len() }.into());
        }
        Ok(self.drawer.lines.len())
    }

    /// Lets another desk write, waits for it, then writes here.
    #[message(persisted)]
    pub(crate) async fn write_there_and_here(
        &mut self,
        ctx: &Context,
        line: String,
        to: String,
    ) -> Result<usize, CallError<Refusal>> {
        let there = ctx.get::<Desk>(to).write(format!("there {line}")).await?;
        self.probe.pass(&line).await;
        self.drawer.lines.push(line);
        Ok(there)
    }

    /// Reads, passing a point on the way.
    #[message(persisted)]
    pub(crate) async fn read(&self, point: String) -> usize {
        self.probe.pass(&point).await;
        self.drawer.lines.len()
    }

    #[message]
    pub(crate) fn lines(&self) -> Vec<String> {
        self.drawer.lines.clone()
    }
}

/// Another entity type with a message as a desk has it. Nothing of it is stored.
#[derive(Entity)]
pub(crate) struct Other {
    lines: usize,
    probe: Probe,
}

impl Other {
    pub(crate) fn new(probe: &Probe) -> Self {
        probe.note("made");
        Other { lines: 0, probe: probe.clone() }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        self.probe.note("unmade");
    }
}

#[entity]
impl Other {
    /// Passes the point of the line's name.
    #[message(persisted)]
    pub(crate) async fn write(&mut self, line: String) -> usize {
        self.probe.pass(&line).await;
        self.lines += 1;
        self.lines
    }

    /// Notes the number and passes one point for all numbers.
    #[message(persisted)]
    pub(crate) async fn number(&mut self, number: u32) -> u32 {
        self.probe.note(number.to_string());
        self.probe.pass("numbers").await;
        number
    }

    #[message]
    pub(crate) fn ping(&self) {}
}

/// A cluster that hosts all of them, those with a probe with the bed's.
pub(crate) async fn start(bed: &Bed) -> Cluster {
    start_with(bed, |builder| builder).await
}

/// The same with more settings.
pub(crate) async fn start_with(
    bed: &Bed,
    configure: impl FnOnce(ClusterBuilder) -> ClusterBuilder,
) -> Cluster {
    let (probe, probe_too) = (bed.probe.clone(), bed.probe.clone());
    let hosted = |builder: ClusterBuilder| {
        builder
            .entity::<Counter>()
            .entity_with::<Desk>(move |_| Desk::new(&probe))
            .entity_with::<Other>(move |_| Other::new(&probe_too))
    };
    bed.start(|builder| configure(hosted(builder))).await
}

//! What is said at the end, to people and to programs.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use cluster::prelude::Serialize;
use indicatif::HumanCount;

use crate::account::AccountId;
use crate::work::{Rejection, Tally};

/// The end of a run. Its JSON has these names.
#[derive(Serialize)]
pub(crate) struct Report {
    accounts: usize,
    total_cents: i128,
    accepted: u64,
    rejected: BTreeMap<Rejection, u64>,
    /// Calls answered by accounts, one for each transfer; the deposits come on top.
    messages_per_s: u64,
    p50_us: u64,
    p99_us: u64,
}

impl Report {
    pub(crate) fn new(tally: &Tally, balances: &[(AccountId, i128)]) -> Report {
        let messages = tally.latencies_us.len() as f64;
        Report {
            accounts: balances.len(),
            total_cents: balances.iter().map(|(_, cents)| cents).sum(),
            accepted: tally.accepted,
            rejected: tally.rejected.clone(),
            messages_per_s: (messages / tally.elapsed.as_secs_f64()) as u64,
            p50_us: tally.latencies_us.value_at_quantile(0.50),
            p99_us: tally.latencies_us.value_at_quantile(0.99),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |figure: u64| HumanCount(figure).to_string();
        writeln!(f, "{:<20} {:>14}", "accounts", count(self.accounts as u64))?;
        writeln!(f, "{:<20} {:>14}", "total in cents", self.total_cents)?;
        writeln!(f, "{:<20} {:>14}", "accepted", count(self.accepted))?;
        writeln!(f, "{:<20} {:>14}", "rejected", count(self.rejected.values().sum()))?;
        for (reason, rows) in self.rejected.iter().filter(|(_, rows)| **rows > 0) {
            writeln!(f, "  {:<18} {:>14}", reason.to_string(), count(*rows))?;
        }
        writeln!(f, "{:<20} {:>14}", "messages/s", count(self.messages_per_s))?;
        writeln!(f, "{:<20} {:>14}", "p50 in us", count(self.p50_us))?;
        write!(f, "{:<20} {:>14}", "p99 in us", count(self.p99_us))
    }
}

/// Writes `id,cents` for every account, sorted, without a header.
pub(crate) fn write_balances(path: &Path, balances: &[(AccountId, i128)]) -> io::Result<()> {
    let mut file = io::BufWriter::new(std::fs::File::create(path)?);
    for (id, cents) in balances {
        writeln!(file, "{id},{cents}")?;
    }
    file.flush()
}

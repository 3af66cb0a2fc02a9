//! The database servers that tests and benchmarks need: found or installed, started, handed over
//! by environment variables.

mod install;
mod managers;
mod running;

use crate::process;

pub(crate) use install::ensure;
pub(crate) use running::{Running, Starting};

/// Runs a command beside the servers of a test run.
///
/// # Errors
///
/// If a server does not start, or the command fails.
pub(crate) fn run(words: &[String]) -> Result<(), String> {
    ensure()?;
    let servers = Starting::for_tests().wait()?;
    println!("{}", servers.describe());
    let (program, arguments) = words.split_first().ok_or("no command")?;
    let mut command = process::at_root(program);
    servers.tell(command.args(arguments));
    process::run(&mut command)
}

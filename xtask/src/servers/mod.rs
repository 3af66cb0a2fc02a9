//! The database servers that tests and benchmarks need: found or installed, started, handed over
//! by environment variables.

mod running;

use test_servers::{Kind, Programs};

use crate::process;
use crate::tools::{self, Tool};

pub(crate) use running::{Running, Starting};

/// Installs what is missing, and prints the versions of all.
///
/// # Errors
///
/// What to do, if something is missing and cannot be installed.
pub(crate) fn ensure() -> Result<(), String> {
    tools::ensure(&Kind::ALL.map(Tool::Server))?;
    for kind in Kind::ALL {
        let programs = Programs::find(kind).ok_or(format!("{kind} is not installed"))?;
        println!("{kind}: {}", programs.version()?);
    }
    Ok(())
}

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

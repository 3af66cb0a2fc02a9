//! Missing servers are installed with the system's package manager where that is permitted: by
//! root, or by `sudo` without a password. Otherwise a person is told the command.

use std::process::{Command, Stdio};

use test_servers::{Kind, Programs};

use super::managers::{MANAGERS, Manager};
use crate::process;

/// Installs what is missing, and prints the versions of all.
///
/// # Errors
///
/// What to do, if something is missing and cannot be installed.
pub(crate) fn ensure() -> Result<(), String> {
    let missing = missing();
    if !missing.is_empty() {
        let manager = MANAGERS.iter().find(|manager| is_there(manager.program));
        let manager = manager
            .ok_or_else(|| format!("install {}, and have the programs in PATH", names(&missing)))?;
        install(manager, &missing)?;
    }
    for kind in Kind::ALL {
        let programs = Programs::find(kind).ok_or(format!("{kind} is not installed"))?;
        println!("{kind}: {}", programs.version()?);
    }
    Ok(())
}

fn missing() -> Vec<Kind> {
    Kind::ALL.into_iter().filter(|kind| Programs::find(*kind).is_none()).collect()
}

fn install(manager: &Manager, missing: &[Kind]) -> Result<(), String> {
    let by_hand = format!(
        "the tests need {}; run this, then try again:\n\n    {}\n",
        names(missing),
        manager.command_for_people(missing),
    );
    let script = manager.script(missing);
    let shell: &[&str] = match access(manager) {
        Access::Direct => &["sh", "-c"],
        Access::Sudo => &["sudo", "-n", "sh", "-c"],
        Access::None => return Err(by_hand),
    };
    println!("installing {}: {}", names(missing), manager.command(missing));
    let mut command = Command::new(shell[0]);
    command.args(&shell[1..]).arg(&script).stdin(Stdio::null());
    let status = command.status().map_err(|error| format!("{}: {error}", shell[0]))?;
    let still_missing = self::missing();
    if status.success() && still_missing.is_empty() {
        return Ok(());
    }
    Err(format!("{} could not be installed ({status}); {by_hand}", names(&still_missing)))
}

/// How a package manager may be used.
enum Access {
    Direct,
    Sudo,
    None,
}

fn access(manager: &Manager) -> Access {
    if !manager.needs_root || is_root() {
        Access::Direct
    } else if process::answers(Command::new("sudo").args(["-n", "true"]).stdin(Stdio::null())) {
        Access::Sudo
    } else {
        Access::None
    }
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// `PostgreSQL, MariaDB`.
fn names(kinds: &[Kind]) -> String {
    kinds.iter().map(Kind::to_string).collect::<Vec<_>>().join(", ")
}

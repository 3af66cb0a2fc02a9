//! Programs that tasks need: found, or installed with the system's package manager where that is
//! permitted: by root, or by `sudo` without a password. Otherwise a person is told the command.

mod managers;

use std::fmt;
use std::process::{Command, Stdio};

use test_servers::{Kind, Programs};

use crate::process;
use managers::{MANAGERS, Manager};

/// Something that is installed as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    /// A database server with the programs around it.
    Server(Kind),
    /// The compiler of Protocol Buffers, for packages that call it when they are built.
    Protoc,
    /// The package manager of Node, which brings a Node.
    Npm,
}

impl Tool {
    fn is_there(self) -> bool {
        match self {
            Tool::Server(kind) => Programs::find(kind).is_some(),
            // The variable is that of the crate which calls it.
            Tool::Protoc => std::env::var_os("PROTOC").is_some() || is_in_path("protoc"),
            Tool::Npm => is_in_path("npm"),
        }
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Tool::Server(kind) => kind.fmt(f),
            Tool::Protoc => f.write_str("protoc"),
            Tool::Npm => f.write_str("npm"),
        }
    }
}

/// Installs those that are missing.
///
/// # Errors
///
/// What to do, if something is missing and cannot be installed.
pub(crate) fn ensure(tools: &[Tool]) -> Result<(), String> {
    let missing = missing(tools);
    if missing.is_empty() {
        return Ok(());
    }
    let manager = MANAGERS.iter().find(|manager| is_in_path(manager.program));
    let manager = manager
        .ok_or_else(|| format!("install {}, and have the programs in PATH", names(&missing)))?;
    install(manager, &missing)
}

fn missing(tools: &[Tool]) -> Vec<Tool> {
    tools.iter().copied().filter(|tool| !tool.is_there()).collect()
}

fn install(manager: &Manager, missing: &[Tool]) -> Result<(), String> {
    let by_hand = format!(
        "this task needs {}; run this, then try again:\n\n    {}\n",
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
    let still_missing = self::missing(missing);
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

fn is_in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// `PostgreSQL, MariaDB`.
fn names(tools: &[Tool]) -> String {
    tools.iter().map(Tool::to_string).collect::<Vec<_>>().join(", ")
}

//! Running cargo and other programs from the workspace's root.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().expect("xtask lies in the workspace's root").to_owned()
}

/// The folder that all builds of this workspace share.
pub(crate) fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// The cargo that runs this task, to be started in the workspace's root.
pub(crate) fn cargo() -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    at_root(cargo)
}

/// `program`, to be started in the workspace's root.
pub(crate) fn at_root(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// The command as a person would type it.
pub(crate) fn words(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut text = match program.file_name() {
        Some(name) => name.to_string_lossy().into_owned(),
        None => program.display().to_string(),
    };
    for arg in command.get_args() {
        text.push(' ');
        text.push_str(&arg.to_string_lossy());
    }
    text
}

/// Runs to the end with this process's own streams.
///
/// # Errors
///
/// A sentence, if it could not be started or did not succeed.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let text = words(command);
    let status = command.status().map_err(|error| format!("`{text}` did not start: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{text}` failed: {status}")) }
}

/// Runs to the end and gives every line of its output to `see` while passing it on.
///
/// # Errors
///
/// As [`run`].
pub(crate) fn run_watched(command: &mut Command, mut see: impl FnMut(&str)) -> Result<(), String> {
    let text = words(command);
    let started = command.stdout(Stdio::piped()).spawn();
    let mut child = started.map_err(|error| format!("`{text}` did not start: {error}"))?;
    let output = child.stdout.take().expect("stdout was piped above");
    // By bytes: a failing test may print what is not UTF-8.
    for line in BufReader::new(output).split(b'\n') {
        let line = line.map_err(|error| format!("output of `{text}`: {error}"))?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        see(&line);
    }
    let status = child.wait().map_err(|error| format!("`{text}`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{text}` failed: {status}")) }
}

/// Whether the program answers, its output thrown away.
pub(crate) fn answers(command: &mut Command) -> bool {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

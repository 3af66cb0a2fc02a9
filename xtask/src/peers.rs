//! The harness programs of bench/peers: what each package needs, how it is built and started.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process;
use crate::tools::{self, Tool};

/// A package of bench/peers with its programs.
pub(crate) struct Peer {
    pub(crate) package: &'static str,
    pub(crate) builder: Builder,
    pub(crate) needs: &'static [Need],
    pub(crate) programs: &'static [&'static str],
}

/// What builds a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Builder {
    Cargo,
    /// npm fetches what the scripts import.
    Npm,
}

/// What a package needs besides its builder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Database servers while it runs: all of its lanes are on one.
    Servers,
    /// The compiler of Protocol Buffers while it is built.
    Protoc,
}

/// A program that lists lanes and runs them.
#[derive(Debug)]
pub(crate) struct Program {
    executable: PathBuf,
    /// What the executable interprets, if it is an interpreter.
    script: Option<PathBuf>,
}

impl Program {
    /// The program that this file is.
    pub(crate) fn executable(path: PathBuf) -> Self {
        Program { executable: path, script: None }
    }

    /// The command that starts it in the workspace's root.
    pub(crate) fn command(&self) -> Command {
        let mut command = process::at_root(&self.executable);
        command.args(&self.script);
        command
    }
}

impl Peer {
    /// Whether it can run in a benchmark with or without servers.
    pub(crate) fn runs(&self, servers: bool) -> bool {
        servers || !self.needs.contains(&Need::Servers)
    }

    fn tools(&self) -> Vec<Tool> {
        let mut tools = Vec::new();
        if self.needs.contains(&Need::Protoc) {
            tools.push(Tool::Protoc);
        }
        if self.builder == Builder::Npm {
            tools.push(Tool::Npm);
        }
        tools
    }

    /// Builds its programs, below one folder for all peers so that what they share is built once.
    ///
    /// # Errors
    ///
    /// If a tool is missing and cannot be installed, with the command that does; if the build
    /// fails.
    pub(crate) fn build(&self) -> Result<Vec<Program>, String> {
        tools::ensure(&self.tools())?;
        let package = Path::new("bench/peers").join(self.package);
        let dir = process::target_dir().join("peers");
        match self.builder {
            Builder::Cargo => self.build_with_cargo(&package, &dir),
            Builder::Npm => self.build_with_npm(&process::root().join(package), &dir),
        }
    }

    fn build_with_cargo(&self, package: &Path, dir: &Path) -> Result<Vec<Program>, String> {
        let mut command = process::cargo();
        command.args(["build", "--release", "--locked", "--manifest-path"]);
        command.arg(package.join("Cargo.toml"));
        process::run(command.arg("--target-dir").arg(dir))?;
        let program = |name: &&str| Program::executable(dir.join("release").join(name));
        Ok(self.programs.iter().map(program).collect())
    }

    /// In a copy, so that what npm fetches lies with everything else that is built.
    fn build_with_npm(&self, package: &Path, dir: &Path) -> Result<Vec<Program>, String> {
        let copy = dir.join(self.package);
        copy_files(package, &copy).map_err(|error| format!("{}: {error}", package.display()))?;
        // What the lock file says and nothing else; no package runs programs while it comes.
        let words = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
        process::run(process::at_root("npm").current_dir(&copy).args(words))?;
        let executable = node(&copy);
        let program = |name: &&str| {
            let script = Some(copy.join(name));
            Program { executable: executable.clone(), script }
        };
        Ok(self.programs.iter().map(program).collect())
    }
}

/// The Node that came with the package, where there is one for this machine: a system's own is
/// often too old.
fn node(package: &Path) -> PathBuf {
    let own = package.join("node_modules/.bin/node");
    if own.is_file() { own } else { "node".into() }
}

/// Copies the files of a folder, without folders in it.
fn copy_files(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    //! A peer runs where it can, with its tools, by its interpreter if it has one.
    use super::*;

    const CRUSTER: Peer = Peer {
        package: "cruster",
        builder: Builder::Cargo,
        needs: &[Need::Servers, Need::Protoc],
        programs: &["bench-cruster"],
    };

    #[test]
    fn a_peer_runs_where_its_servers_are() {
        assert!(CRUSTER.runs(true) && !CRUSTER.runs(false));
        assert!(Peer { needs: &[], ..CRUSTER }.runs(false));
    }

    #[test]
    fn tools_follow_from_needs_and_builder() {
        assert_eq!(CRUSTER.tools(), [Tool::Protoc]);
        assert_eq!(Peer { builder: Builder::Npm, needs: &[], ..CRUSTER }.tools(), [Tool::Npm]);
    }

    #[test]
    fn a_script_is_the_first_argument_of_its_interpreter() {
        let script = Program { executable: "node".into(), script: Some("bench.mjs".into()) };
        assert_eq!(process::words(script.command().arg("--list")), "node bench.mjs --list");
        let program = Program::executable("bench".into());
        assert_eq!(process::words(program.command().arg("--list")), "bench --list");
    }

    #[test]
    fn files_are_copied_over_older_ones_and_folders_are_not() {
        let dir = std::env::temp_dir().join(format!("xtask-peers-{}", std::process::id()));
        let (from, to) = (dir.join("from"), dir.join("to"));
        fs::create_dir_all(from.join("node_modules")).unwrap();
        for text in ["older", "newer"] {
            fs::write(from.join("bench.mjs"), text).unwrap();
            copy_files(&from, &to).unwrap();
        }
        assert_eq!(fs::read_to_string(to.join("bench.mjs")).unwrap(), "newer");
        assert!(!to.join("node_modules").exists());
        fs::remove_dir_all(dir).unwrap();
    }
}

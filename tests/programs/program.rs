//! Runs the built examples.

use std::env::consts::EXE_SUFFIX;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// An example that cargo has built beside this test, started in the given folder.
pub(crate) fn example(name: &str, folder: &Folder) -> Command {
    let test = std::env::current_exe().expect("a running test is a file");
    // The test lies in `deps`, the examples in `examples` beside it.
    let built = test.ancestors().nth(2).expect("cargo builds into folders").join("examples");
    let program = built.join(format!("{name}{EXE_SUFFIX}"));
    assert!(program.is_file(), "{} is missing: `cargo build --examples`", program.display());
    let mut command = Command::new(program);
    command.current_dir(folder.path());
    command
}

/// Runs a program to its end and gives what it printed, without its last line break.
pub(crate) fn printed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("the program can be started");
    let stderr = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{command:?} ended with {status}: {stderr}");
    String::from_utf8(stdout).expect("the program prints text").trim_end().to_owned()
}

/// A folder for one test, removed with this value.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("cluster-{name}-{}", std::process::id()));
        // Whatever a killed test of the same process id has left there.
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).expect("temporary files can be made");
        Folder(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.0.join(name), text).expect("temporary files can be written");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).expect("the program has written the file")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left over is temporary all the same.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

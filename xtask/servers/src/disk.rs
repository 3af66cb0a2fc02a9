//! What a server's data lies on.

use std::path::Path;
use std::process::Command;

use crate::account::Account;

/// Mounts a small file system in a namespace of its own, which no other process sees and which
/// ends with its last process, and goes on as the server's account.
const MOUNT: &str = r#"
data=$1 options=$2
shift 2
mount -t tmpfs -o "$options" tmpfs "$data" && exec "$@"
"#;

/// The disk of a data folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disk {
    /// The one of the folder around it.
    Shared,
    /// One in memory with so many bytes, on Linux only.
    Small(u64),
}

impl Disk {
    /// Whether such a disk can be made: tries it in an existing folder, where no other process sees
    /// it.
    pub(crate) fn try_in(folder: &Path, account: Account) -> Result<(), String> {
        const PAGE_BYTES: u64 = 4096;
        let mut shell = Disk::Small(PAGE_BYTES).shell(account, folder);
        let output = shell.args(["-c", ":"]).output();
        let output = output.map_err(|error| format!("no disk can be made: unshare: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        let reason = String::from_utf8_lossy(&output.stderr);
        Err(format!("no disk can be made: {}", reason.trim().replace('\n', "; ")))
    }

    /// A shell, its arguments to be added, that runs as the account and finds `data` on this disk.
    pub(crate) fn shell(self, account: Account, data: &Path) -> Command {
        let Disk::Small(bytes) = self else {
            let mut shell = Command::new("/bin/sh");
            account.run(&mut shell);
            return shell;
        };
        let mut command = Command::new("unshare");
        if account == Account::Own {
            // Whoever is not root may mount in a namespace of users where it is.
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["--mount", "/bin/sh", "-c", MOUNT, "mount"]).arg(data);
        command.arg(format!("size={bytes},mode=700{}", account.mount_options()));
        command.args(account.words_to_become_it()).arg("/bin/sh");
        command
    }
}

//! Who a server runs as: database servers refuse to run as root, and rightly.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::engine::words;

/// The account that every system has and nothing belongs to.
const UNPRIVILEGED: &str = "nobody";

/// The account of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Account {
    /// The one who runs this process.
    Own,
    /// Another one, because this process is root's.
    Other {
        /// Its user.
        user: u32,
        /// Its group.
        group: u32,
    },
}

impl Account {
    /// The account for whoever has just made this folder.
    pub(crate) fn for_maker_of(folder: &Path) -> Result<Self, String> {
        let metadata = fs::metadata(folder);
        let owner = metadata.map_err(|error| format!("{}: {error}", folder.display()))?.uid();
        if owner != 0 {
            return Ok(Account::Own);
        }
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        find(&users).ok_or(format!("this is root, and there is no user `{UNPRIVILEGED}`"))
    }

    /// Makes it the owner of a file or folder.
    pub(crate) fn own(self, path: &Path) -> Result<(), String> {
        let Account::Other { user, group } = self else { return Ok(()) };
        let owned = chown(path, Some(user), Some(group));
        owned.map_err(|error| format!("{}: {error}", path.display()))
    }

    /// What makes it the owner of a file system in memory, added to other options of `mount`.
    pub(crate) fn mount_options(self) -> String {
        match self {
            Account::Own => String::new(),
            Account::Other { user, group } => format!(",uid={user},gid={group}"),
        }
    }

    /// What stands before a command that root runs, or whoever passes for root in a namespace, so
    /// that it runs as this account.
    pub(crate) fn words_to_become_it(self) -> Vec<String> {
        match self {
            // Servers refuse to run as one who only passes for root, too. Any other number will do.
            Account::Own => words(["unshare", "--user", "--map-user=1", "--map-group=1"]),
            Account::Other { user, group } => {
                let mut command = words(["setpriv", "--clear-groups"]);
                command.extend([format!("--reuid={user}"), format!("--regid={group}")]);
                command
            }
        }
    }

    /// Lets the command run as it, in no further group.
    pub(crate) fn run(self, command: &mut Command) {
        if let Account::Other { user, group } = self {
            command.uid(user).gid(group);
        }
    }
}

/// The account in the text of a passwd file.
fn find(users: &str) -> Option<Account> {
    let line = users.lines().find(|line| line.split(':').next() == Some(UNPRIVILEGED))?;
    let mut numbers = line.split(':').skip(2).map(str::parse);
    let (Some(Ok(user)), Some(Ok(group))) = (numbers.next(), numbers.next()) else { return None };
    Some(Account::Other { user, group })
}

#[test]
fn the_unprivileged_account_is_found_by_its_whole_name() {
    let users = "root:x:0:0::/:/bin/sh\nnobody2:x:7:7::/:\nnobody:x:65534:65533::/:/bin/false\n";
    assert_eq!(find(users), Some(Account::Other { user: 65_534, group: 65_533 }));
    assert_eq!(find("root:x:0:0::/:/bin/sh"), None);
}

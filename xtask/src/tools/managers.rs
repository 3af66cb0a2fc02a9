//! The package managers, and what the tools are called there.

use test_servers::Kind;

use super::Tool;

/// A package manager.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Manager {
    /// The program that shows that the system has it.
    pub(super) program: &'static str,
    /// What fetches the lists of packages, if installing does not by itself.
    refresh: &'static str,
    /// What installs, before the names of packages.
    install: &'static str,
    /// The packages of each kind of server, in the order of [`Kind::ALL`].
    servers: [&'static str; 3],
    protoc: &'static str,
    npm: &'static str,
    /// Whether it installs for the whole system, as root.
    pub(super) needs_root: bool,
}

/// Those known, the system's own before those that people add.
pub(super) const MANAGERS: [Manager; 5] = [
    Manager {
        program: "apt-get",
        refresh: "apt-get update",
        install: "apt-get install --yes --no-install-recommends",
        // The core packages of MariaDB bring no service that could start.
        servers: ["postgresql", "mariadb-server-core mariadb-client-core", "pgbouncer"],
        protoc: "protobuf-compiler",
        npm: "npm",
        needs_root: true,
    },
    Manager {
        program: "dnf",
        refresh: "",
        install: "dnf install --assumeyes",
        servers: ["postgresql-server", "mariadb-server", "pgbouncer"],
        protoc: "protobuf-compiler",
        npm: "npm",
        needs_root: true,
    },
    Manager {
        program: "pacman",
        refresh: "",
        install: "pacman --sync --needed --noconfirm",
        servers: ["postgresql", "mariadb", "pgbouncer"],
        protoc: "protobuf",
        npm: "npm",
        needs_root: true,
    },
    Manager {
        program: "apk",
        refresh: "apk update",
        install: "apk add",
        servers: ["postgresql", "mariadb mariadb-client", "pgbouncer"],
        protoc: "protoc",
        npm: "npm",
        needs_root: true,
    },
    Manager {
        program: "brew",
        refresh: "",
        install: "brew install",
        servers: ["postgresql@17", "mariadb", "pgbouncer"],
        protoc: "protobuf",
        npm: "node",
        needs_root: false,
    },
];

impl Manager {
    /// The command that installs these, for a shell.
    pub(super) fn command(&self, missing: &[Tool]) -> String {
        let servers = Kind::ALL.map(Tool::Server).into_iter().zip(self.servers);
        let others = [(Tool::Protoc, self.protoc), (Tool::Npm, self.npm)];
        let mut command = self.install.to_owned();
        for (tool, packages) in servers.chain(others) {
            if missing.contains(&tool) {
                command.push(' ');
                command.push_str(packages);
            }
        }
        command
    }

    /// The command as a person would type it.
    pub(super) fn command_for_people(&self, missing: &[Tool]) -> String {
        let mut command = self.command(missing);
        if !self.refresh.is_empty() {
            command = format!("{} && {command}", self.refresh);
        }
        if self.needs_root { format!("sudo sh -c '{command}'") } else { command }
    }

    /// The command, with care that no service is running afterwards or after the next boot.
    pub(super) fn script(&self, missing: &[Tool]) -> String {
        let command = self.command(missing);
        match self.program {
            "apt-get" => APT.replace("COMMAND", &command.replace("apt-get", "apt-get $options")),
            // Lists that cannot be fetched just now may still do.
            _ => format!("{}\n{command}", self.refresh),
        }
    }
}

/// On Debian a package starts its service, unless a file of that name forbids it. A service that
/// is already there belongs to somebody and is left as it is.
const APT: &str = r#"
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
services=
for service in postgresql pgbouncer; do
    [ -e /etc/init.d/$service ] || services="$services $service"
done
if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
fi
# Another installation may be under way: it is waited for. Changed configuration stays.
options='-o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confold -qq'
# Lists that cannot be fetched just now may still do.
apt-get $options update
COMMAND || exit
if [ -d /run/systemd/system ]; then
    for service in $services; do
        [ ! -e /etc/init.d/$service ] || systemctl disable --quiet $service
    done
fi
"#;

#[cfg(test)]
mod tests {
    //! A command names the packages of what is missing and nothing else.
    use super::*;

    #[test]
    fn commands_install_what_is_missing() {
        let [apt, .., brew] = &MANAGERS;
        let servers = [Kind::Pgbouncer, Kind::Postgres].map(Tool::Server);
        let command = apt.command_for_people(&servers);
        assert!(command.starts_with("sudo sh -c 'apt-get update && apt-get install --yes"));
        assert!(command.ends_with(" postgresql pgbouncer'"), "{command}");
        let mariadb = [Tool::Server(Kind::Mariadb)];
        assert_eq!(brew.command_for_people(&mariadb), "brew install mariadb");
        assert!(apt.script(&mariadb).contains("mariadb-client-core || exit"));
        let builders = [Tool::Npm, Tool::Protoc];
        assert_eq!(brew.command_for_people(&builders), "brew install protobuf node");
    }
}

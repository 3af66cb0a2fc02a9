//! How the connections of one storage are known on the server.

use cluster_core::id::RequestIds;
use cluster_core::time::Clock;

/// How many random digits a name has: as many as leave room for a suffix.
const DIGITS: usize = 10;
/// As many has the suffix of one connection's name, behind a dot.
const SUFFIX: usize = 12;

/// A name that no other storage has: the table prefix, the process's number, random digits. It
/// consists of lower-case letters, digits and underscores, and has 50 of them at most.
pub(crate) fn writer_name(prefix: &str) -> String {
    format!("{prefix}{}_{}", std::process::id(), random(DIGITS))
}

/// A name of one connection that no other has; it has 63 bytes at most, as many as names have room
/// for.
#[cfg(feature = "postgres")]
pub(crate) fn name_of_one(writer: &str) -> String {
    format!("{writer}.{}", random(SUFFIX))
}

fn random(digits: usize) -> String {
    let id = RequestIds::new().next(Clock::system().wall()).to_string();
    id[id.len() - digits..].to_owned()
}

#[cfg(test)]
mod tests {
    //! Names tell storages of one process from each other.
    use super::*;

    #[test]
    fn each_name_is_new_and_fits() {
        let prefix = "p".repeat(32);
        let (one, other) = (writer_name(&prefix), writer_name(&prefix));
        assert_ne!(one, other);
        assert!(one.starts_with(&prefix) && one.len() <= 50, "{one}");
    }
}

//! How the connections of one storage are known on the server.

use cluster_core::id::RequestIds;
use cluster_core::time::Clock;

/// How many random digits a name has: as many as leave room for a suffix of 13 letters.
const DIGITS: usize = 10;

/// A name that no other storage has: the table prefix, the process's number, random digits. It
/// consists of lower-case letters, digits and underscores, and has 50 of them at most.
pub(crate) fn writer_name(prefix: &str) -> String {
    let id = RequestIds::new().next(Clock::system().wall()).to_string();
    format!("{prefix}{}_{}", std::process::id(), &id[id.len() - DIGITS..])
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

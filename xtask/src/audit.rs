//! `cargo xtask audit`: advisories, licences and sources of every dependency, by deny.toml.

use crate::process;

/// # Errors
///
/// If cargo-deny is missing or finds something.
pub(crate) fn run() -> Result<(), String> {
    if !process::answers(process::cargo().args(["deny", "--version"])) {
        return Err("cargo-deny is not installed. Install it, then run this again:\n\n    \
                    cargo install cargo-deny --locked\n"
            .to_owned());
    }
    process::run(process::cargo().args(["deny", "--workspace", "check"]))
}

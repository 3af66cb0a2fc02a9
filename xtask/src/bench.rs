//! `cargo xtask bench`: placeholder until the programs exist.

/// # Errors
///
/// Always, for now.
pub(crate) fn run(_: &[String]) -> Result<(), String> {
    Err("no programs".to_owned())
}

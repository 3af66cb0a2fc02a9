//! The manifests: lints everywhere, dependencies between our crates, a reason beside each of
//! others.

use crate::Finding;
use crate::tree::Text;

/// What a crate of ours may depend on (tests aside), and what it must know nothing of.
struct Crate {
    manifest: &'static str,
    ours: &'static [&'static str],
    never: &'static [&'static str],
}

const CRATES: &[Crate] = &[
    Crate { manifest: "cluster-macros/Cargo.toml", ours: &[], never: SERVERS },
    Crate { manifest: "cluster-core/Cargo.toml", ours: &[], never: SERVERS },
    Crate { manifest: "cluster-sql/Cargo.toml", ours: &["cluster-core"], never: HTTP },
];

const OURS: &[&str] = &["cluster", "cluster-core", "cluster-macros", "cluster-sql", "cluster-http"];
const HTTP: &[&str] = &["axum", "hyper", "http", "tower"];
const SERVERS: &[&str] =
    &["sqlx", "rusqlite", "libsqlite3-sys", "tokio-postgres", "axum", "hyper", "http", "tower"];

/// Looks at every manifest.
pub(crate) fn check(texts: &[Text]) -> Vec<Finding> {
    let manifests = texts.iter().filter(|text| text.path.ends_with("Cargo.toml"));
    // The peers' harnesses are packages outside of the workspace.
    let members = manifests.filter(|text| !text.path.starts_with("bench/peers/"));
    members.flat_map(check_manifest).collect()
}

fn check_manifest(text: &Text) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !section(text, "[lints]").any(|(_, line)| line == "workspace = true") {
        let advice = "add `[lints]` with `workspace = true`".to_owned();
        findings.push(finding(text, 1, "lints", advice));
    }
    if let Some(rules) = CRATES.iter().find(|rules| rules.manifest == text.path) {
        for (line, entry) in section(text, "[dependencies]") {
            let name = name(entry);
            let foreign_layer = OURS.contains(&name) && !rules.ours.contains(&name);
            if foreign_layer || rules.never.contains(&name) {
                let advice = format!("this crate may not depend on `{name}`");
                findings.push(finding(text, line, "dependencies", advice));
            }
        }
    }
    findings.extend(unexplained(text));
    findings
}

/// Dependencies of the workspace that are not ours and have no comment above their group.
fn unexplained(text: &Text) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut explained = false;
    for (line, entry) in section(text, "[workspace.dependencies]") {
        if entry.is_empty() {
            explained = false;
        } else if entry.starts_with('#') {
            explained = true;
        } else if !explained && !entry.contains("path = ") {
            let advice = format!("say above `{}` what it is for", name(entry));
            findings.push(finding(text, line, "dependency without reason", advice));
        }
    }
    findings
}

/// The lines of a section, trimmed, with their numbers.
fn section<'a>(text: &'a Text, heading: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    let lines = text.content.lines().enumerate();
    let after = lines.skip_while(move |(_, line)| line.trim() != heading).skip(1);
    after
        .take_while(|(_, line)| !line.starts_with('['))
        .map(|(index, line)| (index + 1, line.trim()))
}

/// The package that an entry names.
fn name(entry: &str) -> &str {
    entry.split([' ', '.', '=']).next().unwrap_or_default()
}

fn finding(text: &Text, line: usize, rule: &'static str, advice: String) -> Finding {
    Finding { path: text.path.clone(), line, rule, advice }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(path: &str, content: &str) -> Vec<(&'static str, usize)> {
        let texts = [Text::new(path, content)];
        check(&texts).iter().map(|finding| (finding.rule, finding.line)).collect()
    }

    #[test]
    fn every_member_takes_the_lints_of_the_workspace() {
        assert_eq!(rules("x/Cargo.toml", "[package]\n"), [("lints", 1)]);
        assert_eq!(rules("x/Cargo.toml", "[lints]\nworkspace = true\n"), []);
        assert_eq!(rules("bench/peers/x/Cargo.toml", "[package]\n"), []);
    }

    #[test]
    fn crates_depend_downwards_and_core_knows_no_sql() {
        let lints = "[lints]\nworkspace = true\n";
        let core = |entry: &str| {
            rules("cluster-core/Cargo.toml", &format!("{lints}[dependencies]\n{entry}\n"))
        };
        assert_eq!(core("serde.workspace = true"), []);
        assert_eq!(core("rusqlite = \"1\""), [("dependencies", 4)]);
        assert_eq!(core("cluster-sql.workspace = true"), [("dependencies", 4)]);
        assert_eq!(core("[dev-dependencies]\ncluster = { path = \"..\" }"), []);
        let sql = format!("{lints}[dependencies]\ncluster-core.workspace = true\nsqlx = \"1\"\n");
        assert_eq!(rules("cluster-sql/Cargo.toml", &sql), []);
    }

    #[test]
    fn a_dependency_says_what_it_is_for() {
        let manifest = |entries: &str| {
            let lints = "[lints]\nworkspace = true\n";
            rules("Cargo.toml", &format!("{lints}[workspace.dependencies]\n{entries}\n"))
        };
        assert_eq!(manifest("a = \"1\""), [("dependency without reason", 4)]);
        assert_eq!(manifest("# Why.\na = \"1\"\nb = \"1\""), []);
        assert_eq!(manifest("# Why.\na = \"1\"\n\nb = \"1\""), [("dependency without reason", 7)]);
        assert_eq!(manifest("cluster = { path = \".\" }"), []);
    }
}

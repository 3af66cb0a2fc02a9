//! Imports go down only: between the modules of cluster-core, and between the crates.

use std::collections::BTreeSet;

use crate::Finding;
use crate::code::{Code, is_word};
use crate::tree::{Kind, Text};

/// The modules of cluster-core, lowest layer first. A module may use lower layers, and its
/// neighbours as long as no circle comes of it.
const LAYERS: &[&[&str]] = &[
    &["config", "error", "id", "metric", "time"],
    &["codec", "contract", "message"],
    &["storage"],
    &["commit"],
    &["entity"],
    &["workflow"],
    &["cluster", "testing"],
];

const SOURCES: &str = "cluster-core/src/";
const RULE: &str = "layers";

/// One module names another.
struct Use {
    from: String,
    to: String,
    path: String,
    line: usize,
}

/// Looks at every file of cluster-core.
pub(crate) fn check(texts: &[Text]) -> Vec<Finding> {
    check_with(LAYERS, texts)
}

fn check_with(layers: &[&[&str]], texts: &[Text]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut sideways: Vec<Use> = Vec::new();
    for text in texts.iter().filter(|text| text.kind == Kind::Rust && !text.is_test()) {
        let Some(below) = text.path.strip_prefix(SOURCES) else { continue };
        let from = below.split(['/', '.']).next().unwrap_or_default();
        if from == "lib" {
            continue;
        }
        let Some(layer) = layer_of(layers, from) else {
            findings.push(fault(&text.path, 1, format!("give `{from}` its layer in the table")));
            continue;
        };
        let macros = |to: &String| to.starts_with("__");
        for (to, line) in uses(below, &Code::new(&text.content)) {
            if macros(&to) {
                continue;
            }
            match layer_of(layers, &to) {
                None => findings.push(fault(
                    &text.path,
                    line,
                    format!("`crate::{to}` is no module of the table: name the one that has it"),
                )),
                Some(other) if other > layer => {
                    findings.push(fault(
                        &text.path,
                        line,
                        format!("`{from}` may not use `{to}`, which lies above it"),
                    ));
                }
                Some(other) if other == layer && to != from => {
                    let (from, path) = (from.to_owned(), text.path.clone());
                    sideways.push(Use { from, to, path, line });
                }
                Some(_) => {}
            }
        }
    }
    findings.extend(circles(&sideways));
    findings
}

fn fault(path: &str, line: usize, advice: String) -> Finding {
    Finding { path: path.to_owned(), line, rule: RULE, advice }
}

fn layer_of(layers: &[&[&str]], module: &str) -> Option<usize> {
    layers.iter().position(|layer| layer.contains(&module))
}

/// Every use between neighbours that lies on a circle.
fn circles(uses: &[Use]) -> Vec<Finding> {
    let on_circle = uses.iter().filter(|edge| reaches(uses, &edge.to, &edge.from));
    let finding = |edge: &Use| {
        let advice = format!("`{}` and `{}` use each other: they are one", edge.from, edge.to);
        fault(&edge.path, edge.line, advice)
    };
    on_circle.map(finding).collect()
}

fn reaches(uses: &[Use], start: &str, goal: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![start];
    while let Some(module) = open.pop() {
        if module == goal {
            return true;
        }
        if seen.insert(module) {
            let next = uses.iter().filter(|edge| edge.from == module);
            open.extend(next.map(|edge| edge.to.as_str()));
        }
    }
    false
}

/// The names at the root of the crate that code outside tests uses, with their lines.
fn uses(below: &str, code: &Code) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let up_to_root = "super::".repeat(depth(below));
    for root in ["crate::", &up_to_root] {
        for at in code.find_all(root) {
            // A longer chain of `super` was found at its beginning, where it belongs.
            let chained = root != "crate::" && code.text()[..at].ends_with("::");
            if !chained && !code.is_test(at) {
                let names = first_names(&code.text()[at + root.len()..]);
                found.extend(names.into_iter().map(|name| (name, code.line(at))));
            }
        }
    }
    found
}

/// How many `super::` lead from a file to the root of the crate.
fn depth(below: &str) -> usize {
    let parts: Vec<&str> = below.split('/').collect();
    if below.ends_with("/mod.rs") { parts.len() - 1 } else { parts.len() }
}

/// `a::B` names a; `{a, b::C, d::{E, F}}` names a, b and d.
fn first_names(rest: &str) -> Vec<String> {
    let Some(group) = rest.strip_prefix('{') else {
        let name: String = rest.chars().take_while(|c| is_word(*c)).collect();
        return if name.is_empty() { vec![] } else { vec![name] };
    };
    let mut names = Vec::new();
    let mut depth = 0;
    let mut item = String::new();
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(std::mem::take(&mut item)),
            _ if depth == 0 => item.push(c),
            _ => {}
        }
    }
    names.push(item);
    let first = |item: &String| item.trim().chars().take_while(|c| is_word(*c)).collect();
    names.iter().map(first).filter(|name: &String| !name.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[&[&str]] = &[&["id", "time"], &["storage"], &["entity"]];

    fn advice(files: &[(&str, &str)]) -> Vec<String> {
        let text = |(path, content): &(&str, &str)| Text::new(&format!("{SOURCES}{path}"), content);
        let texts: Vec<Text> = files.iter().map(text).collect();
        check_with(TABLE, &texts).iter().map(|f| format!("{}: {}", f.line, f.advice)).collect()
    }

    #[test]
    fn a_module_may_use_what_lies_below_it_and_nothing_above() {
        assert_eq!(advice(&[("storage/rows.rs", "use crate::id::EntityId;")]), [""; 0]);
        let up = advice(&[("storage/rows.rs", "use std::fmt;\nuse crate::entity::Call;")]);
        assert_eq!(up, ["2: `storage` may not use `entity`, which lies above it"]);
        let in_code = advice(&[("id/mod.rs", "fn f(x: crate::storage::Row) {}")]);
        assert_eq!(in_code, ["1: `id` may not use `storage`, which lies above it"]);
    }

    #[test]
    fn groups_and_chains_of_super_are_followed() {
        let group = advice(&[("storage/rows.rs", "use crate::{\n  id::{A, B},\n  entity::C,\n};")]);
        assert_eq!(group, ["1: `storage` may not use `entity`, which lies above it"]);
        let chain = advice(&[("id/key.rs", "use super::super::entity::C;\nuse super::mine;")]);
        assert_eq!(chain, ["1: `id` may not use `entity`, which lies above it"]);
        assert_eq!(advice(&[("id/a/b.rs", "use super::super::mine;")]), [""; 0]);
    }

    #[test]
    fn comments_and_tests_may_name_anything() {
        let source =
            "/// See [`crate::entity`].\n#[cfg(test)]\nmod tests { use crate::entity::C; }";
        assert_eq!(advice(&[("id/mod.rs", source)]), [""; 0]);
        assert_eq!(advice(&[("id/tests.rs", "use crate::entity::C;")]), [""; 0]);
    }

    #[test]
    fn neighbours_may_use_each_other_in_one_direction_only() {
        let one_way = ("id/mod.rs", "use crate::time::Timestamp;");
        assert_eq!(advice(&[one_way]), [""; 0]);
        let circle = advice(&[one_way, ("time/mod.rs", "use crate::id::EntityId;")]);
        assert_eq!(circle.len(), 2);
        assert_eq!(circle[0], "1: `id` and `time` use each other: they are one");
    }

    #[test]
    fn an_unknown_module_must_be_given_its_layer() {
        assert_eq!(advice(&[("extra.rs", "")]), ["1: give `extra` its layer in the table"]);
        let facade = advice(&[("id/mod.rs", "use crate::Shortcut;")]);
        assert!(facade[0].contains("`crate::Shortcut` is no module of the table"), "{facade:?}");
    }
}

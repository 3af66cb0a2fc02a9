//! Calls and text that must not stand in the repository.

use crate::Finding;
use crate::code::Code;
use crate::tree::{Kind, Text};

/// Where a call is forbidden.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Everywhere,
    /// Tests may: a panic is how they fail.
    OutsideTests,
}

struct Call {
    /// What the code must not contain; the name of the rule.
    pattern: &'static str,
    advice: &'static str,
    scope: Scope,
}

const fn never(pattern: &'static str, advice: &'static str) -> Call {
    Call { pattern, advice, scope: Scope::Everywhere }
}

const CALLS: &[Call] = &[
    // Unfinished work.
    never("todo!(", "finish it"),
    never("unimplemented!(", "finish it"),
    never("dbg!(", "use tracing, or remove it"),
    never("#[ignore", "a test runs, or says at run time why it cannot"),
    never("#[should_panic]", "say which panic is expected"),
    // Time that tests could not move.
    never("Instant::now", "read the injected clock"),
    never("SystemTime::now", "read the injected clock"),
    never("thread::sleep", "wait for an event, or sleep on the injected clock"),
    never("time::sleep", "sleep on the injected clock"),
    never("time::timeout", "race with a sleep of the injected clock"),
    // Randomness that no seed replays.
    never("rand::rng(", "take random numbers from the injected source"),
    never("rand::random(", "take random numbers from the injected source"),
    never("from_os_rng", "take random numbers from the injected source"),
    // Queues without a bound.
    never("unbounded_channel", "give the queue a bound and the bound a name"),
    Call {
        pattern: ".unwrap()",
        advice: "handle it, or `expect` with the invariant that holds",
        scope: Scope::OutsideTests,
    },
];

/// Text that says something about where the code was written instead of about the product.
const TEXTS: &[(&str, &str, &[&str])] = &[
    (
        "machine path",
        "name no path of one machine",
        &["/work/", "/tmp/wt", "/tmp/target", "/tmp/plan", "/root/", "/home/", "C:\\"],
    ),
    (
        "registry host",
        "use packages by name; registries are a matter of each machine",
        &["crates.io", "pypi.org", "npmjs.org", "deb.debian.org", "proxy.golang.org"],
    ),
    ("unfinished", "finish it; plans belong elsewhere", &["TODO", "FIXME", "XXX"]),
];

/// Forbidden calls, and lints relaxed without a reason.
pub(crate) fn check_code(text: &Text, code: &Code) -> Vec<Finding> {
    let mut findings = Vec::new();
    let found = |at: usize, rule: &'static str, advice: &str| Finding {
        path: text.path.clone(),
        line: code.line(at),
        rule,
        advice: advice.to_owned(),
    };
    for call in CALLS {
        for at in code.find_all(call.pattern) {
            let in_test = text.is_test() || code.is_test(at);
            if call.scope == Scope::Everywhere || !in_test {
                findings.push(found(at, call.pattern, call.advice));
            }
        }
    }
    for attribute in ["#[allow(", "#![allow(", "#[expect(", "#![expect("] {
        for at in code.find_all(attribute) {
            if !says_why(&text.content, code, at) {
                findings.push(found(at, "lint without reason", "say beside it why it is relaxed"));
            }
        }
    }
    if text.is_test() && !text.content.starts_with("//!") && text.path.split('/').count() < 4 {
        findings.push(found(0, "purpose", "begin with `//!` and what the tests are for"));
    }
    findings
}

/// A reason is a comment on the line above or behind the attribute, or its own `reason = ".."`.
fn says_why(content: &str, code: &Code, at: usize) -> bool {
    let end = code.text()[at..].find(']').map_or(code.text().len(), |end| at + end);
    if code.text()[at..end].contains("reason") {
        return true;
    }
    let behind = content[end..].lines().next().unwrap_or_default();
    let above = content[..at].lines().rev().find(|line| !line.trim().is_empty());
    behind.contains("//") || above.is_some_and(|line| line.trim_start().starts_with("// "))
}

/// Forbidden text, in comments and strings too.
pub(crate) fn check_text(text: &Text) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in text.content.lines().enumerate() {
        for &(rule, advice, patterns) in TEXTS {
            let marks_only_code = rule == "unfinished" && text.kind == Kind::Other;
            if !marks_only_code && patterns.iter().any(|pattern| line.contains(pattern)) {
                findings.push(Finding {
                    path: text.path.clone(),
                    line: index + 1,
                    rule,
                    advice: advice.to_owned(),
                });
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(path: &str, content: &str) -> Vec<(&'static str, usize)> {
        let findings = check_code(&Text::new(path, content), &Code::new(content));
        findings.iter().map(|finding| (finding.rule, finding.line)).collect()
    }

    #[test]
    fn every_forbidden_call_is_found_and_its_mention_is_not() {
        for call in CALLS {
            let pattern = call.pattern;
            assert_eq!(calls("src/a.rs", &format!("\n{pattern}")), [(pattern, 2)]);
            let mention = format!("// {pattern}\n/// {pattern}\nlet text = \"{pattern}\";");
            assert_eq!(calls("src/a.rs", &mention), []);
        }
    }

    #[test]
    fn unwrap_is_for_tests() {
        assert_eq!(calls("src/a.rs", "x.unwrap()"), [(".unwrap()", 1)]);
        assert_eq!(calls("src/a.rs", "x.unwrap_or(1)"), []);
        assert_eq!(calls("src/a.rs", "#[cfg(test)]\nmod tests { fn f() { x.unwrap() } }"), []);
        assert_eq!(calls("tests/a.rs", "//! Why.\nfn f() { x.unwrap() }"), []);
    }

    #[test]
    fn a_relaxed_lint_has_its_reason_beside_it() {
        let rule = "lint without reason";
        assert_eq!(calls("src/a.rs", "fn f() {}\n#[allow(x)]\nfn g() {}"), [(rule, 2)]);
        assert_eq!(calls("src/a.rs", "#![expect(x)]"), [(rule, 1)]);
        assert_eq!(calls("src/a.rs", "/// Docs.\n#[allow(x)]\nfn g() {}"), [(rule, 2)]);
        assert_eq!(calls("src/a.rs", "#[allow(x)] // The clock itself."), []);
        assert_eq!(calls("src/a.rs", "// The clock itself.\n#[allow(x)]"), []);
        assert_eq!(calls("src/a.rs", "#[expect(x, reason = \"the clock itself\")]"), []);
    }

    #[test]
    fn tests_begin_with_their_purpose() {
        assert_eq!(calls("tests/a.rs", "fn f() {}"), [("purpose", 1)]);
        assert_eq!(calls("cluster-sql/tests/a.rs", "use x;"), [("purpose", 1)]);
        assert_eq!(calls("tests/a.rs", "//! What it is for."), []);
    }

    #[test]
    fn text_of_one_machine_is_found_in_any_file() {
        for &(rule, _, patterns) in TEXTS {
            for pattern in patterns {
                let text = Text::new("a.rs", &format!("//\n// see {pattern}"));
                let findings = check_text(&text);
                assert_eq!(findings.len(), 1, "{pattern}");
                assert_eq!((findings[0].rule, findings[0].line), (rule, 2));
            }
        }
        assert_eq!(check_text(&Text::new("README.md", "in /home/me")).len(), 1);
    }
}

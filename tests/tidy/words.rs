//! Calls and text that must not stand in the repository.

use std::collections::BTreeSet;

use crate::Finding;
use crate::code::{Code, is_word};
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

/// A rule's name, what to do, and the texts that break it.
type Forbidden = (&'static str, &'static str, &'static [[&'static str; 2]]);

/// Text that says something about where the code was written instead of about the product. Each in
/// two halves, so that this file itself breaks no rule.
const TEXTS: &[Forbidden] = &[
    (
        "machine path",
        "name no path of one machine",
        &[["/wo", "rk/"], ["/tm", "p/"], ["/ro", "ot/"], ["/ho", "me/"], ["C:", "\\"]],
    ),
    (
        "registry host",
        "use packages by name; registries are a matter of each machine",
        &[
            ["crates", ".io"],
            ["pypi", ".org"],
            ["npmjs", ".org"],
            ["deb.", "debian.org"],
            ["proxy.", "golang.org"],
        ],
    ),
    (
        "unfinished",
        "finish it; plans belong elsewhere",
        &[["TO", "DO"], ["FIX", "ME"], ["XX", "X"]],
    ),
];

/// The rule for sleeps that no test can shorten, by whatever name the clock goes.
pub(crate) const MACHINE_SLEEP: &str = "sleep on the machine's clock";

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
    for at in machine_sleeps(code) {
        findings.push(found(at, MACHINE_SLEEP, "wait for an event, or on the injected clock"));
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

/// Where code sleeps on `Clock::system()` itself, or on a name that the file gives to it.
fn machine_sleeps(code: &Code) -> Vec<usize> {
    const CLOCK: &str = "Clock::system()";
    let mut sleeps = Vec::new();
    let (mut names, mut fields) = (BTreeSet::new(), BTreeSet::new());
    for at in code.find_all(CLOCK) {
        if code.text()[at + CLOCK.len()..].trim_start().starts_with(".sleep(") {
            sleeps.push(at);
        }
        let statement = code.text()[..at].rsplit([';', '{', '}']).next().unwrap_or_default();
        if let Some(pattern) = statement.trim_start().strip_prefix("let ") {
            names.extend(pattern.trim_start_matches("mut ").split(|c| !is_word(c)).next());
        }
        // A field, in the expression that makes its value.
        let before = code.text()[..at].trim_end_matches("time::").trim_end();
        if let Some(field) = before.strip_suffix(':').filter(|field| field.ends_with(is_word)) {
            fields.extend(field.rsplit(|c| !is_word(c)).next());
        }
    }
    for field in fields {
        sleeps.extend(code.find_all(&format!(".{field}.sleep(")));
    }
    for name in names {
        let sleep = format!("{name}.sleep(");
        let of_field = |at: &usize| code.text()[..*at].ends_with('.');
        sleeps.extend(code.find_all(&sleep).filter(|at| !of_field(at)));
    }
    sleeps
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
            let found = patterns.iter().any(|halves| line.contains(&halves.concat()));
            if !marks_only_code && found {
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
    fn a_sleep_on_the_machines_clock_is_found_under_any_name() {
        let rule = "sleep on the machine's clock";
        let at_once = "async fn f() {\n    Clock::system().sleep(SECOND).await;\n}";
        assert_eq!(calls("src/a.rs", at_once), [(rule, 2)]);
        let broken = "async fn f() {\n    Clock::system()\n        .sleep(SECOND)\n}";
        assert_eq!(calls("src/a.rs", broken), [(rule, 2)]);
        let named = "let wall: Clock = time::Clock::system();\nwall.sleep(SECOND).await;";
        assert_eq!(calls("src/a.rs", named), [(rule, 2)]);
        let virtual_time = "let wall = Clock::system();\nself.clock.sleep(x); firewall.sleep(x);";
        assert_eq!(calls("src/a.rs", virtual_time), []);
        let field = "let clock = Clock::system();\nself.clock.sleep(x);";
        assert_eq!(calls("src/a.rs", field), []);
        let field = "fn new() { Bed { at, clock: Clock::system() } }\nself.clock.sleep(x);";
        assert_eq!(calls("src/a.rs", field), [(rule, 2)]);
        assert_eq!(calls("src/a.rs", "Clock::system().timeout(x, y)"), []);
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
                let text = Text::new("a.rs", &format!("//\n// see {}", pattern.concat()));
                let findings = check_text(&text);
                assert_eq!(findings.len(), 1, "{pattern:?}");
                assert_eq!((findings[0].rule, findings[0].line), (rule, 2));
            }
        }
        let at_home = format!("in {}me", ["/ho", "me/"].concat());
        assert_eq!(check_text(&Text::new("README.md", &at_home)).len(), 1);
    }

    #[test]
    fn the_rules_on_text_name_nothing_that_they_forbid() {
        let text = Text::new("tests/tidy/words.rs", include_str!("words.rs"));
        assert_eq!(check_text(&text), []);
    }
}

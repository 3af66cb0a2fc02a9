//! The repository keeps its own habits: layers, lengths, forbidden calls and text, manifests.
//!
//! Every rule is a function from text to findings, so each one is also tested on small strings
//! below its code. A finding that is right all the same gets a line in `exceptions.rs`, with its
//! reason.

mod code;
mod exceptions;
mod layers;
mod manifests;
mod sizes;
mod tree;
mod words;

use std::fmt;

use exceptions::EXCEPTIONS;
use tree::{Kind, Text};

/// Something that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The file, from the root of the repository.
    pub(crate) path: String,
    /// The line, counted from 1.
    pub(crate) line: usize,
    /// The rule, by the name that an exception uses.
    pub(crate) rule: &'static str,
    /// What to do about it.
    pub(crate) advice: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.rule, self.advice)
    }
}

#[test]
fn the_repository_is_tidy() {
    let texts = tree::texts();
    assert!(texts.len() > 20, "only {} files found: the walk is broken", texts.len());
    let findings = check(&texts);
    let (excused, open): (Vec<Finding>, Vec<Finding>) =
        findings.into_iter().partition(exceptions::excuses);
    let mut faults: Vec<String> = open.iter().map(Finding::to_string).collect();
    for (at, exception) in EXCEPTIONS.iter().enumerate() {
        let repeated = exceptions::is_repeated(EXCEPTIONS, at);
        if repeated || !excused.iter().any(|finding| exception.covers(finding)) {
            let exceptions::Exception { path, rule, .. } = exception;
            faults.push(format!("exceptions.rs: {path} no longer needs `{rule}`: remove the line"));
        }
    }
    assert!(faults.is_empty(), "{} untidy places:\n{}", faults.len(), faults.join("\n"));
}

fn check(texts: &[Text]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for text in texts {
        findings.extend(words::check_text(text));
        match text.kind {
            Kind::Rust => {
                let code = code::Code::new(&text.content);
                findings.extend(sizes::check_rust(text, &code));
                findings.extend(words::check_code(text, &code));
            }
            Kind::Program => findings.extend(sizes::check_width(text)),
            Kind::Other => findings.extend(sizes::check_architecture(text)),
        }
    }
    findings.extend(layers::check(texts));
    findings.extend(manifests::check(texts));
    findings
}

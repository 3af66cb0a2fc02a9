//! What breaks a rule rightly, each with its reason. An exception that nothing needs fails the
//! test.

use crate::Finding;

/// One place where one rule does not hold.
pub(crate) struct Exception {
    /// A file, or a folder with a slash at its end.
    pub(crate) path: &'static str,
    /// The rule's name, as a finding shows it.
    pub(crate) rule: &'static str,
    /// Why it is right here.
    pub(crate) reason: &'static str,
}

impl Exception {
    /// Whether this is the exception for the finding.
    pub(crate) fn covers(&self, finding: &Finding) -> bool {
        let folder = self.path.ends_with('/') && finding.path.starts_with(self.path);
        self.rule == finding.rule && (folder || finding.path == self.path)
    }
}

/// Whether some exception covers the finding.
pub(crate) fn excuses(finding: &Finding) -> bool {
    EXCEPTIONS.iter().any(|exception| exception.covers(finding))
}

const fn allow(path: &'static str, rule: &'static str, reason: &'static str) -> Exception {
    Exception { path, rule, reason }
}

/// All exceptions of the repository.
pub(crate) const EXCEPTIONS: &[Exception] = &[
    // The modules that provide what everybody else has injected.
    allow("cluster-core/src/time/clock.rs", "Instant::now", "the machine's clock itself"),
    allow("cluster-core/src/time/clock.rs", "SystemTime::now", "the machine's clock itself"),
    allow("cluster-core/src/time/clock.rs", "time::sleep", "the machine's timers themselves"),
    allow("cluster-core/src/id/request_id.rs", "from_os_rng", "random bits of ids begin here"),
    // The public suite is made of tests.
    allow("cluster-core/src/testing/suite/", ".unwrap()", "a failed step fails the test"),
    // Tools measure real time; nothing that they build depends on it.
    allow("xtask/src/gate.rs", "Instant::now", "shows how long a step of the gate took"),
    allow("bench/kit/src/watch.rs", "Instant::now", "real time is what a benchmark measures"),
    allow("bench/kit/src/watch.rs", "thread::sleep", "memory is read once the machine settled"),
    // Test bodies that other crates run: a panic is how they fail.
    allow("cluster-core/src/testing/suite/", ".unwrap()", "bodies of tests, in a library"),
    // The list of forbidden text has to name it.
    allow("tests/tidy/words.rs", "machine path", "names the paths to forbid them"),
    allow("tests/tidy/words.rs", "registry host", "names the hosts to forbid them"),
    allow("tests/tidy/words.rs", "unfinished", "names the marks to forbid them"),
];

#[test]
fn an_exception_is_for_one_rule_in_one_file_or_folder() {
    let finding =
        |path: &str, rule| Finding { path: path.to_owned(), line: 1, rule, advice: String::new() };
    let file = allow("a/b.rs", "width", "a test");
    assert!(file.covers(&finding("a/b.rs", "width")));
    assert!(!file.covers(&finding("a/b.rs", "file length")));
    assert!(!file.covers(&finding("a/b.rs/c.rs", "width")));
    let folder = allow("a/", "width", "a test");
    assert!(folder.covers(&finding("a/b/c.rs", "width")));
    assert!(!folder.covers(&finding("ab/c.rs", "width")));
}

#[test]
fn every_exception_says_why() {
    for exception in EXCEPTIONS {
        assert!(exception.reason.len() > 8, "{}: {}", exception.path, exception.rule);
    }
}

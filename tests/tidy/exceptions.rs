//! What breaks a rule rightly, each with its reason. An exception that nothing needs fails the
//! test.

use crate::Finding;
use crate::words::MACHINE_SLEEP;

/// One place where one rule does not hold.
#[derive(Clone, Copy)]
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
    // Tools measure real time; nothing that they build depends on it.
    allow("xtask/src/gate.rs", "Instant::now", "shows how long a step of the gate took"),
    allow("bench/kit/src/watch.rs", "Instant::now", "real time is what a benchmark measures"),
    allow("bench/kit/src/watch.rs", "SystemTime::now", "lateness is measured by the time of day"),
    allow("bench/kit/src/watch.rs", "thread::sleep", "memory is read once the machine settled"),
    // Test bodies that other crates run: a panic is how they fail.
    allow("cluster-core/src/testing/suite/", ".unwrap()", "bodies of tests, in a library"),
    allow("cluster-sql/src/server/inner.rs", MACHINE_SLEEP, "a server is waited for in real time"),
    allow("tests/programs/bank.rs", MACHINE_SLEEP, "the moment of a kill is real time"),
];

/// Whether an earlier exception covers all that this one does.
pub(crate) fn is_repeated(exceptions: &[Exception], at: usize) -> bool {
    let Exception { path, rule, .. } = exceptions[at];
    exceptions[..at].iter().any(|earlier| {
        let inside = earlier.path.ends_with('/') && path.starts_with(earlier.path);
        earlier.rule == rule && (inside || earlier.path == path)
    })
}

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
fn an_exception_stands_once() {
    let twice = [allow("a.rs", "width", "a test"), allow("a.rs", "width", "another reason")];
    assert!(is_repeated(&twice, 1) && !is_repeated(&twice, 0));
    let inside = [allow("a/", "width", "a test"), allow("a/b.rs", "width", "a test")];
    assert!(is_repeated(&inside, 1), "the folder covers the file");
    let others = [allow("a.rs", "width", "a test"), allow("a.rs", "layers", "a test")];
    assert!(!is_repeated(&others, 1));
}

#[test]
fn every_exception_says_why() {
    for exception in EXCEPTIONS {
        assert!(exception.reason.len() > 8, "{}: {}", exception.path, exception.rule);
    }
}

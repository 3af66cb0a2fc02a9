//! The files that the rules look at.

use std::fs;
use std::path::Path;

/// Which rules a file falls under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Our own Rust.
    Rust,
    /// Rust that is data of a test: a program that must or must not compile, an expansion.
    Program,
    /// Manifests, documents, scripts, SQL.
    Other,
}

/// One file of the repository.
#[derive(Debug)]
pub(crate) struct Text {
    /// From the root of the repository, with slashes.
    pub(crate) path: String,
    /// Which rules it falls under.
    pub(crate) kind: Kind,
    /// What it says.
    pub(crate) content: String,
}

impl Text {
    /// A file that exists only in a rule's own test.
    pub(crate) fn new(path: &str, content: &str) -> Self {
        Text { path: path.to_owned(), kind: kind(path), content: content.to_owned() }
    }

    /// Whether everything in it is test code.
    pub(crate) fn is_test(&self) -> bool {
        let folders = self.path.split('/').any(|part| part == "tests");
        folders || self.path.ends_with("/tests.rs")
    }
}

/// Hidden folders that hold part of the project.
const HIDDEN: [&str; 2] = [".ci", ".cargo"];
/// The ends of names that the rules know how to read; scripts in .ci have none.
const ENDS: [&str; 9] = [".rs", ".toml", ".md", ".py", ".sql", ".sh", ".txt", ".mjs", ".json"];
/// Folders whose Rust files are data of a test.
const PROGRAM_FOLDERS: [&str; 2] = ["tests/ui/", "tests/expand/"];

fn kind(path: &str) -> Kind {
    if !path.ends_with(".rs") {
        Kind::Other
    } else if PROGRAM_FOLDERS.iter().any(|folder| path.starts_with(folder)) {
        Kind::Program
    } else {
        Kind::Rust
    }
}

/// Every file that a rule may have something to say about, sorted by path.
pub(crate) fn texts() -> Vec<Text> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the repository is readable") {
            let path = entry.expect("an entry of a folder is readable").path();
            let below = path.strip_prefix(root).expect("the walk starts at the root");
            let below = below.to_str().expect("paths are UTF-8").replace('\\', "/");
            let name = below.rsplit('/').next().unwrap_or_default();
            if path.is_dir() {
                let hidden = name.starts_with('.') && !HIDDEN.contains(&name);
                if name != "target" && !hidden {
                    folders.push(path);
                }
            } else if below.starts_with(".ci/") || ENDS.iter().any(|end| name.ends_with(end)) {
                let content = fs::read_to_string(&path).expect("text files are UTF-8");
                texts.push(Text { kind: kind(&below), path: below, content });
            }
        }
    }
    texts.sort_by(|a, b| a.path.cmp(&b.path));
    texts
}

#[test]
fn kinds_follow_from_paths() {
    assert_eq!(kind("cluster-core/src/lib.rs"), Kind::Rust);
    assert_eq!(kind("tests/ui/keys/fail/twice.rs"), Kind::Program);
    assert_eq!(kind("tests/expand/durable.rs"), Kind::Program);
    assert_eq!(kind("cluster-macros/src/expand/client.rs"), Kind::Rust);
    assert_eq!(kind("src/ui/mod.rs"), Kind::Rust);
    assert_eq!(kind("README.md"), Kind::Other);
    assert!(Text::new("tests/calls.rs", "").is_test());
    assert!(Text::new("cluster-core/src/entity/tests.rs", "").is_test());
    assert!(!Text::new("cluster-core/src/testing/mod.rs", "").is_test());
}

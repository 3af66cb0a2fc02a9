//! Programs that must compile, and programs that must not, with what the compiler says of them.
//!
//! To change what it says: look at the text that the failed test shows and, if it is right, run the
//! test again with `TRYBUILD=overwrite`.

// Programs are as users write them.
#![allow(missing_docs, unreachable_pub, missing_debug_implementations, unused_qualifications)]
// They end by a panic when something is wrong, and some print.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

// Programs that must compile are built as parts of this test, all at once.

#[path = "ui/attributes/pass"]
mod attributes {
    pub(super) mod every_key_of_a_message;
    pub(super) mod every_key_of_an_entity;
    pub(super) mod made_by_a_macro;
}

#[path = "ui/calls/pass"]
mod calls {
    pub(super) mod another_name;
    pub(super) mod inside_of_a_function;
}

#[path = "ui/contracts/pass"]
mod contracts {
    pub(super) mod private;
    pub(super) mod served;
}

#[path = "ui/entities/pass"]
mod entities {
    pub(super) mod services;
    pub(super) mod states;
    pub(super) mod visibilities;
}

#[path = "ui/handlers/pass"]
mod handlers {
    pub(super) mod any_name;
    pub(super) mod every_form;
    pub(super) mod plain_methods;
    pub(super) mod recursion;
}

#[path = "ui/hooks/pass"]
mod hooks {
    pub(super) mod every_form;
}

#[path = "ui/later/pass"]
mod later {
    pub(super) mod every_form;
}

#[path = "ui/messages/pass"]
mod messages {
    pub(super) mod conditional;
    pub(super) mod documented;
    pub(super) mod exclusive;
    pub(super) mod transactions;
}

#[path = "ui/streams/pass"]
mod streams {
    pub(super) mod every_form;
}

#[path = "ui/reminders/pass"]
mod reminders {
    pub(super) mod every_form;
}

#[path = "ui/types/pass"]
mod types {
    pub(super) mod results;
    pub(super) mod self_types;
}

#[path = "ui/workflow/pass"]
mod workflow {
    pub(super) mod every_form;
}

#[test]
fn right_programs_compile_and_run() {
    attributes::every_key_of_a_message::main();
    attributes::every_key_of_an_entity::main();
    attributes::made_by_a_macro::main();
    calls::another_name::main();
    calls::inside_of_a_function::main();
    contracts::private::main();
    contracts::served::main();
    entities::services::main();
    entities::states::main();
    entities::visibilities::main();
    handlers::any_name::main();
    handlers::every_form::main();
    handlers::plain_methods::main();
    handlers::recursion::main();
    hooks::every_form::main();
    later::every_form::main();
    messages::conditional::main();
    messages::documented::main();
    messages::exclusive::main();
    messages::transactions::main();
    streams::every_form::main();
    reminders::every_form::main();
    types::results::main();
    types::self_types::main();
    workflow::every_form::main();
}

#[test]
fn every_right_program_is_run() {
    let this = include_str!("ui.rs");
    let programs = programs("pass", "rs");
    assert!(programs.len() >= 15);
    for path in programs {
        let call = format!("{}::{}::main();", topic(&path), name(&path));
        assert!(this.contains(&call), "{} is not run here", path.display());
    }
}

#[test]
fn broken_programs_are_refused() {
    trybuild::TestCases::new().compile_fail("tests/ui/*/fail/*.rs");
}

/// Programs with more than one mistake.
const SEVERAL_MESSAGES: &[(&str, usize)] = &[("five_mistakes", 5), ("time_of_a_volatile_call", 2)];

// One mistake is one message, and every program is there for another one.
#[test]
fn every_broken_program_shows_one_message_of_its_own() {
    let programs = programs("fail", "stderr");
    assert!(programs.len() >= 30);
    let mut firsts = BTreeMap::new();
    for path in programs {
        let text = fs::read_to_string(&path).unwrap();
        let messages: Vec<&str> = text.lines().filter(|line| line.starts_with("error")).collect();
        let several = SEVERAL_MESSAGES.iter().find(|(program, _)| *program == name(&path));
        let expected = several.map_or(1, |(_, count)| *count);
        assert_eq!(messages.len(), expected, "{}:\n{text}", path.display());
        if let Some(other) = firsts.insert(messages[0].to_owned(), path.clone()) {
            panic!("{} and {} begin alike:\n{text}", other.display(), path.display());
        }
    }
}

/// The files of every topic that lie in this folder of it and have this ending.
fn programs(folder: &str, ending: &str) -> Vec<PathBuf> {
    let topics = entries(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui"));
    let files = topics.iter().flat_map(|topic| entries(&topic.join(folder)));
    files.filter(|path| path.extension().is_some_and(|found| found == ending)).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

fn topic(path: &Path) -> String {
    name(path.parent().unwrap().parent().unwrap())
}

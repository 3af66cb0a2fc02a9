//! `#[workflow(..)]` and `#[step(..)]`.

use proc_macro2::{Span, TokenStream};
use syn::{LitStr, Path};

use super::entry::{Key, entries};
use crate::errors::Errors;

const WORKFLOW_KEYS: &[Key] = &[
    Key::with("name", "\"order\""),
    Key::with("version", "1"),
    Key::with("crate", "\"my_reexport::cluster\""),
];

/// What a workflow declares.
#[derive(Debug, Default)]
pub(crate) struct WorkflowOptions {
    pub(crate) name: Option<LitStr>,
    pub(crate) version: Option<u32>,
    pub(crate) path: Option<Path>,
}

impl WorkflowOptions {
    /// Both name and version are needed: executions are found by them for as long as they live.
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut options = WorkflowOptions::default();
        let before = errors.count();
        let (mut name, mut version) = (false, false);
        for entry in entries(tokens, WORKFLOW_KEYS, errors) {
            match entry.key {
                "name" => {
                    name = true;
                    options.name = entry.name(errors);
                }
                "version" => {
                    version = true;
                    let number = entry.number(1..=u64::from(u32::MAX), errors);
                    options.version = number.and_then(|(number, _)| u32::try_from(number).ok());
                }
                "crate" => options.path = entry.quoted_path(errors),
                _ => unreachable!("only keys of the list are given"),
            }
        }
        if errors.count() == before && !(name && version) {
            let form = "a workflow has a stored name and a version: \
                        `#[workflow(name = \"order\", version = 1)]`";
            errors.at(Span::call_site(), form);
        }
        options
    }
}

const STEP_KEYS: &[Key] = &[Key::with("name", "\"charge\"")];

/// What a step declares.
#[derive(Debug, Default)]
pub(crate) struct StepOptions {
    pub(crate) name: Option<LitStr>,
}

impl StepOptions {
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut options = StepOptions::default();
        for entry in entries(tokens, STEP_KEYS, errors) {
            match entry.key {
                "name" => options.name = entry.name(errors),
                _ => unreachable!("only keys of the list are given"),
            }
        }
        options
    }
}

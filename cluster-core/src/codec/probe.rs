//! Proving in a test that a type writes what it reads.

use std::collections::{HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::EncodeError;
use crate::contract::make::{Alternative, Asked, Maker, Script};
use crate::contract::stop::Stop;
use crate::contract::{Body, Field, Node, NodeId, Schema, TraceError};

/// How many values are made in one probe before it says that it saw not everything.
const RUNS_MAX: usize = 20_000;

/// How many answers are tried in one place before it counts as unproved.
const MADE_MAX: usize = 3_000;

/// What [`probe`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProbeReport {
    /// How many made-up values came back as they were written.
    pub proved: usize,
    /// Places that no made-up value reaches: nothing is known of them.
    pub unproved: Vec<Finding>,
    /// Places where the type writes something else than it reads.
    pub wrong: Vec<Finding>,
}

/// One place of a probed type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// Where, from the probed type down: `Order.items[0].note`.
    pub path: String,
    /// What happened there.
    pub why: String,
}

/// Encodes and decodes made-up values of `T`, and reports what does not come back.
///
/// There is one value for every variant, for some and none, for empty and filled, for zero and not,
/// in every place of the type. So the probe finds in a test what the encoder would refuse in
/// production: `skip_serializing_if` and its kin. It proves every alternative alone, not all
/// combinations. It takes microseconds for most types, some milliseconds for types that parse text.
///
/// ```
/// use cluster_core::codec::probe;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Order {
///     id: u64,
///     #[serde(default, skip_serializing_if = "Option::is_none")]
///     note: Option<String>,
/// }
///
/// let report = probe::<Order>().unwrap();
/// assert_eq!(report.wrong[0].path, "Order.note");
/// ```
///
/// # Errors
///
/// [`TraceError`] if the type cannot be carried at all.
pub fn probe<T: Serialize + DeserializeOwned>() -> Result<ProbeReport, TraceError> {
    let schema = Schema::of::<T>()?;
    let mut report = ProbeReport::default();
    let mut tried = HashSet::new();
    let mut waiting = VecDeque::from([Attempt { script: Script::default(), must_exist: true }]);
    for _ in 0..RUNS_MAX {
        let Some(mut attempt) = waiting.pop_front() else { return Ok(report) };
        match make::<T>(&mut attempt.script) {
            Ok(value) => {
                match comes_back(&value, &schema) {
                    Ok(()) => report.proved += 1,
                    Err(finding) => note(&mut report.wrong, finding),
                }
                waiting.extend(alternatives(&attempt.script, &mut tried));
            }
            Err(failure) if attempt.must_exist && !failure.nowhere => {
                let path = path_of(&schema, &failure.places);
                note(&mut report.unproved, Finding { path, why: failure.why });
            }
            Err(_) => {}
        }
    }
    let why = format!("has more than {RUNS_MAX} alternatives");
    note(&mut report.unproved, Finding { path: schema.type_name().to_owned(), why });
    Ok(report)
}

/// A value to be made.
struct Attempt {
    script: Script,
    /// Whether the type has this alternative for sure: other values of one number or text may be
    /// invalid, other branches are not.
    must_exist: bool,
}

/// Why no value was made: of the one that came furthest, the reason and where it was asked last.
struct Failure {
    why: String,
    places: Vec<usize>,
    /// The type has no such variant; a list of names holds aliases too.
    nowhere: bool,
}

fn alternatives(
    script: &Script,
    tried: &mut HashSet<(Asked, usize)>,
) -> impl Iterator<Item = Attempt> {
    script
        .alternatives(tried)
        .into_iter()
        .map(|Alternative { script, asked }| Attempt { script, must_exist: asked.branches })
}

/// Makes a value, changing answers that are not fixed until one is accepted.
fn make<T: DeserializeOwned>(script: &mut Script) -> Result<T, Failure> {
    let mut furthest = 0;
    let mut failure = Failure { why: String::new(), places: Vec::new(), nowhere: false };
    for _ in 0..MADE_MAX {
        script.rewind();
        let made = catch_unwind(AssertUnwindSafe(|| T::deserialize(Maker::new(script))));
        let stop = match made {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(stop)) => stop,
            Err(_panic) => Stop::rejected("panics"),
        };
        if script.used() >= furthest {
            furthest = script.used() + 1;
            failure = Failure {
                why: format!("no made-up value was accepted: {stop}"),
                places: script.last_places().to_vec(),
                nowhere: matches!(stop, Stop::NoVariant),
            };
        }
        if !script.next() {
            break;
        }
    }
    Err(failure)
}

/// Whether a value is read as it was written. A type that changes a value while reading, once and
/// for all, is fine.
fn comes_back<T: Serialize + DeserializeOwned>(value: &T, schema: &Schema) -> Result<(), Finding> {
    let encode = |value: &T| super::encode(value, schema, usize::MAX).map_err(unwritten);
    let written = encode(value)?;
    let read: T = super::decode(&written, schema).map_err(|error| Finding {
        path: schema.type_name().to_owned(),
        why: format!("cannot be read back: {error}"),
    })?;
    let rewritten = encode(&read)?;
    if written == rewritten {
        return Ok(());
    }
    let show = |payload: &[u8]| match super::to_json(payload, schema.shape()) {
        Ok(json) => json.to_string(),
        Err(error) => error.to_string(),
    };
    let why = format!("{} comes back as {}", show(&written), show(&rewritten));
    Err(Finding { path: schema.type_name().to_owned(), why })
}

fn unwritten(error: EncodeError) -> Finding {
    match error {
        EncodeError::Refused { path, why } => Finding { path, why },
        other => Finding { path: String::new(), why: other.to_string() },
    }
}

fn note(findings: &mut Vec<Finding>, finding: Finding) {
    if !findings.contains(&finding) {
        findings.push(finding);
    }
}

/// The path that these places lead along, as far as the shape knows them.
fn path_of(schema: &Schema, places: &[usize]) -> String {
    let shape = schema.shape();
    let mut path = schema.type_name().to_owned();
    let mut node = Some(shape.root());
    let mut places = places.iter();
    while let Some(id) = node {
        let Some(&place) = places.next() else { break };
        node = match shape.node(id) {
            Node::Option(inner) | Node::Newtype(inner) => Some(*inner),
            Node::Seq(element) => {
                path += "[]";
                Some(*element)
            }
            Node::Map(key, value) => {
                path += if place == 0 { "{key}" } else { "{value}" };
                Some(if place == 0 { *key } else { *value })
            }
            Node::Tuple(nodes) | Node::TupleStruct(nodes) => member(nodes, place, &mut path),
            Node::Struct(fields) => field(fields, place, &mut path),
            Node::Enum(variants) => variants.get(place).and_then(|variant| {
                path += "::";
                path += &variant.names[0];
                match &variant.body {
                    Body::Unit => None,
                    Body::Newtype(inner) => Some(*inner),
                    Body::Tuple(nodes) => member(nodes, *places.next()?, &mut path),
                    Body::Struct(fields) => field(fields, *places.next()?, &mut path),
                }
            }),
            Node::Leaf(_) | Node::UnitStruct => None,
        };
    }
    path
}

fn member(nodes: &[NodeId], place: usize, path: &mut String) -> Option<NodeId> {
    let node = nodes.get(place)?;
    *path += &format!(".{place}");
    Some(*node)
}

fn field(fields: &[Field], place: usize, path: &mut String) -> Option<NodeId> {
    let field = fields.get(place)?;
    *path += &format!(".{}", field.names[0]);
    Some(field.node)
}

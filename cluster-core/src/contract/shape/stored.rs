//! Shapes in storage: one version byte, then the table. What is read may be hostile.

use serde::{Deserialize, Serialize};

use super::{Body, Field, NODES_MAX, Node, Note, Shape};
use crate::contract::{ShapeError, wire};

/// The first byte of a stored shape.
const VERSION: u8 = 1;

/// The table as serde sees it. Written as it is, read through the checks below.
#[derive(Serialize, Deserialize)]
pub(crate) struct Table {
    nodes: Vec<Node>,
    notes: Vec<Note>,
}

pub(super) fn write(shape: &Shape) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.extend(wire::to_vec(&Table::from(shape.clone())));
    bytes
}

pub(super) fn read(bytes: &[u8]) -> Result<Shape, ShapeError> {
    let malformed = |why: &str| ShapeError::Malformed { why: why.to_owned() };
    let (version, table) = bytes.split_first().ok_or_else(|| malformed("no bytes"))?;
    if *version != VERSION {
        return Err(ShapeError::UnknownVersion { found: *version, known: VERSION });
    }
    let table: Table = wire::from_slice(table).map_err(|why| ShapeError::Malformed { why })?;
    Shape::try_from(table)
}

impl From<Shape> for Table {
    fn from(shape: Shape) -> Self {
        Self { nodes: shape.nodes.to_vec(), notes: shape.notes.to_vec() }
    }
}

impl TryFrom<Table> for Shape {
    type Error = ShapeError;

    /// Takes a table whose every node exists and whose every field and variant has a name.
    fn try_from(table: Table) -> Result<Self, ShapeError> {
        let malformed = |why: &str| Err(ShapeError::Malformed { why: why.to_owned() });
        let Table { nodes, notes } = table;
        if nodes.is_empty() {
            return malformed("the table is empty");
        }
        if nodes.len() > NODES_MAX {
            return malformed("the table has too many nodes");
        }
        if nodes.len() != notes.len() {
            return malformed("nodes and notes differ in number");
        }
        for node in &nodes {
            if node.children().iter().any(|child| child.index() >= nodes.len()) {
                return malformed("a node that is not in the table");
            }
            if !named(node) {
                return malformed("a field or variant without a name");
            }
        }
        let canonical = super::canonical::fewest(nodes.clone(), notes.clone(), super::NodeId::ROOT);
        if canonical != (nodes, notes) {
            return malformed("the table is not in canonical form");
        }
        let (nodes, notes) = canonical;
        let fingerprint = super::canonical::fingerprint(&nodes);
        Ok(Self { nodes: nodes.into(), notes: notes.into(), fingerprint })
    }
}

fn named(node: &Node) -> bool {
    let all = |fields: &[Field]| fields.iter().all(|field| !field.names.is_empty());
    match node {
        Node::Struct(fields) => all(fields),
        Node::Enum(variants) => variants.iter().all(|variant| {
            !variant.names.is_empty()
                && if let Body::Struct(fields) = &variant.body { all(fields) } else { true }
        }),
        _ => true,
    }
}

//! What a payload looks like on the wire, as a value.

mod canonical;
mod node;
mod stored;
mod text;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub(crate) use node::{Body, Field, Leaf, Node, NodeId, Note, Variant};
use stored::Table;

use super::{Fingerprint, ShapeError};

/// The shape of a type as the codec writes it: a flat table of nodes, the root first.
///
/// # Specification
///
/// A node is one of the following. The numbers are tags of the canonical bytes.
///
/// | tag | node | what follows the tag |
/// |---|---|---|
/// | 0 | leaf | the leaf's own tag |
/// | 1 | option | the node inside |
/// | 2 | sequence | the node of its elements |
/// | 3 | map | the node of its keys, the node of its values |
/// | 4 | tuple, array | count, nodes |
/// | 5 | unit struct | |
/// | 6 | newtype struct | the node inside |
/// | 7 | tuple struct | count, nodes |
/// | 8 | struct | count, fields |
/// | 9 | enum | count, variants |
///
/// Leaves: 0 unit, 1 bool, 2 u8, 3 u16, 4 u32, 5 u64, 6 u128, 7 i8, 8 i16, 9 i32, 10 i64, 11 i128,
/// 12 f32, 13 f64, 14 char, 15 text, 16 bytes, 17 JSON text, 18 opaque. `usize` is u64 and `isize`
/// is i64. A *field* is its names (count, then each name) and its node. A *variant* is its names
/// and its body: 0 unit, 1 newtype and its node, 2 tuple with count and nodes, 3 struct with count
/// and fields. Fields and variants stand in declaration order. The names of one field or variant
/// are the name and all aliases that its type accepts, sorted as bytes. An *opaque* place is one
/// that tracing cannot see; its value travels as JSON text.
///
/// Equal nodes are one: of all tables that unfold to the same tree, the canonical one has the
/// fewest nodes. They are numbered in the order in which a walk first meets them that starts at the
/// root (number 0) and descends into children first, in the order above. The canonical bytes are
/// the count of nodes and each node; every count, tag and node number is a bincode varint (one byte
/// up to 250; 251 and two bytes, 252 and four, 253 and eight, little-endian), every name its length
/// as a varint and its UTF-8 bytes. No name of a type is in them.
///
/// The fingerprint is xxh3-64, seed 0, over the five bytes `dur1\n` and the canonical bytes.
///
/// Type names are kept beside the table, for people. Two types that differ only in those have the
/// same fingerprint and the same [`canonical_bytes`](Shape::canonical_bytes).
///
/// Its [`Display`](std::fmt::Display) form has one line for each named type: `Item = { sku: text,
/// qty: u32 }`, where `?` behind a type means that it may be absent, `[T]` is a sequence, `a|b` is
/// a name and its alias, and `/` stands between the variants of an enum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Table", into = "Table")]
pub struct Shape {
    /// Never empty; the root is the first. Every id is an index into it.
    nodes: Arc<[Node]>,
    /// One for each node.
    notes: Arc<[Note]>,
    /// Computed once: it follows from the nodes.
    fingerprint: Fingerprint,
}

/// The most nodes of a shape: bounds what a hostile one costs to read.
pub(crate) const NODES_MAX: usize = 4_096;

impl Shape {
    /// The shape whose root is `root` in this table, whatever the table's order and repetitions.
    pub(crate) fn new(nodes: Vec<Node>, notes: Vec<Note>, root: NodeId) -> Self {
        let (nodes, notes) = canonical::fewest(nodes, notes, root);
        let fingerprint = canonical::fingerprint(&nodes);
        Self { nodes: nodes.into(), notes: notes.into(), fingerprint }
    }

    pub(crate) fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// The name of this shape in payloads and storage.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The bytes that the fingerprint is made from. Two shapes under one fingerprint must have
    /// equal ones: whoever stores shapes compares them, so that a collision is an error and never a
    /// wrong decode.
    pub fn canonical_bytes(&self) -> Vec<u8> {
        canonical::bytes(&self.nodes)
    }

    /// The shape with its type names, for storage: a version byte and the table.
    pub fn to_bytes(&self) -> Vec<u8> {
        stored::write(self)
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote. The bytes may be hostile.
    ///
    /// # Errors
    ///
    /// [`ShapeError`] if the bytes are of another version or are no shape.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ShapeError> {
        stored::read(bytes)
    }

    pub(crate) fn root(&self) -> NodeId {
        NodeId::ROOT
    }

    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    pub(crate) fn note(&self, id: NodeId) -> &Note {
        &self.notes[id.index()]
    }
}

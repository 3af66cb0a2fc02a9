//! The nodes of a shape. Their order of declaration is their tag in the canonical bytes: it may
//! grow at the end and is otherwise fixed for ever.

use serde::{Deserialize, Serialize};

/// A place in the table of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct NodeId(u32);

impl NodeId {
    pub(crate) const ROOT: Self = Self(0);

    pub(crate) fn new(index: usize) -> Self {
        Self(u32::try_from(index).expect("a table of nodes has fewer than 2^32 of them"))
    }

    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// What is written without looking further down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Leaf {
    Unit,
    Bool,
    U8,
    U16,
    U32,
    U64,
    U128,
    I8,
    I16,
    I32,
    I64,
    I128,
    F32,
    F64,
    Char,
    Text,
    Bytes,
    /// JSON text that the type itself asked for: `Json<T>`.
    Json,
    /// JSON text because tracing cannot see what is here.
    Opaque,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Node {
    Leaf(Leaf),
    Option(NodeId),
    Seq(NodeId),
    Map(NodeId, NodeId),
    Tuple(Vec<NodeId>),
    UnitStruct,
    Newtype(NodeId),
    TupleStruct(Vec<NodeId>),
    Struct(Vec<Field>),
    Enum(Vec<Variant>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Field {
    /// All names that the type accepts; never empty. The first is the one to show, the rest are
    /// sorted.
    pub(crate) names: Vec<String>,
    pub(crate) node: NodeId,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Variant {
    /// As for a field.
    pub(crate) names: Vec<String>,
    pub(crate) body: Body,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Body {
    Unit,
    Newtype(NodeId),
    Tuple(Vec<NodeId>),
    Struct(Vec<Field>),
}

/// What is known of a node beside its wire form. Never part of the fingerprint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Note {
    /// The type's own name, without its module; empty if serde does not tell.
    pub(crate) type_name: String,
    /// A sequence whose order says nothing: a hash set.
    pub(crate) unordered: bool,
}

impl Node {
    /// The nodes below, in the order in which they are written.
    pub(crate) fn children(&self) -> Vec<NodeId> {
        match self {
            Node::Leaf(_) | Node::UnitStruct => Vec::new(),
            Node::Option(inner) | Node::Seq(inner) | Node::Newtype(inner) => vec![*inner],
            Node::Map(key, value) => vec![*key, *value],
            Node::Tuple(nodes) | Node::TupleStruct(nodes) => nodes.clone(),
            Node::Struct(fields) => fields.iter().map(|field| field.node).collect(),
            Node::Enum(variants) => {
                variants.iter().flat_map(|variant| variant.body.children()).collect()
            }
        }
    }

    /// Replaces every node below by what `to` makes of it.
    pub(crate) fn redirect(&mut self, to: impl Fn(NodeId) -> NodeId + Copy) {
        let all = |nodes: &mut Vec<NodeId>| nodes.iter_mut().for_each(|node| *node = to(*node));
        let each = |fields: &mut Vec<Field>| fields.iter_mut().for_each(|f| f.node = to(f.node));
        match self {
            Node::Leaf(_) | Node::UnitStruct => {}
            Node::Option(inner) | Node::Seq(inner) | Node::Newtype(inner) => *inner = to(*inner),
            Node::Map(key, value) => (*key, *value) = (to(*key), to(*value)),
            Node::Tuple(nodes) | Node::TupleStruct(nodes) => all(nodes),
            Node::Struct(fields) => each(fields),
            Node::Enum(variants) => {
                for variant in variants {
                    match &mut variant.body {
                        Body::Unit => {}
                        Body::Newtype(inner) => *inner = to(*inner),
                        Body::Tuple(nodes) => all(nodes),
                        Body::Struct(fields) => each(fields),
                    }
                }
            }
        }
    }

    /// Sorts the names of every field and variant, which is how the fingerprint sees them.
    pub(crate) fn sort_names(&mut self) {
        let each = |fields: &mut Vec<Field>| fields.iter_mut().for_each(|f| f.names.sort());
        match self {
            Node::Struct(fields) => each(fields),
            Node::Enum(variants) => {
                for variant in variants {
                    variant.names.sort();
                    if let Body::Struct(fields) = &mut variant.body {
                        each(fields);
                    }
                }
            }
            _ => {}
        }
    }
}

impl Body {
    /// The nodes below, in the order in which they are written.
    pub(crate) fn children(&self) -> Vec<NodeId> {
        match self {
            Body::Unit => Vec::new(),
            Body::Newtype(inner) => vec![*inner],
            Body::Tuple(nodes) => nodes.clone(),
            Body::Struct(fields) => fields.iter().map(|field| field.node).collect(),
        }
    }
}

impl Leaf {
    /// What to call it in messages, with its article.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Leaf::Unit => "a unit",
            Leaf::Bool => "a bool",
            Leaf::U8 => "a u8",
            Leaf::U16 => "a u16",
            Leaf::U32 => "a u32",
            Leaf::U64 => "a u64",
            Leaf::U128 => "a u128",
            Leaf::I8 => "an i8",
            Leaf::I16 => "an i16",
            Leaf::I32 => "an i32",
            Leaf::I64 => "an i64",
            Leaf::I128 => "an i128",
            Leaf::F32 => "an f32",
            Leaf::F64 => "an f64",
            Leaf::Char => "a char",
            Leaf::Text => "text",
            Leaf::Bytes => "bytes",
            Leaf::Json => "JSON text",
            Leaf::Opaque => "an opaque value",
        }
    }
}

impl Node {
    /// What to call it in messages, with its article.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Node::Leaf(leaf) => leaf.kind(),
            Node::Option(_) => "an option",
            Node::Seq(_) => "a sequence",
            Node::Map(..) => "a map",
            Node::Tuple(_) => "a tuple",
            Node::UnitStruct => "a unit struct",
            Node::Newtype(_) => "a newtype struct",
            Node::TupleStruct(_) => "a tuple struct",
            Node::Struct(_) => "a struct",
            Node::Enum(_) => "an enum",
        }
    }
}

impl Body {
    /// What to call it in messages, with its article.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Body::Unit => "a unit variant",
            Body::Newtype(_) => "a newtype variant",
            Body::Tuple(_) => "a tuple variant",
            Body::Struct(_) => "a variant with fields",
        }
    }
}

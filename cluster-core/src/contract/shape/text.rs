//! The shape for people: one line for each named type, unnamed ones written where they are used.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::{self, Write};

use super::{Body, Field, Leaf, Node, NodeId, Shape};

/// How deep unnamed types are written into one another, and how long the text becomes. A shape out
/// of storage may be made to go beyond; what is left out shows as `..`.
const DEPTH_MAX: usize = 64;
const LENGTH_MAX: usize = 1 << 20;

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = Text { shape: self, names: names(self), depth: Cell::new(0) };
        let mut lines = String::new();
        if !text.names.contains_key(&self.root()) {
            text.definition(self.root(), &mut lines)?;
            lines.push('\n');
        }
        for (id, name) in &text.names {
            write!(lines, "{name} = ")?;
            text.definition(*id, &mut lines)?;
            lines.push('\n');
        }
        f.write_str(lines.trim_end())
    }
}

/// The types that get a line of their own. A second type of one name gets a number, and so does a
/// type without a name that holds itself.
fn names(shape: &Shape) -> BTreeMap<NodeId, String> {
    let mut names = BTreeMap::new();
    let mut used: HashMap<&str, usize> = HashMap::new();
    let ids = || (0..shape.nodes.len()).map(NodeId::new);
    for id in ids() {
        let name = shape.note(id).type_name.as_str();
        if !name.is_empty() {
            let count = used.entry(name).or_default();
            *count += 1;
            let name = if *count == 1 { name.to_owned() } else { format!("{name}#{count}") };
            names.insert(id, name);
        }
    }
    for id in ids() {
        if !names.contains_key(&id) && holds_itself(shape, id, &names) {
            names.insert(id, format!("#{}", id.index()));
        }
    }
    names
}

/// Whether a type is met again in itself without a name between.
fn holds_itself(shape: &Shape, id: NodeId, names: &BTreeMap<NodeId, String>) -> bool {
    let mut seen = HashSet::new();
    let mut open = shape.node(id).children();
    while let Some(below) = open.pop() {
        if below == id {
            return true;
        }
        if !names.contains_key(&below) && seen.insert(below) {
            open.extend(shape.node(below).children());
        }
    }
    false
}

struct Text<'a> {
    shape: &'a Shape,
    names: BTreeMap<NodeId, String>,
    /// How many definitions are open.
    depth: Cell<usize>,
}

impl Text<'_> {
    fn reference(&self, id: NodeId, out: &mut String) -> fmt::Result {
        match self.names.get(&id) {
            Some(name) => out.write_str(name),
            None if self.depth.get() > DEPTH_MAX || out.len() > LENGTH_MAX => out.write_str(".."),
            None => {
                self.depth.set(self.depth.get() + 1);
                let written = self.definition(id, out);
                self.depth.set(self.depth.get() - 1);
                written
            }
        }
    }

    fn definition(&self, id: NodeId, out: &mut String) -> fmt::Result {
        match self.shape.node(id) {
            Node::Leaf(leaf) => out.write_str(leaf_text(*leaf)),
            Node::Option(inner) => {
                self.reference(*inner, out)?;
                out.write_char('?')
            }
            Node::Seq(element) => {
                let braces = if self.shape.note(id).unordered { ["{", "}"] } else { ["[", "]"] };
                out.write_str(braces[0])?;
                self.reference(*element, out)?;
                out.write_str(braces[1])
            }
            Node::Map(key, value) => {
                out.write_str("map<")?;
                self.reference(*key, out)?;
                out.write_str(", ")?;
                self.reference(*value, out)?;
                out.write_char('>')
            }
            Node::Tuple(nodes) | Node::TupleStruct(nodes) => self.tuple(nodes, out),
            Node::UnitStruct => out.write_str("unit"),
            Node::Newtype(inner) => {
                out.write_str("new ")?;
                self.reference(*inner, out)
            }
            Node::Struct(fields) => self.fields(fields, out),
            Node::Enum(variants) if variants.is_empty() => out.write_str("never"),
            Node::Enum(variants) => {
                for (number, variant) in variants.iter().enumerate() {
                    let separator = if number > 0 { " / " } else { "" };
                    write!(out, "{separator}{}", variant.names.join("|"))?;
                    match &variant.body {
                        Body::Unit => {}
                        Body::Newtype(inner) => self.members(&[*inner], out)?,
                        Body::Tuple(nodes) => self.members(nodes, out)?,
                        Body::Struct(fields) => {
                            out.write_char(' ')?;
                            self.fields(fields, out)?;
                        }
                    }
                }
                Ok(())
            }
        }
    }

    fn tuple(&self, nodes: &[NodeId], out: &mut String) -> fmt::Result {
        if nodes.len() > 1 && nodes.iter().all(|node| *node == nodes[0]) {
            out.write_char('[')?;
            self.reference(nodes[0], out)?;
            return write!(out, "; {}]", nodes.len());
        }
        self.members(nodes, out)
    }

    fn members(&self, nodes: &[NodeId], out: &mut String) -> fmt::Result {
        out.write_char('(')?;
        for (member, node) in nodes.iter().enumerate() {
            out.write_str(if member > 0 { ", " } else { "" })?;
            self.reference(*node, out)?;
        }
        out.write_char(')')
    }

    fn fields(&self, fields: &[Field], out: &mut String) -> fmt::Result {
        out.write_str("{ ")?;
        for (number, field) in fields.iter().enumerate() {
            let separator = if number > 0 { ", " } else { "" };
            write!(out, "{separator}{}: ", field.names.join("|"))?;
            self.reference(field.node, out)?;
        }
        out.write_str(" }")
    }
}

fn leaf_text(leaf: Leaf) -> &'static str {
    match leaf {
        Leaf::Unit => "unit",
        Leaf::Bool => "bool",
        Leaf::U8 => "u8",
        Leaf::U16 => "u16",
        Leaf::U32 => "u32",
        Leaf::U64 => "u64",
        Leaf::U128 => "u128",
        Leaf::I8 => "i8",
        Leaf::I16 => "i16",
        Leaf::I32 => "i32",
        Leaf::I64 => "i64",
        Leaf::I128 => "i128",
        Leaf::F32 => "f32",
        Leaf::F64 => "f64",
        Leaf::Char => "char",
        Leaf::Text => "text",
        Leaf::Bytes => "bytes",
        Leaf::Json => "json",
        Leaf::Opaque => "opaque",
    }
}

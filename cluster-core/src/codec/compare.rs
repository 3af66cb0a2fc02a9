//! Whether two payloads say the same.

use std::ops::Range;

use super::fault::Fault;
use super::limits::{DEPTH_MAX, Hollow, deeper};
use super::primitive::{Input, Output};
use super::{Format, Payload, json_order};
use crate::contract::{Body, Leaf, Node, NodeId, Shape};

/// Whether two payloads under one key carry the same arguments, as far as that can be told.
///
/// They are compared only if both carry the fingerprint of `shape` and the same format; else they
/// count as equal. Maps and hash sets are compared without their order, JSON without the order of
/// its objects, and its numbers exactly. A payload that cannot be read equals only its own bytes.
pub fn arguments_equal(a: &[u8], b: &[u8], shape: &Shape) -> bool {
    if a == b {
        return true;
    }
    let (Ok(a), Ok(b)) = (Payload::parse(a), Payload::parse(b)) else { return false };
    let known = |payload: &Payload<'_>| payload.fingerprint == shape.fingerprint();
    if !known(&a) || !known(&b) || a.format != b.format {
        return true;
    }
    match a.format {
        Format::Bincode => {
            matches!((canonical(a.body, shape), canonical(b.body, shape)), (Ok(a), Ok(b)) if a == b)
        }
        Format::Json => {
            let text = json_order::canonical;
            matches!((text(a.body), text(b.body)), (Ok(a), Ok(b)) if a == b)
        }
    }
}

/// The body with the entries of maps and the elements of hash sets in the order of their bytes.
fn canonical(body: &[u8], shape: &Shape) -> Result<Vec<u8>, Fault> {
    let hollow = Hollow::of_values(body.len());
    let out = Output::new(Vec::with_capacity(body.len()), usize::MAX);
    let mut sort = Sort { shape, input: Input::new(body), out, hollow };
    sort.value(shape.root(), DEPTH_MAX)?;
    match sort.input.left() {
        0 => Ok(sort.out.into_bytes()),
        _ => Err(Fault::new("bytes left over")),
    }
}

struct Sort<'a> {
    shape: &'a Shape,
    input: Input<'a>,
    out: Output,
    hollow: Hollow,
}

impl Sort<'_> {
    /// Copies one value. See [`to_json`](super::to_json) for what counts.
    fn value(&mut self, id: NodeId, depth: usize) -> Result<(), Fault> {
        let depth = deeper(depth)?;
        let before = self.input.left();
        match self.shape.node(id) {
            Node::Leaf(leaf) => self.leaf(*leaf)?,
            Node::Option(inner) => {
                let some = self.input.is_some()?;
                self.out.put(some);
                if some {
                    self.value(*inner, depth)?;
                }
            }
            Node::Seq(element) => {
                let unordered = self.shape.note(id).unordered;
                self.entries(&[*element], unordered, depth)?;
            }
            Node::Map(key, value) => self.entries(&[*key, *value], true, depth)?,
            Node::Enum(variants) => {
                let number: u32 = self.input.get()?;
                let Some(variant) = variants.get(number as usize) else {
                    return Err(Fault::new("there is no such variant"));
                };
                self.out.put(number);
                match &variant.body {
                    Body::Unit => {}
                    body => self.all(&body.children(), depth)?,
                }
            }
            node => self.all(&node.children(), depth)?,
        }
        self.hollow.count(before == self.input.left())
    }

    fn all(&mut self, nodes: &[NodeId], depth: usize) -> Result<(), Fault> {
        nodes.iter().try_for_each(|node| self.value(*node, depth))
    }

    /// Copies entries, each of which is a value of all `nodes`, in order of their bytes if
    /// `sorted`.
    fn entries(&mut self, nodes: &[NodeId], sorted: bool, depth: usize) -> Result<(), Fault> {
        let length = self.input.length()?;
        self.out.put(length as u64);
        let start = self.out.size();
        let mut entries: Vec<Range<usize>> = Vec::new();
        for _ in 0..length {
            let entry = self.out.size();
            self.all(nodes, depth)?;
            entries.push(entry..self.out.size());
        }
        if sorted {
            self.out.sort(start, entries);
        }
        Ok(())
    }

    fn leaf(&mut self, leaf: Leaf) -> Result<(), Fault> {
        let Self { input, out, .. } = self;
        match leaf {
            Leaf::Unit => {}
            Leaf::Bool => out.put(input.get::<bool>()?),
            Leaf::U8 => out.put(input.get::<u8>()?),
            Leaf::U16 => out.put(input.get::<u16>()?),
            Leaf::U32 => out.put(input.get::<u32>()?),
            Leaf::U64 => out.put(input.get::<u64>()?),
            Leaf::U128 => out.put(input.get::<u128>()?),
            Leaf::I8 => out.put(input.get::<i8>()?),
            Leaf::I16 => out.put(input.get::<i16>()?),
            Leaf::I32 => out.put(input.get::<i32>()?),
            Leaf::I64 => out.put(input.get::<i64>()?),
            Leaf::I128 => out.put(input.get::<i128>()?),
            Leaf::F32 => out.put(input.get::<f32>()?),
            Leaf::F64 => out.put(input.get::<f64>()?),
            Leaf::Char => out.put(input.get::<char>()?),
            Leaf::Text => out.put(input.text()?),
            Leaf::Bytes => out.put(input.bytes()?),
            Leaf::Json | Leaf::Opaque => {
                out.put(json_order::canonical(input.bytes()?)?.as_str());
            }
        }
        Ok(())
    }
}

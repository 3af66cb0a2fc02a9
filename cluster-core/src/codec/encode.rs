//! Writing a value along its shape.
//!
//! bincode writes no names and no kinds, so a value that writes a field less, or another kind than
//! its type reads, would come back as something else. Therefore the encoder walks the shape beside
//! the value and refuses the first call that does not fit. Forms that are the same on the wire are
//! the same here: newtypes are transparent, structs and tuples of one length are alike.

use serde::ser::{Serialize, Serializer};

use super::encode_parts::{Elements, Entries, Members};
use super::fault::{Fault, Place};
use super::json_text;
use super::limits::{DEPTH_MAX, Hollow, deeper};
use super::primitive::{Encode, Output};
use crate::contract::{Body, JSON_NEWTYPE, Leaf, Node, NodeId, Shape, Variant};

/// Writes `value` behind what `out` holds.
pub(super) fn write<T: Serialize + ?Sized>(
    value: &T,
    shape: &Shape,
    out: &mut Output,
) -> Result<(), Fault> {
    let mut walk = Walk { out, shape, hollow: Hollow::of_elements() };
    walk.value(shape.node(shape.root()), DEPTH_MAX, value)
}

/// What the encoders of one payload share.
pub(super) struct Walk<'a> {
    pub(super) out: &'a mut Output,
    pub(super) hollow: Hollow,
    shape: &'a Shape,
}

impl<'a> Walk<'a> {
    #[inline]
    pub(super) fn node(&self, id: NodeId) -> &'a Node {
        self.shape.node(id)
    }

    /// Writes `value` at `node`, which may have `depth` more levels.
    #[inline]
    pub(super) fn value<T: Serialize + ?Sized>(
        &mut self,
        node: &'a Node,
        depth: usize,
        value: &T,
    ) -> Result<(), Fault> {
        if let Node::Leaf(Leaf::Opaque) = node {
            return self
                .json(value)
                .map_err(|fault| fault.because("tracing cannot see this place, so it is JSON"));
        }
        value.serialize(Encoder { shape: self.shape, walk: self, node, depth })
    }

    /// Writes `value` as JSON text.
    fn json<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        let mut text = Vec::new();
        json_text::write(value, &mut text)?;
        // Bytes and text are the same on the wire.
        self.out.put(text.as_slice());
        Ok(())
    }
}

/// Writes one value at one node.
pub(super) struct Encoder<'w, 'a> {
    walk: &'w mut Walk<'a>,
    shape: &'a Shape,
    node: &'a Node,
    /// How many more levels may follow.
    depth: usize,
}

impl<'w, 'a> Encoder<'w, 'a> {
    /// The node behind all newtypes, which the wire does not show.
    #[inline]
    fn bare(&self) -> &'a Node {
        let mut node = self.node;
        while let Node::Newtype(inner) = node {
            node = self.shape.node(*inner);
        }
        node
    }

    #[cold]
    fn mismatch(&self, written: &str) -> Fault {
        let read = self.bare().kind();
        Fault::new(format!(
            "writes {written} where its type reads {read}: make both alike, or hold it as Json<..>"
        ))
    }

    #[inline]
    fn leaf<T: Encode>(self, leaf: Leaf, value: T) -> Result<(), Fault> {
        if !matches!(self.bare(), Node::Leaf(expected) if *expected == leaf) {
            return Err(self.mismatch(leaf.kind()));
        }
        self.walk.out.put(value);
        Ok(())
    }

    /// Writes the number of a variant, whose name must be the one that is read under this number.
    fn variant(&mut self, number: u32, name: &str) -> Result<&'a Variant, Fault> {
        let Node::Enum(variants) = self.bare() else {
            return Err(self.mismatch("an enum").at(Place::Variant(name.to_owned())));
        };
        match variants.get(number as usize) {
            Some(variant) if variant.names.iter().any(|known| known == name) => {
                self.walk.out.put(number);
                Ok(variant)
            }
            other => Err(misnumbered(number, name, other)),
        }
    }

    fn members(self, length: usize, written: &str) -> Result<Members<'w, 'a>, Fault> {
        let depth = deeper(self.depth)?;
        match self.bare() {
            Node::Struct(fields) => Ok(Members::of_fields(self.walk, fields, None, depth)),
            Node::Tuple(nodes) | Node::TupleStruct(nodes) if nodes.len() == length => {
                Ok(Members::of_nodes(self.walk, nodes, None, depth))
            }
            Node::Tuple(nodes) | Node::TupleStruct(nodes) => Err(Fault::new(format!(
                "writes {length} values where its type reads {}: is one skipped?",
                nodes.len()
            ))),
            _ => Err(self.mismatch(written)),
        }
    }
}

#[cold]
fn misnumbered(number: u32, name: &str, read: Option<&Variant>) -> Fault {
    let read = match read {
        Some(variant) => format!("is read back as `{}`", variant.names[0]),
        None => "is not read back".to_owned(),
    };
    Fault::new(format!(
        "is written as variant {number}, which {read}: is a variant before it skipped, or this one \
         renamed for one direction only?"
    ))
    .at(Place::Variant(name.to_owned()))
}

#[cold]
fn unlike_variant(variant: &Variant, written: &str) -> Fault {
    let read = variant.body.kind();
    Fault::new(format!("writes {written} where its type reads {read}"))
        .at(Place::Variant(variant.names[0].clone()))
}

macro_rules! leaves {
    ($($method:ident($type:ty) $leaf:ident;)*) => {
        $(#[inline]
        fn $method(self, value: $type) -> Result<(), Fault> {
            self.leaf(Leaf::$leaf, value)
        })*
    };
}

impl<'w, 'a> Serializer for Encoder<'w, 'a> {
    type Ok = ();
    type Error = Fault;
    type SerializeSeq = Elements<'w, 'a>;
    type SerializeTuple = Members<'w, 'a>;
    type SerializeTupleStruct = Members<'w, 'a>;
    type SerializeTupleVariant = Members<'w, 'a>;
    type SerializeMap = Entries<'w, 'a>;
    type SerializeStruct = Members<'w, 'a>;
    type SerializeStructVariant = Members<'w, 'a>;

    leaves! {
        serialize_bool(bool) Bool;
        serialize_i8(i8) I8;
        serialize_i16(i16) I16;
        serialize_i32(i32) I32;
        serialize_i64(i64) I64;
        serialize_i128(i128) I128;
        serialize_u8(u8) U8;
        serialize_u16(u16) U16;
        serialize_u32(u32) U32;
        serialize_u64(u64) U64;
        serialize_u128(u128) U128;
        serialize_f32(f32) F32;
        serialize_f64(f64) F64;
        serialize_char(char) Char;
        serialize_str(&str) Text;
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Fault> {
        match self.bare() {
            Node::Leaf(Leaf::Bytes) => {}
            Node::Seq(element) if *self.shape.node(*element) == Node::Leaf(Leaf::U8) => {}
            _ => return Err(self.mismatch(Leaf::Bytes.kind())),
        }
        self.walk.out.put(value);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Fault> {
        let Node::Option(_) = self.bare() else { return Err(self.mismatch("an option")) };
        self.walk.out.put(0_u8);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Fault> {
        let Node::Option(inner) = self.bare() else { return Err(self.mismatch("an option")) };
        self.walk.out.put(1_u8);
        self.walk.value(self.shape.node(*inner), deeper(self.depth)?, value)
    }

    fn serialize_unit(self) -> Result<(), Fault> {
        match self.bare() {
            Node::Leaf(Leaf::Unit) | Node::UnitStruct => Ok(()),
            _ => Err(self.mismatch("a unit")),
        }
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Fault> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        mut self,
        _name: &'static str,
        number: u32,
        variant: &'static str,
    ) -> Result<(), Fault> {
        let variant = self.variant(number, variant)?;
        match &variant.body {
            Body::Unit => Ok(()),
            _ => Err(unlike_variant(variant, "a unit variant")),
        }
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Fault> {
        if name == JSON_NEWTYPE {
            let Node::Leaf(Leaf::Json) = self.bare() else {
                return Err(self.mismatch(Leaf::Json.kind()));
            };
            // For a writer of JSON it is its value.
            return self.walk.json(value);
        }
        match self.node {
            Node::Newtype(inner) => {
                self.walk.value(self.shape.node(*inner), deeper(self.depth)?, value)
            }
            _ => value.serialize(self),
        }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        mut self,
        _name: &'static str,
        number: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Fault> {
        let variant = self.variant(number, variant)?;
        let Body::Newtype(inner) = &variant.body else {
            return Err(unlike_variant(variant, "a newtype variant"));
        };
        self.walk
            .value(self.shape.node(*inner), deeper(self.depth)?, value)
            .map_err(|fault| fault.at(Place::Variant(variant.names[0].clone())))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Elements<'w, 'a>, Fault> {
        let Node::Seq(element) = self.bare() else { return Err(self.mismatch("a sequence")) };
        Ok(Elements::new(self.walk, *element, length, deeper(self.depth)?))
    }

    fn serialize_tuple(self, length: usize) -> Result<Members<'w, 'a>, Fault> {
        self.members(length, "a tuple")
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        length: usize,
    ) -> Result<Members<'w, 'a>, Fault> {
        self.members(length, "a tuple struct")
    }

    fn serialize_tuple_variant(
        mut self,
        _name: &'static str,
        number: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Members<'w, 'a>, Fault> {
        let variant = self.variant(number, variant)?;
        match &variant.body {
            Body::Tuple(nodes) if nodes.len() == length => {
                Ok(Members::of_nodes(self.walk, nodes, Some(variant), deeper(self.depth)?))
            }
            _ => Err(unlike_variant(variant, &format!("a variant of {length} values"))),
        }
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Entries<'w, 'a>, Fault> {
        let Node::Map(key, value) = self.bare() else { return Err(self.mismatch("a map")) };
        Ok(Entries::new(self.walk, *key, *value, length, deeper(self.depth)?))
    }

    fn serialize_struct(
        self,
        _name: &'static str,
        length: usize,
    ) -> Result<Members<'w, 'a>, Fault> {
        self.members(length, "a struct")
    }

    fn serialize_struct_variant(
        mut self,
        _name: &'static str,
        number: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Members<'w, 'a>, Fault> {
        let variant = self.variant(number, variant)?;
        let Body::Struct(fields) = &variant.body else {
            return Err(unlike_variant(variant, "a variant with fields"));
        };
        Ok(Members::of_fields(self.walk, fields, Some(variant), deeper(self.depth)?))
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

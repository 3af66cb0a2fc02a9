//! Reading a value along its shape.
//!
//! The shape was traced from the type that is read, so both ask for the same; walking it finds
//! opaque places, gives every failure its path, and turns a type that asks for something else today
//! into an error. The bytes may be hostile: no length in them is trusted.

use std::marker::PhantomData;

use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, VariantAccess,
    Visitor,
};

use super::decode_parts::{Elements, Entries, Members};
use super::fault::{Fault, Place};
use super::limits::{DEPTH_MAX, Hollow, deeper};
use super::primitive::{Decode, Input};
use crate::contract::{Body, JSON_NEWTYPE, Leaf, Node, NodeId, Shape, Variant};

/// What stands where a `Json<T>` asks for its text.
static TEXT: Node = Node::Leaf(Leaf::Text);

/// Reads one value from the front of `input`.
pub(super) fn read<T: DeserializeOwned>(shape: &Shape, input: &mut Input<'_>) -> Result<T, Fault> {
    let mut walk = Walk { input, shape, hollow: Hollow::of_elements() };
    walk.value(shape.root(), DEPTH_MAX, PhantomData)
}

/// What the decoders of one payload share.
pub(super) struct Walk<'a, 'de> {
    pub(super) input: &'a mut Input<'de>,
    pub(super) hollow: Hollow,
    shape: &'a Shape,
}

impl<'a, 'de> Walk<'a, 'de> {
    /// Reads a value at `node`, which may have `depth` more levels.
    #[inline]
    pub(super) fn value<S: DeserializeSeed<'de>>(
        &mut self,
        node: NodeId,
        depth: usize,
        seed: S,
    ) -> Result<S::Value, Fault> {
        let node = self.shape.node(node);
        if let Node::Leaf(Leaf::Opaque) = node {
            let mut json = serde_json::Deserializer::from_str(self.input.text()?);
            let value = seed.deserialize(&mut json);
            return value
                .and_then(|value| json.end().map(|()| value))
                .map_err(|error| Fault::new(error.to_string()));
        }
        seed.deserialize(Decoder { walk: self, node, depth })
    }
}

/// Reads one value at one node.
pub(super) struct Decoder<'w, 'a, 'de> {
    walk: &'w mut Walk<'a, 'de>,
    node: &'a Node,
    /// How many more levels may follow.
    depth: usize,
}

impl<'w, 'a, 'de> Decoder<'w, 'a, 'de> {
    #[cold]
    fn mismatch(&self, asked: &str) -> Fault {
        let shape = self.node.kind();
        Fault::new(format!("the type asks for {asked} where its shape has {shape}"))
    }

    #[inline]
    fn expect(&self, leaf: Leaf) -> Result<(), Fault> {
        match self.node {
            Node::Leaf(expected) if *expected == leaf => Ok(()),
            _ => Err(self.mismatch(leaf.kind())),
        }
    }

    #[inline]
    fn leaf<T: Decode<()>>(self, leaf: Leaf) -> Result<T, Fault> {
        self.expect(leaf)?;
        self.walk.input.get()
    }

    fn members<V: Visitor<'de>>(self, asked: &str, visitor: V) -> Result<V::Value, Fault> {
        let depth = deeper(self.depth)?;
        let members = match self.node {
            Node::Struct(fields) => Members::of_fields(self.walk, fields, depth),
            Node::Tuple(nodes) | Node::TupleStruct(nodes) => {
                Members::of_nodes(self.walk, nodes, depth)
            }
            _ => return Err(self.mismatch(asked)),
        };
        members.visit(visitor)
    }
}

macro_rules! leaves {
    ($($method:ident $leaf:ident $visit:ident;)*) => {
        $(#[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            visitor.$visit(self.leaf(Leaf::$leaf)?)
        })*
    };
}

impl<'de> Deserializer<'de> for Decoder<'_, '_, 'de> {
    type Error = Fault;

    leaves! {
        deserialize_bool Bool visit_bool;
        deserialize_i8 I8 visit_i8;
        deserialize_i16 I16 visit_i16;
        deserialize_i32 I32 visit_i32;
        deserialize_i64 I64 visit_i64;
        deserialize_i128 I128 visit_i128;
        deserialize_u8 U8 visit_u8;
        deserialize_u16 U16 visit_u16;
        deserialize_u32 U32 visit_u32;
        deserialize_u64 U64 visit_u64;
        deserialize_u128 U128 visit_u128;
        deserialize_f32 F32 visit_f32;
        deserialize_f64 F64 visit_f64;
        deserialize_char Char visit_char;
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.expect(Leaf::Text)?;
        visitor.visit_borrowed_str(self.walk.input.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.expect(Leaf::Text)?;
        visitor.visit_string(self.walk.input.text()?.to_owned())
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.expect(Leaf::Bytes)?;
        visitor.visit_borrowed_bytes(self.walk.input.bytes()?)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.expect(Leaf::Bytes)?;
        visitor.visit_byte_buf(self.walk.input.bytes()?.to_vec())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let Node::Option(inner) = self.node else { return Err(self.mismatch("an option")) };
        if !self.walk.input.is_some()? {
            return visitor.visit_none();
        }
        self.walk.value(*inner, deeper(self.depth)?, InSome(visitor))
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.expect(Leaf::Unit)?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.node {
            Node::UnitStruct => visitor.visit_unit(),
            _ => Err(self.mismatch("a unit struct")),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.node {
            Node::Leaf(Leaf::Json) if name == JSON_NEWTYPE => {
                visitor.visit_newtype_struct(Decoder { node: &TEXT, ..self })
            }
            Node::Newtype(inner) => {
                self.walk.value(*inner, deeper(self.depth)?, InNewtype(visitor))
            }
            _ => Err(self.mismatch("a newtype struct")),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let Node::Seq(element) = self.node else { return Err(self.mismatch("a sequence")) };
        Elements::open(self.walk, *element, deeper(self.depth)?)?.visit(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.members("a tuple", visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.members("a tuple struct", visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let Node::Map(key, value) = self.node else { return Err(self.mismatch("a map")) };
        Entries::open(self.walk, *key, *value, deeper(self.depth)?)?.visit(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.members("a struct", visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let Node::Enum(variants) = self.node else { return Err(self.mismatch("an enum")) };
        let depth = deeper(self.depth)?;
        let number: u32 = self.walk.input.get()?;
        let Some(variant) = variants.get(number as usize) else {
            return Err(Fault::new(format!("there is no variant {number}")));
        };
        visitor
            .visit_enum(Choice { walk: self.walk, number, variant, depth })
            .map_err(|fault| fault.at(Place::Variant(variant.names[0].clone())))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Fault> {
        Err(self.mismatch("whatever comes next"))
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Fault> {
        Err(self.mismatch("a name"))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Fault> {
        Err(self.mismatch("something to skip"))
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// Reads what stands inside an option.
struct InSome<V>(V);

impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for InSome<V> {
    type Value = V::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(deserializer)
    }
}

/// Reads what stands inside a newtype struct.
struct InNewtype<V>(V);

impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for InNewtype<V> {
    type Value = V::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.0.visit_newtype_struct(deserializer)
    }
}

/// Reads the body of an enum whose variant is known.
struct Choice<'w, 'a, 'de> {
    walk: &'w mut Walk<'a, 'de>,
    number: u32,
    variant: &'a Variant,
    depth: usize,
}

impl Choice<'_, '_, '_> {
    #[cold]
    fn mismatch(&self, asked: &str) -> Fault {
        let shape = self.variant.body.kind();
        Fault::new(format!("the type asks for {asked} where its shape has {shape}"))
    }
}

impl<'de> EnumAccess<'de> for Choice<'_, '_, 'de> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Fault> {
        let number: U32Deserializer<Fault> = self.number.into_deserializer();
        Ok((seed.deserialize(number)?, self))
    }
}

impl<'de> VariantAccess<'de> for Choice<'_, '_, 'de> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        match self.variant.body {
            Body::Unit => Ok(()),
            _ => Err(self.mismatch("a unit variant")),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Fault> {
        match self.variant.body {
            Body::Newtype(inner) => self.walk.value(inner, self.depth, seed),
            _ => Err(self.mismatch("a newtype variant")),
        }
    }

    fn tuple_variant<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, Fault> {
        match &self.variant.body {
            Body::Tuple(nodes) => Members::of_nodes(self.walk, nodes, self.depth).visit(visitor),
            _ => Err(self.mismatch("a tuple variant")),
        }
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.variant.body {
            Body::Struct(fields) => {
                Members::of_fields(self.walk, fields, self.depth).visit(visitor)
            }
            _ => Err(self.mismatch("a variant with fields")),
        }
    }
}

//! The deserializer of one pass.

use serde::de::{Deserializer, Visitor};

use super::route::{Ask, Step};
use super::tracer::{Call, Tracer};
use super::watch_parts::{EntryWatch, FieldWatch, Key, MembersWatch, VariantWatch, Wanted};
use crate::contract::Leaf;
use crate::contract::stop::Stop;

/// Follows the route of the pass, and hands the call at its end to the tracer.
pub(super) struct Watcher<'t, 'r> {
    tracer: &'t mut Tracer,
    route: &'r [Step],
}

/// Where a call is made.
pub(super) enum At<'r> {
    /// On the way: the next step, and the rest of the route.
    Before(Step, &'r [Step]),
    /// At the end, by a pass that asks for more than the call.
    End(Ask),
}

impl<'t, 'r> Watcher<'t, 'r> {
    pub(super) fn new(tracer: &'t mut Tracer, route: &'r [Step]) -> Self {
        Self { tracer, route }
    }

    fn at<V>(&mut self, call: Call) -> Result<At<'r>, Stop> {
        self.tracer.going_on()?;
        match self.route.split_first() {
            Some((step, rest)) => Ok(At::Before(*step, rest)),
            None => self.tracer.at_end(call, typeid::of::<V>()).map(At::End),
        }
    }

    fn leaf<T>(mut self, leaf: Leaf) -> Result<T, Stop> {
        self.at::<()>(Call::Leaf(leaf))?;
        Err(self.tracer.unstable())
    }
}

macro_rules! leaves {
    ($($method:ident $leaf:ident;)*) => {
        $(fn $method<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Stop> {
            self.leaf(Leaf::$leaf)
        })*
    };
}

impl<'de> Deserializer<'de> for Watcher<'_, '_> {
    type Error = Stop;

    leaves! {
        deserialize_bool Bool;
        deserialize_i8 I8;
        deserialize_i16 I16;
        deserialize_i32 I32;
        deserialize_i64 I64;
        deserialize_i128 I128;
        deserialize_u8 U8;
        deserialize_u16 U16;
        deserialize_u32 U32;
        deserialize_u64 U64;
        deserialize_u128 U128;
        deserialize_f32 F32;
        deserialize_f64 F64;
        deserialize_char Char;
        deserialize_str Text;
        deserialize_string Text;
        deserialize_bytes Bytes;
        deserialize_byte_buf Bytes;
        deserialize_unit Unit;
    }

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Stop> {
        match self.at::<V>(Call::Option)? {
            At::Before(Step::Inner, rest) => visitor.visit_some(Watcher::new(self.tracer, rest)),
            _ => Err(self.tracer.unstable()),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        _visitor: V,
    ) -> Result<V::Value, Stop> {
        self.at::<V>(Call::UnitStruct { name })?;
        Err(self.tracer.unstable())
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        match self.at::<V>(Call::Newtype { name })? {
            At::Before(Step::Inner, rest) => {
                visitor.visit_newtype_struct(Watcher::new(self.tracer, rest))
            }
            _ => Err(self.tracer.unstable()),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Stop> {
        let unordered = is_unordered::<V::Value>();
        match self.at::<V>(Call::Seq { unordered })? {
            At::Before(Step::Element, rest) => {
                visitor.visit_seq(MembersWatch::member(self.tracer, 1, 0, rest))
            }
            _ => Err(self.tracer.unstable()),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        mut self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let at = self.at::<V>(Call::Tuple { length })?;
        visit_members(self.tracer, at, length, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let at = self.at::<V>(Call::TupleStruct { name, length })?;
        visit_members(self.tracer, at, length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Stop> {
        match self.at::<V>(Call::Map)? {
            At::Before(step @ (Step::Key | Step::Value), rest) => {
                visitor.visit_map(EntryWatch::new(self.tracer, step, rest))
            }
            _ => Err(self.tracer.unstable()),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let at = self.at::<V>(Call::Struct { name, fields })?;
        visit_fields(self.tracer, at, fields.len(), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let wanted = match self.at::<V>(Call::Enum { name, variants })? {
            At::Before(Step::Variant { number, .. }, rest) => Wanted::Body { number, rest },
            At::End(Ask::VariantName { names, name }) => Wanted::Name { names, name },
            At::End(Ask::VariantNumber { names, number }) => Wanted::Number { names, number },
            _ => return Err(self.tracer.unstable()),
        };
        visitor.visit_enum(VariantWatch::new(self.tracer, wanted))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Stop> {
        Err(self.tracer.refuse(
            "asks the data what comes next (`#[serde(untagged)]`, `tag`, `content`, \
             `serde_json::Value`, ...), which bincode cannot tell: hold it as Json<..>",
        ))
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Stop> {
        Err(self.tracer.refuse_name())
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Stop> {
        Err(self
            .tracer
            .refuse("skips what it does not know, which bincode cannot: hold it as Json<..>"))
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// Whether the order of the elements of this type says nothing. Only the names of types tell.
fn is_unordered<T>() -> bool {
    let name = std::any::type_name::<T>();
    name.split('<').next().is_some_and(|name| name.ends_with("HashSet"))
}

/// Visits a struct, or a variant with fields.
pub(super) fn visit_fields<'de, V: Visitor<'de>>(
    tracer: &mut Tracer,
    at: At<'_>,
    length: usize,
    visitor: V,
) -> Result<V::Value, Stop> {
    match at {
        At::Before(Step::Field(name), rest) => {
            visitor.visit_map(FieldWatch::new(tracer, Key::Follow { name, rest }))
        }
        At::End(Ask::Field { names, name }) => {
            visitor.visit_map(FieldWatch::new(tracer, Key::Mark { names, name }))
        }
        At::End(Ask::RealName { names, group }) => {
            let twice = tracer.aliases(names, group);
            visitor.visit_map(FieldWatch::new(tracer, Key::Twice { names: twice, given: 0 }))
        }
        at => visit_members(tracer, at, length, visitor),
    }
}

/// Visits a tuple, or a struct whose visitor takes fields by position.
pub(super) fn visit_members<'de, V: Visitor<'de>>(
    tracer: &mut Tracer,
    at: At<'_>,
    length: usize,
    visitor: V,
) -> Result<V::Value, Stop> {
    match at {
        At::Before(Step::Member(member), rest) => {
            visitor.visit_seq(MembersWatch::member(tracer, length, member, rest))
        }
        At::End(Ask::Members { seeds }) => {
            visitor.visit_seq(MembersWatch::all(tracer, length, seeds))
        }
        _ => Err(tracer.unstable()),
    }
}

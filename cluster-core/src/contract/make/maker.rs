//! A deserializer that makes everything up.

use std::any::TypeId;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{Deserializer, Visitor};

use super::candidates::{BYTE_LENGTHS, CHARS, JSON_TEXTS, NUMBERS, TEXTS};
use super::parts::{Chosen, Parts};
use super::script::Script;
use crate::contract::JSON_NEWTYPE;
use crate::contract::stop::Stop;

/// The deepest nesting of a made-up value.
const DEPTH_MAX: usize = 128;

/// Answers whatever a type asks as its script says.
pub(crate) struct Maker<'s> {
    script: &'s mut Script,
}

impl<'s> Maker<'s> {
    pub(crate) fn new(script: &'s mut Script) -> Self {
        Self { script }
    }

    fn leaf<V>(&mut self, of: usize) -> usize {
        self.script.pick(of, typeid::of::<V>(), false)
    }

    fn number<V>(mut self) -> i8 {
        NUMBERS[self.leaf::<V>(NUMBERS.len())]
    }

    fn text<V>(mut self) -> &'static str {
        TEXTS[self.leaf::<V>(TEXTS.len())]
    }

    fn bytes<V>(mut self) -> Vec<u8> {
        vec![1; BYTE_LENGTHS[self.leaf::<V>(BYTE_LENGTHS.len())]]
    }

    /// None or some, empty or one element.
    fn is_filled<V>(&mut self) -> bool {
        self.script.pick(2, typeid::of::<V>(), true) == 1
    }

    /// Makes a value with parts inside.
    fn within<T>(
        self,
        visitor: TypeId,
        make: impl FnOnce(&mut Script) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        let depth = self.script.enter(visitor).depth;
        // A type may hold itself without a way out.
        let made = if depth > DEPTH_MAX {
            Err(Stop::rejected("holds itself without end"))
        } else {
            make(self.script)
        };
        self.script.leave();
        made
    }

    fn members<'de, V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Stop> {
        self.within(typeid::of::<V>(), |script| visitor.visit_seq(Parts::new(script, length)))
    }
}

macro_rules! numbers {
    ($($method:ident $type:ty, $visit:ident;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
            visitor.$visit(self.number::<V>() as $type)
        })*
    };
}

impl<'de> Deserializer<'de> for Maker<'_> {
    type Error = Stop;

    numbers! {
        deserialize_i8 i8, visit_i8;
        deserialize_i16 i16, visit_i16;
        deserialize_i32 i32, visit_i32;
        deserialize_i64 i64, visit_i64;
        deserialize_i128 i128, visit_i128;
        deserialize_u8 u8, visit_u8;
        deserialize_u16 u16, visit_u16;
        deserialize_u32 u32, visit_u32;
        deserialize_u64 u64, visit_u64;
        deserialize_u128 u128, visit_u128;
        deserialize_f32 f32, visit_f32;
        deserialize_f64 f64, visit_f64;
    }

    fn deserialize_bool<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_bool(self.leaf::<V>(2) == 0)
    }

    fn deserialize_char<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_char(CHARS[self.leaf::<V>(CHARS.len())])
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_borrowed_str(self.text::<V>())
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_string(self.text::<V>().to_owned())
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_bytes(&self.bytes::<V>())
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_byte_buf(self.bytes::<V>())
    }

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Stop> {
        if !self.is_filled::<V>() {
            return visitor.visit_none();
        }
        self.within(typeid::of::<V>(), |script| visitor.visit_some(Maker::new(script)))
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        if name == JSON_NEWTYPE {
            let text = JSON_TEXTS[self.leaf::<V>(JSON_TEXTS.len())];
            return visitor.visit_newtype_struct(BorrowedStrDeserializer::<Stop>::new(text));
        }
        self.within(typeid::of::<V>(), |script| visitor.visit_newtype_struct(Maker::new(script)))
    }

    fn deserialize_seq<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Stop> {
        let length = usize::from(self.is_filled::<V>());
        self.members(length, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.members(length, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.members(length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Stop> {
        let length = usize::from(self.is_filled::<V>());
        self.within(typeid::of::<V>(), |script| visitor.visit_map(Parts::new(script, length)))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.members(fields.len(), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let by = typeid::of::<V>();
        let around = self.script.enter(by).alike;
        // Each enum inside one of its own kind starts with a later variant, so that making ends.
        let made = if around > variants.len() {
            Err(Stop::rejected("every variant holds another value of the same enum"))
        } else {
            let picked = self.script.pick(variants.len().max(1), by, true);
            let number = (picked + around) % variants.len().max(1);
            visitor.visit_enum(Chosen::new(self.script, number))
        };
        self.script.leave();
        made
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Stop> {
        Err(Stop::rejected("asks the format what comes next"))
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.deserialize_any(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.deserialize_any(visitor)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

//! Making the parts of a value: members, entries, variants.

use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::maker::Maker;
use super::script::Script;
use crate::contract::stop::Stop;

/// Makes so many members, elements or entries.
pub(super) struct Parts<'s> {
    script: &'s mut Script,
    made: usize,
    length: usize,
}

impl<'s> Parts<'s> {
    pub(super) fn new(script: &'s mut Script, length: usize) -> Self {
        Self { script, made: 0, length }
    }
}

impl<'de> SeqAccess<'de> for Parts<'_> {
    type Error = Stop;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Stop> {
        if self.made == self.length {
            return Ok(None);
        }
        self.script.turn_to(self.made);
        self.made += 1;
        seed.deserialize(Maker::new(self.script)).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.length - self.made)
    }
}

impl<'de> MapAccess<'de> for Parts<'_> {
    type Error = Stop;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Stop> {
        self.script.turn_to(0);
        if self.made == self.length {
            return Ok(None);
        }
        self.made += 1;
        seed.deserialize(Maker::new(self.script)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Stop> {
        self.script.turn_to(1);
        seed.deserialize(Maker::new(self.script))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.length - self.made)
    }
}

/// Makes the body of a chosen variant.
pub(super) struct Chosen<'s> {
    script: &'s mut Script,
    number: usize,
}

impl<'s> Chosen<'s> {
    pub(super) fn new(script: &'s mut Script, number: usize) -> Self {
        Self { script, number }
    }

    /// Every member of every variant is a place of its own.
    fn members<'de, V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Stop> {
        self.script.turn_to(self.number);
        self.script.enter(typeid::of::<V>());
        let made = visitor.visit_seq(Parts::new(self.script, length));
        self.script.leave();
        made
    }
}

impl<'de> EnumAccess<'de> for Chosen<'_> {
    type Error = Stop;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Stop> {
        let number: U32Deserializer<Stop> = (self.number as u32).into_deserializer();
        let variant = seed.deserialize(number).map_err(|_| Stop::NoVariant)?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Chosen<'_> {
    type Error = Stop;

    fn unit_variant(self) -> Result<(), Stop> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Stop> {
        self.script.turn_to(self.number);
        seed.deserialize(Maker::new(self.script))
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Stop> {
        self.members(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.members(fields.len(), visitor)
    }
}

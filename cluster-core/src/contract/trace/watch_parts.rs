//! What a visitor is given on the way: members, entries, fields, variants.

use serde::de::value::{BorrowedStrDeserializer, U32Deserializer};
use serde::de::{
    DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::names::Mark;
use super::route::Step;
use super::tracer::{BodyCall, Tracer};
use super::watch::{At, Watcher, visit_fields, visit_members};
use crate::contract::make::Maker;
use crate::contract::stop::Stop;

/// A name that no field has.
const NO_NAME: &str = "\u{1}?";

fn name<'de>(name: &'static str) -> BorrowedStrDeserializer<'de, Stop> {
    BorrowedStrDeserializer::new(name)
}

/// Gives made-up members up to the one that is wanted, or all to see their types.
pub(super) struct MembersWatch<'t, 'r> {
    tracer: &'t mut Tracer,
    length: usize,
    at: usize,
    goal: Goal<'r>,
}

enum Goal<'r> {
    Member { member: usize, rest: &'r [Step] },
    All { seeds: usize },
}

impl<'t, 'r> MembersWatch<'t, 'r> {
    pub(super) fn member(
        tracer: &'t mut Tracer,
        length: usize,
        member: usize,
        rest: &'r [Step],
    ) -> Self {
        Self { tracer, length, at: 0, goal: Goal::Member { member, rest } }
    }

    pub(super) fn all(tracer: &'t mut Tracer, length: usize, seeds: usize) -> Self {
        Self { tracer, length, at: 0, goal: Goal::All { seeds } }
    }
}

impl<'de> SeqAccess<'de> for MembersWatch<'_, '_> {
    type Error = Stop;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Stop> {
        self.tracer.going_on()?;
        if self.at == self.length {
            return Ok(None);
        }
        match self.goal {
            Goal::Member { member, rest } if member == self.at => {
                return seed.deserialize(Watcher::new(self.tracer, rest)).map(Some);
            }
            Goal::Member { .. } => {}
            Goal::All { seeds } => self.tracer.member(seeds, self.at, typeid::of::<S>())?,
        }
        self.at += 1;
        seed.deserialize(Maker::new(self.tracer.script())).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.length - self.at)
    }
}

/// Gives one entry of a map, whose key or value is wanted.
pub(super) struct EntryWatch<'t, 'r> {
    tracer: &'t mut Tracer,
    wanted: Step,
    rest: &'r [Step],
}

impl<'t, 'r> EntryWatch<'t, 'r> {
    pub(super) fn new(tracer: &'t mut Tracer, wanted: Step, rest: &'r [Step]) -> Self {
        Self { tracer, wanted, rest }
    }
}

impl<'de> MapAccess<'de> for EntryWatch<'_, '_> {
    type Error = Stop;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Stop> {
        self.tracer.going_on()?;
        let key = match self.wanted {
            Step::Key => seed.deserialize(Watcher::new(self.tracer, self.rest)),
            _ => seed.deserialize(Maker::new(self.tracer.script())),
        };
        key.map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Stop> {
        self.tracer.going_on()?;
        seed.deserialize(Watcher::new(self.tracer, self.rest))
    }
}

/// Gives fields by name.
pub(super) struct FieldWatch<'t, 'r> {
    tracer: &'t mut Tracer,
    key: Key<'r>,
}

/// Which names are given.
pub(super) enum Key<'r> {
    /// The field on the route.
    Follow { name: &'static str, rest: &'r [Step] },
    /// One name, to see what the visitor makes of it.
    Mark { names: usize, name: Option<usize> },
    /// Two names of one field, to hear its real one.
    Twice { names: [&'static str; 2], given: usize },
}

impl<'t, 'r> FieldWatch<'t, 'r> {
    pub(super) fn new(tracer: &'t mut Tracer, key: Key<'r>) -> Self {
        Self { tracer, key }
    }
}

impl<'de> MapAccess<'de> for FieldWatch<'_, '_> {
    type Error = Stop;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Stop> {
        self.tracer.going_on()?;
        match &mut self.key {
            Key::Follow { name: field, .. } => seed.deserialize(name(field)).map(Some),
            Key::Mark { names, name: field } => {
                self.tracer.takes_names(*names);
                let given = field.map_or(NO_NAME, |field| self.tracer.field_name(*names, field));
                let taken = seed.deserialize(name(given))?;
                Err(self.tracer.field_mark(*names, *field, Mark::of(&taken)))
            }
            Key::Twice { names, given } => {
                let Some(field) = names.get(*given) else { return Ok(None) };
                *given += 1;
                seed.deserialize(name(field)).map(Some)
            }
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Stop> {
        self.tracer.going_on()?;
        match self.key {
            Key::Follow { rest, .. } => seed.deserialize(Watcher::new(self.tracer, rest)),
            _ => seed.deserialize(Maker::new(self.tracer.script())),
        }
    }
}

/// Gives a variant.
pub(super) struct VariantWatch<'t, 'r> {
    tracer: &'t mut Tracer,
    wanted: Wanted<'r>,
}

/// What of the variant is wanted.
#[derive(Clone, Copy)]
pub(super) enum Wanted<'r> {
    /// What the visitor makes of a name.
    Name { names: usize, name: usize },
    /// What the visitor makes of a number.
    Number { names: usize, number: u32 },
    /// What the variant on the route holds.
    Body { number: u32, rest: &'r [Step] },
}

impl<'t, 'r> VariantWatch<'t, 'r> {
    pub(super) fn new(tracer: &'t mut Tracer, wanted: Wanted<'r>) -> Self {
        Self { tracer, wanted }
    }
}

impl<'de, 't, 'r> EnumAccess<'de> for VariantWatch<'t, 'r> {
    type Error = Stop;
    type Variant = BodyWatch<'t, 'r>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, BodyWatch<'t, 'r>), Stop> {
        self.tracer.going_on()?;
        let by_number = |number: u32| -> U32Deserializer<Stop> { number.into_deserializer() };
        match self.wanted {
            Wanted::Name { names, name: variant } => {
                let given = self.tracer.variant_name(names, variant);
                let taken = seed.deserialize(name(given))?;
                Err(self.tracer.variant_name_mark(names, variant, Mark::of(&taken)))
            }
            Wanted::Number { names, number } => {
                let taken = seed.deserialize(by_number(number))?;
                Err(self.tracer.variant_number_mark(names, number, Mark::of(&taken)))
            }
            Wanted::Body { number, rest } => {
                let taken = seed.deserialize(by_number(number))?;
                Ok((taken, BodyWatch { tracer: self.tracer, route: rest }))
            }
        }
    }
}

/// Goes into the body of a variant.
pub(super) struct BodyWatch<'t, 'r> {
    tracer: &'t mut Tracer,
    route: &'r [Step],
}

impl<'r> BodyWatch<'_, 'r> {
    fn at(&mut self, call: BodyCall) -> Result<At<'r>, Stop> {
        self.tracer.going_on()?;
        match self.route.split_first() {
            Some((step, rest)) => Ok(At::Before(*step, rest)),
            None => self.tracer.at_body(call).map(At::End),
        }
    }
}

impl<'de> VariantAccess<'de> for BodyWatch<'_, '_> {
    type Error = Stop;

    fn unit_variant(mut self) -> Result<(), Stop> {
        self.at(BodyCall::Unit)?;
        Err(self.tracer.unstable())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(mut self, seed: S) -> Result<S::Value, Stop> {
        match self.at(BodyCall::Newtype)? {
            At::Before(Step::Inner, rest) => seed.deserialize(Watcher::new(self.tracer, rest)),
            _ => Err(self.tracer.unstable()),
        }
    }

    fn tuple_variant<V: Visitor<'de>>(
        mut self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let at = self.at(BodyCall::Tuple { length })?;
        visit_members(self.tracer, at, length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        mut self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let at = self.at(BodyCall::Struct { fields })?;
        visit_fields(self.tracer, at, fields.len(), visitor)
    }
}

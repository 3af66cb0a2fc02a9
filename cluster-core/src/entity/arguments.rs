//! Serde for message structs. The macros emit [`Arguments`], which names each field where it is
//! written and where it is read; what does not depend on the fields is here.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeStruct;
use serde::{Deserializer, Serializer, forward_to_deserialize_any};

/// A struct of a handler's arguments.
pub trait Arguments: Sized {
    /// The name of the struct, for error messages.
    const STRUCT: &'static str;
    /// The names of its fields, in order.
    const FIELDS: &'static [&'static str];

    /// Writes every field.
    ///
    /// # Errors
    /// The serializer's.
    fn write<W: SerializeStruct>(&self, fields: &mut W) -> Result<(), W::Error>;

    /// Reads the fields in whatever order they come.
    ///
    /// # Errors
    /// The deserializer's; a field that came twice, or is missing.
    fn read<'de, F: Fields<'de>>(fields: &mut F) -> Result<Self, F::Error>;
}

/// The fields of a struct that is being read, one after the other.
pub trait Fields<'de> {
    /// The deserializer's error.
    type Error: Error;

    /// The place in [`Arguments::FIELDS`] of the field that comes next; a place behind the last
    /// means an unknown field.
    ///
    /// # Errors
    /// The deserializer's.
    fn place(&mut self) -> Result<Option<usize>, Self::Error>;

    /// The value of that field.
    ///
    /// # Errors
    /// The deserializer's.
    fn value<T: Deserialize<'de>>(&mut self) -> Result<T, Self::Error>;

    /// Passes over the value of an unknown field.
    ///
    /// # Errors
    /// The deserializer's.
    fn skip(&mut self) -> Result<(), Self::Error>;
}

/// Serializes a message struct.
///
/// # Errors
/// The serializer's.
pub fn write_arguments<A: Arguments, S: Serializer>(
    arguments: &A,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut fields = serializer.serialize_struct(A::STRUCT, A::FIELDS.len())?;
    arguments.write(&mut fields)?;
    fields.end()
}

/// Deserializes a message struct.
///
/// # Errors
/// The deserializer's; a field that came twice, or is missing.
pub fn read_arguments<'de, A: Arguments, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<A, D::Error> {
    deserializer.deserialize_struct(A::STRUCT, A::FIELDS, StructVisitor(PhantomData))
}

struct StructVisitor<A>(PhantomData<fn() -> A>);

impl<'de, A: Arguments> Visitor<'de> for StructVisitor<A> {
    type Value = A;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "struct {}", A::STRUCT)
    }

    #[inline]
    fn visit_seq<S: SeqAccess<'de>>(self, seq: S) -> Result<A, S::Error> {
        A::read(&mut InOrder { seq, place: 0, names: A::FIELDS })
    }

    #[inline]
    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<A, M::Error> {
        A::read(&mut ByName { map, names: A::FIELDS })
    }
}

/// Values in the order of the fields, without names.
struct InOrder<S> {
    seq: S,
    /// Of the next field.
    place: usize,
    names: &'static [&'static str],
}

impl<'de, S: SeqAccess<'de>> Fields<'de> for InOrder<S> {
    type Error = S::Error;

    #[inline]
    fn place(&mut self) -> Result<Option<usize>, S::Error> {
        Ok((self.place < self.names.len()).then_some(self.place))
    }

    #[inline]
    fn value<T: Deserialize<'de>>(&mut self) -> Result<T, S::Error> {
        let names = &FieldCount(self.names.len());
        let value = self.seq.next_element()?;
        let value = value.ok_or_else(|| S::Error::invalid_length(self.place, names))?;
        self.place += 1;
        Ok(value)
    }

    fn skip(&mut self) -> Result<(), S::Error> {
        self.value::<IgnoredAny>().map(drop)
    }
}

struct FieldCount(usize);

impl serde::de::Expected for FieldCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} fields", self.0)
    }
}

/// Names with values, in any order.
struct ByName<M> {
    map: M,
    names: &'static [&'static str],
}

impl<'de, M: MapAccess<'de>> Fields<'de> for ByName<M> {
    type Error = M::Error;

    fn place(&mut self) -> Result<Option<usize>, M::Error> {
        let place = self.map.next_key_seed(PlaceOf { names: self.names })?;
        Ok(place.map(|Place(place)| place))
    }

    fn value<T: Deserialize<'de>>(&mut self) -> Result<T, M::Error> {
        self.map.next_value()
    }

    fn skip(&mut self) -> Result<(), M::Error> {
        self.value::<IgnoredAny>().map(drop)
    }
}

/// Where a name stands among the fields; behind the last if it is none of them. A struct, not an
/// enum: the tracer of shapes takes names that give one variant for aliases.
struct Place(usize);

#[derive(Clone, Copy)]
struct PlaceOf {
    names: &'static [&'static str],
}

impl PlaceOf {
    fn find(self, is_it: impl Fn(&str) -> bool) -> Place {
        let found = self.names.iter().position(|name| is_it(name));
        Place(found.unwrap_or(self.names.len()))
    }
}

impl<'de> DeserializeSeed<'de> for PlaceOf {
    type Value = Place;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Place, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for PlaceOf {
    type Value = Place;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_u64<E: Error>(self, place: u64) -> Result<Place, E> {
        let known = usize::try_from(place).unwrap_or(self.names.len());
        Ok(Place(known.min(self.names.len())))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Place, E> {
        Ok(self.find(|known| known == name))
    }

    fn visit_bytes<E: Error>(self, name: &[u8]) -> Result<Place, E> {
        Ok(self.find(|known| known.as_bytes() == name))
    }
}

/// What a type is read from when its field is missing: `Option`s become `None`, others fail.
pub(super) struct MissingField<E> {
    name: &'static str,
    error: PhantomData<fn() -> E>,
}

impl<E> MissingField<E> {
    pub(super) fn new(name: &'static str) -> Self {
        MissingField { name, error: PhantomData }
    }
}

impl<'de, E: Error> Deserializer<'de> for MissingField<E> {
    type Error = E;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, E> {
        Err(E::missing_field(self.name))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_none()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    //! A message struct reads and writes as one that derives serde.

    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::contract::Schema;
    use crate::entity::Wire;

    #[derive(Debug, PartialEq)]
    struct Transfer {
        to: String,
        cents: i64,
        note: Option<String>,
    }

    impl Arguments for Transfer {
        const STRUCT: &'static str = "Transfer";
        const FIELDS: &'static [&'static str] = &["to", "cents", "note"];

        fn write<W: SerializeStruct>(&self, fields: &mut W) -> Result<(), W::Error> {
            Wire::write(&self.to, "to", fields)?;
            Wire::write(&self.cents, "cents", fields)?;
            Wire::write(&self.note, "note", fields)
        }

        fn read<'de, F: Fields<'de>>(fields: &mut F) -> Result<Self, F::Error> {
            let (mut to, mut cents, mut note) = (None, None, None);
            while let Some(place) = fields.place()? {
                match place {
                    0 => Wire::read(&mut to, "to", fields)?,
                    1 => Wire::read(&mut cents, "cents", fields)?,
                    2 => Wire::read(&mut note, "note", fields)?,
                    _ => fields.skip()?,
                }
            }
            Ok(Transfer {
                to: Wire::take(to, "to")?,
                cents: Wire::take(cents, "cents")?,
                note: Wire::take(note, "note")?,
            })
        }
    }

    impl Serialize for Transfer {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            write_arguments(self, serializer)
        }
    }

    impl<'de> Deserialize<'de> for Transfer {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            read_arguments(deserializer)
        }
    }

    /// The same, derived.
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Derived {
        to: String,
        cents: i64,
        note: Option<String>,
    }

    fn transfer() -> Transfer {
        Transfer { to: "bob".into(), cents: 1_000, note: Some("rent".into()) }
    }

    #[test]
    fn shape_and_bytes_are_those_of_a_derived_struct() {
        let (own, derived) = (Transfer::schema().unwrap(), Schema::of::<Derived>().unwrap());
        assert_eq!(own.fingerprint(), derived.fingerprint());

        let payload = transfer().encode(&own, 1_000).unwrap();
        let twin = Derived { to: "bob".into(), cents: 1_000, note: Some("rent".into()) };
        assert_eq!(payload, twin.encode(&derived, 1_000).unwrap());
        assert_eq!(Transfer::decode(&payload, &own).unwrap(), transfer());
    }

    #[test]
    fn json_is_read_in_any_order_with_unknown_fields_and_without_optional_ones() {
        let read = |text| serde_json::from_str::<Transfer>(text);
        let unordered = read(r#"{"cents":5,"later":[1],"to":"bob"}"#).unwrap();
        assert_eq!(unordered, Transfer { to: "bob".into(), cents: 5, note: None });

        let problem = |text| read(text).unwrap_err().to_string();
        assert!(problem(r#"{"to":"bob"}"#).starts_with("missing field `cents`"));
        assert!(problem(r#"{"to":"bob","to":"eve"}"#).starts_with("duplicate field `to`"));
        assert!(problem(r#"["bob"]"#).starts_with("invalid length 1, expected 3 fields"));
        assert!(problem("7").contains("expected struct Transfer"));
    }
}

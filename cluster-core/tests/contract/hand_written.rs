//! Hand-written `Deserialize`s: what tracing makes of them is right, refused or opaque, never a
//! guess.

use std::cell::Cell;
use std::fmt;

use cluster_core::contract::{TraceError, trace};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, EnumAccess, MapAccess, SeqAccess, Visitor};

fn text<T: DeserializeOwned>() -> String {
    trace::<T>().unwrap().to_string()
}

fn why<T: DeserializeOwned>() -> String {
    let TraceError { refusals, .. } = trace::<T>().expect_err("cannot be carried");
    format!("{}: {}", refusals[0].path, refusals[0].why)
}

/// A unit type that deserializes by this code.
macro_rules! by_hand {
    ($name:ident($from:ident) $code:expr) => {
        struct $name;
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>($from: D) -> Result<Self, D::Error> {
                $code
            }
        }
    };
}

/// Reads three members, whatever holds them.
struct ThreeMembers;

impl<'de> Visitor<'de> for ThreeMembers {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("three members")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        members.next_element::<u8>()?;
        members.next_element::<String>()?;
        members.next_element::<u8>()?;
        Ok(())
    }
}

/// A struct whose visitor takes its fields by position only has them all the same.
#[test]
fn fields_by_position() {
    by_hand!(Positional(from) {
        from.deserialize_struct("Positional", &["a", "b", "c"], ThreeMembers)?;
        Ok(Positional)
    });
    assert_eq!(text::<Positional>(), "Positional = { a: u8, b: text, c: u8 }");
}

/// A visitor that takes the names of fields as text, not as an enum, has every name as a field.
#[test]
fn names_that_are_text() {
    struct ByName;
    impl<'de> Visitor<'de> for ByName {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("fields")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
            while let Some(name) = fields.next_key::<String>()? {
                match name.as_str() {
                    "id" => fields.next_value::<u64>().map(drop)?,
                    "name" => fields.next_value::<String>().map(drop)?,
                    _ => return Err(serde::de::Error::custom("no such field")),
                }
            }
            Ok(())
        }
    }
    by_hand!(Named(from) from.deserialize_struct("Named", &["id", "name"], ByName).map(|()| Named));
    assert_eq!(text::<Named>(), "Named = { id: u64, name: text }");
}

/// The name to show of a field with aliases is the real one, wherever it stands in the alphabet,
/// with and without a default, also where no made-up value is at hand for it.
#[test]
fn real_names_come_first() {
    #[derive(Deserialize)]
    #[allow(dead_code)] // only its shape is of interest
    enum Kind {
        On {
            #[serde(alias = "a", alias = "z")]
            m: String,
        },
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)] // only its shape is of interest
    struct Aliased {
        #[serde(default, alias = "b")]
        m: Option<u8>,
        #[serde(alias = "a")]
        url: std::net::IpAddr,
        kind: Kind,
    }
    assert_eq!(
        text::<Aliased>(),
        "Aliased = { m|b: u8?, url|a: IpAddr, kind: Kind }\n\
         IpAddr = V4([u8; 4]) / V6([u8; 16])\n\
         Kind = On { m|a|z: text }"
    );
}

/// Types that swallow or rewrap errors are traced all the same.
#[test]
fn swallowed_errors() {
    by_hand!(Swallows(from) {
        let _ = u8::deserialize(from);
        Ok(Swallows)
    });
    by_hand!(Rewraps(from) {
        u16::deserialize(from).map_err(|error| serde::de::Error::custom(format!("no: {error}")))?;
        Ok(Rewraps)
    });
    assert_eq!(text::<(Option<Swallows>, Rewraps, u32)>(), "(u8?, u16, u32)");
}

/// An array of thousands of members is traced at once.
#[test]
fn long_arrays() {
    struct Many;
    impl<'de> Visitor<'de> for Many {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("many members")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
            while members.next_element::<Option<u16>>()?.is_some() {}
            Ok(())
        }
    }
    by_hand!(Long(from) from.deserialize_tuple(4_096, Many).map(|()| Long));
    assert_eq!(text::<Long>(), "[u16?; 4096]");
}

/// What lies behind a value that nothing made up satisfies is opaque, not an error.
#[test]
fn opaque_places() {
    by_hand!(Rejects(from) {
        String::deserialize(from)?;
        Err(serde::de::Error::custom("not this one"))
    });
    by_hand!(Panics(from) {
        let number = u8::deserialize(from)?;
        panic!("not this one: {number}")
    });
    assert_eq!(text::<(u8, Rejects, u16)>(), "(u8, text, opaque)");
    assert_eq!(text::<Vec<(Panics, u16)>>(), "[(u8, opaque)]");
    assert_eq!(
        text::<std::collections::HashMap<Box<str>, std::collections::BTreeMap<Refused, u8>>>(),
        "map<text, map<u8, opaque>>"
    );
    #[derive(PartialEq, Eq, PartialOrd, Ord)]
    struct Refused;
    impl<'de> Deserialize<'de> for Refused {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            u8::deserialize(from)?;
            Err(serde::de::Error::custom("not this one"))
        }
    }
    by_hand!(Closed(_from) Err(serde::de::Error::custom("closed")));
    assert_eq!(text::<Option<Closed>>(), "opaque?");
}

/// An enum that takes its variants by name only cannot come back from a number.
#[test]
fn variants_by_name_only() {
    struct ByName;
    impl<'de> Visitor<'de> for ByName {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a variant")
        }

        fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<(), A::Error> {
            variant.variant::<String>().map(drop)
        }
    }
    by_hand!(Named(from) from.deserialize_enum("Named", &["A", "B"], ByName).map(|()| Named));
    assert!(why::<Option<Named>>().contains("by name only"), "{}", why::<Option<Named>>());
}

/// A type that asks for nothing, or for less than it announces, or for something else each time,
/// has no shape.
#[test]
fn types_without_a_shape() {
    by_hand!(Nothing(_from) Ok(Nothing));
    assert!(why::<(u8, Nothing)>().contains(".1: is never read"), "{}", why::<(u8, Nothing)>());

    by_hand!(Fewer(from) from.deserialize_tuple(4, ThreeMembers).map(|()| Fewer));
    assert!(why::<Fewer>().contains("fewer members than it announces"), "{}", why::<Fewer>());

    thread_local!(static TURN: Cell<u32> = const { Cell::new(0) });
    by_hand!(Fickle(from) {
        TURN.set(TURN.get() + 1);
        match TURN.get() % 2 {
            1 => Option::<u8>::deserialize(from).map(|_| Fickle),
            _ => Vec::<u8>::deserialize(from).map(|_| Fickle),
        }
    });
    assert!(why::<Fickle>().contains("different things"), "{}", why::<Fickle>());
}

/// A type that holds itself without a way out has a shape, but no value: nothing is made up for
/// ever.
#[test]
fn types_without_a_value() {
    #[derive(Deserialize)]
    #[allow(dead_code)] // only its shape is of interest
    struct Endless(Box<Endless>, u8);
    assert_eq!(text::<(Endless, u8)>(), "(Endless, opaque)\nEndless = (Endless, opaque)");
}

/// A type with more parts than a shape may have is refused.
#[test]
fn types_with_too_many_parts() {
    /// Reads a tuple of so many numbers.
    struct Tuple(usize);
    impl<'de> serde::de::DeserializeSeed<'de> for Tuple {
        type Value = ();

        fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
            from.deserialize_tuple(self.0, ThreeMembers)
        }
    }
    struct Tuples;
    impl<'de> Visitor<'de> for Tuples {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("tuples")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
            while let Some(name) = fields.next_key::<String>()? {
                fields.next_value_seed(Tuple(name.parse().unwrap_or_default()))?;
            }
            Ok(())
        }
    }
    by_hand!(Many(from) {
        let names = (0..400).map(|name: usize| &*name.to_string().leak());
        from.deserialize_struct("Many", names.collect::<Vec<_>>().leak(), Tuples).map(|()| Many)
    });
    assert!(why::<Many>().contains("more than 4096 different parts"), "{}", why::<Many>());
}

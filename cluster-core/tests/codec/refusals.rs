//! A value that would not be read as it is written is refused at the encode, by type and field
//! path; it never becomes data that reads as something else.

use cluster_core::codec::{EncodeError, encode};
use serde::de::DeserializeOwned;
use serde::ser::{SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple, Serializer};
use serde::{Deserialize, Serialize};

use crate::{LIMIT, payload, schema};

fn refusal<T: Serialize + DeserializeOwned>(value: &T) -> (String, String) {
    match encode(value, &schema::<T>(), LIMIT) {
        Err(EncodeError::Refused { path, why }) => (path, why),
        other => panic!("not refused: {other:?}"),
    }
}

fn assert_refused<T: Serialize + DeserializeOwned>(value: &T, path: &str, why: &str) {
    let refusal = refusal(value);
    assert_eq!(refusal.0, path, "{}", refusal.1);
    assert!(refusal.1.contains(why), "{}", refusal.1);
}

/// A field that only some values skip is refused for those, and carried for the others.
// proves: B228
#[test]
fn skipped_fields() {
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct Line {
        sku: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
        qty: u8,
    }
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    enum Change {
        Add { lines: Vec<Line> },
    }
    let line = |note: Option<&str>| Line { sku: "a".into(), note: note.map(str::to_owned), qty: 1 };
    payload(&Change::Add { lines: vec![line(Some("x"))] });
    let change = Change::Add { lines: vec![line(Some("x")), line(None)] };
    assert_refused(&change, "Change::Add.lines[1].note", "is skipped by this value");
}

/// A field that is never written, in the middle or at the end.
// proves: B228
#[test]
fn fields_that_are_never_written() {
    #[derive(Serialize, Deserialize)]
    #[allow(dead_code)] // skipped
    struct Middle {
        #[serde(skip_serializing, default)]
        secret: u32,
        id: u32,
    }
    #[derive(Serialize, Deserialize)]
    #[allow(dead_code)] // skipped
    struct End {
        id: u32,
        #[serde(skip_serializing, default)]
        secret: u32,
    }
    assert_refused(&Middle { secret: 1, id: 2 }, "Middle.secret", "never written");
    assert_refused(&End { secret: 1, id: 2 }, "End.secret", "never written");
}

/// A field that is written but not read: a struct's tag, or one that only deserialization skips.
// proves: B228
#[test]
fn fields_that_are_never_read() {
    #[derive(Serialize, Deserialize)]
    #[serde(tag = "type")]
    struct Tagged {
        id: u32,
    }
    #[derive(Serialize, Deserialize)]
    struct Cached {
        #[serde(skip_deserializing)]
        sum: u32,
        id: u32,
    }
    #[derive(Serialize, Deserialize)]
    struct OneWay {
        #[serde(rename(serialize = "written", deserialize = "read"))]
        id: u32,
    }
    assert_refused(&Tagged { id: 1 }, "Tagged.type", "not read back");
    assert_refused(&Cached { sum: 1, id: 2 }, "Cached.sum", "not read back");
    assert_refused(&OneWay { id: 2 }, "OneWay.written", "not read back");
}

/// A variant behind a skipped one would be read as its neighbour.
// proves: B228
#[test]
fn variants_behind_a_skipped_one() {
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    #[allow(dead_code)] // skipped
    enum Status {
        Open,
        #[serde(skip)]
        Cached,
        Held(u8),
        Closed(u8),
    }
    payload(&Status::Open);
    assert_refused(&Some(Status::Held(1)), "Option<Status>::Held", "read back as `Closed`");
    assert_refused(&Status::Closed(1), "Status::Closed", "not read back");
}

/// Serializers by hand that write what their type does not read.
macro_rules! writes {
    ($name:ident as $shape:ty: |$to:ident| $code:expr) => {
        #[derive(Deserialize)]
        #[serde(transparent)]
        #[allow(dead_code)] // only its shape is of interest
        struct $name($shape);
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, $to: S) -> Result<S::Ok, S::Error> {
                $code
            }
        }
    };
}

/// Another kind of value than the type reads.
// proves: B228
#[test]
fn other_kinds() {
    writes!(Wide as u32: |to| to.serialize_u64(1));
    assert_refused(&(1_u8, Wide(1)), "(u8, Wide).1", "writes a u64 where its type reads a u32");
    writes!(Text as Vec<u8>: |to| to.serialize_str("abc"));
    assert_refused(&Text(vec![]), "Text", "writes text where its type reads a sequence");
    writes!(Absent as u8: |to| to.serialize_none());
    assert_refused(&Absent(0), "Absent", "an option");
    writes!(Nothing as u8: |to| to.serialize_unit());
    assert_refused(&Nothing(0), "Nothing", "a unit");
    writes!(Mapped as (u8, u8): |to| to.serialize_map(Some(0))?.end());
    assert_refused(&Mapped((0, 0)), "Mapped", "a map where its type reads a tuple");
    writes!(Chosen as u8: |to| to.serialize_unit_variant("E", 0, "A"));
    assert_refused(&Chosen(0), "Chosen::A", "an enum");
}

/// Another number of members or elements than the type reads or the value announces.
// proves: B228
#[test]
fn other_counts() {
    writes!(Short as (u8, u8): |to| {
        let mut members = to.serialize_tuple(2)?;
        members.serialize_element(&1_u8)?;
        members.end()
    });
    assert_refused(&Short((0, 0)), "Short.1", "never written");
    writes!(Long as (u8, u8): |to| {
        let mut members = to.serialize_tuple(2)?;
        (0..3_u8).try_for_each(|member| members.serialize_element(&member))?;
        members.end()
    });
    assert_refused(&Long((0, 0)), "Long", "more than the 2 values");
    writes!(Triple as (u8, u8): |to| (1_u8, 2_u8, 3_u8).serialize(to));
    assert_refused(&Triple((0, 0)), "Triple", "writes 3 values where its type reads 2");
    writes!(Lies as Vec<u8>: |to| {
        let mut elements = to.serialize_seq(Some(2))?;
        elements.serialize_element(&1_u8)?;
        elements.end()
    });
    assert_refused(&Lies(vec![]), "Lies", "announces 2 elements and writes 1");
}

/// Fields in another order than they are read would be swapped silently.
// proves: B228
#[test]
fn fields_in_another_order() {
    #[derive(Deserialize)]
    struct Range {
        from: u32,
        to: u32,
    }
    impl Serialize for Range {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            let mut fields = to.serialize_struct("Range", 2)?;
            fields.serialize_field("to", &self.to)?;
            fields.serialize_field("from", &self.from)?;
            fields.end()
        }
    }
    assert_refused(&Range { from: 1, to: 2 }, "Range.from", "never written");
}

/// What is the same on the wire is not refused: transparent newtypes, tuples for structs, lengths
/// that are not known beforehand.
#[test]
fn forms_that_are_alike() {
    writes!(Newtype as u32: |to| to.serialize_newtype_struct("Any", &7_u32));
    writes!(Unit as (): |to| to.serialize_unit_struct("Any"));
    writes!(Bytes as Vec<u8>: |to| to.serialize_bytes(&[1, 2]));
    writes!(Collected as Vec<u8>: |to| to.collect_seq([1_u8, 2, 3].iter().filter(|n| **n != 2)));
    #[derive(Deserialize)]
    #[allow(dead_code)] // only its shape is of interest
    struct Point {
        x: u8,
        y: u8,
    }
    writes!(AsTuple as Point: |to| (1_u8, 2_u8).serialize(to));
    fn body<T: Serialize + DeserializeOwned>(value: &T) -> Vec<u8> {
        encode(value, &schema::<T>(), LIMIT).unwrap()[9..].to_vec()
    }
    assert_eq!(body(&Newtype(0)), [7]);
    assert!(body(&Unit(())).is_empty());
    assert_eq!(body(&Bytes(vec![])), [2, 1, 2]);
    assert_eq!(body(&(Collected(vec![]), 9_u8)), [2, 1, 3, 9]);
    assert_eq!(body(&AsTuple(Point { x: 0, y: 0 })), [1, 2]);
}

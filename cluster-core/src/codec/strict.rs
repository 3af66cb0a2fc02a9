//! Whether a value comes back from JSON text: that knows no infinite floats, and whoever reads it
//! follows it only so deep.

use serde::Serialize;
use serde::ser::{self, Serializer};

use super::fault::{Fault, Place};

/// How deep JSON may be nested: as deep as `serde_json` reads.
const JSON_DEPTH_MAX: usize = 127;

/// Writes a value as JSON text that gives the same value when it is read.
pub(super) fn to_json_text<T: Serialize + ?Sized>(value: &T) -> Result<String, Fault> {
    value.serialize(Strict { depth: JSON_DEPTH_MAX })?;
    serde_json::to_string(value).map_err(|error| Fault::new(error.to_string()))
}

/// Walks through a value and writes nothing.
#[derive(Clone, Copy)]
struct Strict {
    /// How many more levels may follow.
    depth: usize,
}

impl Strict {
    fn deeper(self) -> Result<Self, Fault> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Strict { depth }),
            None => Err(Fault::new(format!("JSON may be nested {JSON_DEPTH_MAX} levels deep"))),
        }
    }

    fn float(finite: bool) -> Result<(), Fault> {
        match finite {
            true => Ok(()),
            false => Err(Fault::new("JSON knows no infinite floats and no NaN")),
        }
    }

    /// The parts of a value one level further in.
    fn parts(self) -> Result<Parts, Fault> {
        Ok(Parts { strict: self.deeper()?, next: 0 })
    }
}

/// The parts of a value, in order.
struct Parts {
    strict: Strict,
    next: usize,
}

impl Parts {
    fn part<T: Serialize + ?Sized>(&mut self, place: Place, value: &T) -> Result<(), Fault> {
        self.next += 1;
        value.serialize(self.strict).map_err(|fault| fault.at(place))
    }
}

macro_rules! plain {
    ($($method:ident: $type:ty),+ $(,)?) => {
        $(fn $method(self, _: $type) -> Result<(), Fault> {
            Ok(())
        })+
    };
}

impl Serializer for Strict {
    type Ok = ();
    type Error = Fault;
    type SerializeSeq = Parts;
    type SerializeTuple = Parts;
    type SerializeTupleStruct = Parts;
    type SerializeTupleVariant = Parts;
    type SerializeMap = Parts;
    type SerializeStruct = Parts;
    type SerializeStructVariant = Parts;

    plain!(
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32,
        serialize_i64: i64, serialize_i128: i128, serialize_u8: u8, serialize_u16: u16,
        serialize_u32: u32, serialize_u64: u64, serialize_u128: u128, serialize_char: char,
        serialize_str: &str, serialize_bytes: &[u8], serialize_unit_struct: &'static str,
    );

    fn serialize_f32(self, value: f32) -> Result<(), Fault> {
        Strict::float(value.is_finite())
    }

    fn serialize_f64(self, value: f64) -> Result<(), Fault> {
        Strict::float(value.is_finite())
    }

    fn serialize_none(self) -> Result<(), Fault> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Fault> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Fault> {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<(), Fault> {
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Fault> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Fault> {
        self.parts()?.part(Place::Variant(variant.to_owned()), value)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Parts, Fault> {
        self.parts()
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts, Fault> {
        self.parts()
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Parts, Fault> {
        self.parts()
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Parts, Fault> {
        self.deeper()?.parts()
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Parts, Fault> {
        self.parts()
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Parts, Fault> {
        self.parts()
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Parts, Fault> {
        self.deeper()?.parts()
    }
}

macro_rules! elements {
    ($($trait:ident: $method:ident),+ $(,)?) => {
        $(impl ser::$trait for Parts {
            type Ok = ();
            type Error = Fault;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
                self.part(Place::Element(self.next), value)
            }

            fn end(self) -> Result<(), Fault> {
                Ok(())
            }
        })+
    };
}

elements!(
    SerializeSeq: serialize_element,
    SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field,
);

macro_rules! fields {
    ($($trait:ident),+ $(,)?) => {
        $(impl ser::$trait for Parts {
            type Ok = ();
            type Error = Fault;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Fault> {
                self.part(Place::Field(name.to_owned()), value)
            }

            fn end(self) -> Result<(), Fault> {
                Ok(())
            }
        })+
    };
}

fields!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Parts {
    type Ok = ();
    type Error = Fault;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Fault> {
        self.part(Place::Key, key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        self.part(Place::Value, value)
    }

    fn end(self) -> Result<(), Fault> {
        Ok(())
    }
}

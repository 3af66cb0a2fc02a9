//! Writing JSON text that comes back.
//!
//! serde_json writes more than it reads: a float that JSON does not know becomes `null`, and a
//! value deeper than its reader goes is written all the same. This serializer stands before it,
//! refuses both, and learns the path of every failure on the way out.

use std::cell::RefCell;
use std::fmt;
use std::io;

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::fault::{Fault, Place};
use super::limits::JSON_DEPTH_MAX;

/// Writes `value` to memory.
pub(super) fn write<T: Serialize + ?Sized>(value: &T, out: impl io::Write) -> Result<(), Fault> {
    let trail = Trail::default();
    let mut json = serde_json::Serializer::new(out);
    let written = value.serialize(Guard { inner: &mut json, trail: &trail, depth: JSON_DEPTH_MAX });
    match (trail.0.into_inner(), written) {
        // Also where the value has swallowed the error.
        (Some(fault), _) => Err(fault),
        (None, Err(error)) => Err(Fault::new(error.to_string())),
        (None, Ok(())) => Ok(()),
    }
}

/// The failure on its way out: errors of serializers cannot carry places.
#[derive(Default)]
struct Trail(RefCell<Option<Fault>>);

impl Trail {
    #[cold]
    fn refuse<E: serde::ser::Error>(&self, why: String) -> E {
        let error = E::custom(&why);
        *self.0.borrow_mut() = Some(Fault::new(why));
        error
    }

    /// The same failure, seen from the value that holds `place`.
    #[cold]
    fn at<E: fmt::Display>(&self, error: E, place: Place) -> E {
        let mut fault = self.0.borrow_mut();
        let inner = fault.take().unwrap_or_else(|| Fault::new(error.to_string()));
        *fault = Some(inner.at(place));
        error
    }
}

/// A serializer, and what it must not be asked for.
struct Guard<'t, S> {
    inner: S,
    trail: &'t Trail,
    /// How many more levels may follow.
    depth: usize,
}

/// A value that is written through a guard.
struct Guarded<'t, 'v, T: ?Sized> {
    value: &'v T,
    trail: &'t Trail,
    depth: usize,
}

impl<T: Serialize + ?Sized> Serialize for Guarded<'_, '_, T> {
    fn serialize<S: Serializer>(&self, inner: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(Guard { inner, trail: self.trail, depth: self.depth })
    }
}

impl<'t, S: Serializer> Guard<'t, S> {
    /// The depth that is left `levels` below.
    fn deeper(&self, levels: usize) -> Result<usize, S::Error> {
        self.depth.checked_sub(levels).ok_or_else(|| {
            self.trail
                .refuse(format!("nested deeper than the {JSON_DEPTH_MAX} levels of JSON text"))
        })
    }

    fn finite(&self, value: f64) -> Result<(), S::Error> {
        if value.is_finite() {
            return Ok(());
        }
        Err(self.trail.refuse(format!(
            "{value} is no number in JSON: hold it outside of JSON, or say it otherwise"
        )))
    }

    fn parts<P>(
        self,
        levels: usize,
        variant: Option<&'static str>,
        open: impl FnOnce(S) -> Result<P, S::Error>,
    ) -> Result<Parts<'t, P>, S::Error> {
        let depth = self.deeper(levels)?;
        let inner = open(self.inner)?;
        Ok(Parts { inner, trail: self.trail, depth, written: 0, variant })
    }
}

macro_rules! forwarded {
    ($($method:ident($type:ty);)*) => {
        $(fn $method(self, value: $type) -> Result<S::Ok, S::Error> {
            self.inner.$method(value)
        })*
    };
}

impl<'t, S: Serializer> Serializer for Guard<'t, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Parts<'t, S::SerializeSeq>;
    type SerializeTuple = Parts<'t, S::SerializeTuple>;
    type SerializeTupleStruct = Parts<'t, S::SerializeTupleStruct>;
    type SerializeTupleVariant = Parts<'t, S::SerializeTupleVariant>;
    type SerializeMap = Parts<'t, S::SerializeMap>;
    type SerializeStruct = Parts<'t, S::SerializeStruct>;
    type SerializeStructVariant = Parts<'t, S::SerializeStructVariant>;

    forwarded! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_u128(u128);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_unit_struct(&'static str);
    }

    fn serialize_f32(self, value: f32) -> Result<S::Ok, S::Error> {
        self.finite(value.into())?;
        self.inner.serialize_f32(value)
    }

    fn serialize_f64(self, value: f64) -> Result<S::Ok, S::Error> {
        self.finite(value)?;
        self.inner.serialize_f64(value)
    }

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_none()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        let Guard { inner, trail, depth } = self;
        inner.serialize_some(&Guarded { value, trail, depth })
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        name: &'static str,
        number: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit_variant(name, number, variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let Guard { inner, trail, depth } = self;
        inner.serialize_newtype_struct(name, &Guarded { value, trail, depth })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        number: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let depth = self.deeper(1)?;
        let Guard { inner, trail, .. } = self;
        inner
            .serialize_newtype_variant(name, number, variant, &Guarded { value, trail, depth })
            .map_err(|error| trail.at(error, Place::Variant(variant.to_owned())))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        self.parts(1, None, |inner| inner.serialize_seq(length))
    }

    fn serialize_tuple(self, length: usize) -> Result<Self::SerializeTuple, S::Error> {
        self.parts(1, None, |inner| inner.serialize_tuple(length))
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        length: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        self.parts(1, None, |inner| inner.serialize_tuple_struct(name, length))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        number: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        self.parts(2, Some(variant), |inner| {
            inner.serialize_tuple_variant(name, number, variant, length)
        })
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        self.parts(1, None, |inner| inner.serialize_map(length))
    }

    fn serialize_struct(
        self,
        name: &'static str,
        length: usize,
    ) -> Result<Self::SerializeStruct, S::Error> {
        self.parts(1, None, |inner| inner.serialize_struct(name, length))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        number: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        self.parts(2, Some(variant), |inner| {
            inner.serialize_struct_variant(name, number, variant, length)
        })
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// The elements, entries or members of a value.
struct Parts<'t, P> {
    inner: P,
    trail: &'t Trail,
    depth: usize,
    /// How many were written.
    written: usize,
    /// The variant that holds them.
    variant: Option<&'static str>,
}

impl<'t, P> Parts<'t, P> {
    fn part<T: Serialize + ?Sized, E: fmt::Display>(
        &mut self,
        value: &T,
        place: impl FnOnce(usize) -> Place,
        write: impl FnOnce(&mut P, &Guarded<'t, '_, T>) -> Result<(), E>,
    ) -> Result<(), E> {
        let Parts { inner, trail, depth, written, variant } = self;
        write(inner, &Guarded { value, trail, depth: *depth }).map_err(|error| {
            let error = trail.at(error, place(*written));
            match variant {
                Some(variant) => trail.at(error, Place::Variant((*variant).to_owned())),
                None => error,
            }
        })?;
        *written += 1;
        Ok(())
    }
}

macro_rules! unnamed_parts {
    ($($compound:ident $method:ident $place:ident;)*) => {
        $(impl<P: $compound> $compound for Parts<'_, P> {
            type Ok = P::Ok;
            type Error = P::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), P::Error> {
                self.part(value, Place::$place, |inner, value| inner.$method(value))
            }

            fn end(self) -> Result<P::Ok, P::Error> {
                self.inner.end()
            }
        })*
    };
}

unnamed_parts! {
    SerializeSeq serialize_element Element;
    SerializeTuple serialize_element Member;
    SerializeTupleStruct serialize_field Member;
    SerializeTupleVariant serialize_field Member;
}

macro_rules! named_parts {
    ($($compound:ident)*) => {
        $(impl<P: $compound> $compound for Parts<'_, P> {
            type Ok = P::Ok;
            type Error = P::Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), P::Error> {
                let place = |_| Place::Field(name.to_owned());
                self.part(value, place, |inner, value| inner.serialize_field(name, value))
            }

            fn skip_field(&mut self, name: &'static str) -> Result<(), P::Error> {
                self.inner.skip_field(name)
            }

            fn end(self) -> Result<P::Ok, P::Error> {
                self.inner.end()
            }
        })*
    };
}

named_parts! { SerializeStruct SerializeStructVariant }

impl<P: SerializeMap> SerializeMap for Parts<'_, P> {
    type Ok = P::Ok;
    type Error = P::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), P::Error> {
        self.part(key, |_| Place::Key, |inner, key| inner.serialize_key(key))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), P::Error> {
        self.part(value, |_| Place::Value, |inner, value| inner.serialize_value(value))
    }

    fn end(self) -> Result<P::Ok, P::Error> {
        self.inner.end()
    }
}

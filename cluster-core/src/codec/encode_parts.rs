//! Writing the parts of a value: elements, entries, members.

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};

use super::encode::Walk;
use super::fault::{Fault, Place};
use crate::contract::{Field, Node, NodeId, Variant};

/// The length in front of elements or entries. One that is not known beforehand is filled in at the
/// end.
struct Length {
    declared: Option<usize>,
    counted: usize,
    /// Where the elements begin.
    start: usize,
}

impl Length {
    fn open(walk: &mut Walk<'_>, declared: Option<usize>) -> Self {
        if let Some(length) = declared {
            walk.out.put(length as u64);
        }
        Self { declared, counted: 0, start: walk.out.size() }
    }

    fn close(self, walk: &mut Walk<'_>) -> Result<(), Fault> {
        match self.declared {
            None => walk.out.put_length_at(self.start, self.counted as u64),
            Some(declared) if declared == self.counted => {}
            Some(declared) => {
                return Err(Fault::new(format!(
                    "announces {declared} elements and writes {}",
                    self.counted
                )));
            }
        }
        Ok(())
    }
}

/// Writes the elements of a sequence.
pub(super) struct Elements<'w, 'a> {
    walk: &'w mut Walk<'a>,
    element: &'a Node,
    length: Length,
    depth: usize,
}

impl<'w, 'a> Elements<'w, 'a> {
    pub(super) fn new(
        walk: &'w mut Walk<'a>,
        element: NodeId,
        declared: Option<usize>,
        depth: usize,
    ) -> Self {
        let element = walk.node(element);
        Self { length: Length::open(walk, declared), walk, element, depth }
    }
}

impl SerializeSeq for Elements<'_, '_> {
    type Ok = ();
    type Error = Fault;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        let index = self.length.counted;
        let before = self.walk.out.size();
        self.walk
            .value(self.element, self.depth, value)
            .map_err(|fault| fault.at(Place::Element(index)))?;
        self.length.counted += 1;
        self.walk.hollow.count(before == self.walk.out.size())
    }

    fn end(self) -> Result<(), Fault> {
        self.length.close(self.walk)
    }
}

/// Writes the entries of a map.
pub(super) struct Entries<'w, 'a> {
    walk: &'w mut Walk<'a>,
    key: &'a Node,
    value: &'a Node,
    length: Length,
    /// Where the last key begins.
    entry: usize,
    depth: usize,
}

impl<'w, 'a> Entries<'w, 'a> {
    pub(super) fn new(
        walk: &'w mut Walk<'a>,
        key: NodeId,
        value: NodeId,
        declared: Option<usize>,
        depth: usize,
    ) -> Self {
        let (key, value) = (walk.node(key), walk.node(value));
        let length = Length::open(walk, declared);
        Self { entry: walk.out.size(), length, walk, key, value, depth }
    }
}

impl SerializeMap for Entries<'_, '_> {
    type Ok = ();
    type Error = Fault;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Fault> {
        self.entry = self.walk.out.size();
        self.walk.value(self.key, self.depth, key).map_err(|fault| fault.at(Place::Key))?;
        self.length.counted += 1;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        self.walk.value(self.value, self.depth, value).map_err(|fault| fault.at(Place::Value))?;
        self.walk.hollow.count(self.entry == self.walk.out.size())
    }

    fn end(self) -> Result<(), Fault> {
        self.length.close(self.walk)
    }
}

/// Writes the members of a tuple, a struct, or a variant with several values.
pub(super) struct Members<'w, 'a> {
    walk: &'w mut Walk<'a>,
    parts: Parts<'a>,
    next: usize,
    /// The variant that holds the members, for messages.
    variant: Option<&'a Variant>,
    depth: usize,
}

#[derive(Clone, Copy)]
enum Parts<'a> {
    Nodes(&'a [NodeId]),
    Fields(&'a [Field]),
}

impl<'w, 'a> Members<'w, 'a> {
    pub(super) fn of_nodes(
        walk: &'w mut Walk<'a>,
        nodes: &'a [NodeId],
        variant: Option<&'a Variant>,
        depth: usize,
    ) -> Self {
        Self { walk, parts: Parts::Nodes(nodes), next: 0, variant, depth }
    }

    pub(super) fn of_fields(
        walk: &'w mut Walk<'a>,
        fields: &'a [Field],
        variant: Option<&'a Variant>,
        depth: usize,
    ) -> Self {
        Self { walk, parts: Parts::Fields(fields), next: 0, variant, depth }
    }

    /// Writes the next member; no name is asked of it.
    #[inline]
    fn member<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        let node = match self.parts {
            Parts::Nodes(nodes) => nodes.get(self.next).copied(),
            Parts::Fields(fields) => fields.get(self.next).map(|field| field.node),
        };
        let Some(node) = node else {
            return Err(self.inside(Fault::new(format!(
                "writes more than the {} values that its type reads",
                self.next
            ))));
        };
        if let Err(fault) = self.walk.value(self.walk.node(node), self.depth, value) {
            return Err(self.inside(fault.at(self.place())));
        }
        self.next += 1;
        Ok(())
    }

    /// Writes the next field, which must be the one of this name.
    #[inline]
    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Fault> {
        if let Parts::Fields(fields) = self.parts {
            match fields.get(self.next) {
                Some(field) if field.names.iter().any(|known| known == name) => {}
                _ => return Err(self.inside(misplaced(fields, self.next, name))),
            }
        }
        self.member(value)
    }

    #[cold]
    fn skipped(&self, name: &str) -> Fault {
        self.inside(
            Fault::new(
                "is skipped by this value, but bincode has no names to tell: write it always, or \
                 hold the type as Json<..>",
            )
            .at(Place::Field(name.to_owned())),
        )
    }

    fn close(self) -> Result<(), Fault> {
        let missing = match self.parts {
            Parts::Nodes(nodes) => self.next < nodes.len(),
            Parts::Fields(fields) => self.next < fields.len(),
        };
        if missing { Err(self.inside(unwritten().at(self.place()))) } else { Ok(()) }
    }

    /// Where the next member is.
    #[cold]
    fn place(&self) -> Place {
        match self.parts {
            Parts::Nodes(_) => Place::Member(self.next),
            Parts::Fields(fields) => Place::Field(fields[self.next].names[0].clone()),
        }
    }

    #[cold]
    fn inside(&self, fault: Fault) -> Fault {
        match self.variant {
            Some(variant) => fault.at(Place::Variant(variant.names[0].clone())),
            None => fault,
        }
    }
}

#[cold]
fn unwritten() -> Fault {
    Fault::new(
        "is never written but read back (`skip_serializing`?): write it always, or hold the type \
         as Json<..>",
    )
}

/// The fault of a field called `name` that is written where field number `next` is read.
#[cold]
fn misplaced(fields: &[Field], next: usize, name: &str) -> Fault {
    let position = fields.iter().position(|field| field.names.iter().any(|known| known == name));
    match position {
        Some(position) if position > next => {
            unwritten().at(Place::Field(fields[next].names[0].clone()))
        }
        Some(_) => Fault::new("is written in another order than it is read")
            .at(Place::Field(name.to_owned())),
        None => Fault::new(
            "is written but not read back under this name (`#[serde(tag)]`, `skip_deserializing`, \
             or renamed for one direction only?): read it too, or hold the type as Json<..>",
        )
        .at(Place::Field(name.to_owned())),
    }
}

macro_rules! members {
    ($($compound:ident $method:ident;)*) => {
        $(impl $compound for Members<'_, '_> {
            type Ok = ();
            type Error = Fault;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
                self.member(value)
            }

            fn end(self) -> Result<(), Fault> {
                self.close()
            }
        })*
    };
}

members! {
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
    SerializeTupleVariant serialize_field;
}

macro_rules! named_members {
    ($($compound:ident)*) => {
        $(impl $compound for Members<'_, '_> {
            type Ok = ();
            type Error = Fault;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Fault> {
                self.field(name, value)
            }

            fn skip_field(&mut self, name: &'static str) -> Result<(), Fault> {
                Err(self.skipped(name))
            }

            fn end(self) -> Result<(), Fault> {
                self.close()
            }
        })*
    };
}

named_members! { SerializeStruct SerializeStructVariant }

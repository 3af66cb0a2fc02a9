//! Reading the parts of a value: elements, entries, members.

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};

use super::decode::Walk;
use super::fault::{Fault, Place};
use crate::contract::{Field, NodeId};

/// Reads the elements of a sequence.
pub(super) struct Elements<'w, 'a, 'de> {
    walk: &'w mut Walk<'a, 'de>,
    element: NodeId,
    length: usize,
    read: usize,
    depth: usize,
}

impl<'w, 'a, 'de> Elements<'w, 'a, 'de> {
    pub(super) fn open(
        walk: &'w mut Walk<'a, 'de>,
        element: NodeId,
        depth: usize,
    ) -> Result<Self, Fault> {
        let length = walk.input.length()?;
        Ok(Self { walk, element, length, read: 0, depth })
    }

    pub(super) fn visit<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Fault> {
        let value = visitor.visit_seq(&mut self)?;
        if self.read < self.length { Err(unread()) } else { Ok(value) }
    }
}

impl<'de> SeqAccess<'de> for &mut Elements<'_, '_, 'de> {
    type Error = Fault;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Fault> {
        if self.read == self.length {
            return Ok(None);
        }
        let index = self.read;
        let before = self.walk.input.left();
        let value = self
            .walk
            .value(self.element, self.depth, seed)
            .map_err(|fault| fault.at(Place::Element(index)))?;
        self.walk.hollow.count(before == self.walk.input.left())?;
        self.read += 1;
        Ok(Some(value))
    }

    /// At most what the bytes that are left could hold, each element taking one at least.
    fn size_hint(&self) -> Option<usize> {
        Some((self.length - self.read).min(self.walk.input.left()))
    }
}

/// Reads the entries of a map.
pub(super) struct Entries<'w, 'a, 'de> {
    walk: &'w mut Walk<'a, 'de>,
    key: NodeId,
    value: NodeId,
    length: usize,
    read: usize,
    /// How many bytes were left before the last key.
    before: usize,
    depth: usize,
}

impl<'w, 'a, 'de> Entries<'w, 'a, 'de> {
    pub(super) fn open(
        walk: &'w mut Walk<'a, 'de>,
        key: NodeId,
        value: NodeId,
        depth: usize,
    ) -> Result<Self, Fault> {
        let length = walk.input.length()?;
        let before = walk.input.left();
        Ok(Self { walk, key, value, length, read: 0, before, depth })
    }

    pub(super) fn visit<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Fault> {
        let value = visitor.visit_map(&mut self)?;
        if self.read < self.length { Err(unread()) } else { Ok(value) }
    }
}

impl<'de> MapAccess<'de> for &mut Entries<'_, '_, 'de> {
    type Error = Fault;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Fault> {
        if self.read == self.length {
            return Ok(None);
        }
        self.before = self.walk.input.left();
        let key = self.walk.value(self.key, self.depth, seed);
        key.map(Some).map_err(|fault| fault.at(Place::Key))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        let value = self.walk.value(self.value, self.depth, seed);
        let value = value.map_err(|fault| fault.at(Place::Value))?;
        self.walk.hollow.count(self.before == self.walk.input.left())?;
        self.read += 1;
        Ok(value)
    }

    /// As for elements.
    fn size_hint(&self) -> Option<usize> {
        Some((self.length - self.read).min(self.walk.input.left()))
    }
}

/// Reads the members of a tuple, a struct, or a variant with several values.
pub(super) struct Members<'w, 'a, 'de> {
    walk: &'w mut Walk<'a, 'de>,
    parts: Parts<'a>,
    next: usize,
    depth: usize,
}

#[derive(Clone, Copy)]
enum Parts<'a> {
    Nodes(&'a [NodeId]),
    Fields(&'a [Field]),
}

impl<'w, 'a, 'de> Members<'w, 'a, 'de> {
    pub(super) fn of_nodes(walk: &'w mut Walk<'a, 'de>, nodes: &'a [NodeId], depth: usize) -> Self {
        Self { walk, parts: Parts::Nodes(nodes), next: 0, depth }
    }

    pub(super) fn of_fields(
        walk: &'w mut Walk<'a, 'de>,
        fields: &'a [Field],
        depth: usize,
    ) -> Self {
        Self { walk, parts: Parts::Fields(fields), next: 0, depth }
    }

    pub(super) fn visit<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Fault> {
        let value = visitor.visit_seq(&mut self)?;
        if self.next < self.len() { Err(unread()) } else { Ok(value) }
    }

    #[inline]
    fn len(&self) -> usize {
        match self.parts {
            Parts::Nodes(nodes) => nodes.len(),
            Parts::Fields(fields) => fields.len(),
        }
    }

    #[cold]
    fn place(&self) -> Place {
        match self.parts {
            Parts::Nodes(_) => Place::Member(self.next),
            Parts::Fields(fields) => Place::Field(fields[self.next].names[0].clone()),
        }
    }
}

impl<'de> SeqAccess<'de> for &mut Members<'_, '_, 'de> {
    type Error = Fault;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Fault> {
        let node = match self.parts {
            Parts::Nodes(nodes) => nodes.get(self.next).copied(),
            Parts::Fields(fields) => fields.get(self.next).map(|field| field.node),
        };
        let Some(node) = node else { return Ok(None) };
        let value =
            self.walk.value(node, self.depth, seed).map_err(|fault| fault.at(self.place()))?;
        self.next += 1;
        Ok(Some(value))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.len() - self.next)
    }
}

#[cold]
fn unread() -> Fault {
    Fault::new("the type does not read all that its shape has")
}

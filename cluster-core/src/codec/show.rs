//! Payloads for people: through the stored shape, without the user's types.

use serde_json::{Map, Number, Value};

use super::fault::{Fault, Place};
use super::limits::{DEPTH_MAX, Hollow, deeper};
use super::primitive::Input;
use super::{DecodeError, Format, Payload, json};
use crate::contract::{Body, Field, Leaf, Node, NodeId, Shape};

/// Shows a payload without its type.
///
/// The result is what serde's JSON would be, with these differences: `i128` and `u128` are text,
/// bytes are text `0x..`, a float that JSON does not know is text (`NaN`, `inf`, `-inf`), and a map
/// whose keys are not text, numbers, bools or plain variants is a list of pairs.
///
/// # Errors
///
/// [`DecodeError`]; a payload of another shape is [`DecodeError::IncompatibleContract`].
pub fn to_json(bytes: &[u8], shape: &Shape) -> Result<Value, DecodeError> {
    let payload = Payload::parse(bytes)?;
    payload.expect(shape.fingerprint())?;
    let name = match shape.note(shape.root()).type_name.as_str() {
        "" => "payload",
        name => name,
    };
    if payload.format == Format::Json {
        return json::parse(payload.body).map_err(|fault| fault.into_decode_error(name));
    }
    let input = Input::new(payload.body);
    let hollow = Hollow::of_values(payload.body.len());
    let mut show = Show { shape, input, hollow };
    let value =
        show.value(shape.root(), DEPTH_MAX).map_err(|fault| fault.into_decode_error(name))?;
    match show.input.left() {
        0 => Ok(value),
        left => Err(DecodeError::Trailing { left }),
    }
}

struct Show<'a> {
    shape: &'a Shape,
    input: Input<'a>,
    hollow: Hollow,
}

impl Show<'_> {
    /// Reads one value. A shape out of storage may hold itself without end, so every level counts,
    /// and every value that takes no bytes.
    fn value(&mut self, id: NodeId, depth: usize) -> Result<Value, Fault> {
        let depth = deeper(depth)?;
        let before = self.input.left();
        let value = match self.shape.node(id) {
            Node::Leaf(leaf) => self.leaf(*leaf)?,
            Node::Option(inner) => match self.input.is_some()? {
                true => self.value(*inner, depth)?,
                false => Value::Null,
            },
            Node::Seq(element) => self.elements(*element, depth)?,
            Node::Map(key, value) => self.entries(*key, *value, depth)?,
            Node::Tuple(nodes) | Node::TupleStruct(nodes) => self.members(nodes, depth)?,
            Node::UnitStruct => Value::Null,
            Node::Newtype(inner) => self.value(*inner, depth)?,
            Node::Struct(fields) => self.fields(fields, depth)?,
            Node::Enum(_) => self.variant(id, depth)?,
        };
        self.hollow.count(before == self.input.left())?;
        Ok(value)
    }

    fn leaf(&mut self, leaf: Leaf) -> Result<Value, Fault> {
        let input = &mut self.input;
        Ok(match leaf {
            Leaf::Unit => Value::Null,
            Leaf::Bool => input.get::<bool>()?.into(),
            Leaf::U8 => input.get::<u8>()?.into(),
            Leaf::U16 => input.get::<u16>()?.into(),
            Leaf::U32 => input.get::<u32>()?.into(),
            Leaf::U64 => input.get::<u64>()?.into(),
            Leaf::U128 => input.get::<u128>()?.to_string().into(),
            Leaf::I8 => input.get::<i8>()?.into(),
            Leaf::I16 => input.get::<i16>()?.into(),
            Leaf::I32 => input.get::<i32>()?.into(),
            Leaf::I64 => input.get::<i64>()?.into(),
            Leaf::I128 => input.get::<i128>()?.to_string().into(),
            Leaf::F32 => float(input.get::<f32>()?),
            Leaf::F64 => float(input.get::<f64>()?),
            Leaf::Char => input.get::<char>()?.to_string().into(),
            Leaf::Text => input.text()?.into(),
            Leaf::Bytes => {
                let digits = input.bytes()?.iter().map(|byte| format!("{byte:02x}"));
                std::iter::once("0x".to_owned()).chain(digits).collect::<String>().into()
            }
            Leaf::Json | Leaf::Opaque => json::parse(input.text()?.as_bytes())?,
        })
    }

    fn elements(&mut self, element: NodeId, depth: usize) -> Result<Value, Fault> {
        let length = self.input.length()?;
        let mut elements = Vec::new();
        for index in 0..length {
            let value = self.value(element, depth).map_err(|fault| fault.at(Place::Element(index)));
            elements.push(value?);
        }
        Ok(elements.into())
    }

    /// An object if every key has a text of its own, else a list of pairs.
    fn entries(&mut self, key: NodeId, value: NodeId, depth: usize) -> Result<Value, Fault> {
        let length = self.input.length()?;
        let mut pairs = Vec::new();
        for _ in 0..length {
            let key = self.value(key, depth).map_err(|fault| fault.at(Place::Key))?;
            let value = self.value(value, depth).map_err(|fault| fault.at(Place::Value))?;
            pairs.push((key, value));
        }
        let mut object = Map::new();
        for (key, value) in &pairs {
            let key = match key {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                Value::Bool(bool) => bool.to_string(),
                _ => return Ok(list(pairs)),
            };
            if object.insert(key, value.clone()).is_some() {
                return Ok(list(pairs));
            }
        }
        Ok(object.into())
    }

    fn members(&mut self, nodes: &[NodeId], depth: usize) -> Result<Value, Fault> {
        let members = nodes.iter().enumerate().map(|(member, node)| {
            self.value(*node, depth).map_err(|fault| fault.at(Place::Member(member)))
        });
        Ok(Value::Array(members.collect::<Result<_, _>>()?))
    }

    fn fields(&mut self, fields: &[Field], depth: usize) -> Result<Value, Fault> {
        let mut object = Map::new();
        for field in fields {
            let name = &field.names[0];
            let value = self.value(field.node, depth);
            let value = value.map_err(|fault| fault.at(Place::Field(name.clone())))?;
            object.insert(name.clone(), value);
        }
        Ok(object.into())
    }

    fn variant(&mut self, id: NodeId, depth: usize) -> Result<Value, Fault> {
        let Node::Enum(variants) = self.shape.node(id) else { return Ok(Value::Null) };
        let number: u32 = self.input.get()?;
        let Some(variant) = variants.get(number as usize) else {
            return Err(Fault::new(format!("there is no variant {number}")));
        };
        let name = &variant.names[0];
        let body = match &variant.body {
            Body::Unit => return Ok(name.clone().into()),
            Body::Newtype(inner) => self.value(*inner, depth),
            Body::Tuple(nodes) => self.members(nodes, depth),
            Body::Struct(fields) => self.fields(fields, depth),
        };
        let body = body.map_err(|fault| fault.at(Place::Variant(name.clone())))?;
        Ok(Map::from_iter([(name.clone(), body)]).into())
    }
}

fn float<T: Into<f64> + ToString + Copy>(value: T) -> Value {
    match Number::from_f64(value.into()) {
        Some(number) => number.into(),
        None => value.to_string().into(),
    }
}

fn list(pairs: Vec<(Value, Value)>) -> Value {
    pairs.into_iter().map(|(key, value)| Value::Array(vec![key, value])).collect()
}

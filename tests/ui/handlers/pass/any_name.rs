//! Arguments, methods and types may have the names that generated code uses, or keywords.
#![deny(warnings)]
use cluster::prelude::*;

/// Names of the standard prelude mean something else here.
#[allow(dead_code, non_camel_case_types)]
mod shadows {
    pub struct Option;
    pub struct Result;
    pub struct Vec;
    pub struct String;
    pub struct Box;
    pub struct Some;
    pub struct Ok;
    pub trait Sized {}
    pub trait Send {}
    pub trait Future {}
}
#[allow(unused_imports)]
use shadows::{Box, Future, Ok, Option, Result, Send, Sized, Some, String, Vec};

#[derive(Entity, Default)]
struct Odd {
    value: i64,
}

#[entity]
impl Odd {
    #[message(persisted)]
    fn names(&mut self, fields: i64, place: i64, entity: i64, ctx: i64, own: &Context) -> i64 {
        let _ = own;
        self.value += fields + place + entity + ctx;
        self.value
    }

    #[message]
    async fn more_names(&self, slot: i64, root: i64, handle: i64, count: i64, of: i64) -> i64 {
        slot + root + handle + count + of
    }

    #[message]
    fn r#type(&self, r#match: i64, mut self_: i64) -> i64 {
        self_ += r#match;
        self_
    }

    #[message]
    fn _private(&self, __of: i64) -> i64 {
        __of
    }
}

pub(crate) fn main() {
    use cluster::__private::Message;
    assert_eq!(OddType::INFO.name, "type");
    assert_eq!(OddType::INFO.arguments, ["match", "self_"]);
    assert_eq!(Odd::default().r#type(1, 2), 3);
    assert_eq!(OddPrivate::INFO.name, "_private");
}

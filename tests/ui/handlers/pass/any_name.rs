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

macro_rules! types {
    ($($name:ident)*) => {$(
        #[derive(Serialize, Deserialize)]
        pub struct $name;
    )*};
}
types!(F W S D Of E M A R);

#[derive(Serialize, Deserialize)]
struct Vec2<T>(T);

#[derive(Serialize, Deserialize)]
struct Result2<T>(T);

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
    pub fn types(&self, f: F, w: W, s: Vec2<S>, d: (D, A, E), r: [R; 1], m: M) -> Result2<Of> {
        let _ = (f, w, s, d, r, m);
        Result2(Of)
    }

    #[message]
    fn _private(&self, __of: i64) -> i64 {
        __of
    }
}

/// A contract by the name of a usual parameter.
#[entity]
trait T {
    #[message]
    async fn t(&mut self, s: S, f: F) -> Of;
}

#[derive(Entity, Default)]
struct Served;

#[entity]
impl T for Served {
    async fn t(&mut self, _: S, _: F) -> Of {
        Of
    }
}

pub(crate) fn main() {
    let _ = cluster::Cluster::builder().entity::<Served>().entity::<Odd>();
    use cluster::__private::Message;
    assert_eq!(OddType::INFO.name, "type");
    assert_eq!(OddType::INFO.arguments, ["match", "self_"]);
    assert_eq!(Odd::default().r#type(1, 2), 3);
    assert_eq!(OddPrivate::INFO.name, "_private");
}

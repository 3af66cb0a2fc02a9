//! A type with a lifetime borrows too.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message]
    fn rename(&mut self, name: std::borrow::Cow<'_, str>) {
        let _ = name;
    }
}

fn main() {}

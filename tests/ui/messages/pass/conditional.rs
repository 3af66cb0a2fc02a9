//! Messages that are not always compiled: everything that belongs to them goes with them.
#![deny(warnings)]
use cluster::__private::{Contract, Message, ServedBy};
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Probe;

#[entity]
impl Probe {
    #[cfg(any())]
    #[message]
    fn never(&self) -> NoSuchType {
        NoSuchType
    }

    #[message]
    fn first(&self) -> u8 {
        1
    }

    #[cfg(not(any()))]
    #[message]
    fn always(&self) -> u8 {
        2
    }

    #[cfg(any())]
    #[message]
    fn either(&self, neither: NoSuchType) {}

    #[cfg(not(any()))]
    #[message]
    fn either(&self, or: u8) -> u8 {
        or
    }

    #[message]
    fn last(&self) -> u8 {
        4
    }
}

pub(crate) fn main() {
    let messages = Probe::messages();
    let names: Vec<_> = messages.iter().map(|message| message.name).collect();
    assert_eq!(names, ["first", "always", "either", "last"]);
    for (place, message) in messages.iter().enumerate() {
        assert_eq!(message.index, place);
    }
    assert_eq!(<Probe as ServedBy<Probe>>::table().len(), 4);
    assert_eq!(Probe::schemas().unwrap().len(), 4);
    assert_eq!(ProbeEither::INFO.arguments, ["or"]);
}

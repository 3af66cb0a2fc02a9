//! A stream that must stay on its thread.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message(stream)]
    fn cents(&self) -> impl Stream<Item = i64> + use<> {
        let cents = std::rc::Rc::new(self.cents);
        futures_util::stream::repeat_with(move || *cents)
    }
}

fn main() {}

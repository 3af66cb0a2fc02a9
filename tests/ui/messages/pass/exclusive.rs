//! Messages of one stored name, one tag or one struct that are never compiled together.
#![deny(warnings)]
use cluster::__private::{Contract, Message};
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[cfg(debug_assertions)]
    #[message(persisted, tag = 0x17)]
    fn credit(&mut self, cents: i64) {
        self.cents += cents;
    }

    #[cfg(not(debug_assertions))]
    #[message(persisted, tag = 0x17)]
    fn credit_checked(&mut self, cents: i64) {
        self.cents = self.cents.saturating_add(cents);
    }

    #[cfg(debug_assertions)]
    #[message(name = "debit")]
    fn take(&mut self, cents: i64) {
        self.cents -= cents;
    }

    #[cfg(not(debug_assertions))]
    #[message(name = "debit")]
    fn take_checked(&mut self, cents: i64) {
        self.cents = self.cents.saturating_sub(cents);
    }

    #[cfg(debug_assertions)]
    #[message]
    fn pay_in(&mut self) {}

    #[cfg(not(debug_assertions))]
    #[message]
    fn pay__in(&mut self) {}
}

/// Of a method of a contract, too, each form is a message where it is compiled.
#[entity]
trait Bank {
    #[cfg(any())]
    #[message]
    fn cents(&self) -> NoSuchType;

    #[cfg(not(any()))]
    #[message]
    fn cents(&self) -> i64;
}

#[derive(Entity, Default)]
struct Branch;

#[entity]
impl Bank for Branch {
    fn cents(&self) -> i64 {
        5
    }
}

pub(crate) fn main() {
    let tags: Vec<u64> = Account::messages().iter().map(|message| message.tag.as_u64()).collect();
    assert_eq!(tags[0], 0x17);
    assert_eq!(tags.len(), 3);
    assert_eq!(AccountPayIn::INFO.index, 2);
    assert_eq!(<dyn Bank>::messages().len(), 1);
    assert_eq!(<dyn Bank>::messages()[0].name, "cents");
    assert_eq!(Branch.cents(), 5);
}

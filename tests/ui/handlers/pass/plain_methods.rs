//! A handler is a method like any other: it can be called without a cluster, and without a runtime.

// proves: B2
use std::pin::pin;
use std::task::{Context as TaskContext, Poll, Waker};

use cluster::prelude::*;

#[derive(Entity, Default)]
struct Counter {
    value: i64,
}

#[entity]
impl Counter {
    #[message(persisted)]
    fn add(&mut self, amount: i64) -> i64 {
        self.value += amount;
        self.value
    }

    #[message]
    async fn double(&mut self) -> Result<i64, String> {
        std::future::ready(()).await;
        self.value *= 2;
        Ok(self.value)
    }

    #[activate]
    fn open(&mut self) {
        self.value = 1;
    }
}

pub(crate) fn main() {
    let mut counter = Counter::default();
    counter.open();
    assert_eq!(counter.add(2), 3);
    let ready = pin!(counter.double()).poll(&mut TaskContext::from_waker(Waker::noop()));
    assert_eq!(ready, Poll::Ready(Ok(6)));
}

//! Every key of `#[message]`, and what the runtime is told of it.
use cluster::__private::{Access, Delivery, Message, MessageTag};
use cluster::prelude::*;
use cluster::{OnPanic, RetryOptions};

#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable)]
struct Account {
    cents: i64,
}

#[entity(name = "account")]
impl Account {
    #[message(
        persisted,
        uninterruptible,
        name = "pay-in",
        tag = 0x17,
        timeout = "250ms",
        transaction,
        attempts = 3,
        backoff_min = "1s",
        backoff_max = "1h",
        on_panic = "defect"
    )]
    fn deposit(&mut self, ctx: &Context, cents: i64) {
        let _ = ctx;
        self.cents += cents;
    }

    #[message]
    fn cents(&self) -> i64 {
        self.cents
    }
}

pub(crate) fn main() {
    let deposit = AccountDeposit::INFO;
    assert_eq!(deposit.name, "pay-in");
    assert_eq!(deposit.tag, MessageTag::new(0x17));
    assert_eq!(deposit.index, 0);
    assert_eq!(deposit.delivery, Delivery::Persisted);
    assert_eq!(deposit.access, Access::Exclusive);
    assert_eq!(deposit.timeout, Some(Duration::from_millis(250)));
    assert!(deposit.uninterruptible && deposit.transaction && deposit.context);
    assert_eq!(deposit.arguments, ["cents"]);
    let every = RetryOptions {
        attempts: Some(3),
        backoff_min: Some(Duration::from_secs(1)),
        backoff_max: Some(Duration::from_secs(3_600)),
        on_panic: Some(OnPanic::Defect),
    };
    assert_eq!(deposit.retry, every);

    let cents = AccountCents::INFO;
    assert_eq!((cents.name, cents.index), ("cents", 1));
    assert_eq!(cents.tag, MessageTag::of("cents"));
    assert_eq!((cents.delivery, cents.access), (Delivery::Volatile, Access::Shared));
    assert_eq!(cents.timeout, None);
    assert!(!cents.uninterruptible && !cents.transaction && !cents.context);
    assert!(cents.arguments.is_empty());
    assert_eq!(cents.retry, RetryOptions::DEFAULT);
}

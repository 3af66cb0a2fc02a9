//! Every key behind the derive, and what the runtime is told of it.
use cluster::__private::{Entity as _, StateKind};
use cluster::OnPanic;
use cluster::prelude::*;

#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable, mailbox = 1_024, idle = "5m", concurrency = 8, group = "mail")]
#[entity(attempts = 3, on_panic = "defect", strict_order, crate = "::cluster")]
struct Mailbox {
    unread: Vec<String>,
}

#[derive(Entity, Default)]
#[entity]
struct Echo;

pub(crate) fn main() {
    let options = Mailbox::OPTIONS;
    assert_eq!(Mailbox::STATE, StateKind::Whole);
    assert_eq!(options.mailbox, Some(1_024));
    assert_eq!(options.idle, Some(Duration::from_secs(300)));
    assert_eq!(options.concurrency, Some(8));
    assert_eq!(options.group, Some("mail"));
    assert_eq!(options.attempts, Some(3));
    assert_eq!(options.on_panic, Some(OnPanic::Defect));
    assert_eq!(options.strict_order, Some(true));

    assert_eq!(Echo::STATE, StateKind::None);
    assert_eq!(Echo::OPTIONS.mailbox, None);
    assert!(Echo::state_schema().unwrap().is_none());
}

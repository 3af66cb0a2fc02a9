//! What can be stored: all of a struct or enum, a field with a name or with a number, or nothing.

// proves: B8
use cluster::__private::{Entity as _, StateKind};
use cluster::prelude::*;

#[derive(Entity, Default, Serialize, Deserialize, PartialEq, Debug)]
#[entity(durable)]
enum Door {
    #[default]
    Open,
    Locked {
        code: u32,
    },
}

struct Mailer;

#[derive(Entity)]
struct Mailbox(Mailer, #[state] Vec<String>);

#[derive(Entity)]
struct Inbox {
    #[state]
    unread: Vec<String>,
    mailer: Mailer,
}

/// Without serde, but with persisted messages.
#[derive(Entity, Default)]
struct Volatile {
    value: i64,
}

#[entity]
impl Volatile {
    #[message(persisted)]
    fn add(&mut self, amount: i64) -> i64 {
        self.value += amount;
        self.value
    }
}

const LIMIT: usize = 1_000;

pub(crate) fn main() {
    let kinds = [Door::STATE, Mailbox::STATE, Inbox::STATE, Volatile::STATE];
    assert_eq!(kinds, [StateKind::Whole, StateKind::Field, StateKind::Field, StateKind::None]);

    let schema = Door::state_schema().unwrap().unwrap();
    let stored = Door::Locked { code: 7 }.encode_state(&schema, LIMIT).unwrap().unwrap();
    let mut door = Door::default();
    door.decode_state(&stored, &schema).unwrap();
    assert_eq!(door, Door::Locked { code: 7 });

    let schema = Inbox::state_schema().unwrap().unwrap();
    let inbox = Inbox { unread: vec!["hello".into()], mailer: Mailer };
    let stored = inbox.encode_state(&schema, LIMIT).unwrap().unwrap();
    let mut mailbox = Mailbox(inbox.mailer, Vec::new());
    // The same shape in another entity: the services around it are not stored.
    mailbox.decode_state(&stored, &schema).unwrap();
    assert_eq!(mailbox.1, ["hello"]);
    let Mailer = mailbox.0;
}

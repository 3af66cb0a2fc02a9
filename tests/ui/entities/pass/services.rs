//! An entity with services: the factory makes it, so it needs no `Default`.
use std::sync::Arc;

use cluster::prelude::*;

#[derive(Default, Serialize, Deserialize)]
struct Inbox {
    unread: Vec<String>,
}

struct Mailer;

#[derive(Entity)]
#[entity(group = "mail")]
struct Mailbox {
    #[state]
    inbox: Inbox,
    mailer: Arc<Mailer>,
}

#[entity]
impl Mailbox {
    #[activate]
    async fn open(&mut self, ctx: &Context) -> Result<(), std::io::Error> {
        let _ = (&self.mailer, ctx.entity_id());
        Ok(())
    }

    #[message(persisted)]
    async fn receive(&mut self, text: String) {
        self.inbox.unread.push(text);
    }

    #[message]
    fn unread(&self) -> usize {
        self.inbox.unread.len()
    }
}

pub(crate) fn main() {
    let mailer = Arc::new(Mailer);
    let _ = Cluster::builder().entity_with::<Mailbox>(move |_id| Mailbox {
        inbox: Inbox::default(),
        mailer: mailer.clone(),
    });
}

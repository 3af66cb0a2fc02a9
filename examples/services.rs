//! Services come from the factory, state from the database.
#![allow(clippy::print_stdout)] // A program for a terminal.

use std::sync::Arc;

use cluster::prelude::*;

#[derive(Default, Serialize, Deserialize)]
struct Inbox {
    unread: Vec<String>,
}

#[derive(Entity)]
#[entity(group = "mail", concurrency = 8)]
struct Mailbox {
    #[state]
    inbox: Inbox,
    mailer: Arc<Mailer>,
}

#[entity]
impl Mailbox {
    #[activate]
    async fn open(&mut self, ctx: &Context) -> Result<(), MailerError> {
        self.mailer.subscribe(ctx.entity_id()).await
    }

    #[message(persisted)]
    async fn receive(&mut self, ctx: &Context, text: String) {
        let tenant = ctx.header("tenant").unwrap_or("none");
        self.inbox.unread.push(format!("[{tenant}] {text}"));
    }

    #[message]
    fn unread(&self) -> usize {
        self.inbox.unread.len()
    }
}

/// What every mailbox shares and no database keeps: a connection, say.
struct Mailer {
    server: &'static str,
}

#[derive(Debug, thiserror::Error)]
#[error("the mail server {0} does not know this address")]
struct MailerError(&'static str);

impl Mailer {
    async fn subscribe(&self, id: &EntityId) -> Result<(), MailerError> {
        if !id.as_str().contains('@') {
            return Err(MailerError(self.server));
        }
        println!("{}: subscribed {id}", self.server);
        Ok(())
    }
}

async fn start(mailer: Arc<Mailer>) -> cluster::Result<Cluster> {
    Cluster::builder()
        .storage(Sqlite::open("mail.db").await?)
        // Without a factory this line would not compile: `Mailbox` has no `Default`.
        .entity_with::<Mailbox>(move |_id| Mailbox {
            inbox: Inbox::default(),
            mailer: mailer.clone(),
        })
        .filter(|call: &CallInfo| match call.header("tenant") {
            Some(_) => Ok(()),
            None => Err(Refused::new("no tenant")),
        })
        .start()
        .await
}

#[tokio::main]
async fn main() -> cluster::Result<()> {
    let cluster = start(Arc::new(Mailer { server: "mail.example" })).await?;
    let mailbox = cluster.get::<Mailbox>("ada@mail.example");

    mailbox.receive("welcome".into()).header("tenant", "acme").await?;
    println!("unread: {}", mailbox.unread().header("tenant", "acme").await?);

    // The filter sees every call before anything of it is run or stored.
    if let Err(refused) = mailbox.receive("spam".into()).await {
        println!("{refused}");
    }
    cluster.shutdown().await
}

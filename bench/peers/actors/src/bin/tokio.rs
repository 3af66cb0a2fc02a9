//! Bare tokio: a task with a bounded channel, a oneshot for each reply. The floor under every
//! design that gives an entity a task.

use std::process::ExitCode;

use bench_kit::drive::{Source, Target, closed_loop, idle, once_each, read};
use bench_kit::{Case, Lane, Run, lane};
use tokio::sync::{mpsc, oneshot};

const SYSTEM: &str = "tokio";
const MAILBOX: usize = 64;

struct Add {
    amount: u64,
    handler: Handler,
    reply: oneshot::Sender<u64>,
}

#[derive(Clone, Copy)]
enum Handler {
    Plain,
    SuspendsOnce,
}

type Mailbox = mpsc::Sender<Add>;

fn spawn() -> Mailbox {
    let (mailbox, mut messages) = mpsc::channel::<Add>(MAILBOX);
    tokio::spawn(async move {
        let mut value = 0;
        while let Some(Add { amount, handler, reply }) = messages.recv().await {
            if let Handler::SuspendsOnce = handler {
                tokio::task::yield_now().await;
            }
            value += amount;
            // The caller may be gone.
            _ = reply.send(value);
        }
    });
    mailbox
}

struct Asked {
    mailbox: Mailbox,
    handler: Handler,
}

impl Target for Asked {
    async fn ask(&self, _: u64) {
        let (reply, replied) = oneshot::channel();
        let add = Add { amount: 1, handler: self.handler, reply };
        self.mailbox.send(add).await.expect("the task lives as long as its mailbox");
        replied.await.expect("every message is replied to");
    }
}

async fn asks(lane: Lane, handler: Handler) -> Run {
    let targets = (0..lane.entities).map(|_| Asked { mailbox: spawn(), handler }).collect();
    closed_loop(&lane, targets).await
}

struct Chunks(mpsc::Receiver<u64>);

impl Source for Chunks {
    async fn next(&mut self) -> u64 {
        self.0.recv().await.expect("the task sends on")
    }
}

/// A task that sends numbers through a bounded channel.
async fn chunks() -> Run {
    let (send, chunks) = mpsc::channel(MAILBOX);
    tokio::spawn(async move {
        for number in 0.. {
            if send.send(number).await.is_err() {
                return;
            }
        }
    });
    read(&lane::STREAM, Chunks(chunks)).await
}

async fn activations() -> Run {
    let (run, _mailboxes) = once_each(0..lane::ACTIVATE.entities, |_| async {
        let asked = Asked { mailbox: spawn(), handler: Handler::Plain };
        asked.ask(0).await;
        asked
    })
    .await;
    run
}

async fn idles() -> Run {
    let (run, _mailboxes) = idle(lane::IDLE_MEMORY.entities, |_| async { spawn() }).await;
    run
}

fn main() -> ExitCode {
    let ask = |lane, handler| {
        Case::volatile(lane, SYSTEM, move |bench| bench.block_on(asks(lane, handler)))
    };
    bench_kit::run(vec![
        ask(lane::ASK_1, Handler::Plain),
        ask(lane::ASK_64, Handler::Plain),
        ask(lane::ASK_HOT, Handler::Plain),
        ask(lane::ASK_SUSPEND, Handler::SuspendsOnce),
        Case::volatile(lane::STREAM, SYSTEM, |bench| bench.block_on(chunks())),
        Case::memory(lane::IDLE_MEMORY, SYSTEM, |bench| bench.block_on(idles())),
        Case::volatile(lane::ACTIVATE, SYSTEM, |bench| bench.block_on(activations())),
    ])
}

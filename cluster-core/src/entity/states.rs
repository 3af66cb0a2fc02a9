//! Loading stored states: what is asked for while reads are under way is read by the next one.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot};

use crate::config::Config;
use crate::storage::{StateKey, StateRow, Storage, StorageError};

/// The most reads under way at a time.
const READS_MAX: usize = 4;

/// The most states that one read asks for, if they fit into a page.
const STATES_MAX: usize = 64;

type Loaded = Result<Option<StateRow>, StorageError>;

/// Loads states. One of those who wait reads, for all: nothing runs by itself.
pub(crate) struct States {
    storage: Arc<dyn Storage>,
    /// Those that no read asks for yet, in their order.
    waiting: Mutex<VecDeque<Waiting>>,
    turns: Semaphore,
    /// How many one read asks for.
    page: usize,
}

struct Waiting {
    key: StateKey,
    tell: oneshot::Sender<Loaded>,
}

impl States {
    pub(crate) fn new(storage: Arc<dyn Storage>, config: &Config) -> Self {
        let (waiting, turns) = (Mutex::default(), Semaphore::new(READS_MAX));
        States { storage, waiting, turns, page: config.page_rows(STATES_MAX) }
    }

    /// The stored state of an entity. Cancel safe: if it was reading for others, they read for
    /// themselves.
    ///
    /// # Errors
    /// As [`MessageStorage::load_states`](crate::storage::MessageStorage::load_states).
    pub(crate) async fn load(&self, key: StateKey) -> Loaded {
        loop {
            let mut told = self.wait_for(key.clone());
            let loaded = loop {
                let turn = tokio::select! {
                    biased;
                    loaded = &mut told => break loaded,
                    turn = self.turns.acquire() => turn,
                };
                let taken = self.take_some();
                if taken.is_empty() {
                    // Somebody is reading it.
                    drop(turn);
                    break (&mut told).await;
                }
                self.read(taken).await;
            };
            // Else who was reading it was dropped.
            if let Ok(loaded) = loaded {
                return loaded;
            }
        }
    }

    fn wait_for(&self, key: StateKey) -> oneshot::Receiver<Loaded> {
        let (tell, told) = oneshot::channel();
        self.waiting.lock().push_back(Waiting { key, tell });
        told
    }

    /// Those that have waited longest.
    fn take_some(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting.lock();
        let many = waiting.len().min(self.page);
        waiting.drain(..many).collect()
    }

    async fn read(&self, waiting: Vec<Waiting>) {
        let keys = waiting.iter().map(|one| one.key.clone()).collect();
        match self.storage.load_states(keys).await {
            Ok(rows) => {
                let mut rows = rows.into_iter();
                for one in waiting {
                    one.tell(Ok(rows.next().flatten()));
                }
            }
            Err(error @ StorageError::Unavailable { .. }) => {
                for one in waiting {
                    one.tell(Err(error.clone()));
                }
            }
            // One of them may be why.
            Err(_) => {
                for one in waiting {
                    let row = self.storage.load_states(vec![one.key.clone()]).await;
                    one.tell(row.map(|mut rows| rows.pop().flatten()));
                }
            }
        }
    }
}

impl Waiting {
    /// Nobody may wait for it any more.
    fn tell(self, loaded: Loaded) {
        let _: Result<(), Loaded> = self.tell.send(loaded);
    }
}

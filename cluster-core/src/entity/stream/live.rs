//! What the reader and the handler of a persisted stream tell each other.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use hashbrown::HashMap;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::id::RequestId;
use crate::storage::ChunkRow;

/// A chunk with its place in the stream.
pub(super) type Numbered = (u64, Bytes);

/// A persisted stream that is produced or read in this process.
#[derive(Debug, Default)]
pub(super) struct Live {
    state: Mutex<State>,
    /// There are more chunks.
    pub(super) changed: Notify,
    /// Some were read.
    pub(super) read: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Durable and unread, without gaps; at most `stream_window`, but for what an earlier run with
    /// a larger one has left.
    unread: VecDeque<Numbered>,
    /// The last chunk that was read.
    read: u64,
    /// A reader has seen that it has ended.
    ended: bool,
    /// The request was reset: its stream begins anew, elsewhere.
    reset: bool,
}

/// What a reader finds.
pub(super) enum Next {
    Chunks(VecDeque<Numbered>),
    /// Some before this one are not in memory.
    Gap(u64),
    Nothing,
    /// The stream has begun anew.
    Reset,
}

impl Live {
    /// A run begins with what its forerunners have left.
    pub(super) fn begin(&self, rows: &[ChunkRow]) {
        {
            let mut state = self.state.lock();
            let read = rows.iter().filter(|row| row.read).map(|row| row.number).max();
            let first = rows.iter().find(|row| !row.read).map(|row| row.number - 1);
            state.read = state.read.max(read.or(first).unwrap_or(0));
            let after = state.read;
            let unread = rows.iter().filter(|row| row.number > after);
            state.unread = unread.map(|row| (row.number, row.payload.clone())).collect();
        }
        self.changed.notify_waiters();
    }

    /// A reader has found that the stream has ended. To be said before chunks are looked for.
    pub(super) fn has_ended(&self) {
        self.state.lock().ended = true;
    }

    /// Its readers have seen chunks, or the end, of a run that a reset has undone.
    fn is_of_an_undone_run(&self, rows: &[ChunkRow]) -> bool {
        let state = self.state.lock();
        rows.is_empty() && (state.ended || state.read > 0 || !state.unread.is_empty())
    }

    fn reset(&self) {
        {
            let mut state = self.state.lock();
            state.reset = true;
            state.unread.clear();
        }
        self.changed.notify_waiters();
    }

    /// How many more chunks the handler may make: none before half of the window is free, so that
    /// it does not make them one by one.
    pub(super) fn room(&self, window: usize) -> usize {
        let room = window.saturating_sub(self.state.lock().unread.len());
        if room >= window.div_ceil(2) { room } else { 0 }
    }

    /// Waits for room.
    pub(super) async fn wait_for_room(&self, window: usize) -> usize {
        loop {
            let read = self.read.notified();
            match self.room(window) {
                0 => read.await,
                room => return room,
            }
        }
    }

    /// Chunks have become durable.
    pub(super) fn publish(&self, chunks: impl IntoIterator<Item = Numbered>) {
        {
            let mut state = self.state.lock();
            let read = state.read;
            // A reader that looked into the storage may have got them before this.
            state.unread.extend(chunks.into_iter().filter(|(number, _)| *number > read));
        }
        self.changed.notify_waiters();
    }

    /// The reader has got this one and asks for more. What `tell` hands to the committer stands
    /// before every chunk of a run that a reset begins.
    pub(super) fn acknowledge(&self, number: u64, tell: impl FnOnce()) {
        {
            let mut state = self.state.lock();
            if state.reset {
                return;
            }
            tell();
            state.read = state.read.max(number);
            while state.unread.front().is_some_and(|(first, _)| *first <= number) {
                state.unread.pop_front();
            }
        }
        self.read.notify_one();
    }

    /// The last chunk that was read, as far as this process knows.
    pub(super) fn read_so_far(&self) -> u64 {
        self.state.lock().read
    }

    /// What is there behind a chunk.
    pub(super) fn after(&self, number: u64) -> Next {
        let state = self.state.lock();
        if state.reset {
            return Next::Reset;
        }
        let mut behind = state.unread.iter().skip_while(|(at, _)| *at <= number).peekable();
        match behind.peek() {
            None => Next::Nothing,
            Some((first, _)) if *first > number + 1 => Next::Gap(*first),
            Some(_) => Next::Chunks(behind.cloned().collect()),
        }
    }
}

/// The persisted streams of a process, for as long as somebody produces or reads them.
#[derive(Default)]
pub(super) struct LiveStreams(Mutex<HashMap<RequestId, Weak<Live>>>);

impl LiveStreams {
    pub(super) fn get(&self, request: RequestId) -> Arc<Live> {
        let mut known = self.0.lock();
        if let Some(live) = known.get(&request).and_then(Weak::upgrade) {
            return live;
        }
        if known.len() == known.capacity() {
            known.retain(|_, live| live.strong_count() > 0);
        }
        let live = Arc::new(Live::default());
        known.insert(request, Arc::downgrade(&live));
        live
    }

    /// A run begins. A chunk that was stored stays until it is reset: without any, what the
    /// readers have seen is undone.
    pub(super) fn begin(&self, request: RequestId, rows: &[ChunkRow]) -> Arc<Live> {
        let mut live = self.get(request);
        if live.is_of_an_undone_run(rows) {
            live.reset();
            self.0.lock().remove(&request);
            live = self.get(request);
        }
        live.begin(rows);
        live
    }
}

#[cfg(test)]
mod tests {
    //! The order in which reader and handler come does not matter.
    use super::*;

    fn chunks(numbers: std::ops::RangeInclusive<u64>) -> Vec<Numbered> {
        numbers.map(|number| (number, Bytes::new())).collect()
    }

    #[test]
    fn what_was_read_before_it_was_announced_takes_no_room() {
        let live = Live::default();
        live.begin(&[]);
        live.acknowledge(4, || ());
        live.publish(chunks(1..=4));
        assert_eq!(live.room(4), 4);
        live.publish(chunks(5..=7));
        assert_eq!(live.room(4), 0);
        live.acknowledge(6, || ());
        assert_eq!(live.room(4), 3);
        assert!(matches!(live.after(6), Next::Chunks(chunks) if chunks.len() == 1));
        assert!(matches!(live.after(7), Next::Nothing));
        assert!(matches!(live.after(3), Next::Gap(7)));
    }
}

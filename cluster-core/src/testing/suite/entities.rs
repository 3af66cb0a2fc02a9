//! What stands of one entity: its reminders and its requests, and how they go.

use std::time::Duration;

use super::Backend;
use super::fixture::{
    Runner, accepts, keyed, outcome, request, request_id, request_to, state_key, state_write, time,
};
use crate::id::{Epoch, MessageTag, Seq, StateVersion};
use crate::storage::{
    Accepted, AttemptWrite, Batch, DeadWrite, EntityRequest, EntityScan, HoldWrite, JournalEntry,
    JournalKind, Missing, ReminderKey, ReminderRow, ReminderWrite, RemovalWrite, Repeat,
    RequestRow,
};

fn reminder_key(entity: &str, message: &str) -> ReminderKey {
    ReminderKey { entity: state_key(entity), message: MessageTag::of(message) }
}

fn reminder_row(seq: u64) -> ReminderRow {
    ReminderRow { occurrence: Seq::new(seq), request: request_id(seq) }
}

fn set(key: ReminderKey, to: Option<ReminderRow>) -> Batch {
    let write = ReminderWrite { key, epoch: Epoch::new(1), to };
    Batch { reminders: vec![write], ..Batch::default() }
}

fn removal(seq: u64) -> RemovalWrite {
    RemovalWrite { seq: Seq::new(seq), shard: request(seq).shard }
}

impl Runner {
    async fn reminder(&self, entity: &str, message: &str) -> Option<ReminderRow> {
        let keys = vec![reminder_key(entity, message)];
        let mut found = self.storage.find_reminders(keys).await.unwrap();
        assert_eq!(found.len(), 1, "one answer for each question");
        found.remove(0)
    }

    async fn requests_of(&self, entity: &str, after: u64, limit: usize) -> Vec<EntityRequest> {
        let scan = EntityScan { entity: state_key(entity), after: Seq::new(after), limit };
        self.storage.requests_of(scan).await.unwrap()
    }

    async fn seqs_of(&self, entity: &str) -> Vec<u64> {
        let requests = self.requests_of(entity, 0, 1_000).await;
        requests.iter().map(|request| request.seq.as_u64()).collect()
    }

    /// Requests 1 to 6: pending, due, in back-off, held, dead, finished.
    async fn everywhere(&self) {
        let due = RequestRow { due_at: Some(time(100)), ..request(2) };
        let rows = vec![request(1), due, request(3), request(4), request(5), request(6)];
        self.accept(rows).await;
        let (shard, epoch) = (request(1).shard, Epoch::new(1));
        let attempt = |seq| AttemptWrite {
            seq: Seq::new(seq),
            shard,
            epoch,
            attempts: 1,
            retry_at: time(50),
            in_order: seq == 1,
            error: "once more".to_owned(),
        };
        let hold = HoldWrite {
            seq: Seq::new(4),
            shard,
            epoch,
            held_at: time(1),
            missing: Missing::Message,
        };
        let dead = DeadWrite {
            seq: Seq::new(5),
            shard,
            epoch,
            attempts: 3,
            error: "dead".to_owned(),
            died_at: time(1),
        };
        let batch = Batch {
            attempts: vec![attempt(1), attempt(3)],
            holds: vec![hold],
            dead: vec![dead],
            outcomes: vec![outcome(6)],
            ..Batch::default()
        };
        self.commit(batch).await.unwrap();
    }
}

// proves: B82
pub(super) async fn a_reminders_request_reads_back_with_its_period<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    let day = Duration::from_millis(86_400_001);
    let repeats = [None, Some(Repeat::Once), Some(Repeat::Every(day))];
    let rows = (1_u64..).zip(repeats).map(|(seq, reminder): (u64, _)| {
        let due_at = reminder.map(|_: Repeat| time(seq.cast_signed()));
        RequestRow { reminder, due_at, ..request(seq) }
    });
    runner.accept(rows.collect()).await;
    for (seq, reminder) in (1..).zip(repeats) {
        let found = runner.find(request_id(seq)).await.unwrap().request;
        assert_eq!(found.reminder, reminder);
    }
    let due: Vec<_> = runner.due().await.iter().map(|found| found.request.reminder).collect();
    assert_eq!(due, repeats[1..]);
}

// proves: B82
pub(super) async fn a_reminder_is_what_was_written_last<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    assert_eq!(runner.reminder("e", "ring").await, None);
    for (entity, message, seq) in [("e", "ring", 1), ("e", "chime", 2), ("f", "ring", 3)] {
        let batch = set(reminder_key(entity, message), Some(reminder_row(seq)));
        runner.commit(batch).await.unwrap();
    }
    // The same again, and then another.
    for seq in [1, 4] {
        let batch = set(reminder_key("e", "ring"), Some(reminder_row(seq)));
        runner.commit(batch).await.unwrap();
    }
    let keys = vec![
        reminder_key("f", "ring"),
        reminder_key("f", "chime"),
        reminder_key("e", "ring"),
        reminder_key("e", "chime"),
    ];
    let found = runner.storage.find_reminders(keys).await.unwrap();
    let expected = [Some(3), None, Some(4), Some(2)].map(|seq| seq.map(reminder_row));
    assert_eq!(found, expected, "in the order of the question");
    for _ in 0..2 {
        runner.commit(set(reminder_key("e", "ring"), None)).await.unwrap();
        assert_eq!(runner.reminder("e", "ring").await, None);
    }
    assert_eq!(runner.reminder("f", "ring").await, Some(reminder_row(3)));
}

// proves: B117
pub(super) async fn the_requests_of_an_entity_are_listed_wherever_they_stand<B: Backend>(
    backend: B,
) {
    let runner = Runner::start(&backend).await;
    runner.everywhere().await;
    // Another entity, and another type with an entity of the same id.
    let other_type = RequestRow { entity_type: "Other".into(), ..request(8) };
    runner.accept(vec![request_to(7, "f"), other_type]).await;
    let listed =
        |seq, finished| EntityRequest { seq: Seq::new(seq), id: request_id(seq), finished };
    let all: Vec<_> = (1..=6).map(|seq| listed(seq, seq == 6)).collect();
    assert_eq!(runner.requests_of("e", 0, 1_000).await, all);
    assert_eq!(runner.requests_of("e", 0, 2).await, all[..2]);
    assert_eq!(runner.requests_of("e", 2, 3).await, all[2..5]);
    assert_eq!(runner.requests_of("e", 6, 3).await, []);
    assert_eq!(runner.seqs_of("f").await, [7]);
    assert_eq!(runner.seqs_of("nobody").await, [0; 0]);
}

// proves: B117
pub(super) async fn a_removed_request_is_gone_from_wherever_it_stood<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    runner.everywhere().await;
    runner.accept(vec![request_to(7, "f")]).await;
    let entry = JournalEntry {
        execution: Seq::new(6),
        position: 0,
        shard: request(6).shard,
        epoch: Epoch::new(1),
        kind: JournalKind::StepEnded,
        name: "nap".into(),
        occurrence: 0,
        payload: "entry".into(),
        due_at: None,
        recorded_at: time(0),
    };
    runner.commit(Batch { journal: vec![entry], ..Batch::default() }).await.unwrap();
    // As often as it is written.
    for _ in 0..2 {
        let removals = (1..=6).map(removal).collect();
        runner.commit(Batch { removals, ..Batch::default() }).await.unwrap();
        assert_eq!(runner.seqs_of("e").await, [0; 0]);
    }
    for seq in 1..=6 {
        assert!(runner.find(request_id(seq)).await.is_none(), "{seq}");
    }
    assert_eq!(runner.waiting_seqs().await, [7]);
    assert_eq!(runner.storage.held(Seq::new(0), 10).await.unwrap().len(), 0);
    assert_eq!(runner.storage.dead_letters(Seq::new(0), 10).await.unwrap().len(), 0);
    let history = runner.storage.load_journal(Seq::new(6)).await.unwrap();
    assert_eq!(history.entries, []);
    // What is said of it later is dropped, and it was never there.
    runner.finish([1, 6]).await;
    assert!(runner.find(request_id(1)).await.is_none());
    assert!(matches!(
        runner.accept_one(RequestRow { seq: Seq::new(8), ..request(1) }).await,
        Accepted::New
    ));
    let waiting = runner.waiting().await;
    assert_eq!(waiting.last().unwrap().attempts, 0, "no attempt is left of it");
}

// proves: B117
pub(super) async fn a_forgotten_entity_has_neither_state_nor_reminders<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    for entity in ["e", "f"] {
        let states = vec![state_write(entity, 0, 1)];
        runner.commit(Batch { states, ..Batch::default() }).await.unwrap();
        for message in ["ring", "chime"] {
            let batch = set(reminder_key(entity, message), Some(reminder_row(1)));
            runner.commit(batch).await.unwrap();
        }
    }
    for _ in 0..2 {
        let forgotten = vec![state_key("e")];
        runner.commit(Batch { forgotten, ..Batch::default() }).await.unwrap();
        assert!(runner.state("e").await.is_none());
        assert_eq!(runner.reminder("e", "ring").await, None);
        assert_eq!(runner.reminder("e", "chime").await, None);
    }
    assert_eq!(runner.state("f").await.unwrap().version, StateVersion::new(1));
    assert_eq!(runner.reminder("f", "chime").await, Some(reminder_row(1)));
    // From nothing.
    let states = vec![state_write("e", 0, 1)];
    runner.commit(Batch { states, ..Batch::default() }).await.unwrap();
}

// proves: B117
pub(super) async fn what_was_cleared_begins_anew<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    runner.accept(vec![keyed(request(1), "k"), keyed(request_to(2, "f"), "k")]).await;
    runner.finish([1]).await;
    let batch =
        Batch { removals: vec![removal(1)], forgotten: vec![state_key("e")], ..Batch::default() };
    runner.commit(batch).await.unwrap();
    // The key runs again; that of the other entity is known.
    assert!(matches!(runner.accept_one(keyed(request(3), "k")).await, Accepted::New));
    let known = runner.accept_one(keyed(request_to(4, "f"), "k")).await;
    assert!(matches!(known, Accepted::SameKey(_)), "{known:?}");
    // A `seq` names one request for ever, also one that is gone.
    let removals = vec![removal(3)];
    runner.commit(Batch { removals, ..Batch::default() }).await.unwrap();
    assert_eq!(runner.storage.highest_seq().await.unwrap(), Seq::new(3));
    runner.commit(accepts(vec![request(5)])).await.unwrap();
    assert_eq!(runner.seqs_of("e").await, [5]);
}

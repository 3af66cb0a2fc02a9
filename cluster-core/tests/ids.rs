//! Ids: what their texts may be, and that makers of numbers never repeat themselves, whatever the
//! clock does.
#![allow(clippy::unwrap_used)] // Helpers of tests fail as tests do.

use std::collections::HashSet;
use std::time::Duration;

use cluster_core::id::{
    EntityId, Incarnation, InvalidText, Key, MachineId, RequestId, RequestIds, Seq, Snowflake,
    Snowflakes, TEXT_BYTES_MAX,
};
use cluster_core::time::{Timestamp, VirtualClock};

/// Times of a clock that runs, stands, leaps ahead, and steps back an hour again and again.
fn wild_clock() -> Vec<Timestamp> {
    let clock = VirtualClock::starting_at(Timestamp::from_unix_ms(1_790_000_000_000));
    let mut times = Vec::new();
    for round in 0..200 {
        match round % 10 {
            3 => clock.jump_wall_clock(-3_600_000),
            7 => clock.jump_wall_clock(3_500_000),
            _ => clock.advance(Duration::from_micros(700)),
        }
        // More than the 4,096 of one millisecond at some of them.
        let ids = if round % 20 == 5 { 10_000 } else { 30 };
        times.extend(std::iter::repeat_n(clock.wall(), ids));
    }
    times
}

fn machine(number: u16) -> MachineId {
    MachineId::new(number).unwrap()
}

// proves: B220
#[test]
fn snowflakes_grow_whatever_the_clock_does() {
    let maker = Snowflakes::above(machine(1023), Seq::new(0));
    let ids: Vec<Snowflake> = wild_clock().into_iter().map(|now| maker.next(now)).collect();
    assert!(ids.len() > 100_000);
    assert!(ids.is_sorted_by(|a, b| a < b), "growing, so none is there twice");
    assert!(ids.iter().all(|id| id.machine() == machine(1023)), "a full millisecond wraps nowhere");
    assert!(ids.iter().all(|id| i64::try_from(id.as_u64()).is_ok()), "63 bits");
}

// proves: B220
#[test]
fn a_full_millisecond_runs_ahead_of_the_clock_instead_of_wrapping() {
    let now = Timestamp::from_unix_ms(1_790_000_000_000);
    let maker = Snowflakes::above(machine(7), Seq::new(0));
    let ids: Vec<Snowflake> = (0..3 * 4_096).map(|_| maker.next(now)).collect();
    for (number, id) in ids.iter().enumerate() {
        let (ms, sequence) = (number / 4_096, number % 4_096);
        assert_eq!(id.timestamp(), now.after(Duration::from_millis(ms as u64)));
        assert_eq!((usize::from(id.sequence()), id.machine()), (sequence, machine(7)));
    }
}

// proves: B220
#[test]
fn snowflakes_start_above_what_was_given_before() {
    let hours_ahead = Snowflakes::above(machine(3), Seq::new(0));
    let last = hours_ahead.next(Timestamp::from_unix_ms(1_790_000_000_000 + 7_200_000));
    for number in [0, 2, 3, 4, 1023] {
        let maker = Snowflakes::above(machine(number), Seq::new(last.as_u64()));
        let next = maker.next(Timestamp::from_unix_ms(1_790_000_000_000));
        assert!(next > last, "machine {number}");
        assert_eq!(next.machine(), machine(number));
    }
}

// proves: B220
#[test]
fn the_parts_of_a_snowflake_can_be_read_back() {
    let now = Timestamp::from_unix_ms(1_704_067_200_000 + 12_345);
    let id = Snowflakes::above(machine(513), Seq::new(0)).next(now);
    assert_eq!(id.as_u64(), (12_345 << 22) | (513 << 12));
    assert_eq!((id.timestamp(), id.machine(), id.sequence()), (now, machine(513), 0));
    assert_eq!(id, Snowflake::from_u64(id.as_u64()));
    let before_the_epoch = Snowflakes::above(machine(0), Seq::new(0));
    assert!(before_the_epoch.next(Timestamp::from_unix_ms(-5)).as_u64() > 0);
}

// proves: B220
#[test]
fn snowflakes_of_many_threads_and_machines_are_unique() {
    let now = Timestamp::from_unix_ms(1_790_000_000_000);
    let makers: Vec<Snowflakes> =
        (0..4).map(|number| Snowflakes::above(machine(number), Seq::new(0))).collect();
    let ids: Vec<Snowflake> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                let maker = &makers[thread % 4];
                scope.spawn(move || (0..20_000).map(|_| maker.next(now)).collect::<Vec<_>>())
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 160_000);
}

// proves: B220
#[test]
fn request_ids_grow_whatever_the_clock_does() {
    for maker in [RequestIds::new(), RequestIds::seeded(1)] {
        let ids: Vec<RequestId> = wild_clock().into_iter().map(|now| maker.next(now)).collect();
        assert!(ids.is_sorted_by(|a, b| a < b), "growing, so none is there twice");
        let bytes: Vec<[u8; 16]> = ids.iter().map(|id| id.to_bytes()).collect();
        assert!(bytes.is_sorted(), "stored bytes stand in the order of the numbers");
    }
}

#[test]
fn two_makers_of_request_ids_never_meet() {
    let now = Timestamp::from_unix_ms(1_790_000_000_000);
    let (one, two) = (RequestIds::seeded(1), RequestIds::seeded(2));
    let ids: HashSet<RequestId> =
        (0..100_000).flat_map(|_| [one.next(now), two.next(now)]).collect();
    assert_eq!(ids.len(), 200_000);
    let again = RequestIds::seeded(1);
    assert!(ids.contains(&again.next(now)), "a seed makes the same ids again");
}

#[test]
fn a_request_id_is_read_back_from_its_text_bytes_and_number() {
    let now = Timestamp::from_unix_ms(1_790_000_000_123);
    let id = RequestIds::new().next(now);
    assert_eq!(id.timestamp(), now);
    assert_eq!(id.to_string().parse(), Ok(id));
    assert_eq!(RequestId::from_bytes(id.to_bytes()), id);
    assert_eq!(RequestId::from_u128(id.as_u128()), id);
    for text in ["", "7", &"g".repeat(32), &"0".repeat(33), &"+".repeat(32), "é"] {
        assert!(text.parse::<RequestId>().is_err(), "{text:?}");
    }
}

// proves: B107
#[test]
fn ids_and_keys_have_1_to_1024_bytes() {
    assert_eq!(TEXT_BYTES_MAX, 1024);
    for good in ["a", "\0", "🦀", &"x".repeat(1024), &"🦀".repeat(256)] {
        assert_eq!(EntityId::from(good).check(), Ok(()));
        assert_eq!(Key::new(good).unwrap().as_str(), good);
    }
    assert_eq!(EntityId::from("").check(), Err(InvalidText::Empty));
    assert_eq!(Key::new(""), Err(InvalidText::Empty));
    for (long, bytes) in [("x".repeat(1025), 1025), ("🦀".repeat(257), 1028)] {
        assert_eq!(EntityId::from(&long).check(), Err(InvalidText::TooLong { bytes }));
        assert_eq!(Key::new(long), Err(InvalidText::TooLong { bytes }));
    }
}

#[test]
fn machines_have_ten_bits() {
    assert_eq!(MachineId::new(1023), Some(MachineId::MAX));
    assert_eq!(MachineId::new(1024), None);
    let of = |number| MachineId::of_incarnation(Incarnation::new(number)).as_u16();
    assert_eq!([of(0), of(1), of(1023), of(1024), of(u64::MAX)], [0, 1, 1023, 0, 1023]);
}

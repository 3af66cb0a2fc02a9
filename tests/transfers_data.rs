//! The bank's input is what its example and its documentation say it is: 100,000 transfers, each
//! rejected for at most one reason, and none for a reason that depends on the order of the rows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const ACCOUNTS: usize = 5_000;

fn transfers() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/transfers.csv");
    std::fs::read_to_string(path).expect("the transfers are part of the repository")
}

fn exists(account: &str) -> bool {
    let digits = account.strip_prefix("acc-").filter(|digits| digits.len() == 4);
    let number = digits.and_then(|digits| digits.parse::<usize>().ok());
    number.is_some_and(|number| number < ACCOUNTS)
}

fn faults(from: &str, to: &str, cents: i64) -> Vec<&'static str> {
    let all = [
        (!exists(from), "unknown sender"),
        (!exists(to), "unknown receiver"),
        (cents == 0, "zero"),
        (cents < 0, "negative"),
        (from == to, "both sides the same"),
    ];
    all.into_iter().filter_map(|(holds, fault)| holds.then_some(fault)).collect()
}

#[test]
fn the_transfers_cover_every_account_and_every_reason_to_reject_once() {
    let text = transfers();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("id,from,to,cents"));
    let mut ids = BTreeSet::new();
    let mut accounts = BTreeSet::new();
    let mut rejected: BTreeMap<&str, u32> = BTreeMap::new();
    for line in lines {
        let columns: Vec<&str> = line.split(',').collect();
        let [id, from, to, cents] = columns[..] else { panic!("not four columns: {line}") };
        assert!(ids.insert(id), "{id} stands there twice");
        let faults = faults(from, to, cents.parse().expect("cents are a whole number"));
        match faults[..] {
            [] => accounts.extend([from, to]),
            [fault] => *rejected.entry(fault).or_default() += 1,
            _ => panic!("{id} is rejected for more than one reason: {faults:?}"),
        }
    }
    assert_eq!(ids.len(), 100_000);
    assert_eq!(accounts.len(), ACCOUNTS);
    assert_eq!(rejected.len(), 5);
    assert!(rejected.values().all(|count| *count == 400), "{rejected:?}");
}

//! The small examples print what their comments promise, also when they are run again.

use crate::program::{Folder, example, printed};

/// Runs an example several times in one folder.
fn runs<const TIMES: usize>(name: &str) -> [String; TIMES] {
    let folder = Folder::new(name);
    std::array::from_fn(|_| printed(&mut example(name, &folder)))
}

#[test]
fn the_counter_goes_on_counting() {
    let [first, second] = runs("counter");
    assert_eq!(first, "added: 5, read: 5");
    assert_eq!(second, "added: 10, read: 10");
}

#[test]
fn the_readme_shows_the_counter() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
    let (readme, counter) = (read("README.md"), read("examples/counter.rs"));
    let (_, program) = counter.split_once("\n\n").unwrap();
    assert!(readme.contains(program), "README.md and examples/counter.rs differ");
}

// proves: B31
#[test]
fn a_paid_invoice_is_not_paid_again() {
    let [first, second] = runs("transfer");
    for (printed, left, after) in [(first, 4000, 4005), (second, 4005, 4010)] {
        let lines: Vec<_> = printed.lines().collect();
        let [only, alice, bob] = lines[..] else { panic!("{printed}") };
        assert_eq!(only, format!("only {left} left"));
        let (receipt, alice) = alice.split_once(": ").unwrap();
        assert!(receipt.parse::<cluster::prelude::RequestId>().is_ok(), "{receipt}");
        assert_eq!((alice, bob), (&*format!("alice now holds {after}"), "bob now holds 1000"));
    }
}

// proves: B11
#[test]
fn services_come_from_the_factory_and_state_from_the_database() {
    let [first, second] = runs("services");
    let subscribed = "mail.example: subscribed ada@mail.example";
    let refused = "refused: no tenant";
    assert_eq!(first, format!("{subscribed}\nunread: 1\n{refused}"));
    assert_eq!(second, format!("{subscribed}\nunread: 2\n{refused}"));
}

#[test]
fn the_users_rows_change_with_the_entity() {
    let [first, second] = runs("own_sql");
    assert_eq!(first, "open orders: 1\nlamp is sold out\nlamps left: 1");
    assert_eq!(second, "open orders: 2\nlamp is sold out\nlamps left: 1");
}

#[test]
fn a_subscription_is_renewed_read_and_redriven() {
    let [first, second] = runs("later");
    let lines: Vec<_> = first.lines().collect();
    assert_eq!(lines[0], "Invoice { number: 1, cents: 990 }");
    let dead = "Subscription/s-2 renew after 2 attempts: nobody has subscribed";
    assert_eq!(lines[1..], [dead]);
    assert_eq!(first, second, "it is in memory only");
}

#[test]
fn an_order_is_charged_and_shipped_once() {
    let [first, second] = runs("order");
    let (token, result) = ("order/approval/1/47", "4700 cents paid, on its way to Rome");
    let lines: std::collections::BTreeSet<_> = first.lines().collect();
    let accepted = format!("{token}: Accepted");
    let charged = "charging 4700 cents, known by a key";
    assert_eq!(lines, [charged, result, &accepted, "shipping shelf 47"].into(), "{first}");
    assert_eq!(second, format!("{token}: ExecutionEnded\n{result}"));
}

// proves: B3
#[test]
fn a_contract_is_served_by_another_crate() {
    let [first] = runs("server");
    let answers = ["fibonacci(12) is 144", "fibonacci(13): 13 is unlucky"];
    assert_eq!(first, format!("{}\nfibonacci(16): too much math", answers.join("\n")));
}

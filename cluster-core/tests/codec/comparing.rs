//! Arguments under one key are compared by what they say, not by how a hash map happened to lie.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use cluster_core::codec::{Json, arguments_equal, encode, encode_json};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::types::{Unordered, everything};
use crate::{LIMIT, payload, schema};

/// A value of the type whose maps and sets were filled in this order.
fn unordered(order: impl Iterator<Item = u16> + Clone, list: [u16; 2]) -> Unordered {
    Unordered {
        map: order.clone().map(|number| (number.to_string(), number as u8)).collect(),
        set: order.collect(),
        list: list.to_vec(),
        json: Json(json!({ "a": 1, "b": [1, 2] })),
    }
}

/// Maps, hash sets and JSON objects in any order are equal; anything else that differs is not.
#[test]
fn order_that_says_nothing() {
    let shape = schema::<Unordered>();
    let equal =
        |a: &Unordered, b: &Unordered| arguments_equal(&payload(a), &payload(b), shape.shape());
    let first = unordered(0..100, [1, 2]);
    // Each hash map has an order of its own: some of these differ in their bytes.
    let others: Vec<Unordered> = (0..4).map(|_| unordered((0..100).rev(), [1, 2])).collect();
    assert!(others.iter().any(|other| payload(other) != payload(&first)));
    assert!(others.iter().all(|other| equal(&first, other)));
    assert!(!equal(&first, &unordered(0..100, [2, 1])));
    assert!(!equal(&first, &unordered(0..99, [1, 2])));
    assert!(!equal(&first, &unordered(1..101, [1, 2])));
}

/// JSON text is compared as what it means.
#[test]
fn json_inside() {
    let text = |text: &str| {
        let mut bytes = payload(&Json(json!(null)))[..9].to_vec();
        bytes.push(text.len() as u8);
        bytes.extend_from_slice(text.as_bytes());
        bytes
    };
    let shape = schema::<Json<serde_json::Value>>();
    let equal = |a: &str, b: &str| arguments_equal(&text(a), &text(b), shape.shape());
    assert!(equal(r#"{"a":1,"b":2}"#, r#"{ "b": 2, "a": 1 }"#));
    assert!(!equal("[1,2]", "[2,1]"));
    assert!(equal(r#"{"a":[{},[ ]],"b":"\u0041"}"#, r#" {"b":"A","a":[{ },[]]} "#));
    assert!(!equal(r#"["A"]"#, r#"["A","A"]"#));
    assert!(!equal(r#"{"a":1}"#, r#"{"a":1,"b":2}"#));
    // Texts that look like punctuation.
    assert!(!equal(r#"["a,b"]"#, r#"["a","b"]"#));
    assert!(equal(r#"["\"}]",1]"#, r#"[ "\u0022}]" ,1 ]"#));
    // Of a name that stands twice the last one counts.
    assert!(equal(r#"{"a":1,"a":2}"#, r#"{"a":2}"#));
    assert!(!equal("true", "false"));
    assert!(!equal("null", "nul"));
}

/// Numbers are compared exactly, however large, and whatever way they are written in.
#[test]
fn numbers_inside_json() {
    let shape = schema::<Json<serde_json::Value>>();
    let header = payload(&Json(json!(null)))[..9].to_vec();
    let equal = |a: &str, b: &str| {
        let text = |text: &str| [&header, &[text.len() as u8][..], text.as_bytes()].concat();
        arguments_equal(&text(a), &text(b), shape.shape())
    };
    assert!(!equal("18446744073709551616", "18446744073709551617"));
    assert!(!equal("[1.00000000000000000001]", "[1.00000000000000000002]"));
    assert!(!equal("1", "-1"));
    assert!(!equal("1", "1.0"));
    assert!(!equal("10", "1"));
    assert!(!equal("1e400", "1e401"));
    assert!(!equal("1.5e99", "1.5e98"));
    for same in ["1e2", "100.0", "1.0e+2", "1E2", "100.000", "1000e-1", "0.1e3"] {
        assert!(equal(&format!("[{same}]"), "[1e2 ]"), "{same}");
    }
    assert!(equal("[0.0]", "[0e5 ]"));
    assert!(!equal("0.0", "-0.0"));
}

/// Two values wider than any number of a JSON library, in each of the formats.
#[test]
fn wide_integers() {
    let [a, b] = [u128::MAX, u128::MAX - 1].map(Json);
    assert!(!arguments_equal(&payload(&a), &payload(&b), schema::<Json<u128>>().shape()));
    let numbers = schema::<Vec<u128>>();
    let json = |number: u128| encode_json(&vec![number], &numbers, LIMIT).unwrap();
    assert!(!arguments_equal(&json(1 << 64), &json((1 << 64) + 1), numbers.shape()));
    assert!(arguments_equal(&json(1 << 64), &json(1 << 64), numbers.shape()));
}

/// Maps inside maps, variants and options are sorted too.
#[test]
fn nested_maps() {
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    enum Tree {
        Leaf(Option<HashSet<String>>),
        Node { children: HashMap<String, Tree> },
    }
    fn tree(names: impl Iterator<Item = u8> + Clone, depth: usize) -> Tree {
        if depth == 0 {
            return Tree::Leaf(Some(names.map(|name| name.to_string()).collect()));
        }
        let child = |name: u8| (name.to_string(), tree(names.clone(), depth - 1));
        Tree::Node { children: names.clone().map(child).collect() }
    }
    let (a, b) = (payload(&tree(0..12, 2)), payload(&tree((0..12).rev(), 2)));
    assert_ne!(a, b);
    assert!(arguments_equal(&a, &b, schema::<Tree>().shape()));
}

/// Only one contract is compared: others, and other formats, count as equal.
#[test]
fn other_contracts_are_not_compared() {
    let (one, two) = (payload(&BTreeMap::from([(1_u8, 1_u8)])), payload(&BTreeSet::from([1_u8])));
    let shape = schema::<BTreeMap<u8, u8>>();
    assert!(arguments_equal(&one, &two, shape.shape()));
    assert!(arguments_equal(&two, &one, shape.shape()));
    let json = encode_json(&BTreeMap::from([(2, 2)]), &shape, LIMIT).unwrap();
    assert!(arguments_equal(&one, &json, shape.shape()));
    let other = encode_json(&BTreeMap::from([(3, 3)]), &shape, LIMIT).unwrap();
    assert!(!arguments_equal(&json, &other, shape.shape()));
    let numbers = schema::<u8>();
    let number = |number: u8| encode(&number, &numbers, LIMIT).unwrap();
    assert!(!arguments_equal(&number(1), &number(2), numbers.shape()));
    assert!(arguments_equal(&number(1), &number(2), shape.shape()));
}

/// What cannot be read equals only itself.
#[test]
fn malformed_payloads() {
    let good = payload(&everything());
    let shape = schema::<crate::types::Everything>();
    let cut = &good[..good.len() - 1];
    assert!(!arguments_equal(&good, cut, shape.shape()));
    assert!(arguments_equal(cut, cut, shape.shape()));
    assert!(!arguments_equal(&good, &[], shape.shape()));
    assert!(!arguments_equal(&[9], &[8], shape.shape()));
}

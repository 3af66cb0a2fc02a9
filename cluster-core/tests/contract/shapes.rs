//! Every type of the corpus has the shape and fingerprint that stand in `shapes.txt`: for ever,
//! since stored payloads carry them. A difference there is a break of stored data, whatever caused
//! it.

use std::fmt::Write;

use cluster_core::contract::{Schema, trace};
use serde::de::DeserializeOwned;

use crate::corpus::each;

thread_local! {
    static TEXT: std::cell::RefCell<String> = const { std::cell::RefCell::new(String::new()) };
}

fn show<T: DeserializeOwned>(name: &str) {
    TEXT.with_borrow_mut(|text| {
        match trace::<T>() {
            Ok(shape) => {
                writeln!(text, "{name}  {}", shape.fingerprint()).unwrap();
                shape.to_string().lines().for_each(|line| writeln!(text, "  {line}").unwrap());
            }
            Err(error) => writeln!(text, "{name}  refused\n  {error}").unwrap(),
        }
        text.push('\n');
    });
}

/// Shapes and fingerprints of the whole corpus are what they always were.
// proves: B228
#[test]
fn the_corpus_has_its_golden_shapes() {
    each!(show);
    let (actual, golden) = (TEXT.take(), include_str!("shapes.txt"));
    let differs = actual.lines().zip(golden.lines()).find(|(actual, golden)| actual != golden);
    assert_eq!(differs, None, "in the golden file:\n{actual}");
    assert_eq!(actual.trim_end().len(), golden.trim_end().len(), "{actual}");
}

/// Tracing twice gives the same, and so does every clone of a schema.
#[test]
fn tracing_is_stable() {
    fn same<T: DeserializeOwned>(_name: &str) {
        if let Ok(first) = Schema::of::<T>() {
            let second = Schema::of::<T>().unwrap().clone();
            assert_eq!(first.shape(), second.shape());
            assert_eq!(first.fingerprint(), second.fingerprint());
        }
    }
    each!(same);
}

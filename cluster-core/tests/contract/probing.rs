//! The probe finds in a test what the encoder would refuse later.

use cluster_core::codec::{ProbeReport, probe};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::corpus::{SkipIf, SkipSer, SkipVar, TagStruct, Weird, each};

fn paths(report: &ProbeReport) -> Vec<&str> {
    report.wrong.iter().map(|finding| finding.path.as_str()).collect()
}

/// What a type writes but does not read, or reads but does not write, is reported by field path.
// proves: B228
#[test]
fn skipped_fields_are_found() {
    assert_eq!(paths(&probe::<SkipIf>().unwrap()), ["SkipIf.s"]);
    assert_eq!(paths(&probe::<SkipSer>().unwrap()), ["SkipSer.s"]);
    assert_eq!(paths(&probe::<SkipVar>().unwrap()), ["SkipVar::B", "SkipVar::C"]);
    assert_eq!(paths(&probe::<TagStruct>().unwrap()), ["TagStruct.type"]);
}

/// They are found deep inside too, whatever value makes them show.
// proves: B228
#[test]
fn skipped_fields_are_found_at_any_depth() {
    #[derive(Serialize, Deserialize)]
    struct Inner {
        #[serde(default, skip_serializing_if = "String::is_empty")]
        text: String,
        #[serde(default, skip_serializing_if = "is_zero")]
        number: i64,
        #[serde(default, skip_serializing_if = "Option::is_some")]
        odd: Option<u8>,
    }
    fn is_zero(number: &i64) -> bool {
        *number == 0
    }
    #[derive(Serialize, Deserialize)]
    enum Outer {
        Empty,
        Full(Vec<Option<Inner>>),
    }
    let report = probe::<(u8, Outer)>().unwrap();
    let mut paths = paths(&report);
    paths.sort_unstable();
    let inner = "(u8, Outer).1::Full[0]";
    let expected = ["number", "odd", "text"].map(|field| format!("{inner}.{field}"));
    assert_eq!(paths, expected);
}

/// Every other type of the corpus comes back as it was written, in every alternative.
#[test]
fn the_corpus_is_proved() {
    // The first four are wrong, `Weird` accepts no made-up value, and `Jiff` reads back a `Zoned`
    // only where a time zone database is installed.
    const OTHERS: [&str; 6] = ["SkipIf", "SkipSer", "SkipVar", "TagStruct", "Weird", "Jiff"];
    fn one<T: Serialize + DeserializeOwned>(name: &str) {
        let Ok(report) = probe::<T>() else { return };
        if !OTHERS.contains(&name) {
            assert_eq!((&report.wrong, &report.unproved), (&vec![], &vec![]), "{name}");
            assert!(report.proved > 0, "{name}");
        }
    }
    each!(one);
}

/// What no made-up value reaches is reported as unproved, not passed over.
#[test]
fn unreached_places_are_reported() {
    let report = probe::<Weird>().unwrap();
    assert_eq!(report.proved, 0);
    assert_eq!(report.unproved[0].path, "Weird.w");
    assert!(report.unproved[0].why.contains("no Magic"), "{:?}", report.unproved);
}

/// A type that writes something valid but different is told from one that comes back.
#[test]
fn other_values_are_found() {
    #[derive(Deserialize)]
    struct Forgetful {
        number: u32,
    }
    impl Serialize for Forgetful {
        fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeStruct;
            let mut fields = to.serialize_struct("Forgetful", 1)?;
            fields.serialize_field("number", &(self.number + 1))?;
            fields.end()
        }
    }
    let report = probe::<Forgetful>().unwrap();
    assert_eq!(report.proved, 0);
    assert!(report.wrong[0].why.contains("comes back as"), "{:?}", report.wrong);
}

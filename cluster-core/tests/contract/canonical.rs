//! The specification of canonical bytes and fingerprints, by examples worked out by hand.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use cluster_core::contract::{Fingerprint, Shape, trace};
use serde::Deserialize;
use xxhash_rust::xxh3::xxh3_64;

fn fingerprint_of(canonical: &[u8]) -> Fingerprint {
    let mut hashed = b"dur1\n".to_vec();
    hashed.extend_from_slice(canonical);
    Fingerprint::from_u64(xxh3_64(&hashed))
}

fn assert_canonical(shape: &Shape, canonical: &[u8]) {
    assert_eq!(shape.canonical_bytes(), canonical);
    assert_eq!(shape.fingerprint(), fingerprint_of(canonical));
}

/// Canonical bytes and fingerprint of a leaf: one node, the tag of leaves, the leaf's own tag.
#[test]
fn leaves() {
    macro_rules! leaf {
        ($($type:ty = $tag:literal,)*) => {
            $(assert_canonical(&trace::<$type>().unwrap(), &[1, 0, $tag]);)*
        };
    }
    leaf! {
        () = 0, bool = 1, u8 = 2, u16 = 3, u32 = 4, u64 = 5, u128 = 6, i8 = 7, i16 = 8, i32 = 9,
        i64 = 10, i128 = 11, f32 = 12, f64 = 13, char = 14, String = 15, serde_bytes::ByteBuf = 16,
        cluster_core::codec::Json<u8> = 17, usize = 5, isize = 10,
    }
    assert_eq!(trace::<u64>().unwrap().fingerprint().to_string(), "0552c7b3bf642750");
}

/// Every kind of node below a root, numbered as a walk meets them, equal ones once.
#[test]
fn nodes() {
    // One option of node 1, which is the leaf u8.
    assert_canonical(&trace::<Option<u8>>().unwrap(), &[2, 1, 1, 0, 2]);
    assert_canonical(&trace::<Vec<u8>>().unwrap(), &[2, 2, 1, 0, 2]);
    assert_canonical(&trace::<BTreeMap<u8, String>>().unwrap(), &[3, 3, 1, 2, 0, 2, 0, 15]);
    assert_canonical(&trace::<BTreeMap<u8, u8>>().unwrap(), &[2, 3, 1, 1, 0, 2]);
    assert_canonical(&trace::<(u8, bool, u8)>().unwrap(), &[3, 4, 3, 1, 2, 1, 0, 2, 0, 1]);
    assert_canonical(&trace::<[u8; 4]>().unwrap(), &[2, 4, 4, 1, 1, 1, 1, 0, 2]);

    #[derive(Deserialize)]
    struct Unit;
    assert_canonical(&trace::<Unit>().unwrap(), &[1, 5]);

    #[derive(Deserialize)]
    #[allow(dead_code)] // only its shape is of interest
    struct Newtype(u8);
    assert_canonical(&trace::<Newtype>().unwrap(), &[2, 6, 1, 0, 2]);

    #[derive(Deserialize)]
    #[allow(dead_code)] // only its shape is of interest
    struct TupleStruct(u8, u8);
    assert_canonical(&trace::<TupleStruct>().unwrap(), &[2, 7, 2, 1, 1, 0, 2]);

    #[derive(Deserialize)]
    #[allow(dead_code)] // only its shape is of interest
    struct Struct {
        id: u8,
        #[serde(alias = "on", alias = "i")]
        is: bool,
    }
    let fields = [&[2, 1, 2][..], b"id", &[1, 3, 1], b"i", &[2], b"is", &[2], b"on", &[2]].concat();
    let canonical = [&[3, 8][..], &fields, &[0, 2, 0, 1]].concat();
    assert_canonical(&trace::<Struct>().unwrap(), &canonical);

    #[derive(Deserialize)]
    #[allow(dead_code)] // only its shape is of interest
    enum Enum {
        A,
        B(u8),
        C(u8, bool),
        D { x: bool },
    }
    let variants = [
        &[4, 1, 1][..],
        b"A",
        &[0],
        &[1, 1],
        b"B",
        &[1, 1],
        &[1, 1],
        b"C",
        &[2, 2, 1, 2],
        &[1, 1],
        b"D",
        &[3, 1, 1, 1],
        b"x",
        &[2],
    ]
    .concat();
    let canonical = [&[3, 9][..], &variants, &[0, 2, 0, 1]].concat();
    assert_canonical(&trace::<Enum>().unwrap(), &canonical);
}

/// A type that holds itself is a table whose nodes lead back, however often it is unrolled in code.
#[test]
fn recursion() {
    #[derive(Deserialize)]
    #[allow(dead_code)] // only its shape is of interest
    struct List {
        next: Option<Box<List>>,
    }
    let canonical = [&[2, 8, 1, 1, 4][..], b"next", &[1, 1, 0]].concat();
    assert_canonical(&trace::<List>().unwrap(), &canonical);

    #[derive(Deserialize)]
    #[allow(dead_code)] // only its shape is of interest
    struct Unrolled {
        next: Option<List>,
    }
    assert_canonical(&trace::<Unrolled>().unwrap(), &canonical);
}

/// What the wire does not show changes nothing: pointers, the name of a type, the kind of a map or
/// set.
#[test]
fn equal_on_the_wire_is_equal() {
    #[derive(Deserialize)]
    #[allow(dead_code)] // only its shape is of interest
    struct Item {
        sku: String,
    }
    mod renamed {
        #[derive(serde::Deserialize)]
        #[allow(dead_code)] // only its shape is of interest
        pub(super) struct Article {
            sku: Box<str>,
        }
    }
    let same = [
        trace::<Item>().unwrap().fingerprint(),
        trace::<renamed::Article>().unwrap().fingerprint(),
        trace::<Box<Item>>().unwrap().fingerprint(),
        trace::<Arc<Item>>().unwrap().fingerprint(),
    ];
    assert!(same.iter().all(|fingerprint| *fingerprint == same[0]));
    assert_eq!(
        trace::<HashMap<String, HashSet<u8>>>().unwrap().fingerprint(),
        trace::<BTreeMap<Cow<'static, str>, Vec<u8>>>().unwrap().fingerprint(),
    );
}

/// What would be read as something else changes the fingerprint.
#[test]
fn every_difference_on_the_wire_counts() {
    macro_rules! structs {
        ($($name:ident { $($body:tt)* })*) => {
            [$({
                #[derive(Deserialize)]
                #[allow(dead_code)] // only its shape is of interest
                struct $name { $($body)* }
                trace::<$name>().unwrap().fingerprint()
            }),*]
        };
    }
    let mut all = structs! {
        Base { a: u32, b: u32 }
        Swapped { b: u32, a: u32 }
        Renamed { a: u32, c: u32 }
        Retyped { a: u32, b: u64 }
        Shorter { a: u32 }
        Longer { a: u32, b: u32, c: u32 }
        Optional { a: u32, b: Option<u32> }
        Tupled { a: (u32, u32), b: u32 }
        Arrayed { a: [u32; 3], b: u32 }
        Listed { a: Vec<u32>, b: u32 }
        Aliased { a: u32, #[serde(alias = "c")] b: u32 }
    }
    .to_vec();
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count);
}

/// A fingerprint prints as 16 digits, and its number is what it was made from.
#[test]
fn fingerprints_print_in_full() {
    let fingerprint = Fingerprint::from_u64(0x0012_3456_789a_bcde);
    assert_eq!(fingerprint.to_string(), "00123456789abcde");
    assert_eq!(fingerprint.as_u64(), 0x0012_3456_789a_bcde);
    assert_eq!(serde_json::to_string(&fingerprint).unwrap(), "5124095576030430");
}

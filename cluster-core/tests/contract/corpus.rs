//! Types as users hold them in messages and state: every form that serde's derive knows, and what
//! other crates write by hand. `each!` calls a generic function for all of them.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::num::{NonZeroU8, NonZeroU32, NonZeroU64, Wrapping};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize};

macro_rules! derived {
    ($($item:item)*) => {
        $(#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)] $item)*
    };
}

// Plain structs and enums.
derived! {
    pub(crate) struct Item { pub sku: String, pub qty: u32, pub price: i64 }
    pub(crate) struct Order {
        pub id: u64, pub items: Vec<Item>, pub note: Option<String>, pub at: Instant,
    }
    pub(crate) struct Instant(pub u64);
    pub(crate) struct Unit;
    pub(crate) struct Tup(pub u8, pub String, pub Option<Item>);
    pub(crate) enum Kinds { A, B(u8), C(u8, Item), D { x: u8, y: Vec<Item> }, E(Box<Order>) }
    pub(crate) struct NestedEnum { pub a: Kinds, pub b: Result<Kinds, Status> }
    pub(crate) enum Status { Open, Closed, Held }
    pub(crate) enum Big {
        V0, V1, V2, V3, V4, V5, V6, V7, V8, V9, V10(Item), V11, V12, V13, V14, V15, V16, V17, V18,
        V19, V20, V21, V22, V23, V24, V25, V26, V27, V28, V29, V30 { a: Kinds }, V31, V32, V33, V34,
        V35, V36, V37, V38, V39, V40, V41, V42, V43, V44, V45, V46, V47, V48, V49, V50, V51, V52,
        V53, V54, V55, V56, V57, V58, V59,
    }
    pub(crate) struct Prims {
        a: bool, b: i8, c: i16, d: i32, e: i64, f: i128, g: u8, h: u16, i: u32, j: u64, k: u128,
        l: f32, m: f64, n: char, o: String, p: (), q: usize, r: isize,
    }
    pub(crate) struct Colls {
        a: Vec<u8>, b: HashMap<String, Item>, c: BTreeMap<u32, Vec<Item>>, d: (u8, String, Item),
        e: [u16; 5], f: HashSet<String>, g: VecDeque<u8>, h: Vec<Option<Vec<Item>>>, i: [Item; 3],
    }
}

// Types that hold themselves, generics, and two types of one name.
derived! {
    pub(crate) struct RecBox { v: u8, next: Option<Box<RecBox>> }
    pub(crate) struct RecVec {
        v: u8, kids: Vec<RecVec>, named: BTreeMap<String, RecVec>, tail: String,
    }
    pub(crate) enum Expr {
        Add(Box<Expr>, Box<Expr>), Neg(Box<Expr>), Lit(i64), Call { f: String, args: Vec<Expr> },
    }
    pub(crate) struct MutA { b: Option<Box<MutB>>, n: u8 }
    pub(crate) struct MutB { a: Vec<MutA>, e: Expr, s: String }
    pub(crate) struct Gen<T> { v: T, n: u8 }
    pub(crate) struct GenTwice { a: Gen<u32>, b: Gen<String>, c: Gen<Gen<Item>> }
    pub(crate) struct SameName { a: one::Thing, b: two::Thing }
    #[serde(transparent)]
    pub(crate) struct TransRec { v: Vec<TransRec> }
}

pub(crate) mod one {
    use super::*;
    derived! { pub(crate) struct Thing { pub a: u8 } }
}

pub(crate) mod two {
    use super::*;
    derived! { pub(crate) struct Thing { pub a: String, pub b: u8 } }
}

// The standard library and other crates.
derived! {
    pub(crate) struct Uuids { a: uuid::Uuid, b: Option<uuid::Uuid>, t: (uuid::Uuid, u8) }
    pub(crate) struct Chrono {
        a: chrono::DateTime<chrono::Utc>, b: chrono::NaiveDate, c: chrono::NaiveDateTime,
        d: chrono::Weekday,
    }
    pub(crate) struct ChronoTs {
        #[serde(with = "chrono::serde::ts_milliseconds")] a: chrono::DateTime<chrono::Utc>, b: u8,
    }
    pub(crate) struct Jiff {
        a: jiff::Timestamp, b: jiff::Zoned, c: jiff::SignedDuration, d: jiff::civil::Date,
    }
    pub(crate) struct Time { a: time::OffsetDateTime, b: time::Date, c: time::Duration, z: u8 }
    pub(crate) struct StdTime { a: Duration, b: SystemTime, z: u8 }
    pub(crate) struct Net {
        a: std::net::IpAddr, b: std::net::SocketAddr, c: std::net::Ipv4Addr, z: u8,
    }
    pub(crate) struct Withs {
        #[serde(with = "serde_bytes")] a: Vec<u8>, #[serde(with = "hex")] b: Vec<u8>,
        c: serde_bytes::ByteBuf,
    }
    pub(crate) struct CowS {
        a: Cow<'static, str>, b: std::sync::Arc<str>, c: Box<[u8]>, d: std::rc::Rc<Item>,
    }
    pub(crate) struct NonZ {
        a: NonZeroU32, b: Option<NonZeroU64>, t: (NonZeroU8, String), m: HashMap<NonZeroU32, Item>,
    }
    pub(crate) struct Url { a: url::Url, b: Vec<url::Url>, t: (url::Url, u8) }
    pub(crate) struct Small {
        a: semver::Version, b: smol_str::SmolStr, c: bytes::Bytes,
        d: indexmap::IndexMap<String, u8>, e: arrayvec::ArrayVec<u8, 4>,
        f: ordered_float::OrderedFloat<f64>, z: u8,
    }
    pub(crate) struct Decimal { a: rust_decimal::Decimal, z: u8 }
    pub(crate) struct Misc {
        a: std::ops::Range<u32>, b: std::ops::Bound<u8>, c: std::cmp::Reverse<u8>, d: Wrapping<u8>,
        e: std::marker::PhantomData<Item>, f: std::path::PathBuf, g: std::cell::Cell<u8>,
    }
    pub(crate) struct Os { a: std::ffi::OsString }
}

// What derive attributes change.
derived! {
    pub(crate) struct Alias {
        #[serde(alias = "aa", alias = "zz")] m: u8, #[serde(rename = "bee")] b: String,
        #[serde(default)] c: u32,
    }
    pub(crate) enum AliasVar { #[serde(alias = "Old")] New, B(u8) }
    pub(crate) struct SkipF { a: u8, #[serde(skip)] s: u32, b: String }
    pub(crate) struct SkipIf {
        a: u8, #[serde(skip_serializing_if = "Option::is_none", default)] s: Option<u32>, b: String,
    }
    pub(crate) struct SkipSer { a: u8, #[serde(skip_serializing, default)] s: u32, b: String }
    #[allow(dead_code)] // skipped
    pub(crate) enum SkipVar { A, #[serde(skip)] Hidden, B, C(u8) }
    #[serde(transparent)]
    pub(crate) struct Trans { v: Item }
    #[serde(from = "u32", into = "u32")]
    pub(crate) struct FromU32 { v: u32 }
    #[serde(try_from = "(u32, u32)", into = "(u32, u32)")]
    pub(crate) struct Ordered { lo: u32, hi: u32 }
    #[serde(deny_unknown_fields)]
    pub(crate) struct Deny { a: u8, b: Item }
    #[serde(default)]
    #[derive(Default)]
    pub(crate) struct AllDef { a: u8, b: String }
    pub(crate) enum Never {}
    pub(crate) struct HasNever { r: Result<u8, Never>, z: u8 }
    pub(crate) enum OtherV { A, B, #[serde(other)] Unknown }
}

// What needs a format that describes itself.
derived! {
    pub(crate) struct HasJson { a: u8, v: serde_json::Value }
    pub(crate) struct Flat { a: u8, #[serde(flatten)] i: Item }
    pub(crate) struct FlatMap { a: u8, #[serde(flatten)] i: BTreeMap<String, u8> }
    #[serde(untagged)]
    pub(crate) enum Untag { A(u8), B(String) }
    #[serde(tag = "t")]
    pub(crate) enum IntTag { A { x: u8 }, B { y: String } }
    #[serde(tag = "t", content = "c")]
    pub(crate) enum AdjTag { A(u8), B { y: String }, C }
    #[serde(tag = "type")]
    pub(crate) struct TagStruct { x: u8 }
}

// Types that accept few values.
derived! {
    pub(crate) struct Valid { a: Even, b: Email, t: (Email, Even, u8), m: BTreeMap<Email, u8> }
    pub(crate) struct Weird { w: Magic, t: (Magic, Item), m: BTreeMap<Magic, Item>, z: u8 }
}

macro_rules! validated {
    ($name:ident($inner:ty) $accepts:expr) => {
        #[derive(Serialize, Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) struct $name(pub $inner);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = <$inner>::deserialize(deserializer)?;
                let accepts: fn(&$inner) -> bool = $accepts;
                if accepts(&value) {
                    Ok(Self(value))
                } else {
                    Err(serde::de::Error::custom(concat!("no ", stringify!($name))))
                }
            }
        }
    };
}

validated!(Even(u32) | value | *value > 1 && value % 2 == 0);
validated!(Email(String) | value | value.contains('@'));
validated!(Magic(u32) | value | *value == 31_337);

impl From<u32> for FromU32 {
    fn from(v: u32) -> Self {
        Self { v }
    }
}

impl From<FromU32> for u32 {
    fn from(from: FromU32) -> Self {
        from.v
    }
}

impl TryFrom<(u32, u32)> for Ordered {
    type Error = String;

    fn try_from((lo, hi): (u32, u32)) -> Result<Self, String> {
        if lo < hi { Ok(Self { lo, hi }) } else { Err("lo must be less than hi".into()) }
    }
}

impl From<Ordered> for (u32, u32) {
    fn from(Ordered { lo, hi }: Ordered) -> Self {
        (lo, hi)
    }
}

mod hex {
    use super::*;

    pub(super) fn serialize<S: serde::Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        to.serialize_str(&digits)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let digits = String::deserialize(from)?;
        let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2).unwrap_or("x"), 16);
        (0..digits.len()).step_by(2).map(|at| byte(at).map_err(serde::de::Error::custom)).collect()
    }
}

/// Calls `$function::<T>("T")` for every type of the corpus.
macro_rules! each {
    ($function:ident) => {
        each!(@ $function
            Item Order Unit Tup Kinds NestedEnum Big Prims Colls RecBox RecVec Expr MutA
            MutB GenTwice SameName Uuids Chrono ChronoTs Jiff Time StdTime Net Withs
            Alias SkipF SkipIf SkipSer SkipVar AliasVar CowS NonZ Url Valid Weird Small
            Decimal Misc HasJson Flat FlatMap Untag IntTag AdjTag TagStruct TransRec
            Trans FromU32 Ordered Deny AllDef Os HasNever OtherV)
    };
    (@ $function:ident $($name:ident)*) => {
        $($function::<$crate::corpus::$name>(stringify!($name));)*
    };
}
pub(crate) use each;

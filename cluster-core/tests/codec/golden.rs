//! Payloads byte by byte. Stored data looks like this: a difference is a break of it.

use cluster_core::codec::{Format, decode, encode, encode_json, fingerprint_of, format_of};
use serde::{Deserialize, Serialize};

use crate::types::{Everything, everything};
use crate::{LIMIT, payload, schema};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A payload is the format, the fingerprint in little-endian order, and the value.
#[test]
fn a_small_payload() {
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct Deposit {
        cents: i64,
        note: Option<String>,
    }
    let deposit = Deposit { cents: -200, note: Some("hi".into()) };
    let payload = payload(&deposit);
    assert_eq!(schema::<Deposit>().fingerprint().to_string(), "f323aae9d8f21e9c");
    assert_eq!(hex(&payload), concat!("01", "9c1ef2d8e9aa23f3", "fb8f01", "01", "02", "6869"));
}

/// Every kind of value, as the specification of the codec says.
#[test]
fn every_kind_of_value() {
    let payload = payload(&everything());
    let body = [
        "01", // yes
        "ff",
        "ff", // small: bytes as they are
        "00",
        "fa",
        "fbfb00",
        "fbffff",
        "fc00000100",
        "fdffffffffffffffff", // unsigned
        "05",
        "00",
        "01",
        "02",
        "fbfb00",
        "fcffffffff", // signed: count, zigzag
        "feffffffffffffffffffffffffffffffff",
        "01", // wide
        "0000c03f",
        "000000000000d0bf", // floats
        "c3a9",             // letter
        "06",
        "6e61c3af7665", // text
        "02",
        "00ff", // bytes
        "00",   // none
        "01",
        "fb2c01", // some
        "03",     // map
        "01",
        "61",
        "00", // a: Unit
        "01",
        "62",
        "01",
        "02",
        "09",
        "01",
        "78", // b: Newtype(Tuple(9, "x"))
        "01",
        "63",
        "03",
        "00", // c: Struct { on: false }
        "01",
        "02", // pair
        "0e",
        "7b226b223a5b312c6e756c6c5d7d", // json
        "07",
        "0d", // size
    ]
    .concat();
    assert_eq!(hex(&payload[9..]), body);
    assert_eq!(schema::<Everything>().fingerprint().to_string(), "7d3e4b7647971d32");
}

/// The body is what bincode writes by itself.
#[test]
fn the_body_is_plain_bincode() {
    let value = everything();
    let plain = bincode::serde::encode_to_vec(&value, bincode::config::standard()).unwrap();
    assert_eq!(payload(&value)[9..], plain);
}

/// The other format holds JSON text behind the same header, and is read by the same function.
#[test]
fn a_json_payload() {
    let schema = schema::<Option<Vec<u8>>>();
    let payload = encode_json(&Some(vec![1_u8, 2]), &schema, LIMIT).unwrap();
    assert_eq!(&payload[9..], b"[1,2]");
    assert_eq!(payload[0], Format::Json as u8);
    assert_eq!(decode::<Option<Vec<u8>>>(&payload, &schema).unwrap(), Some(vec![1, 2]));
}

/// The header tells format and fingerprint without the type.
#[test]
fn headers_are_read_alone() {
    let schema = schema::<u8>();
    let payload = encode(&7_u8, &schema, LIMIT).unwrap();
    assert_eq!(fingerprint_of(&payload).unwrap(), schema.fingerprint());
    assert_eq!(fingerprint_of(&payload[..9]).unwrap(), schema.fingerprint());
    assert_eq!(format_of(&payload).unwrap(), Format::Bincode);
    let json = encode_json(&7_u8, &schema, LIMIT).unwrap();
    assert_eq!(format_of(&json).unwrap(), Format::Json);
}

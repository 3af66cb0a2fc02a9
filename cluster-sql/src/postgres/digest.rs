//! The digest of a request's key, in four columns of a quarter each, as numbers.
//!
//! Keys without an order go to random places of their index, which is the dearest part of a request
//! once the index is large. The server compares numbers faster than bytes, and of four columns the
//! inner pages of the index hold the first alone where that tells keys apart. What it brings is in
//! bench/README.md.

use cluster_core::id::KeyDigest;

/// How many columns there are.
pub(super) const PARTS: usize = 4;

/// The columns.
macro_rules! digest_columns {
    () => {
        "digest_1, digest_2, digest_3, digest_4"
    };
}
pub(super) use digest_columns;

/// What is written to them, of a digest that is given as bytes.
macro_rules! digest_parts {
    ($bytes:literal) => {
        $crate::postgres::digest::digest_parts!($bytes: 1, 9, 17, 25)
    };
    ($bytes:literal: $first:literal $(, $next:literal)*) => {
        concat!(
            "('x' || encode(substr(",
            $bytes,
            "::bytea, ",
            $first,
            ", 8), 'hex'))::bit(64)::bigint"
            $(, ", ", $crate::postgres::digest::digest_parts!($bytes: $next))*
        )
    };
}
pub(super) use digest_parts;

/// The columns of the request `r` as they are read, the digest as bytes.
macro_rules! read_columns {
    () => {
        $crate::sql::request_columns!(
            "r.",
            "int8send(r.digest_1) || int8send(r.digest_2) || int8send(r.digest_3) \
            || int8send(r.digest_4)"
        )
    };
}
pub(super) use read_columns;

/// What the columns hold.
pub(super) fn parts(digest: &KeyDigest) -> [i64; PARTS] {
    let (parts, _) = digest.as_bytes().as_chunks();
    std::array::from_fn(|at| i64::from_be_bytes(parts[at]))
}

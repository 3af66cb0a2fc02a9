//! How to use what there is, topic by topic. Every program here is compiled and run as a test.

#[doc = include_str!("../docs/guide/streams.md")]
pub mod streams {}

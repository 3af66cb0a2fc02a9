//! Guides: how a thing is done, with programs that are compiled and run by the tests.

#[doc = include_str!("entities.md")]
pub mod entities {}

#[doc = include_str!("delivery.md")]
pub mod delivery {}

#[doc = include_str!("state.md")]
pub mod state {}

#[doc = include_str!("streams.md")]
pub mod streams {}

#[doc = include_str!("workflows.md")]
pub mod workflows {}

#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("observability.md")]
pub mod observability {}

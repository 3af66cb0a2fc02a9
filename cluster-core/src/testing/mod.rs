//! What tests of programs and of storages need.

pub mod suite;

//! What whoever runs a cluster sets and sees: settings, retries, filters, traces, metrics, figures.

// A failed step fails the test.
#![allow(clippy::unwrap_used)]

mod filters;
mod log;
mod metrics;
mod retries;
mod settings;
mod support;
mod takeover;
mod traces;

//! What the runtime promises of entities in memory: one writer or many readers, nobody delays
//! others, no instance beside another, no call that waits for itself.

<<<<<<< HEAD
// A failed step fails the test.
#![allow(clippy::unwrap_used)]
=======
#![allow(clippy::unwrap_used)] // Helpers of tests fail as tests do.
>>>>>>> mailbox

mod chains;
mod concurrency;
mod inline;
mod options;
mod passivation;
mod place;
mod stress;
mod support;

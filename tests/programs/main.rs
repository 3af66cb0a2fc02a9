//! The examples as their users run them: built programs, in a folder of their own.

mod bank;
mod examples;
mod program;

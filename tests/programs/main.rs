//! The examples as their users run them: built programs, in a folder of their own.

mod bank;
mod examples;
#[path = "../support/mysql.rs"]
mod mysql;
#[path = "../support/postgres.rs"]
mod postgres;
mod program;

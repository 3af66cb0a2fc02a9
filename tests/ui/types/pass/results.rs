//! A `Result` under several names.
use std::fmt;

use cluster::__private::{Message, NoError};
use cluster::prelude::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Refusal;

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused")
    }
}

impl std::error::Error for Refusal {}

type BankResult<T> = Result<T, Refusal>;
type Result<T, E = Refusal> = std::result::Result<T, E>;

/// Ends with `Result`, but is none.
#[derive(Serialize, Deserialize)]
struct SearchResult {
    hits: u32,
}

#[derive(Entity, Default)]
struct Bank;

#[entity]
impl Bank {
    #[message]
    fn full_path(&self) -> std::result::Result<u8, Refusal> {
        Ok(1)
    }

    #[message]
    fn own_alias(&self) -> Result<u8> {
        Err(Refusal)
    }

    #[message]
    async fn alias_with_a_name(&mut self) -> BankResult<Vec<u8>> {
        Ok(vec![1])
    }

    #[message]
    fn lifted(&self) -> Result<u8, CallError<Refusal>> {
        Ok(1)
    }

    #[message]
    fn lifted_without_own_error(&self) -> Result<u8, CallError<NoError>> {
        Ok(1)
    }

    #[message]
    fn lifted_without_any(&self) -> Result<u8, CallError> {
        Ok(1)
    }

    #[message]
    fn none(&self) -> SearchResult {
        SearchResult { hits: 0 }
    }

    #[message]
    fn nested(&self) -> Option<Result<u8, Refusal>> {
        None
    }
}

fn same<M: Message<Ok = T, Err = E>, T, E>() {}

pub(crate) fn main() {
    same::<BankFullPath, u8, Refusal>();
    same::<BankOwnAlias, u8, Refusal>();
    same::<BankAliasWithAName, Vec<u8>, Refusal>();
    same::<BankLifted, u8, Refusal>();
    same::<BankLiftedWithoutOwnError, u8, NoError>();
    same::<BankLiftedWithoutAny, u8, NoError>();
    same::<BankNone, SearchResult, NoError>();
    same::<BankNested, Option<std::result::Result<u8, Refusal>>, NoError>();
}

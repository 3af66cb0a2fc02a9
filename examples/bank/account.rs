//! Accounts: what they hold, and how money leaves one and reaches another.

use std::fmt;

use cluster::prelude::*;

/// How many accounts the bank has: `acc-0000` to `acc-4999`.
pub(crate) const ACCOUNTS: u16 = 5_000;

/// What every account holds when it is opened.
const OPENING_CENTS: i128 = 1_000_000;

/// An account that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct AccountId(u16);

impl AccountId {
    /// Reads a name; `None` where the bank has no such account.
    pub(crate) fn parse(name: &str) -> Option<AccountId> {
        let digits = name.strip_prefix("acc-")?;
        let is_number = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = is_number.then(|| digits.parse().ok()).flatten()?;
        (number < ACCOUNTS).then_some(AccountId(number))
    }

    /// All accounts, sorted.
    pub(crate) fn all() -> impl Iterator<Item = AccountId> {
        (0..ACCOUNTS).map(AccountId)
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "acc-{:04}", self.0)
    }
}

impl From<AccountId> for EntityId {
    fn from(id: AccountId) -> EntityId {
        id.to_string().into()
    }
}

/// An account. Opening one stores nothing: until money moves, it is what `default` makes.
#[derive(Entity, Serialize, Deserialize)]
#[entity(durable)]
pub(crate) struct Account {
    /// May be negative. Has room for more transfers than will ever be made.
    cents: i128,
}

impl Default for Account {
    fn default() -> Self {
        Account { cents: OPENING_CENTS }
    }
}

/// Why an account does not transfer money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub(crate) enum Refusal {
    #[error("the amount is zero or negative")]
    NotPositive,
    #[error("sender and receiver are the same")]
    SameAccount,
}

#[entity]
impl Account {
    /// Takes money out here and puts it into `to`: both, or on `Err` neither. Overdraft is allowed.
    #[message(persisted)]
    pub(crate) async fn withdraw(
        &mut self,
        ctx: &Context,
        to: AccountId,
        cents: i64,
    ) -> Result<(), CallError<Refusal>> {
        if cents <= 0 {
            return Err(Refusal::NotPositive.into());
        }
        if *ctx.entity_id() == EntityId::from(to) {
            return Err(Refusal::SameAccount.into());
        }
        self.cents -= i128::from(cents);
        // Leaves with this handler's commit, and arrives exactly once.
        ctx.get::<Account>(to).deposit(cents).send().await?;
        Ok(())
    }

    /// Puts money in.
    #[message(persisted)]
    pub(crate) fn deposit(&mut self, cents: i64) {
        self.cents += i128::from(cents);
    }

    /// What the account holds, as last committed.
    #[message]
    pub(crate) fn balance(&self) -> i128 {
        self.cents
    }
}

//! What tools ask of the owner: the rows of the inbox.

use std::fmt;

use crate::id::RequestId;

/// The number of a row in the inbox. The database gives it and never gives it again; numbers grow,
/// but rows are committed in any order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InboxNumber(i64);

impl InboxNumber {
    /// Before every row.
    pub const FIRST: InboxNumber = InboxNumber(i64::MIN);

    /// Takes the bare number, as read from storage.
    pub const fn new(number: i64) -> Self {
        InboxNumber(number)
    }

    /// The bare number.
    pub const fn as_i64(self) -> i64 {
        self.0
    }
}

impl fmt::Display for InboxNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is to become of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Wish {
    /// It ends, wherever it stands.
    Cancel,
    /// It is a dead letter and gets its attempts anew.
    Redrive,
    /// It is a dead letter and ends for good.
    Discard,
}

impl Wish {
    /// All of them.
    pub const ALL: [Wish; 3] = [Self::Cancel, Self::Redrive, Self::Discard];

    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Wish::Cancel => "cancel",
            Wish::Redrive => "redrive",
            Wish::Discard => "discard",
        }
    }

    /// Reads the stored word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|wish| wish.as_str() == word)
    }
}

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A wish for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wished {
    /// The request.
    pub request: RequestId,
    /// What is to become of it.
    pub wish: Wish,
}

/// A row of the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxRow {
    /// Its number, by which it is taken away.
    pub number: InboxNumber,
    /// What it says.
    pub wished: Result<Wished, NoWish>,
}

impl InboxRow {
    /// Reads what somebody has written: the request's id as [`RequestId`] shows it, and the word of
    /// a [`Wish`].
    pub fn read(number: InboxNumber, request: &str, wish: &str) -> Self {
        let wished = request.parse().ok().zip(Wish::from_word(wish));
        let wished = wished.map(|(request, wish)| Wished { request, wish });
        let no_wish = || NoWish { request: request.to_owned(), wish: wish.to_owned() };
        InboxRow { number, wished: wished.ok_or_else(no_wish) }
    }
}

/// What stands in a row that nobody understands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{wish}` of `{request}` is no wish for a request")]
pub struct NoWish {
    /// In the place of the request's id.
    pub request: String,
    /// In the place of the wish.
    pub wish: String,
}

//! The name of one entity within its type.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The longest entity id and the longest idempotency key, in bytes of UTF-8.
pub const TEXT_BYTES_MAX: usize = 1024;

/// Why a text cannot be an entity id or a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidText {
    /// The text has no characters.
    #[error("it is empty: give 1 to {TEXT_BYTES_MAX} bytes")]
    Empty,
    /// The text is longer than [`TEXT_BYTES_MAX`].
    #[error("it has {bytes} bytes: at most {TEXT_BYTES_MAX} are allowed")]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
}

/// Checks the one rule of ids and keys: 1 to [`TEXT_BYTES_MAX`] bytes, any character.
pub(super) fn check_text(text: &str) -> Result<(), InvalidText> {
    match text.len() {
        0 => Err(InvalidText::Empty),
        bytes if bytes > TEXT_BYTES_MAX => Err(InvalidText::TooLong { bytes }),
        _ => Ok(()),
    }
}

/// The id of an entity: UTF-8 text, compared as bytes on every database.
///
/// Making one never fails, so that `cluster.get(..)` never fails; a text that is empty or longer
/// than [`TEXT_BYTES_MAX`] is refused with `LimitExceeded` by the first call (see
/// [`EntityId::check`]). Cloning is cheap: the text is shared.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntityId(Arc<str>);

impl EntityId {
    /// The text of the id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Says whether the id may be used: 1 to [`TEXT_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// [`InvalidText`] names what is wrong with it.
    pub fn check(&self) -> Result<(), InvalidText> {
        check_text(&self.0)
    }
}

impl From<&str> for EntityId {
    fn from(text: &str) -> Self {
        EntityId(text.into())
    }
}

impl From<&String> for EntityId {
    fn from(text: &String) -> Self {
        EntityId(text.as_str().into())
    }
}

impl From<String> for EntityId {
    fn from(text: String) -> Self {
        EntityId(text.into())
    }
}

impl From<&EntityId> for EntityId {
    fn from(id: &EntityId) -> Self {
        id.clone()
    }
}

impl Borrow<str> for EntityId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for EntityId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for EntityId {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}

impl fmt::Display for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

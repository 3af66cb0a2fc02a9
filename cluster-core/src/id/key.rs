//! The caller's idempotency key and the digest by which it is found.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::EntityId;
use super::entity_id::{InvalidText, check_text};
use super::numbers::MessageTag;

/// A caller's idempotency key: UTF-8 text of 1 to [`TEXT_BYTES_MAX`](super::TEXT_BYTES_MAX) bytes,
/// compared as bytes. Its scope is entity type, entity id and message.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Arc<str>);

impl Key {
    /// Takes a text as a key.
    ///
    /// # Errors
    /// [`InvalidText`] when it is empty or too long.
    pub fn new(text: impl Into<Arc<str>>) -> Result<Self, InvalidText> {
        let text = text.into();
        check_text(&text)?;
        Ok(Key(text))
    }

    /// The text of the key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// What the unique index of keyed requests holds: 256 bits that stand for type, id, message and
/// key.
///
/// The last 192 are a digest and alone tell keys apart. The first 64 are a part of the key, so that
/// keys that count up in it, over all entities, stand in the index beside those made before them: a
/// new one then meets the pages that the one before it has just met, however many there are, and
/// old ones leave whole pages when they are retired.
///
/// Specification, version 1 (for ever; see the golden vectors): the first 8 bytes of the key from
/// its first digit other than `0` on (of the whole key, if it has none), with zeros after fewer;
/// then the first 24 bytes of the SHA-256 over the concatenation of the ASCII text `cluster-key-1`,
/// then for each of entity type, entity id and key its length in bytes as a 32-bit little-endian
/// number followed by its bytes, with the message's 64-bit tag, little-endian, between entity id
/// and key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// The digest of a key in its scope.
    pub fn of(entity_type: &str, entity_id: &EntityId, message: MessageTag, key: &Key) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(b"cluster-key-1");
        update_text(&mut hasher, entity_type);
        update_text(&mut hasher, entity_id.as_str());
        hasher.update(message.as_u64().to_le_bytes());
        update_text(&mut hasher, key.as_str());
        let mut bytes = [0; 32];
        let (head, digest) = bytes.split_at_mut(8);
        head.iter_mut().zip(counting_part(key.as_str())).for_each(|(to, byte)| *to = *byte);
        digest.copy_from_slice(&hasher.finalize()[..24]);
        KeyDigest(bytes)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// What counts up in keys that do, behind a prefix without a digit from 1 to 9: an order number, a
/// time, a ULID (to 32 ms), a UUID of version 7 (to 65 s).
fn counting_part(key: &str) -> &[u8] {
    let bytes = key.as_bytes();
    let first = bytes.iter().position(|byte| matches!(byte, b'1'..=b'9'));
    &bytes[first.unwrap_or_default()..]
}

fn update_text(hasher: &mut Sha256, text: &str) {
    let bytes = u32::try_from(text.len()).expect("ids, keys and names are far shorter than 4 GiB");
    hasher.update(bytes.to_le_bytes());
    hasher.update(text.as_bytes());
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest(")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

//! bincode in its one configuration, and this crate's own tables in it.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Little-endian, variable-length integers: fixed for ever, every stored payload and shape is
/// written with it.
pub(crate) const CONFIG: bincode::config::Configuration = bincode::config::standard();

/// The largest table of this crate's own that is read back, in bytes: bounds what hostile lengths
/// can make the reader allocate.
const TABLE_BYTES_MAX: usize = 1 << 20;

/// Encodes one of this crate's own tables.
pub(super) fn to_vec<T: Serialize>(table: &T) -> Vec<u8> {
    bincode::serde::encode_to_vec(table, CONFIG).expect("our own tables have nothing to refuse")
}

/// Decodes one of this crate's own tables, to its last byte.
pub(super) fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let config = CONFIG.with_limit::<TABLE_BYTES_MAX>();
    let (table, read) =
        bincode::serde::decode_from_slice(bytes, config).map_err(|error| error.to_string())?;
    if read < bytes.len() { Err("bytes left over".to_owned()) } else { Ok(table) }
}

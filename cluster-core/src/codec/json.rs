//! Values that bincode cannot carry.

use serde::de::DeserializeOwned;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::fault::Fault;
use super::json_text;
use crate::contract::{JSON_NEWTYPE, type_name};

/// Holds a value that bincode cannot carry: untagged, flattened or internally tagged types,
/// `serde_json::Value`. It travels as JSON text inside the payload.
///
/// ```
/// use cluster_core::codec::Json;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// #[serde(untagged)]
/// enum Attribute { Number(f64), Text(String) }
///
/// #[derive(Serialize, Deserialize)]
/// struct Product { sku: String, attributes: Vec<Json<Attribute>> }
///
/// assert!(cluster_core::contract::trace::<Attribute>().is_err());
/// assert!(cluster_core::contract::trace::<Product>().is_ok());
/// ```
///
/// JSON knows no infinite or not-a-number floats, and its reader goes
/// [`JSON_DEPTH_MAX`](super::JSON_DEPTH_MAX) levels deep: such a value is refused when it is
/// written. In formats for people a `Json<T>` is simply its `T`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Json<T>(pub T);

impl<T: Serialize> Serialize for Json<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return self.0.serialize(serializer);
        }
        serializer.serialize_newtype_struct(JSON_NEWTYPE, &Text(&self.0))
    }
}

/// The value for the encoder, which writes it as JSON itself and so learns where it fails; text for
/// others.
struct Text<'a, T>(&'a T);

impl<T: Serialize> Serialize for Text<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return self.0.serialize(serializer);
        }
        let mut text = Vec::new();
        json_text::write(self.0, &mut text)
            .map_err(|fault| S::Error::custom(fault.into_encode_error(&type_name::<T>())))?;
        serializer.serialize_str(std::str::from_utf8(&text).map_err(S::Error::custom)?)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Json<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return T::deserialize(deserializer).map(Json);
        }
        struct InNewtype;
        impl<'de> serde::de::Visitor<'de> for InNewtype {
            type Value = String;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("JSON text")
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                deserializer: D,
            ) -> Result<String, D::Error> {
                String::deserialize(deserializer)
            }
        }
        let text = deserializer.deserialize_newtype_struct(JSON_NEWTYPE, InNewtype)?;
        serde_json::from_str(&text).map(Json).map_err(serde::de::Error::custom)
    }
}

/// Reads the body of a JSON payload.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
    let text = std::str::from_utf8(body).map_err(|_| Fault::new("the JSON is not UTF-8"))?;
    serde_json::from_str(text).map_err(|error| Fault::new(error.to_string()))
}

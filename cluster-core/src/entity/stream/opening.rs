//! The call that opens a stream, as the runtime runs it.

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::StreamMessage;
use super::open::Reader;
use crate::entity::contract::{Message, Persisted, Volatile};
use crate::entity::options::MessageInfo;
use crate::entity::outcome::Plain;
use crate::error::NoError;

/// A stream's message as a volatile request: its reply is the opened stream, of which the message's
/// own value and error are the chunks. The arguments travel as the message itself does.
pub(super) struct Opening<M>(pub(super) M);

impl<M: StreamMessage> Message for Opening<M> {
    type Contract = M::Contract;
    type Ok = Opened<M>;
    type Err = NoError;
    type Outcome = Plain<Opened<M>>;
    type Delivery = Volatile;
    const INFO: &'static MessageInfo = M::INFO;
    const OPENS: bool = true;
}

impl<M: StreamMessage + Persisted> Persisted for Opening<M> {}

impl<M: Serialize> Serialize for Opening<M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, M: Deserialize<'de>> Deserialize<'de> for Opening<M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        M::deserialize(deserializer).map(Opening)
    }
}

/// The reply: the reader's hold on the open stream. It is handed over as it is.
pub(super) struct Opened<M: StreamMessage>(pub(super) Reader<M>);

/// Why an open stream has no bytes.
const HANDED_OVER: &str = "an open stream is handed over, not encoded";

impl<M: StreamMessage> Serialize for Opened<M> {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom(HANDED_OVER))
    }
}

impl<'de, M: StreamMessage> Deserialize<'de> for Opened<M> {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom(HANDED_OVER))
    }
}

//! A persisted stream as the request that the runtime stores and runs.

use bytes::Bytes;
use serde::de::Error;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{StreamMessage, StreamOf};
use crate::codec::{DecodeError, EncodeError};
use crate::contract::{Schema, TraceError};
use crate::entity::arguments::Fields;
use crate::entity::contract::{Durable, Message};
use crate::entity::options::MessageInfo;
use crate::entity::outcome::{Outcome, Verdict};
use crate::entity::wire::Wire;
use crate::error::{CallError, ClusterError};
use crate::storage::ChunkRow;

/// A stream's message as a persisted request: its outcome is the stream's end.
pub(crate) struct Streaming<M>(pub(super) M);

impl<M: StreamMessage> Message for Streaming<M> {
    type Contract = M::Contract;
    type Ok = End;
    type Err = M::Err;
    type Outcome = Ends<M>;
    type Delivery = Durable;
    const INFO: &'static MessageInfo = M::INFO;
}

impl<M: Serialize> Serialize for Streaming<M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, M: Deserialize<'de>> Deserialize<'de> for Streaming<M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        M::deserialize(deserializer).map(Streaming)
    }
}

/// A handler's stream, and what its forerunners have left.
pub(crate) struct Begun<M: StreamMessage> {
    pub(super) stream: StreamOf<M>,
    pub(super) rows: Vec<ChunkRow>,
}

/// How a stream ends: its chunks are no part of it.
pub(crate) struct Ends<M>(std::marker::PhantomData<fn() -> M>);

impl<M: StreamMessage> Outcome for Ends<M> {
    type Return = Result<Begun<M>, ClusterError>;
    type Ok = End;
    type Err = M::Err;
    type Reply = Result<(), CallError<M::Err>>;

    fn verdict(_: Self::Return) -> Verdict<End, M::Err> {
        unreachable!("a stream that has begun has not ended")
    }

    fn reply(result: Result<End, CallError<M::Err>>) -> Self::Reply {
        result.map(|End| ())
    }
}

/// The end of a stream without an error. It has no bytes, and no shape: the one stored for the
/// message's value is that of a chunk.
pub(crate) struct End;

impl Wire for End {
    fn schema() -> Result<Schema, TraceError> {
        Schema::of::<()>()
    }

    fn encode(&self, _: &Schema, _: usize) -> Result<Bytes, EncodeError> {
        Ok(Bytes::new())
    }

    fn decode(_: &[u8], _: &Schema) -> Result<Self, DecodeError> {
        Ok(End)
    }

    fn write<W: SerializeStruct>(
        &self,
        name: &'static str,
        fields: &mut W,
    ) -> Result<(), W::Error> {
        fields.serialize_field(name, &())
    }

    fn read<'de, F: Fields<'de>>(
        slot: &mut Option<Self>,
        _: &'static str,
        fields: &mut F,
    ) -> Result<(), F::Error> {
        fields.value::<()>()?;
        *slot = Some(End);
        Ok(())
    }

    fn take<E: Error>(slot: Option<Self>, name: &'static str) -> Result<Self, E> {
        slot.ok_or_else(|| E::missing_field(name))
    }
}

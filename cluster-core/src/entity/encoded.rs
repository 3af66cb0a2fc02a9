//! Local calls that pass through encode and decode, as if their entity were elsewhere: in tests, so
//! that what cannot travel fails there. Production pays nothing: the entry of the dispatch table is
//! chosen when the type is registered, and the flag is read only where a caller has waited.

use std::any::Any;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::contract::{Message, Serves};
use super::endpoint::{Exchange, ReplyOf, Wanted};
use super::failure::{decode_error, encode_error};
use super::handle::Handle;
use super::method::Style;
use super::options::Delivery;
use super::run::start;
use super::schema::MessageSchema;
use super::slot::Slot;
use super::wire::Wire;
use crate::contract::Schema;
use crate::error::{CallError, ClusterError};
use crate::id::Address;

/// The entry of the dispatch table of a cluster that encodes local calls.
pub(super) fn start_encoded<T: Serves, M: Message, S: Style<T, M>>(
    slot: Arc<Slot<T>>,
    exchange: &mut dyn Any,
) {
    let taken = Exchange::<M>::take_request(exchange);
    let (exchange, mut request) = taken.expect("the client and the table are of one contract");
    let connection = Connection {
        schema: &slot.kind.schemas.messages[M::INFO.index],
        limit: slot.kind.shared.config.payload_bytes_max,
        address: slot.address(),
    };
    match connection.arguments(&request.message) {
        Ok(message) => request.message = message,
        Err(error) => return *exchange = not_started(request.wanted, error),
    }
    *exchange = Exchange::Request(request);
    start::<T, M, S>(slot.clone(), exchange);
    if let Exchange::Reply(reply) = exchange {
        let reply = std::mem::replace(reply, Err(CallError::Cluster(ClusterError::Interrupted)));
        *exchange = Exchange::Reply(connection.reply::<M>(reply));
    }
}

/// How a call ends whose arguments cannot travel.
fn not_started<M: Message>(wanted: Wanted, error: ClusterError) -> Exchange<M> {
    match (wanted, M::INFO.delivery) {
        (Wanted::Outcome, _) => Exchange::Reply(Err(CallError::Cluster(error))),
        (Wanted::HandOver, Delivery::Volatile) => Exchange::HandedOver(Err(error)),
        (Wanted::HandOver, Delivery::Persisted) => {
            let (told, accepting) = oneshot::channel();
            // Its receiver is right here.
            let _ = told.send(Err(error));
            Exchange::Accepting(accepting)
        }
    }
}

/// The reply as a caller gets it that has waited.
#[inline]
pub(super) fn received<M: Message>(handle: &Handle, reply: ReplyOf<M>) -> ReplyOf<M> {
    if handle.shared().encodes_local_calls { travelled::<M>(handle, reply) } else { reply }
}

pub(super) fn travelled<M: Message>(handle: &Handle, reply: ReplyOf<M>) -> ReplyOf<M> {
    let Ok(kind) = handle.kind() else { return reply };
    let Some(schema) = kind.schema(M::INFO.index) else { return reply };
    let limit = handle.shared().config.payload_bytes_max;
    Connection { schema, limit, address: handle.address() }.reply::<M>(reply)
}

/// What would be between a caller and an entity elsewhere.
struct Connection<'a> {
    schema: &'a MessageSchema,
    limit: usize,
    address: Address,
}

impl Connection<'_> {
    fn arguments<M: Message>(&self, message: &M) -> Result<M, ClusterError> {
        self.carry(message, &self.schema.arguments, "the arguments", M::INFO.name)
    }

    fn reply<M: Message>(&self, reply: ReplyOf<M>) -> ReplyOf<M> {
        match reply {
            // Its chunks travel, one by one.
            Ok(opened) if M::OPENS => Ok(opened),
            Ok(value) => self
                .carry(&value, &self.schema.ok, "the reply", M::INFO.name)
                .map_err(CallError::Cluster),
            Err(CallError::Entity(error)) => Err(self
                .carry(&error, &self.schema.err, "the error", M::INFO.name)
                .map_or_else(CallError::Cluster, CallError::Entity)),
            cluster => cluster,
        }
    }

    fn carry<W: Wire>(
        &self,
        value: &W,
        schema: &Schema,
        part: &str,
        message: &str,
    ) -> Result<W, ClusterError> {
        let what = || format!("{part} of {} {message}", self.address);
        let payload = value
            .encode(schema, self.limit)
            .map_err(|error| encode_error(&what(), "payload_bytes_max", error))?;
        W::decode(&payload, schema).map_err(|error| decode_error(what(), error))
    }
}

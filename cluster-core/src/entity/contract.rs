//! The traits that the macros implement.

use std::sync::Arc;

use bytes::Bytes;

use super::method::Method;
use super::options::{EntityOptions, MessageInfo, StateKind};
use super::outcome::Outcome;
use super::remind::{Caller, ReminderHandle};
use super::schema::MessageSchema;
use super::shared::Shared;
use super::wire::Wire;
use super::{Context, Handle, Receipt};
use crate::codec::{DecodeError, EncodeError};
use crate::contract::{Schema, TraceError};
use crate::error::Source;
use crate::id::{KeyDigest, RequestId};
use crate::storage::{BoxFuture, RetentionClass};

/// A set of messages with a typed client: an entity type itself, or `dyn SomeTrait`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither an entity nor the contract of one",
    label = "not an entity",
    note = "put `#[entity]` on the impl block of this type; of a trait object, on its trait"
)]
pub trait Contract: Send + Sync + 'static {
    /// The name of the entity type, as stored.
    const NAME: &'static str;
    /// The generated client.
    type Client: Client;
    /// The same client, whose methods make reminders: what `ctx.remind::<Self>()` gives.
    type Reminders: Client<ReminderHandle>;

    /// Its messages, in the order of the dispatch table.
    fn messages() -> &'static [&'static MessageInfo];

    /// Traces the shapes of all its messages, in the order of the dispatch table.
    ///
    /// # Errors
    /// [`TraceError`] names the first type that the codec cannot carry.
    fn schemas() -> Result<Vec<MessageSchema>, TraceError>;

    /// Names and shapes of what else is stored for its entities: the steps of a workflow.
    ///
    /// # Errors
    /// [`TraceError`] names the first type that the codec cannot carry.
    fn parts() -> Result<Vec<(String, Schema)>, TraceError> {
        Ok(Vec::new())
    }
}

/// A generated client: a typed, cheap, cloneable handle. What its methods make, the handle says:
/// calls, or reminders.
pub trait Client<H: Caller = Handle>: Clone + Send + Sync + 'static {
    /// Wraps a handle.
    fn new(handle: H) -> Self;

    /// The handle within.
    fn handle(&self) -> &H;
}

/// The dispatch table of contract `Self` for the entity `T`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a contract",
    label = "cannot be served by `{T}`",
    note = "put `#[entity]` on the trait"
)]
pub trait ServedBy<T> {
    /// Itself. Were this a supertrait, a trait without the attribute would be complained about
    /// twice.
    type Contract: ?Sized + Contract;

    /// One entry for each message, in the order of [`Contract::messages`].
    fn table() -> &'static [Method<T>]
    where
        T: Serves;
}

/// The contract that an entity serves, known to be one.
pub(crate) type ContractOf<T> = <<T as Serves>::Contract as ServedBy<T>>::Contract;

/// An entity that serves a trait: what its clients know of it is that trait's contract.
// The same words as at `Contract`: whoever is no entity is told so, not that it serves no trait.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither an entity nor the contract of one",
    label = "not an entity",
    note = "put `#[entity]` on the impl block of this type; of a trait object, on its trait"
)]
pub trait ServesTrait: Serves {}

#[diagnostic::do_not_recommend]
impl<T: ServesTrait> Contract for T {
    const NAME: &'static str = <ContractOf<T> as Contract>::NAME;
    type Client = <ContractOf<T> as Contract>::Client;
    type Reminders = <ContractOf<T> as Contract>::Reminders;

    fn messages() -> &'static [&'static MessageInfo] {
        <ContractOf<T> as Contract>::messages()
    }

    fn schemas() -> Result<Vec<MessageSchema>, TraceError> {
        <ContractOf<T> as Contract>::schemas()
    }
}

/// What `#[derive(Entity)]` says of a struct: what of it is stored, and its options.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an entity",
    label = "not an entity",
    note = "add `#[derive(Entity)]` to the struct and `#[entity]` to its impl block"
)]
pub trait Entity: Sized + Send + Sync + 'static {
    /// What is stored: the struct itself, the `#[state]` field, or nothing.
    const STATE: StateKind = StateKind::None;
    /// The declared options.
    const OPTIONS: EntityOptions;

    // The type of the state has no name here: it may be less visible than the entity.

    /// Traces the shape of the stored part; `None` where nothing is stored.
    ///
    /// # Errors
    /// [`TraceError`] names what the codec cannot carry.
    fn state_schema() -> Result<Option<Schema>, TraceError> {
        Ok(None)
    }

    /// Encodes the stored part, in at most `limit` bytes; `None` where nothing is stored.
    ///
    /// # Errors
    /// As [`crate::codec::encode`].
    fn encode_state(&self, schema: &Schema, limit: usize) -> Result<Option<Bytes>, EncodeError> {
        let _ = (schema, limit);
        Ok(None)
    }

    /// Replaces the stored part; does nothing where nothing is stored.
    ///
    /// # Errors
    /// As [`crate::codec::decode`]; the state is then as it was.
    fn decode_state(&mut self, payload: &[u8], schema: &Schema) -> Result<(), DecodeError> {
        let _ = (payload, schema);
        Ok(())
    }
}

/// What `#[entity]` on the impl block says of an entity: its contract and its life-cycle hooks.
#[diagnostic::on_unimplemented(
    message = "`{Self}` serves no contract",
    label = "no `#[entity]` impl block",
    note = "put `#[entity]` on `impl {Self} {{ .. }}` or on `impl SomeContract for {Self} {{ .. }}`"
)]
pub trait Serves: Entity {
    /// Whose messages it serves: itself, or `dyn SomeTrait`.
    type Contract: ?Sized + ServedBy<Self>;
    /// Whether there is an `#[activate]` method.
    const ACTIVATES: bool = false;
    /// Whether there is a `#[deactivate]` method.
    const DEACTIVATES: bool = false;

    /// The `#[activate]` method: runs before the first handler of an instance.
    fn activate<'a>(&'a mut self, ctx: &'a Context) -> BoxFuture<'a, Result<(), Source>> {
        let _ = ctx;
        Box::pin(std::future::ready(Ok(())))
    }

    /// The `#[deactivate]` method: runs after the last handler of an instance.
    fn deactivate<'a>(&'a mut self, ctx: &'a Context) -> BoxFuture<'a, Result<(), Source>> {
        let _ = ctx;
        Box::pin(std::future::ready(Ok(())))
    }
}

/// An entity that can be made from nothing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no entity that the cluster can make by itself",
    label = "lacks `#[entity]` or `Default`",
    note = "put `#[entity]` on its impl block",
    note = "without `Default`, register it with `.entity_with::<{Self}>(|id| ..)`"
)]
pub trait DefaultEntity: Serves + Default {}

impl<T: Serves + Default> DefaultEntity for T {}

/// One message: the struct of a handler's arguments.
pub trait Message: Wire {
    /// The contract it belongs to.
    type Contract: ?Sized + Contract;
    /// The value that its handler gives.
    type Ok: Wire;
    /// The handler's own error; [`NoError`](crate::error::NoError) where it has none.
    type Err: Wire;
    /// How its handler's return type is taken apart.
    type Outcome: Outcome<Ok = Self::Ok, Err = Self::Err>;
    /// [`Volatile`] or [`Durable`].
    type Delivery: Deliver<Self>;
    /// What its attribute declared.
    const INFO: &'static MessageInfo;
    /// The class of its requests, where it is not told by how they were made.
    #[doc(hidden)]
    const CLASS: Option<RetentionClass> = None;
    /// Whether the reply is an open stream, which is handed over as it is.
    const OPENS: bool = false;

    /// Whether this very request runs in the storage's own transaction.
    fn transaction(&self) -> bool {
        false
    }
}

/// A message that is durable before its handler starts.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a persisted message",
    label = "only persisted messages have this option",
    note = "declare its handler with `#[message(persisted)]`"
)]
pub trait Persisted: Message {}

/// How a message is delivered, as a type: decides what `send` gives.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no way to deliver `{M}`",
    label = "neither `Volatile` nor `Durable`",
    note = "write `#[message]` or `#[message(persisted)]` on the handler"
)]
pub trait Deliver<M> {
    /// What is known once the request is handed over.
    type Sent: Send;

    #[doc(hidden)]
    fn sent(shared: Arc<Shared>, id: Option<RequestId>, key: Option<KeyDigest>) -> Self::Sent;
}

/// The delivery of `#[message]`.
#[derive(Debug)]
pub struct Volatile;

/// The delivery of `#[message(persisted)]`.
#[derive(Debug)]
pub struct Durable;

/// A delivery whose requests end with their caller.
#[diagnostic::on_unimplemented(
    message = "a persisted request goes on without its caller anyway",
    label = "only volatile messages have this option",
    note = "leave it out: an explicit `cancel` is what ends a persisted request"
)]
pub trait EndsWithCaller {}

impl EndsWithCaller for Volatile {}

impl<M> Deliver<M> for Volatile {
    type Sent = ();

    fn sent(_: Arc<Shared>, _: Option<RequestId>, _: Option<KeyDigest>) {}
}

impl<M: Message> Deliver<M> for Durable {
    type Sent = Receipt<M>;

    fn sent(shared: Arc<Shared>, id: Option<RequestId>, key: Option<KeyDigest>) -> Receipt<M> {
        Receipt::new(shared, id.expect("a persisted request has an id"), key)
    }
}

//! The way from a client to an entity.

use std::any::TypeId;
use std::fmt;
use std::sync::{Arc, OnceLock};

use super::call::Call;
use super::contract::{Contract, Message};
use super::endpoint::Endpoint;
use super::kind::AnyKind;
use super::remind::Caller;
use super::shared::Shared;
use crate::error::ClusterError;
use crate::id::{Address, EntityId, ShardId};

/// An untyped handle: what generated clients wrap. Making and cloning one does no I/O and brings no
/// entity into memory.
#[derive(Clone)]
pub struct Handle(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    entity_type: &'static str,
    id: EntityId,
    /// `None` when no runner here serves the contract.
    kind: Option<Arc<dyn AnyKind>>,
    /// The entity's slot, found by the first call. A slot stays valid for as long as anybody holds
    /// it.
    endpoint: OnceLock<Arc<dyn Endpoint>>,
}

impl Handle {
    /// A handle to an entity of contract `C`.
    pub(crate) fn of<C: ?Sized + Contract>(shared: &Arc<Shared>, id: EntityId) -> Self {
        Handle(Arc::new(Inner {
            kind: shared.kind_of(TypeId::of::<C>()),
            shared: shared.clone(),
            entity_type: C::NAME,
            id,
            endpoint: OnceLock::new(),
        }))
    }

    /// The id of the entity.
    pub fn entity_id(&self) -> &EntityId {
        &self.0.id
    }

    /// The name of the entity's type.
    pub fn entity_type(&self) -> &'static str {
        self.0.entity_type
    }

    /// The shard of the entity.
    pub(crate) fn shard(&self) -> Result<ShardId, ClusterError> {
        Ok(self.kind()?.address(&self.0.id).shard())
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
    }

    pub(super) fn kind(&self) -> Result<&Arc<dyn AnyKind>, ClusterError> {
        match &self.0.kind {
            Some(kind) => Ok(kind),
            None => Err(ClusterError::NotAssigned { address: self.address() }),
        }
    }

    /// The address, for errors and filters.
    pub(super) fn address(&self) -> Address {
        match &self.0.kind {
            Some(kind) => kind.address(&self.0.id),
            None => Address::new(self.0.entity_type.into(), self.0.id.clone(), ShardId::new(0)),
        }
    }

    /// The slot of the entity; the first use checks the id and finds it.
    #[inline]
    pub(super) fn endpoint(&self) -> Result<&Arc<dyn Endpoint>, ClusterError> {
        match self.0.endpoint.get() {
            Some(endpoint) => Ok(endpoint),
            None => self.find_endpoint(),
        }
    }

    fn find_endpoint(&self) -> Result<&Arc<dyn Endpoint>, ClusterError> {
        let id = &self.0.id;
        ClusterError::check_id(id, self.0.shared.config.entity_id_bytes_max)?;
        let found = self.kind()?.clone().endpoint(id);
        Ok(self.0.endpoint.get_or_init(|| found))
    }
}

impl Caller for Handle {
    type Call<M: Message> = Call<M>;

    fn call<M: Message>(&self, message: M) -> Call<M> {
        Call::new(self.clone(), message)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({}/{})", self.0.entity_type, self.0.id)
    }
}

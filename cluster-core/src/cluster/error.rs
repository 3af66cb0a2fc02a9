//! What starting and running a cluster can end with.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::config::BadSetting;
use crate::contract::TraceError;
use crate::error::{CallError, ClusterError, text};
use crate::storage::StorageError;

/// The result of most methods of a cluster.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Whatever a program that uses a cluster runs into: `?` lifts all errors of this library into it.
///
/// Its `Debug` is for people too, since that is what a `main` prints that returns it: the message
/// and the causes behind it.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The cluster did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The storage failed.
    #[error("the storage failed")]
    Storage(#[from] StorageError),
    /// A call failed by trouble of the cluster.
    #[error("a call failed")]
    Cluster(#[from] ClusterError),
    /// A call ended with the entity's own error.
    #[error("an entity answered with an error")]
    Entity(#[source] Box<dyn StdError + Send + Sync>),
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text(self))
    }
}

impl<E: StdError + Send + Sync + 'static> From<CallError<E>> for Error {
    fn from(error: CallError<E>) -> Self {
        match error {
            CallError::Entity(error) => Error::Entity(Box::new(error)),
            CallError::Cluster(error) => Error::Cluster(error),
        }
    }
}

/// Why a cluster did not start. Nothing of it runs then.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A setting cannot be used.
    #[error(transparent)]
    Setting(#[from] BadSetting),
    /// A type that is sent or stored cannot be carried by the codec.
    #[error("entity type `{entity_type}`: a type cannot be stored")]
    Contract {
        /// The entity type.
        entity_type: &'static str,
        /// The type and field, and the way out.
        #[source]
        source: Arc<TraceError>,
    },
    /// Two entity types have one name.
    #[error(
        "two entity types are named `{name}`; give one of them another with `#[entity(name = ..)]`"
    )]
    DuplicateEntity {
        /// The name.
        name: &'static str,
    },
    /// Options were given for a type that is not registered.
    #[error("`{entity_type}` has options but is not registered")]
    NotRegistered {
        /// The entity type.
        entity_type: &'static str,
    },
    /// The cluster may write larger payloads than the storage takes.
    #[error(
        "`payload_bytes_max` is {payload_bytes_max}, but the storage takes at most {storage_max} \
        bytes: lower the one, or open the storage by its `options` with a larger \
        `payload_bytes_max`"
    )]
    PayloadsTooLarge {
        /// The cluster's setting.
        payload_bytes_max: usize,
        /// The storage's limit.
        storage_max: usize,
    },
    /// The storage failed or refused.
    #[error("the storage cannot be used")]
    Storage(#[from] StorageError),
    /// It was started outside of a tokio runtime.
    #[error(
        "a cluster is started within a tokio runtime: use `#[tokio::main]` or `#[tokio::test]`"
    )]
    NoRuntime,
}

//! A runner that begins while another may still run.

use cluster_core::storage::{JoinRequest, Joined, StorageError};
use cluster_core::time::ClusterTime;

use super::session::ServerSession;
use crate::ownership::{self, read_runner};
use crate::sql::Sql;

/// Makes a new incarnation, in a transaction that nobody else changes the cluster beside. Says so
/// when it ends one whose lease lasts: on a server nothing but the fence keeps two programs apart.
pub(crate) async fn join<S: ServerSession>(
    session: &mut S,
    request: &JoinRequest,
    now: ClusterTime,
) -> Result<Joined, StorageError> {
    let runners = session.all(Sql::Runners, &[], read_runner).await?;
    let joined = ownership::join(session, request, now).await?;
    for other in runners.iter().filter(|other| other.alive && other.lease_ends_at > now.now) {
        tracing::warn!(
            incarnation = other.incarnation.as_u64(),
            advertised = other.advertised,
            "this runner takes the database from one that may still run, and that ends now"
        );
    }
    Ok(joined)
}

//! Removing what is finished and past its age.

use cluster_core::storage::{Fence, RetireScan, Retired, StorageError};

use super::error::{commit_error, sure};
use super::parameter::{Array, Element};
use super::session::Session;
use super::texts::Own;
use crate::batch::check_fence;
use crate::server::Look;
use crate::value::{Columns, Value, integer, limit};

/// The most that one look takes, as its statement says.
const PAGE_MAX: usize = 10_000;

/// Finds what may go.
pub(super) async fn look(
    session: &mut Session,
    fence: Fence,
    scan: &RetireScan,
) -> Result<Look, StorageError> {
    check_fence(session, fence).await?;
    let text = session.texts.own(Own::Past).clone();
    let page = scan.limit.min(PAGE_MAX);
    let arguments = session.plain(&[scan.after.into(), limit(page)]);
    let rows = session.rows(&text, arguments).await.map_err(sure)?;
    let mut look = Look::at(&rows, scan, page)?;
    let text = session.texts.own(Own::Unfinished).clone();
    let range = session.plain(&[scan.after.into(), look.upto().into()]);
    look.retired.kept.unfinished |= !session.rows(&text, range).await.map_err(sure)?.is_empty();
    Ok(look)
}

/// Removes what a look has found, unless it was reset since, or its outer request was: that asks
/// again for what it has called.
pub(super) async fn remove(
    session: &mut Session,
    fence: Fence,
    scan: &RetireScan,
    look: &Look,
) -> Result<Retired, StorageError> {
    let past = &look.past;
    let mut arguments = session.arguments();
    arguments.add(integer(fence.incarnation.as_u64()));
    arguments.add(integer(fence.number.as_u64()));
    arguments.add_array(Array::integers(past.iter().map(|past| integer(past.seq.as_u64()))));
    arguments.add_array(Array::integers(past.iter().map(|past| past.finished_at.unix_ms())));
    let outer: Vec<Option<[u8; 16]>> =
        past.iter().map(|past| past.outer.map(|outer| outer.to_bytes())).collect();
    let values: Vec<Value<'_>> =
        outer.iter().map(|outer| outer.as_ref().map(|outer| &outer[..]).into()).collect();
    arguments.add_array(Array { element: Element::Bytes, values });
    arguments.add(past.last().map(|past| past.seq));
    arguments.add(scan.reached);
    let text = session.texts.own(Own::Remove).clone();
    let rows = session.rows(&text, arguments).await.map_err(commit_error)?;
    match rows.first().map(|row| (row.integer(0), row.integer(1))) {
        Some((Some(1), Some(removed))) => {
            Ok(look.removed(usize::try_from(removed).unwrap_or_default()))
        }
        _ => Err(fence.lost()),
    }
}

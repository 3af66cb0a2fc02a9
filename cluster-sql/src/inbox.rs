//! The inbox, where tools write what is to become of requests.

use cluster_core::storage::{InboxNumber, InboxRow, StorageError, Wished};

use super::driver::Driver;
use super::sql::Sql;
use super::value::{Columns, Reader, Value, limit};

/// Takes rows away.
pub(crate) async fn take<D: Driver>(
    driver: &mut D,
    taken: &[InboxNumber],
) -> Result<(), StorageError> {
    for number in taken {
        driver.execute(Sql::DeleteInbox, &[number.as_i64().into()]).await?;
    }
    Ok(())
}

/// Writes rows, as a tool may.
pub(crate) async fn write_wishes<D: Driver>(
    driver: &mut D,
    wishes: &[Wished],
) -> Result<(), StorageError> {
    for Wished { request, wish } in wishes {
        let request = request.to_string();
        let values = [Value::Text(&request), Value::Text(wish.as_str())];
        driver.execute(Sql::InsertInbox, &values).await?;
    }
    Ok(())
}

/// The values by which a page of rows is loaded.
pub(crate) fn inbox_values(after: InboxNumber, at_most: usize) -> [Value<'static>; 2] {
    [after.as_i64().into(), limit(at_most)]
}

/// Reads a row. Whatever a tool has written can be read: what nobody understands must not keep
/// others from being seen.
pub(crate) fn read_inbox_row(columns: &dyn Columns) -> Result<InboxRow, StorageError> {
    let read = Reader::new(columns, "inbox");
    let text = |at| Ok(String::from_utf8_lossy(read.bytes(at)?));
    Ok(InboxRow::read(InboxNumber::new(read.integer(0)?), &text(1)?, &text(2)?))
}

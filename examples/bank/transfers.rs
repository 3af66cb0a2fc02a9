//! The file of transfers: one row a line, `id,from,to,cents`. A row that cannot be read disturbs no
//! other one.

/// The first line of every file.
const HEADER: &str = "id,from,to,cents";

/// What spreadsheets may put before the header.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The longest id, because it becomes an idempotency key.
const ID_BYTES_MAX: usize = 1_024;

/// A transfer as it is asked for; whether it can be made is for the bank to say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Transfer {
    /// Unique among all transfers.
    pub(crate) id: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) cents: i64,
}

/// Why a row cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("expected 4 columns, found {found}")]
    Columns { found: usize },
    #[error("the text is not UTF-8")]
    Text,
    #[error("the id has {bytes} bytes instead of 1 to {ID_BYTES_MAX}")]
    Id { bytes: usize },
    #[error("`{0}` is not a whole number of cents")]
    Cents(String),
}

/// The file does not begin with its header, so that its columns are unknown.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the first line is not `{HEADER}`")]
pub(crate) struct NoHeader;

/// A row of the file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The first line of the file, its header, is line 1.
    pub(crate) line: usize,
    pub(crate) transfer: Result<Transfer, Malformed>,
}

/// Reads a file line by line, so that a stray quote ends with its line. Empty lines are no rows.
///
/// # Errors
/// The header is missing; nothing was read.
pub(crate) fn read(file: &[u8]) -> Result<Vec<Row>, NoHeader> {
    let file = file.strip_prefix(BYTE_ORDER_MARK).unwrap_or(file);
    let mut lines = file.split(|byte| *byte == b'\n').map(without_return).zip(1..);
    match lines.next() {
        Some((header, _)) if header == HEADER.as_bytes() => {}
        _ => return Err(NoHeader),
    }
    let rows = lines.filter(|(line, _)| !line.is_empty());
    Ok(rows.map(|(text, line)| Row { line, transfer: parse(text) }).collect())
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn parse(line: &[u8]) -> Result<Transfer, Malformed> {
    let line = str::from_utf8(line).map_err(|_| Malformed::Text)?;
    let columns = columns(line);
    let found = columns.len();
    let [id, from, to, cents] =
        <[String; 4]>::try_from(columns).map_err(|_| Malformed::Columns { found })?;
    if id.is_empty() || id.len() > ID_BYTES_MAX {
        return Err(Malformed::Id { bytes: id.len() });
    }
    let cents = cents.parse().map_err(|_| Malformed::Cents(cents))?;
    Ok(Transfer { id, from, to, cents })
}

/// Splits at commas. In quotes a comma is text, and two quotes are one.
fn columns(line: &str) -> Vec<String> {
    let mut columns = vec![String::new()];
    let mut quoted = false;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.next_if_eq(&'"').is_none() => quoted = false,
            '"' if !quoted => quoted = true,
            ',' if !quoted => columns.push(String::new()),
            letter => columns.last_mut().expect("never empty").push(letter),
        }
    }
    columns
}

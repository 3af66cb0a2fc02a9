//! Statements sent as a whole, with their values in the text: for poolers that keep no prepared
//! statements.

use std::fmt::Write;

use sqlx::postgres::PgRow;
use sqlx::{Row, TypeInfo, ValueRef};

use super::parameter::Array;
use crate::value::{Columns, Value};

/// A text with the values in the places of `$1` and so on.
pub(super) fn with_literals(text: &str, literals: &[String]) -> String {
    let room = text.len() + literals.iter().map(String::len).sum::<usize>();
    let mut whole = String::with_capacity(room);
    let mut parts = text.split('$');
    whole.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = part.split_at(digits);
        let literal = number.parse::<usize>().ok().and_then(|number| literals.get(number - 1));
        whole.push_str(literal.expect("a value for each place"));
        whole.push_str(rest);
    }
    whole
}

/// A value whose type is that of the place it stands in.
pub(super) fn literal(value: Value<'_>) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(number) => format!("'{number}'"),
        Value::Bytes(bytes) => {
            let mut text = String::with_capacity(bytes.len() * 2 + 7);
            text.push_str("E'\\\\x");
            push_hex(&mut text, bytes);
            text.push('\'');
            text
        }
        Value::Words(words) => literal(Value::Bytes(words.as_bytes())),
        Value::Text(inside) => {
            let mut text = "E'".to_owned();
            push_quoted(&mut text, inside);
            text.push('\'');
            text
        }
    }
}

/// The values of one column.
pub(super) fn literal_of_array(array: &Array<'_>) -> String {
    let mut text = "E'{".to_owned();
    for (at, value) in array.values.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        match value {
            Value::Null => text.push_str("NULL"),
            Value::Integer(number) => write!(text, "{number}").expect("a text takes all"),
            Value::Bytes(bytes) => push_element(&mut text, bytes),
            Value::Words(words) => push_element(&mut text, words.as_bytes()),
            Value::Text(inside) => {
                let inside = inside.replace('\\', "\\\\").replace('"', "\\\"");
                text.push('"');
                push_quoted(&mut text, &inside);
                text.push('"');
            }
        }
    }
    text.push_str("}'::");
    text.push_str(array.element.array_type());
    text
}

/// Bytes inside an array: a backslash for its quotes, each twice for those of the text.
fn push_element(text: &mut String, bytes: &[u8]) {
    text.push_str("\"\\\\\\\\x");
    push_hex(text, bytes);
    text.push('"');
}

fn push_quoted(text: &mut String, inside: &str) {
    for character in inside.chars() {
        if matches!(character, '\'' | '\\') {
            text.push(character);
        }
        text.push(character);
    }
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

/// A row in the text format, read into the forms that the binary one has.
pub(super) struct TextRow(Vec<Option<Vec<u8>>>);

impl TextRow {
    /// # Errors
    /// A column is not as its type is written.
    pub(super) fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        (0..row.len()).map(|at| read_column(row, at)).collect::<Result<_, _>>().map(TextRow)
    }
}

fn read_column(row: &PgRow, at: usize) -> Result<Option<Vec<u8>>, sqlx::Error> {
    let value = row.try_get_raw(at)?;
    if value.is_null() {
        return Ok(None);
    }
    let text = value.as_str().map_err(sqlx::Error::Decode)?;
    let bad = || sqlx::Error::Decode(format!("column {at} is not of its type").into());
    let bytes = match value.type_info().name() {
        "BYTEA" => read_hex(text).or_else(|| read_escaped(text)).ok_or_else(bad)?,
        "BOOL" => vec![u8::from(text == "t")],
        "INT2" | "INT4" | "INT8" => {
            let number: i64 = text.parse().map_err(|_| bad())?;
            number.to_be_bytes().to_vec()
        }
        _ => text.as_bytes().to_vec(),
    };
    Ok(Some(bytes))
}

/// As `\x0afe`.
fn read_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("\\x")?.as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    digits.chunks(2).map(byte).collect()
}

/// As `a\\b\000`, which another client of a pooler, or an administrator, may have asked for.
fn read_escaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('\\');
    bytes.extend_from_slice(parts.next()?.as_bytes());
    while let Some(part) = parts.next() {
        if part.is_empty() {
            bytes.push(b'\\');
            bytes.extend_from_slice(parts.next()?.as_bytes());
        } else {
            let (digits, rest) = part.split_at_checked(3)?;
            bytes.push(u8::from_str_radix(digits, 8).ok()?);
            bytes.extend_from_slice(rest.as_bytes());
        }
    }
    Some(bytes)
}

impl Columns for TextRow {
    fn integer(&self, at: usize) -> Option<i64> {
        let bytes = Columns::bytes(self, at)?;
        match bytes.len() {
            8 => bytes.try_into().ok().map(i64::from_be_bytes),
            1 => Some(bytes[0].into()),
            _ => None,
        }
    }

    fn bytes(&self, at: usize) -> Option<&[u8]> {
        self.0.get(at)?.as_deref()
    }
}

#[cfg(test)]
mod tests {
    //! What stands in a text reads back as it was.
    use super::*;
    use crate::postgres::parameter::Element;

    #[test]
    fn values_stand_in_their_places() {
        let literals: Vec<String> = (1..=11).map(|number| format!("<{number}>")).collect();
        assert_eq!(with_literals("a $1::x, $11 $2", &literals), "a <1>::x, <11> <2>");
        assert_eq!(with_literals("nothing", &[]), "nothing");
    }

    #[test]
    fn quotes_and_backslashes_stay_inside() {
        assert_eq!(literal(Value::Text(r"a'b\c")), r"E'a''b\\c'");
        assert_eq!(literal(Value::Bytes(b"'\\")), r"E'\\x275c'");
        let values = vec![Value::Bytes(b"\x0a"), Value::Null];
        let array = Array { element: Element::Bytes, values };
        assert_eq!(literal_of_array(&array), r#"E'{"\\\\x0a",NULL}'::bytea[]"#);
        let array = Array { element: Element::Text, values: vec![Value::Text(r#"a"'\b"#)] };
        assert_eq!(literal_of_array(&array), r#"E'{"a\\"''\\\\b"}'::text[]"#);
    }

    #[test]
    fn bytes_read_back() {
        assert_eq!(read_hex(r"\x00ffA5"), Some(vec![0, 255, 0xa5]));
        assert_eq!(read_hex(r"\x0"), None);
        assert_eq!(read_hex("00"), None);
        assert_eq!(read_escaped(r"a\\\\b\000\377x\\"), Some(b"a\\\\b\0\xffx\\".to_vec()));
        assert_eq!(read_escaped(r"a\9"), None);
        assert_eq!(read_escaped(""), Some(Vec::new()));
    }
}

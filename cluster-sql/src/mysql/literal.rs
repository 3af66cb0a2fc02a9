//! Values as text in a statement.

use std::fmt::Write;

use crate::value::Value;

/// Appends a value. Bytes stand in hexadecimal: nothing in them can be mistaken for the language.
pub(super) fn push(text: &mut String, value: &Value<'_>) {
    match value {
        Value::Null => text.push_str("NULL"),
        Value::Integer(number) => write!(text, "{number}").expect("a text takes everything"),
        Value::Bytes(bytes) => push_bytes(text, bytes),
        Value::Text(words) | Value::Words(words) => push_bytes(text, words.as_bytes()),
    }
}

/// Appends bytes.
pub(super) fn push_bytes(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    text.reserve(2 * bytes.len() + 3);
    text.push_str("x'");
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text.push('\'');
}

/// Appends a row in parentheses.
pub(super) fn push_row(text: &mut String, values: &[Value<'_>]) {
    text.push('(');
    push_list(text, values);
    text.push(')');
}

/// Appends values with commas between them.
pub(super) fn push_list<'a, 'v: 'a>(
    text: &mut String,
    values: impl IntoIterator<Item = &'a Value<'v>>,
) {
    for (at, value) in values.into_iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        push(text, value);
    }
}

#[test]
fn nothing_of_a_value_is_read_as_the_language() {
    let mut text = String::new();
    let values = [Value::Null, Value::Integer(-7), Value::Bytes(b"a'\0\xff"), Value::Text("")];
    push_row(&mut text, &values);
    assert_eq!(text, "(NULL,-7,x'612700ff',x'')");
}

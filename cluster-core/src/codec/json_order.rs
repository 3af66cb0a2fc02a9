//! JSON text in one form for all texts that say the same.
//!
//! It is not read into a library's numbers, which are as wide as a `u64` or round: two numbers are
//! the same only if all their digits are.

use std::collections::BTreeMap;

use super::fault::Fault;
use super::json;

/// The text without white space, its objects sorted by name, its texts and numbers each written in
/// one way. An integer and a number with a point or an exponent are never the same.
///
/// # Errors
/// What the reader of values refuses: text that is no JSON or too deep, numbers out of range.
pub(super) fn canonical(text: &[u8]) -> Result<String, Fault> {
    json::parse::<serde_json::Value>(text)?;
    let text = std::str::from_utf8(text).map_err(|_| not_json())?;
    let mut scan = Scan { rest: text.trim_start_matches(WHITE) };
    let mut out = String::with_capacity(text.len());
    scan.value(&mut out)?;
    Ok(out)
}

const WHITE: [char; 4] = [' ', '\t', '\n', '\r'];

/// Walks a text that is known to be JSON of limited depth. White space is skipped behind tokens.
struct Scan<'a> {
    rest: &'a str,
}

/// Never seen: the text was read before.
fn not_json() -> Fault {
    Fault::new("not JSON")
}

impl<'a> Scan<'a> {
    fn value(&mut self, out: &mut String) -> Result<(), Fault> {
        match self.rest.as_bytes().first().ok_or_else(not_json)? {
            b'{' => self.object(out),
            b'[' => self.array(out),
            b'"' => {
                let text = self.text()?;
                write_text(&text, out)
            }
            _ => {
                let ends = |char: char| matches!(char, ',' | ']' | '}') || WHITE.contains(&char);
                let length = self.rest.find(ends).unwrap_or(self.rest.len());
                let token = self.take(length)?;
                match token.as_bytes().first() {
                    Some(b'-' | b'0'..=b'9') => number(token, out),
                    _ => out.push_str(token),
                }
                Ok(())
            }
        }
    }

    fn array(&mut self, out: &mut String) -> Result<(), Fault> {
        self.take(1)?;
        out.push('[');
        while !self.ends(']')? {
            self.value(out)?;
            self.comma()?;
            out.push(',');
        }
        out.push(']');
        Ok(())
    }

    /// Of a name that stands twice the last value counts, as everywhere.
    fn object(&mut self, out: &mut String) -> Result<(), Fault> {
        self.take(1)?;
        let mut entries = BTreeMap::new();
        while !self.ends('}')? {
            let name = self.text()?;
            // The colon.
            self.take(1)?;
            let mut value = String::new();
            self.value(&mut value)?;
            self.comma()?;
            entries.insert(name, value);
        }
        out.push('{');
        for (name, value) in entries {
            write_text(&name, out)?;
            out.push(':');
            out.push_str(&value);
            out.push(',');
        }
        out.push('}');
        Ok(())
    }

    fn text(&mut self) -> Result<String, Fault> {
        let mut escaped = false;
        let inside = self.rest.bytes().skip(1).position(|byte| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        });
        let token = self.take(inside.ok_or_else(not_json)? + 2)?;
        serde_json::from_str(token).map_err(|error| Fault::new(error.to_string()))
    }

    /// Takes the end of an array or object, if it is next.
    fn ends(&mut self, end: char) -> Result<bool, Fault> {
        let ends = self.rest.starts_with(end);
        if ends {
            self.take(1)?;
        }
        Ok(ends)
    }

    fn comma(&mut self) -> Result<(), Fault> {
        self.ends(',').map(drop)
    }

    /// Takes a token and the white space behind it.
    fn take(&mut self, length: usize) -> Result<&'a str, Fault> {
        let (token, rest) = self.rest.split_at_checked(length).ok_or_else(not_json)?;
        self.rest = rest.trim_start_matches(WHITE);
        Ok(token)
    }
}

fn write_text(text: &str, out: &mut String) -> Result<(), Fault> {
    let text = serde_json::to_string(text).map_err(|error| Fault::new(error.to_string()))?;
    out.push_str(&text);
    Ok(())
}

/// An integer as it is; any other number as its digits, without zeros at either end, and the power
/// of ten behind them.
fn number(token: &str, out: &mut String) {
    match scaled(token) {
        Some(scaled) => out.push_str(&scaled),
        None => out.push_str(token),
    }
}

fn scaled(token: &str) -> Option<String> {
    let (mantissa, exponent) = match token.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None if token.contains('.') => (token, 0),
        None => return None,
    };
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => ("-", mantissa),
        None => ("", mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let short = digits.trim_end_matches('0');
    let zeros = i64::try_from(digits.len() - short.len()).ok()?;
    let digits = short.trim_start_matches('0');
    if digits.is_empty() {
        return Some(format!("{sign}0e0"));
    }
    let behind_point = i64::try_from(fraction.len()).ok()?;
    let exponent = exponent.checked_add(zeros)?.checked_sub(behind_point)?;
    Some(format!("{sign}{digits}e{exponent}"))
}

//! `key` and `key = value`, separated by commas.

use std::ops::RangeInclusive;
use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::{LitInt, LitStr, Path};

use super::duration;
use super::nearest::nearest;
use crate::errors::Errors;

/// The longest stored name, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// A key that an attribute takes.
pub(super) struct Key {
    name: &'static str,
    /// An example of its value; none if it takes none.
    value: Option<&'static str>,
}

impl Key {
    pub(super) const fn flag(name: &'static str) -> Self {
        Key { name, value: None }
    }

    pub(super) const fn with(name: &'static str, value: &'static str) -> Self {
        Key { name, value: Some(value) }
    }
}

/// One key with its value. Whether the key takes a value is not checked yet.
pub(super) struct Entry {
    pub(super) key: &'static str,
    pub(super) span: Span,
    example: Option<&'static str>,
    value: Option<TokenStream>,
}

/// Reads the arguments of an attribute: known keys, each once.
pub(super) fn entries(
    tokens: TokenStream,
    keys: &'static [Key],
    errors: &mut Errors,
) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for part in parts(tokens) {
        let Some(entry) = read(part, keys, errors) else { continue };
        match entries.iter().find(|known| known.key == entry.key) {
            Some(_) => errors.at(entry.span, format!("`{}` is given twice", entry.key)),
            None => entries.push(entry),
        }
    }
    entries
}

/// What stands between the commas.
fn parts(tokens: TokenStream) -> Vec<Vec<TokenTree>> {
    let mut parts = vec![Vec::new()];
    for token in tokens {
        match (&token, parts.last_mut()) {
            (TokenTree::Punct(punct), Some(part)) if punct.as_char() == ',' && !part.is_empty() => {
                parts.push(Vec::new());
            }
            (_, Some(part)) => part.push(token),
            (_, None) => parts.push(vec![token]),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

fn read(part: Vec<TokenTree>, keys: &'static [Key], errors: &mut Errors) -> Option<Entry> {
    let mut tokens = part.into_iter();
    let name = match tokens.next() {
        Some(TokenTree::Ident(name)) => name,
        Some(other) => {
            errors.on(other, format!("expected a key: {}", list(keys)));
            return None;
        }
        None => return None,
    };
    let Some(key) = keys.iter().find(|key| name == key.name) else {
        unknown(&name, keys, errors);
        return None;
    };
    let value = match tokens.next() {
        None => None,
        Some(TokenTree::Punct(punct)) if punct.as_char() == '=' => Some(tokens.collect()),
        Some(other) => {
            errors.on(other, format!("write `{}`", form(key.name, key.value)));
            return None;
        }
    };
    Some(Entry { key: key.name, span: name.span(), example: key.value, value })
}

fn unknown(name: &Ident, keys: &[Key], errors: &mut Errors) {
    let meant = nearest(&name.to_string(), keys.iter().map(|key| key.name));
    let meant = match meant {
        Some(key) => format!("did you mean `{key}`? The keys are"),
        None => "the keys are".to_owned(),
    };
    errors.at(name.span(), format!("unknown key `{name}`: {meant} {}", list(keys)));
}

fn list(keys: &[Key]) -> String {
    let keys: Vec<_> = keys.iter().map(|key| format!("`{}`", key.name)).collect();
    keys.join(", ")
}

fn form(key: &str, value: Option<&str>) -> String {
    match value {
        Some(value) => format!("{key} = {value}"),
        None => key.to_owned(),
    }
}

impl Entry {
    /// A key without a value.
    pub(super) fn flag(self, errors: &mut Errors) -> Option<Span> {
        if let Some(value) = self.value {
            errors.on(value, format!("`{}` takes no value", self.key));
        }
        Some(self.span)
    }

    /// Whether a value was given, where both forms are allowed.
    pub(super) fn has_value(&self) -> bool {
        self.value.is_some()
    }

    pub(super) fn text(self, errors: &mut Errors) -> Option<LitStr> {
        let form = form(self.key, self.example);
        self.parse(format!("expected a text: `{form}`"), errors)
    }

    /// A text that is stored as a name.
    pub(super) fn name(self, errors: &mut Errors) -> Option<LitStr> {
        let text = self.text(errors)?;
        let value = text.value();
        if value.is_empty() || value.len() > NAME_BYTES_MAX || value.chars().any(char::is_control) {
            let form = format!("a name has 1 to {NAME_BYTES_MAX} bytes and no control characters");
            errors.on(text, form);
            return None;
        }
        Some(text)
    }

    pub(super) fn duration(self, errors: &mut Errors) -> Option<Duration> {
        let key = self.key;
        let text = self.text(errors)?;
        match duration::parse(&text.value()) {
            Ok(duration) => Some(duration),
            Err(problem) => {
                errors.on(text, format!("`{key}`: {problem}"));
                None
            }
        }
    }

    pub(super) fn number(
        self,
        range: RangeInclusive<u64>,
        errors: &mut Errors,
    ) -> Option<(u64, Span)> {
        let (least, most) = (range.start(), range.end());
        let expected = format!("`{}` is a whole number from {least} to {most}", self.key);
        let number: LitInt = self.parse(expected.clone(), errors)?;
        match number.base10_parse::<u64>() {
            Ok(value) if range.contains(&value) => Some((value, number.span())),
            _ => {
                errors.on(number, expected);
                None
            }
        }
    }

    /// The path of a function.
    pub(super) fn path(self, errors: &mut Errors) -> Option<Path> {
        let form = form(self.key, self.example);
        self.parse(format!("expected the path of a function: `{form}`"), errors)
    }

    /// A path in a text.
    pub(super) fn quoted_path(self, errors: &mut Errors) -> Option<Path> {
        let form = form(self.key, self.example);
        let text = self.text(errors)?;
        match text.parse_with(Path::parse_mod_style) {
            Ok(path) => Some(path),
            Err(_) => {
                errors.on(text, format!("expected a path: `{form}`"));
                None
            }
        }
    }

    fn parse<T: syn::parse::Parse>(self, expected: String, errors: &mut Errors) -> Option<T> {
        let Some(value) = self.value.filter(|value| !value.is_empty()) else {
            let form = form(self.key, self.example);
            errors.at(self.span, format!("`{}` needs a value: `{form}`", self.key));
            return None;
        };
        match syn::parse2(value.clone()) {
            Ok(parsed) => Some(parsed),
            Err(_) => {
                errors.on(value, expected);
                None
            }
        }
    }
}

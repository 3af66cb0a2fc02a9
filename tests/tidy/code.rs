//! A light reading of Rust: enough to tell code from comments and strings, and to find functions.

use std::ops::Range;

/// A file's code with comments and literals blanked out, so that positions and lines stay the same.
#[derive(Debug)]
pub(crate) struct Code {
    text: String,
    /// Where `#[cfg(test)]` items stand, in bytes of `text`.
    tests: Vec<Range<usize>>,
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: String,
    /// The line of its `fn`, counted from 1.
    pub(crate) line: usize,
    /// Lines from `fn` to the closing brace, both counted.
    pub(crate) length: usize,
}

impl Code {
    /// Reads one file.
    pub(crate) fn new(source: &str) -> Self {
        let text = blank(source);
        let tests = test_items(&text);
        Code { text, tests }
    }

    /// The code: every byte of a comment or literal is a space, every newline is kept.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether the byte belongs to an item under `#[cfg(test)]`.
    pub(crate) fn is_test(&self, at: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&at))
    }

    /// The line of a byte, counted from 1.
    pub(crate) fn line(&self, at: usize) -> usize {
        self.text[..at].matches('\n').count() + 1
    }

    /// Where `pattern` stands, not as the end of a longer word.
    pub(crate) fn find_all<'a>(&'a self, pattern: &'a str) -> impl Iterator<Item = usize> + 'a {
        let starts_with_word = pattern.starts_with(is_word);
        let matches = self.text.match_indices(pattern);
        let whole = move |at: &usize| !starts_with_word || !self.text[..*at].ends_with(is_word);
        matches.map(|(at, _)| at).filter(whole)
    }

    /// The functions that have a body, nested ones included.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let mut functions = Vec::new();
        for at in self.find_all("fn ") {
            let rest = &self.text[at + 3..];
            let name: String = rest.chars().take_while(|c| is_word(*c) || *c == '$').collect();
            let Some(open) = body(&self.text, at) else { continue };
            let Some(close) = matching(&self.text, open) else { continue };
            let line = self.line(at);
            functions.push(Function { name, line, length: self.line(close) - line + 1 });
        }
        functions
    }
}

/// Whether the character can be part of a name.
pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The brace that opens what starts at `at`, or nothing if a semicolon ends it first.
fn body(text: &str, at: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (offset, c) in text[at..].char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            '{' if depth == 0 => return Some(at + offset),
            ';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// The brace that closes the one at `open`.
fn matching(text: &str, open: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (offset, c) in text[open..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(open + offset);
        }
    }
    None
}

fn test_items(text: &str) -> Vec<Range<usize>> {
    let items = text.match_indices("#[cfg(test)]").map(|(at, attribute)| {
        let after = at + attribute.len();
        let end = match body(text, after) {
            Some(open) => matching(text, open).unwrap_or(text.len()),
            None => text[after..].find(';').map_or(text.len(), |semicolon| after + semicolon),
        };
        at..end
    });
    items.collect()
}

/// Replaces comments and literals by spaces.
fn blank(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = at + skipped(&source[at..], at.checked_sub(1).map(|before| bytes[before]));
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        // Nothing to skip: step over one character of code.
        at = end.max(at + source[at..].chars().next().map_or(1, char::len_utf8));
    }
    String::from_utf8(out).expect("whole characters were replaced by ASCII")
}

/// How many bytes of comment or literal `rest` begins with; `before` is the byte in front of it.
fn skipped(rest: &str, before: Option<u8>) -> usize {
    let in_word = before.is_some_and(|byte| is_word(char::from(byte)));
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment(rest);
    }
    if rest.starts_with('"') {
        return string(rest);
    }
    if rest.starts_with('\'') {
        return character(rest);
    }
    if in_word {
        return 0;
    }
    let prefix = ["br", "cr", "r"].iter().find(|prefix| rest.starts_with(**prefix));
    prefix.map_or(0, |prefix| raw_string(rest, prefix.len()))
}

/// Block comments nest.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        let tail = &rest.as_bytes()[at..];
        if tail.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if tail.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            b'"' if !escaped => return at + 1,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    rest.len()
}

/// A character, or nothing when the quote begins a lifetime.
fn character(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => {
            // What follows the backslash may be a quote itself.
            rest[3..].find('\'').map_or(rest.len(), |end| 3 + end + 1)
        }
        Some(_) => match chars.next() {
            Some((at, '\'')) => at + 1,
            _ => 0,
        },
        None => 0,
    }
}

/// `r`, hashes and a quote up to the quote with as many hashes; a raw name is no string.
fn raw_string(rest: &str, prefix: usize) -> usize {
    let hashes = rest[prefix..].bytes().take_while(|byte| *byte == b'#').count();
    let open = prefix + hashes;
    if !rest[open..].starts_with('"') {
        return 0;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    rest[open + 1..].find(&close).map_or(rest.len(), |end| open + 1 + end + close.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_and_the_rest_keeps_its_place() {
        let cases = [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"f("x \" y", 'z', '\'', '\\')"#, r#"f(        ,    ,     ,     )"#),
            ("r\"a\" br##\"b\"# c\"## r#fn d", "                   r#fn d"),
            ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
            ("attr\"s\" '\u{e4}' x", "attr         x"),
            ("\"a\nb\" c", "  \n   c"),
        ];
        for (source, code) in cases {
            assert_eq!(Code::new(source).text(), code, "{source}");
        }
    }

    #[test]
    fn functions_are_measured_from_fn_to_brace() {
        let source = "trait T { fn no(&self); }\nfn one() {}\n\
                      async fn three(\n  x: [u8; 2],\n) {}\n\
                      type F = fn (u8);\nfn outer() {\n  fn inner() {}\n}";
        let functions = Code::new(source).functions();
        let seen: Vec<_> = functions.iter().map(|f| (&*f.name, f.line, f.length)).collect();
        assert_eq!(seen, [("one", 2, 1), ("three", 3, 3), ("outer", 7, 3), ("inner", 8, 1)]);
    }

    #[test]
    fn test_items_end_where_their_braces_do() {
        let code = Code::new("fn a() {}\n#[cfg(test)]\nmod tests { fn b() {} }\nfn c() {}");
        let at = |word: &str| code.text().find(word).expect("the word stands there");
        let is_test = ["fn a", "fn b", "fn c"].map(|word| code.is_test(at(word)));
        assert_eq!(is_test, [false, true, false]);
        let declared = Code::new("#[cfg(test)]\nmod tests;\nfn c() {}");
        assert!(!declared.is_test(declared.text().find("fn c").expect("it stands there")));
    }

    #[test]
    fn a_pattern_is_not_found_at_the_end_of_a_longer_word() {
        let code = Code::new("MyInstant::now(); Instant::now(); time::Instant::now()");
        assert_eq!(code.find_all("Instant::now").collect::<Vec<_>>(), [18, 40]);
    }
}

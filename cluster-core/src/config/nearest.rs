//! What somebody may have meant.

/// The known word that differs least from the given one, if it differs by little: by one letter in
/// four.
pub(super) fn nearest<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = (given.len() / 4).max(1);
    let near = known.map(|word| (distance(given.as_bytes(), word.as_bytes()), word));
    near.filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|it| it.1)
}

/// How many letters must be put in, left out or replaced to make one word of the other: the
/// distance of Levenshtein, row by row.
fn distance(from: &[u8], to: &[u8]) -> usize {
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (row, letter) in from.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut last[0], row + 1);
        for (column, other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != other);
            diagonal = last[column + 1];
            last[column + 1] = replaced.min(diagonal + 1).min(last[column] + 1);
        }
    }
    last[to.len()]
}

#[test]
fn a_slip_is_recognized() {
    let known = ["call_timeout", "mailbox", "idle", "attempts"];
    let guess = |given| nearest(given, known.into_iter());
    assert_eq!(guess("call_timout"), Some("call_timeout"));
    assert_eq!(guess("calltimeout"), Some("call_timeout"));
    assert_eq!(guess("mailboxes"), Some("mailbox"));
    assert_eq!(guess("idel"), None);
    assert_eq!(guess("idl"), Some("idle"));
    assert_eq!(guess("port"), None);
    assert_eq!(distance(b"kitten", b"sitting"), 3);
}

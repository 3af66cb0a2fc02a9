//! What somebody may have meant.

/// The known word that differs least from the given one, if it differs by little.
pub(super) fn nearest<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = (given.chars().count() / 3).max(1);
    let near = known.map(|word| (distance(given, word), word));
    near.filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// How many letters must be put in, left out or replaced (Levenshtein's distance), or swapped with
/// their neighbour, to make one word of the other.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut before = vec![0; to.len() + 1];
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (row, letter) in from.iter().enumerate() {
        let mut next = vec![row + 1];
        for (column, other) in to.iter().enumerate() {
            let replaced = last[column] + usize::from(letter != other);
            let mut least = replaced.min(last[column + 1] + 1).min(next[column] + 1);
            let swapped =
                row > 0 && column > 0 && *letter == to[column - 1] && from[row - 1] == *other;
            if swapped {
                least = least.min(before[column - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut last, next);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognized() {
        let known = ["persisted", "timeout", "tag", "name", "transaction"];
        let guess = |given| nearest(given, known.into_iter());
        assert_eq!(guess("persistent"), Some("persisted"));
        assert_eq!(guess("persited"), Some("persisted"));
        assert_eq!(guess("time_out"), Some("timeout"));
        assert_eq!(guess("tga"), Some("tag"));
        assert_eq!(guess("transactional"), Some("transaction"));
        assert_eq!(guess("retries"), None);
        assert_eq!(guess("x"), None);
    }

    #[test]
    fn distance_counts_changes() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
        assert_eq!(distance("abc", "acb"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}

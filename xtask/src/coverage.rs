//! Which behaviours have a test: docs/behaviours.md against the `// proves: B12` lines of the
//! tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use crate::{process, source};

const BEHAVIOURS: &str = "docs/behaviours.md";
const EXPECTED: &str = "docs/coverage.txt";
const MARK: &str = "// proves:";

/// Number of a behaviour: the 12 of B12.
type Number = u16;

/// # Errors
///
/// If a proof names a number that does not exist or stands above no test, or an expected behaviour
/// has no test while that is enforced.
pub(crate) fn run() -> Result<(), String> {
    check().map(drop)
}

/// Prints what is not proven and gives the one line that sums it up.
///
/// # Errors
///
/// As [`run`].
pub(crate) fn check() -> Result<String, String> {
    let root = process::root();
    let listed = parse_behaviours(&source::read(&root.join(BEHAVIOURS))?)?;
    let expected = Expected::parse(&source::read(&root.join(EXPECTED))?)?;
    let mut proven = BTreeSet::new();
    let mut faults = Vec::new();
    for path in source::rust_files(&root)? {
        let place = path.strip_prefix(&root).unwrap_or(&path);
        for proof in proofs(&source::read(&path)?, place) {
            match proof {
                Ok(number) if listed.contains_key(&number) => _ = proven.insert(number),
                Ok(number) => faults.push(format!("{}: B{number} does not exist", place.display())),
                Err(fault) => faults.push(fault),
            }
        }
    }
    for number in expected.numbers.iter().filter(|number| !listed.contains_key(number)) {
        faults.push(format!("{EXPECTED}: B{number} does not exist"));
    }
    print!("{}", open_by_group(&listed, &proven));
    let missing: BTreeSet<Number> = expected.numbers.difference(&proven).copied().collect();
    if expected.enforced && !missing.is_empty() {
        faults.push(format!("expected by {EXPECTED} and not proven: {}", ranges(&missing)));
    }
    let line = summary(&listed, &proven, &expected, &missing);
    println!("{line}");
    if faults.is_empty() { Ok(line) } else { Err(faults.join("\n")) }
}

fn summary(
    listed: &BTreeMap<Number, String>,
    proven: &BTreeSet<Number>,
    expected: &Expected,
    missing: &BTreeSet<Number>,
) -> String {
    let mut line = format!(
        "coverage: {} of {} behaviours proven; of {} expected by now {} are missing",
        proven.len(),
        listed.len(),
        expected.numbers.len(),
        missing.len(),
    );
    if !expected.enforced {
        line.push_str(" (a warning: not enforced yet)");
    }
    line
}

/// Each behaviour's number with the heading it stands under.
fn parse_behaviours(text: &str) -> Result<BTreeMap<Number, String>, String> {
    let mut listed = BTreeMap::new();
    let mut group = String::new();
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            heading.clone_into(&mut group);
        } else if let Some(rest) = line.strip_prefix("- B") {
            let digits = rest.split(' ').next().unwrap_or_default();
            // Other points of the text may begin with a B as well.
            let Ok(number) = digits.parse() else { continue };
            if listed.insert(number, group.clone()).is_some() {
                return Err(format!("{BEHAVIOURS}: B{number} stands there twice"));
            }
        }
    }
    Ok(listed)
}

/// What docs/coverage.txt asks for.
#[derive(Debug, PartialEq, Eq)]
struct Expected {
    enforced: bool,
    numbers: BTreeSet<Number>,
}

impl Expected {
    fn parse(text: &str) -> Result<Self, String> {
        let mut enforced = None;
        let mut numbers = BTreeSet::new();
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line.split_once('=').map(|(name, value)| (name.trim(), value.trim())) {
                Some(("enforced", "yes")) => enforced = Some(true),
                Some(("enforced", "no")) => enforced = Some(false),
                Some(("expected", list)) => {
                    for item in list.split(',') {
                        numbers.extend(parse_range(item.trim())?);
                    }
                }
                _ => return Err(format!("{EXPECTED}: `{line}` is not understood")),
            }
        }
        match enforced {
            Some(enforced) => Ok(Expected { enforced, numbers }),
            None => Err(format!("{EXPECTED}: says neither `enforced = yes` nor `enforced = no`")),
        }
    }
}

/// `B3` or `B3-B7`.
fn parse_range(text: &str) -> Result<std::ops::RangeInclusive<Number>, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (parse_number(first), parse_number(last)) {
        (Some(first), Some(last)) if first <= last => Ok(first..=last),
        _ => Err(format!("`{text}` is neither `B3` nor `B3-B7`")),
    }
}

fn parse_number(text: &str) -> Option<Number> {
    text.trim().strip_prefix('B')?.parse().ok()
}

/// The numbers that the tests of one file prove; a malformed or misplaced mark is an error.
fn proofs(text: &str, place: &Path) -> Vec<Result<Number, String>> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some(list) = line.strip_prefix(MARK) else { continue };
        let at = format!("{}:{}", place.display(), index + 1);
        // A program that must compile or must fail is a test as a whole.
        if !place.starts_with("tests/ui") && !stands_above_test(&lines[index + 1..]) {
            found.push(Err(format!("{at}: `{line}` stands above no test")));
        }
        for item in list.split(',') {
            let fault = || format!("{at}: `{}` is not a behaviour like B12", item.trim());
            found.push(parse_number(item).ok_or_else(fault));
        }
    }
    found
}

/// Whether a function, or a macro that makes tests, comes before the next empty line.
fn stands_above_test(below: &[&str]) -> bool {
    let block = below.iter().take_while(|line| !line.is_empty());
    let mut code = block.filter(|line| !line.starts_with("//"));
    code.any(|line| line.contains("fn ") || line.contains("!(") || line.contains("! {"))
}

/// What is not proven, one line for each heading that has some.
fn open_by_group(listed: &BTreeMap<Number, String>, proven: &BTreeSet<Number>) -> String {
    let mut groups: Vec<(&str, BTreeSet<Number>)> = Vec::new();
    for (number, group) in listed.iter().filter(|(number, _)| !proven.contains(number)) {
        match groups.iter_mut().find(|(name, _)| name == group) {
            Some((_, numbers)) => _ = numbers.insert(*number),
            None => groups.push((group, BTreeSet::from([*number]))),
        }
    }
    let mut text = String::new();
    for (group, numbers) in groups {
        writeln!(text, "not proven yet, {group}: {}", ranges(&numbers))
            .expect("writing to a string never fails");
    }
    text
}

/// `B1-B3, B7`.
fn ranges(numbers: &BTreeSet<Number>) -> String {
    let mut runs: Vec<(Number, Number)> = Vec::new();
    for &number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let text = |&(first, last): &(Number, Number)| {
        if first == last { format!("B{first}") } else { format!("B{first}-B{last}") }
    };
    runs.iter().map(text).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    //! The coverage check reads what it says it reads, and refuses what it says it refuses.
    use super::*;

    fn numbers(text: &str) -> Vec<Result<Number, String>> {
        proofs(text, Path::new("tests/calls.rs"))
    }

    #[test]
    fn behaviours_are_listed_under_their_heading_and_only_once() {
        let text = "# B\n- Both\n## Calls\n- B1 one\n- B2 two\n## State\n- B9 nine";
        let listed = parse_behaviours(text).unwrap();
        assert_eq!(listed.len(), 3);
        assert_eq!(listed[&9], "State");
        assert!(parse_behaviours("- B1 one\n- B1 again").unwrap_err().contains("twice"));
    }

    #[test]
    fn expectations_are_ranges_and_say_whether_they_are_enforced() {
        let expected = Expected::parse("# why\nenforced = no\nexpected = B1-B3, B7\n").unwrap();
        assert_eq!(expected, Expected { enforced: false, numbers: [1, 2, 3, 7].into() });
        assert!(Expected::parse("expected = B1").unwrap_err().contains("neither"));
        assert!(Expected::parse("enforced = no\nexpected = B3-B1").is_err());
        assert!(Expected::parse("enforced = maybe").is_err());
    }

    #[test]
    fn a_proof_may_name_several_behaviours_above_attributes_and_docs() {
        let text = "// proves: B1, B20\n/// Doc.\n#[tokio::test(\n    x\n)]\nasync fn f() {}";
        assert_eq!(numbers(text), [Ok(1), Ok(20)]);
        assert_eq!(numbers("// proves: B3\nsuite!(memory);"), [Ok(3)]);
    }

    #[test]
    fn a_proof_above_no_test_or_without_a_number_is_a_fault() {
        assert!(numbers("// proves: B1\n\nfn later() {}")[0].is_err());
        assert!(numbers("// proves: B1\nconst X: u8 = 1;")[0].is_err());
        assert!(numbers("// proves: 7\nfn f() {}")[0].is_err());
        assert!(numbers("// proves:\nfn f() {}")[0].is_err());
        let program = proofs("// proves: B4\nuse x;", Path::new("tests/ui/calls/fail/a.rs"));
        assert_eq!(program, [Ok(4)]);
    }

    #[test]
    fn what_is_open_is_shown_by_heading_in_ranges() {
        let listed = parse_behaviours("## A\n- B1 a\n- B2 b\n- B3 c\n## B\n- B4 d").unwrap();
        assert_eq!(open_by_group(&listed, &[2, 4].into()), "not proven yet, A: B1, B3\n");
        assert_eq!(ranges(&[1, 2, 3, 5, 8, 9].into()), "B1-B3, B5, B8-B9");
    }
}

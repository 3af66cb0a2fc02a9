//! Lengths: small enough to be read in one go.

use crate::Finding;
use crate::code::Code;
use crate::tree::Text;

/// Lines of a Rust file.
const FILE_LINES_MAX: usize = 600;
/// Lines of a function, from `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;
/// Characters of a line of Rust, comments included.
const WIDTH_MAX: usize = 100;
/// Lines of the map of the code.
const ARCHITECTURE_LINES_MAX: usize = 250;

/// File, function and line lengths of our own Rust.
pub(crate) fn check_rust(text: &Text, code: &Code) -> Vec<Finding> {
    let mut findings = check_width(text);
    let lines = text.content.lines().count();
    if lines > FILE_LINES_MAX {
        let advice = format!("{lines} lines, at most {FILE_LINES_MAX}: split it by thought");
        findings.push(finding(text, 1, "file length", advice));
    }
    for function in code.functions() {
        if function.length > FUNCTION_LINES_MAX {
            let (name, length) = (&function.name, function.length);
            let advice = format!("`{name}` has {length} lines, at most {FUNCTION_LINES_MAX}");
            findings.push(finding(text, function.line, "function length", advice));
        }
    }
    findings
}

/// Line lengths alone, for programs that are data of a test.
pub(crate) fn check_width(text: &Text) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in text.content.lines().enumerate() {
        let width = line.chars().count();
        if width > WIDTH_MAX {
            let advice = format!("{width} characters, at most {WIDTH_MAX}");
            findings.push(finding(text, index + 1, "width", advice));
        }
    }
    findings
}

/// The map of the code stays a map.
pub(crate) fn check_architecture(text: &Text) -> Vec<Finding> {
    let lines = text.content.lines().count();
    if text.path != "ARCHITECTURE.md" || lines <= ARCHITECTURE_LINES_MAX {
        return Vec::new();
    }
    let advice = format!("{lines} lines, at most {ARCHITECTURE_LINES_MAX}");
    vec![finding(text, 1, "architecture length", advice)]
}

fn finding(text: &Text, line: usize, rule: &'static str, advice: String) -> Finding {
    Finding { path: text.path.clone(), line, rule, advice }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(path: &str, content: &str) -> Vec<(&'static str, usize)> {
        let text = Text::new(path, content);
        let findings = match path {
            "ARCHITECTURE.md" => check_architecture(&text),
            _ => check_rust(&text, &Code::new(content)),
        };
        findings.iter().map(|finding| (finding.rule, finding.line)).collect()
    }

    #[test]
    fn a_file_may_have_600_lines() {
        assert_eq!(rules("a.rs", &"\n".repeat(600)), []);
        assert_eq!(rules("a.rs", &"\n".repeat(601)), [("file length", 1)]);
    }

    #[test]
    fn a_function_may_have_70_lines() {
        assert_eq!(rules("a.rs", &format!("fn f() {{{}}}", "\n".repeat(69))), []);
        let long = format!("\nfn f() {{{}}}", "\n".repeat(70));
        assert_eq!(rules("a.rs", &long), [("function length", 2)]);
    }

    #[test]
    fn a_line_may_have_100_characters() {
        assert_eq!(rules("a.rs", &"\u{e4}".repeat(100)), []);
        assert_eq!(rules("a.rs", &format!("\n// {}", "x".repeat(98))), [("width", 2)]);
    }

    #[test]
    fn the_map_may_have_250_lines() {
        assert_eq!(rules("ARCHITECTURE.md", &"\n".repeat(250)), []);
        assert_eq!(rules("ARCHITECTURE.md", &"\n".repeat(251)), [("architecture length", 1)]);
    }
}

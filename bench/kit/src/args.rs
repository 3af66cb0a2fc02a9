//! The command line that all programs share.

use std::path::PathBuf;

use crate::Lane;

/// Repetitions of each case, unless said otherwise.
const RUNS: usize = 5;
/// Where files of durable cases lie, unless said otherwise: below the build, so on a real disk.
const DIR: &str = "target/bench";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Args {
    /// Print the lanes and stop.
    pub(crate) list: bool,
    /// The lanes to run; all of them if empty.
    pub(crate) lanes: Vec<String>,
    /// Repetitions of each case, at least 1.
    pub(crate) runs: usize,
    /// The file that JSON lines are appended to.
    pub(crate) json: Option<PathBuf>,
    /// The folder for the files of durable cases.
    pub(crate) dir: PathBuf,
    /// Whether the table begins with its header.
    pub(crate) header: bool,
}

impl Args {
    /// Reads the words behind the program's name.
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut args = Args {
            list: false,
            lanes: Vec::new(),
            runs: RUNS,
            json: None,
            dir: DIR.into(),
            header: true,
        };
        let mut words = words;
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("`{word}` needs a value"));
            match word.as_str() {
                "--list" => args.list = true,
                "--no-header" => args.header = false,
                "--lane" => args.lanes.push(value()?),
                "--json" => args.json = Some(value()?.into()),
                "--dir" => args.dir = value()?.into(),
                "--runs" => {
                    let runs = value()?;
                    let parsed = runs.parse().ok().filter(|runs| *runs > 0);
                    args.runs = parsed.ok_or(format!("`--runs {runs}` is no count"))?;
                }
                _ => return Err(format!("`{word}` is not an option")),
            }
        }
        Ok(args)
    }

    /// Whether the lane was asked for.
    pub(crate) fn wants(&self, lane: &Lane) -> bool {
        self.lanes.is_empty() || self.lanes.iter().any(|name| name == lane.name)
    }
}

#[cfg(test)]
mod tests {
    //! The command line asks for lanes by their whole names, and says what it does not understand.
    use super::*;
    use crate::lane;

    fn parse(line: &str) -> Result<Args, String> {
        Args::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn nothing_said_is_every_lane_five_times() {
        let args = parse("").unwrap();
        assert!(args.wants(&lane::ASK_1) && args.header && !args.list);
        assert_eq!((args.runs, args.json), (5, None));
    }

    #[test]
    fn a_lane_is_asked_for_by_its_whole_name() {
        let args = parse("--lane ask-64 --runs 2 --json out.jsonl --no-header").unwrap();
        assert!(args.wants(&lane::ASK_64) && !args.wants(&lane::ASK_1));
        assert_eq!((args.runs, args.header), (2, false));
        assert_eq!(args.json, Some("out.jsonl".into()));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        assert_eq!(parse("--lanes").unwrap_err(), "`--lanes` is not an option");
        assert_eq!(parse("--lane").unwrap_err(), "`--lane` needs a value");
        assert_eq!(parse("--runs 0").unwrap_err(), "`--runs 0` is no count");
    }
}

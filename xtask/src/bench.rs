//! `cargo xtask bench`: the benchmark program, and with `--peers` the harnesses of bench/peers.
//!
//! Every lane runs on each system in turn before the next lane begins, each in a process of its
//! own: figures that are to be divided by each other are taken within the same minute, and none
//! finds memory that another one freed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::peers::{Builder, Need, Peer, Program};
use crate::servers::Running;
use crate::{process, servers};

/// The system that is ours in the results.
const OURS: &str = "cluster";
/// A server without a system on it: what it writes is told in rows.
const RAW: &str = "raw";

/// The packages of bench/peers.
const PEERS: &[Peer] = &[
    Peer {
        package: "actors",
        builder: Builder::Cargo,
        needs: &[],
        programs: &["ractor", "kameo", "tokio"],
    },
    Peer { package: "sqlite", builder: Builder::Cargo, needs: &[], programs: &["bench-sqlite"] },
    Peer {
        package: "cruster",
        builder: Builder::Cargo,
        needs: &[Need::Servers, Need::Protoc],
        programs: &["bench-cruster"],
    },
    Peer {
        package: "effect",
        builder: Builder::Npm,
        needs: &[Need::Servers],
        programs: &["bench.mjs"],
    },
];

/// # Errors
///
/// If an option is not understood, or a program cannot be built, or fails.
pub(crate) fn run(words: &[String]) -> Result<(), String> {
    let options = Options::parse(words)?;
    if options.servers {
        servers::ensure()?;
    }
    let mut programs = vec![build_ours()?];
    if options.peers {
        for peer in PEERS {
            if peer.runs(options.servers) {
                programs.extend(peer.build()?);
            } else {
                println!("{} is left out: its lanes need servers", peer.package);
            }
        }
    }
    let dir = process::target_dir().join("bench");
    fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let results = dir.join("results.jsonl");
    write(&results, "")?;
    let servers = if options.servers { Some(Running::for_benchmarks()?) } else { None };
    // Some lanes are on servers alone.
    let lists = programs.iter().map(|program| lanes(program, servers.as_ref()));
    let lists = lists.collect::<Result<Vec<_>, _>>()?;

    let mut header = true;
    for lane in choose(&options.lanes, &lists)? {
        for (program, lanes) in programs.iter().zip(&lists) {
            if lanes.contains(&lane) {
                let mut command = program.command();
                command.args(["--lane", &lane, "--runs", &options.runs]);
                command.arg("--json").arg(&results).arg("--dir").arg(&dir);
                if !header {
                    command.arg("--no-header");
                }
                if let Some(servers) = &servers {
                    servers.tell(&mut command);
                }
                process::run(&mut command)?;
                header = false;
            }
        }
    }
    let rows = read(&results)?;
    print!("{}", ratios(&rows));
    if let Some(file) = options.json {
        write(&file, &rows)?;
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
struct Options {
    lanes: Vec<String>,
    runs: String,
    peers: bool,
    servers: bool,
    json: Option<PathBuf>,
}

impl Options {
    fn parse(words: &[String]) -> Result<Self, String> {
        let runs = "5".to_owned();
        let mut options =
            Options { lanes: Vec::new(), runs, peers: false, servers: true, json: None };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().cloned().ok_or(format!("`{word}` needs a value"));
            match word.as_str() {
                "--lane" => options.lanes.push(value()?),
                "--runs" => options.runs = value()?,
                "--peers" => options.peers = true,
                "--no-servers" => options.servers = false,
                "--json" => options.json = Some(PathBuf::from(value()?)),
                _ => return Err(format!("`{word}` is not an option of `cargo xtask bench`")),
            }
        }
        Ok(options)
    }
}

fn build_ours() -> Result<Program, String> {
    let package = ["build", "--release", "--locked", "--package", "cluster-bench"];
    process::run(process::cargo().args(package))?;
    let release = process::target_dir().join("release");
    Ok(Program::executable(release.join("cluster-bench")))
}

/// The lanes that a program knows, in its order, each once.
fn lanes(program: &Program, servers: Option<&Running>) -> Result<Vec<String>, String> {
    let mut command = program.command();
    if let Some(servers) = servers {
        servers.tell(&mut command);
    }
    let listed = command.arg("--list").stderr(Stdio::inherit()).output();
    let name = process::words(&command);
    let listed = listed.map_err(|error| format!("`{name}` did not start: {error}"))?;
    if !listed.status.success() {
        return Err(format!("`{name}` failed: {}", listed.status));
    }
    let text = String::from_utf8_lossy(&listed.stdout);
    let mut seen = BTreeSet::new();
    Ok(text.lines().filter(|lane| seen.insert(*lane)).map(str::to_owned).collect())
}

/// The lanes to run: those asked for, or all that some program knows.
fn choose(asked: &[String], lists: &[Vec<String>]) -> Result<Vec<String>, String> {
    let mut known: Vec<String> = Vec::new();
    for lane in lists.iter().flatten() {
        if !known.contains(lane) {
            known.push(lane.clone());
        }
    }
    if asked.is_empty() {
        return Ok(known);
    }
    match asked.iter().find(|lane| !known.contains(lane)) {
        None => Ok(asked.to_vec()),
        Some(lane) => {
            Err(format!("no program has the lane `{lane}`; there are: {}", known.join(", ")))
        }
    }
}

/// What our figures are to the others' in the same run, on the same storage.
fn ratios(rows: &str) -> String {
    let mut text = String::new();
    for ours in rows.lines().filter(|row| field(row, "system") == Some(OURS)) {
        text.push_str(&flushes(ours).unwrap_or_default());
        text.push_str(&start(ours).unwrap_or_default());
        text.push_str(&counts(ours).unwrap_or_default());
        let others = rows.lines().filter(|row| {
            let is_same = |name| field(row, name) == field(ours, name);
            ["lane", "callers", "storage"].into_iter().all(is_same) && !is_same("system")
        });
        for other in others {
            text.push_str(&ratio(ours, other).unwrap_or_default());
        }
    }
    if text.is_empty() { text } else { format!("\nwithin this run:\n{text}") }
}

/// How many flushes of the disk a durable operation takes.
fn flushes(ours: &str) -> Option<String> {
    let (lane, storage) = (field(ours, "lane")?, field(ours, "storage")?);
    let flushes = number(ours, "p50_us")? / number(ours, "fsync_us")?;
    Some(format!("  {lane:<22} {OURS} ({storage}): p50 is {flushes:.1} fsyncs\n"))
}

/// How long a start took, in lanes where it might find much to look at.
fn start(ours: &str) -> Option<String> {
    let (lane, storage) = (field(ours, "lane")?, field(ours, "storage")?);
    let (callers, start_ms) = (field(ours, "callers")?, number(ours, "start_ms")?);
    Some(format!("  {lane:<22} {OURS} ({storage}), {callers} callers: start in {start_ms:.0} ms\n"))
}

/// What an operation is to the server, as that counts it.
fn counts(ours: &str) -> Option<String> {
    let (lane, storage) = (field(ours, "lane")?, field(ours, "storage")?);
    let kinds = ["commits", "statements", "packets", "rows"].into_iter();
    let counted = kinds.filter_map(|kind| {
        let count = number(ours, &format!("{kind}_per_op"))?;
        Some(format!("{count:.4} {kind}"))
    });
    let counted: Vec<String> = counted.collect();
    let text = counted.join(", ");
    (!text.is_empty()).then(|| format!("  {lane:<22} {OURS} ({storage}): {text} an operation\n"))
}

fn ratio(ours: &str, other: &str) -> Option<String> {
    let (lane, storage) = (field(ours, "lane")?, field(ours, "storage")?);
    let system = field(other, "system")?;
    let quotient = |name: &str| Some(number(ours, name)? / number(other, name)?);
    let rate = quotient("ops_per_s")?;
    let mut line = format!("  {lane:<22} {OURS} ({storage}) / {system:<13} {rate:>6.2} x ops/s");
    if let Some(rows) = number(other, "rows_per_op").filter(|_| system == RAW) {
        let rows_per_s = number(other, "ops_per_s")? * rows;
        line.push_str(&format!(" of its {rows_per_s:.0} rows/s"));
    }
    if let Some(bytes) = quotient("bytes_per_entity") {
        line.push_str(&format!(", {bytes:.3} x bytes"));
    }
    line.push('\n');
    Some(line)
}

/// The value of a field in a flat line of JSON as our own programs write it, without its quotes.
fn field<'a>(row: &'a str, name: &str) -> Option<&'a str> {
    let (_, value) = row.split_once(&format!("\"{name}\":"))?;
    let value = value.split([',', '}']).next()?;
    Some(value.trim_matches('"'))
}

fn number(row: &str, name: &str) -> Option<f64> {
    field(row, name)?.parse().ok()
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    //! The bench runs the lanes that were asked for and divides what belongs together.
    use super::*;

    const ROWS: &str = r#"{"lane":"ask-64","system":"cluster","storage":"none","ops_per_s":900}
{"lane":"ask-64","system":"ractor","storage":"none","ops_per_s":300}
{"lane":"idle-memory","system":"cluster","storage":"none","ops_per_s":9,"bytes_per_entity":200}
{"lane":"idle-memory","system":"tokio","storage":"none","ops_per_s":3,"bytes_per_entity":1600}
{"lane":"persisted-1","system":"cluster","storage":"sqlite","p50_us":250.000,"fsync_us":100.0}
{"lane":"persisted-64","system":"cluster","storage":"memory","ops_per_s":9000}
{"lane":"persisted-64","system":"cluster","storage":"postgres","ops_per_s":4500}
{"lane":"persisted-64","system":"cruster","storage":"postgres","ops_per_s":1000}
{"lane":"raw-fsync","system":"disk","storage":"none","ops_per_s":10000}
{"lane":"counted","system":"cluster","storage":"pg","ops_per_s":20,"commits_per_op":0.05}
{"lane":"counted","system":"raw","storage":"pg","ops_per_s":80,"rows_per_op":3.0}
{"lane":"counted","system":"raw","storage":"mariadb","ops_per_s":10,"rows_per_op":3.0}
{"lane":"kept","system":"cluster","callers":64,"storage":"pg","ops_per_s":95,"start_ms":6.4}
{"lane":"kept","system":"cluster-empty","callers":64,"storage":"pg","ops_per_s":100}
{"lane":"kept","system":"cluster-empty","callers":1024,"storage":"pg","ops_per_s":200}
"#;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn options_are_read_and_unknown_ones_named() {
        let options = Options::parse(&words("--peers --lane ask-1 --json out")).unwrap();
        assert_eq!((options.lanes, options.peers), (words("ask-1"), true));
        assert_eq!(options.json, Some("out".into()));
        assert!(Options::parse(&words("--lanes")).unwrap_err().contains("--lanes"));
    }

    #[test]
    fn lanes_are_those_asked_for_or_all() {
        let lists = [words("ask-1 ask-64"), words("ask-64 raw-fsync")];
        assert_eq!(choose(&[], &lists).unwrap(), words("ask-1 ask-64 raw-fsync"));
        assert_eq!(choose(&words("ask-64"), &lists).unwrap(), words("ask-64"));
        assert!(choose(&words("ask-2"), &lists).unwrap_err().contains("ask-1, ask-64"));
    }

    #[test]
    fn ratios_are_taken_within_a_lane_and_a_storage() {
        let text = ratios(ROWS);
        let lines: Vec<&str> = text.trim().lines().collect();
        assert_eq!(lines.len(), 9, "{text}");
        assert!(lines[1].ends_with("cluster (none) / ractor          3.00 x ops/s"), "{text}");
        assert!(lines[2].ends_with("3.00 x ops/s, 0.125 x bytes"), "{text}");
        assert!(lines[3].ends_with("cluster (sqlite): p50 is 2.5 fsyncs"), "{text}");
        assert!(lines[4].ends_with("(postgres) / cruster         4.50 x ops/s"), "{text}");
        assert_eq!(ratios(""), "");
    }

    #[test]
    fn what_a_server_counts_is_told_beside_its_raw_limit() {
        let text = ratios(ROWS);
        let lines: Vec<&str> = text.trim().lines().collect();
        assert!(lines[5].ends_with("0.0500 commits an operation"), "{text}");
        assert!(lines[6].ends_with("/ raw             0.25 x ops/s of its 240 rows/s"), "{text}");
        assert!(lines[7].ends_with("64 callers: start in 6 ms"), "{text}");
        assert!(lines[8].ends_with("/ cluster-empty   0.95 x ops/s"), "{text}");
    }
}

//! What one flush to this disk costs, to set beside every durable figure.

use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::Watch;

/// A page of a write-ahead log.
const BLOCK: usize = 4096;
const BLOCKS: u64 = 1024;
const SAMPLES_MAX: usize = 500;
const TIME_MAX: Duration = Duration::from_millis(500);

/// The median time of overwriting one block of a preallocated file and flushing it to the disk that
/// holds `dir`.
///
/// What others left unwritten is flushed first: on many disks a flush is 30 times slower while
/// something else writes.
///
/// # Errors
///
/// A sentence, if the file cannot be written.
pub fn probe(dir: &Path) -> Result<Duration, String> {
    // Without the program the figure is only noisier.
    _ = Command::new("sync").status();
    let path = dir.join("fsync-probe.bin");
    let samples = sample(&path);
    _ = std::fs::remove_file(&path);
    let mut samples = samples.map_err(|error| format!("{}: {error}", path.display()))?;
    samples.sort_unstable();
    Ok(samples[samples.len() / 2])
}

/// At least one sample.
fn sample(path: &Path) -> std::io::Result<Vec<Duration>> {
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(path)?;
    file.write_all(&vec![0; BLOCK * BLOCKS as usize])?;
    file.sync_all()?;
    let block = [7; BLOCK];
    let mut samples = Vec::with_capacity(SAMPLES_MAX);
    let whole = Watch::start();
    while samples.is_empty() || (samples.len() < SAMPLES_MAX && whole.elapsed() < TIME_MAX) {
        let at = samples.len() as u64 % BLOCKS * BLOCK as u64;
        let watch = Watch::start();
        file.seek(SeekFrom::Start(at))?;
        file.write_all(&block)?;
        file.sync_data()?;
        samples.push(watch.elapsed());
    }
    Ok(samples)
}

#[test]
fn the_probe_measures_and_leaves_nothing_behind() {
    let dir = std::env::temp_dir().join(format!("bench-kit-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("the folder for temporary files is writable");
    assert!(probe(&dir).expect("the probe's file is writable") > Duration::ZERO);
    std::fs::remove_dir(&dir).expect("the folder is empty");
    assert!(probe(&dir).is_err());
}

//! Memory of this process.

/// Resident memory of this process in bytes; nothing where the system has no /proc.
pub fn resident_bytes() -> Option<u64> {
    resident(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[test]
fn the_resident_size_is_read_in_bytes() {
    assert_eq!(resident("VmSize:\t 99 kB\nVmRSS:\t    2048 kB\n"), Some(2 << 20));
    assert_eq!(resident("VmSize:\t 99 kB\n"), None);
}

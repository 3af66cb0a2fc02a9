//! Passwords and ports. Nothing that a test does depends on them.

use std::fs::File;
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};

/// Where ports are looked for: below those that systems give to outgoing connections. There, a
/// client that tries again and again to reach a server that is down may get the server's own port
/// and be connected with itself, and the server cannot come back.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// How many ports are tried.
const PORTS_TRIED_MAX: usize = 100;

fn bytes() -> Result<[u8; 16], String> {
    let mut bytes = [0; 16];
    let source = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    source.map(|()| bytes).map_err(|error| format!("/dev/urandom: {error}"))
}

/// A password: letters and digits, so that it can stand in a URL, in SQL and in a file of settings.
pub(crate) fn password() -> Result<String, String> {
    Ok(bytes()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A port that nobody listened to a moment ago.
pub(crate) fn port() -> Result<u16, String> {
    for _ in 0..PORTS_TRIED_MAX {
        let [high, low, ..] = bytes()?;
        let port = PORTS.start + u16::from_be_bytes([high, low]) % (PORTS.end - PORTS.start);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(format!("no port between {} and {} is free", PORTS.start, PORTS.end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_differ_and_ports_are_free() {
        let (one, other) = (password().unwrap(), password().unwrap());
        assert_eq!(one.len(), 32);
        assert_ne!(one, other);
        assert!(PORTS.contains(&port().unwrap()));
    }
}

//! Positions in distributed traces, as W3C Trace Context (Recommendation of 23 November 2021)
//! writes them in the headers `traceparent` and `tracestate`.

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};
use std::sync::Arc;

/// The flag "sampled": the only one that the Recommendation knows.
const SAMPLED: u8 = 1;
/// The length of a `traceparent` of version 00; those of later versions are at least as long.
const PARENT_BYTES: usize = 55;
/// The most members of a `tracestate`.
const MEMBERS_MAX: usize = 32;
/// The longest `tracestate` that is passed on; of a longer one members are left out.
const STATE_BYTES_MAX: usize = 512;
/// Members that are longer are left out first.
const LONG_MEMBER_BYTES: usize = 128;
/// The stored form before the state: trace id, span id, flags.
const FIXED_BYTES: usize = 25;

/// A caller's position in a distributed trace.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TraceContext {
    trace_id: NonZeroU128,
    span_id: NonZeroU64,
    flags: u8,
    /// `None` where it is empty.
    state: Option<Arc<str>>,
}

impl TraceContext {
    /// A position without vendors' state; `None` where an id is zero, which no trace has. Flags
    /// other than "sampled" (bit 0) are dropped, as the Recommendation asks.
    pub fn new(trace_id: u128, span_id: u64, flags: u8) -> Option<Self> {
        Some(TraceContext {
            trace_id: NonZeroU128::new(trace_id)?,
            span_id: NonZeroU64::new(span_id)?,
            flags: flags & SAMPLED,
            state: None,
        })
    }

    /// Reads the two headers of a request; several `tracestate` headers are to be joined by commas
    /// in their order. `None` where `traceparent` is not as the Recommendation says; a `tracestate`
    /// that is not is left out.
    ///
    /// ```
    /// use cluster_core::message::TraceContext;
    ///
    /// let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    /// let caller = TraceContext::from_headers(parent, "vendor=value").unwrap();
    /// assert_eq!(caller.trace_id(), 0x0af7651916cd43dd8448eb211c80319c);
    /// assert!(caller.is_sampled());
    /// assert_eq!(caller.traceparent(), parent);
    /// assert!(TraceContext::from_headers("00-00-00-00", "").is_none());
    /// ```
    pub fn from_headers(traceparent: &str, tracestate: &str) -> Option<Self> {
        let bytes = traceparent.as_bytes();
        let (fixed, rest) = bytes.split_at_checked(PARENT_BYTES)?;
        let version = hex(&fixed[..2])?;
        let dashes = [2, 35, 52].iter().all(|at| fixed[*at] == b'-');
        // A later version may have more parts; this one has not.
        let ends = rest.is_empty() || version != 0 && rest[0] == b'-';
        if version == 0xff || !dashes || !ends {
            return None;
        }
        let span_id = u64::try_from(hex(&fixed[36..52])?).ok()?;
        let flags = u8::try_from(hex(&fixed[53..55])?).ok()?;
        let context = TraceContext::new(hex(&fixed[3..35])?, span_id, flags)?;
        Some(context.with_state(tracestate))
    }

    /// The same position with this `tracestate`; without any where it is not as the Recommendation
    /// says. One of more than 512 bytes loses members: those of more than 128 bytes, then the last.
    pub fn with_state(mut self, tracestate: &str) -> Self {
        self.state = members(tracestate).and_then(fitting);
        self
    }

    /// The id of the whole trace; never zero.
    pub fn trace_id(&self) -> u128 {
        self.trace_id.get()
    }

    /// The id of the caller's span; never zero.
    pub fn span_id(&self) -> u64 {
        self.span_id.get()
    }

    /// The trace flags; bit 0 is "sampled".
    pub fn flags(&self) -> u8 {
        self.flags
    }

    /// Whether the caller may have recorded its span.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The header `traceparent`, version 00.
    pub fn traceparent(&self) -> String {
        format!("00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, self.flags)
    }

    /// The header `tracestate`; not to be sent where it is empty.
    pub fn tracestate(&self) -> &str {
        self.state.as_deref().unwrap_or_default()
    }

    /// The stored form: trace id, span id and flags, big-endian, then the state as text.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FIXED_BYTES + self.tracestate().len());
        bytes.extend(self.trace_id.get().to_be_bytes());
        bytes.extend(self.span_id.get().to_be_bytes());
        bytes.push(self.flags);
        bytes.extend(self.tracestate().as_bytes());
        bytes
    }

    /// Reads the stored form; `None` where it is none.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (fixed, state) = bytes.split_at_checked(FIXED_BYTES)?;
        let trace_id = u128::from_be_bytes(fixed[..16].try_into().ok()?);
        let span_id = u64::from_be_bytes(fixed[16..24].try_into().ok()?);
        let context = TraceContext::new(trace_id, span_id, fixed[24])?;
        Some(context.with_state(std::str::from_utf8(state).ok()?))
    }
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceContext({}", self.traceparent())?;
        self.state.as_ref().map_or(Ok(()), |state| write!(f, ", {state}"))?;
        f.write_str(")")
    }
}

/// Lower-case digits only: others are no trace's.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |value: u128, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u128::from(digit))
    })
}

/// The members of a list, each once; `None` where something is not as it must be.
fn members(state: &str) -> Option<Vec<&str>> {
    let mut members: Vec<&str> = Vec::new();
    let mut keys = Vec::new();
    for member in state.split(',').map(|part| part.trim_matches([' ', '\t'])) {
        // Empty ones are allowed and say nothing.
        if member.is_empty() {
            continue;
        }
        let (key, value) = member.split_once('=')?;
        if !is_key(key) || !is_value(value) || keys.contains(&key) || members.len() == MEMBERS_MAX {
            return None;
        }
        keys.push(key);
        members.push(member);
    }
    Some(members)
}

/// `vendor`, or `tenant@vendor`.
fn is_key(key: &str) -> bool {
    let is = |text: &str, max: usize, first: fn(u8) -> bool| {
        let rest = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/".contains(&byte)
        };
        let bytes = text.as_bytes();
        (1..=max).contains(&bytes.len()) && first(bytes[0]) && bytes.iter().copied().all(rest)
    };
    let letter = |byte: u8| byte.is_ascii_lowercase();
    let letter_or_digit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    match key.split_once('@') {
        None => is(key, 256, letter),
        Some((tenant, vendor)) => is(tenant, 241, letter_or_digit) && is(vendor, 14, letter),
    }
}

/// 1 to 256 printable characters but comma and equals sign, the last one no space.
fn is_value(value: &str) -> bool {
    let allowed = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b',' && byte != b'=';
    (1..=256).contains(&value.len()) && value.bytes().all(allowed) && !value.ends_with(' ')
}

/// The list again, without what makes it too long.
fn fitting(mut members: Vec<&str>) -> Option<Arc<str>> {
    let bytes = |members: &[&str]| members.iter().map(|member| member.len() + 1).sum::<usize>();
    while bytes(&members) > STATE_BYTES_MAX + 1 {
        let long = members.iter().rposition(|member| member.len() > LONG_MEMBER_BYTES);
        members.remove(long.unwrap_or(members.len() - 1));
    }
    (!members.is_empty()).then(|| members.join(",").into())
}

//! Single values of bincode, in and out.

use std::ops::Range;

use bincode::de::read::{BorrowReader, Reader};
use bincode::enc::write::Writer;
pub(crate) use bincode::{Decode, Encode};

use super::fault::Fault;
use crate::contract::wire::CONFIG;

/// Bytes on their way out. Beyond the limit they are counted and no longer kept.
pub(crate) struct Output {
    bytes: Vec<u8>,
    limit: usize,
    /// How many bytes were not kept.
    over: usize,
}

impl Output {
    /// Writes behind what `bytes` holds; no more than `limit` bytes are kept in all.
    pub(crate) fn new(bytes: Vec<u8>, limit: usize) -> Self {
        Self { bytes, limit, over: 0 }
    }

    /// How long everything written is, in bytes.
    #[inline]
    pub(crate) fn size(&self) -> usize {
        self.bytes.len() + self.over
    }

    #[inline]
    pub(crate) fn put<T: Encode>(&mut self, value: T) {
        bincode::encode_into_writer(value, self, CONFIG).expect("memory takes every primitive");
    }

    /// Writes a length in front of what was written from `start` on.
    pub(crate) fn put_length_at(&mut self, start: usize, length: u64) {
        let before = self.bytes.len();
        self.put(length);
        if self.over == 0 {
            let prefix = self.bytes.len() - before;
            self.bytes[start..].rotate_right(prefix);
        }
    }

    /// Brings what was written from `start` on, which is all `entries`, into the order of its
    /// bytes.
    pub(crate) fn sort(&mut self, start: usize, mut entries: Vec<Range<usize>>) {
        entries.sort_by(|a, b| self.bytes[a.clone()].cmp(&self.bytes[b.clone()]));
        let sorted: Vec<u8> =
            entries.into_iter().flat_map(|entry| self.bytes[entry].iter().copied()).collect();
        self.bytes.truncate(start);
        self.bytes.extend(sorted);
    }

    /// Everything written.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    #[cold]
    fn count(&mut self, length: usize) {
        self.over += length;
    }
}

impl Writer for Output {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), bincode::error::EncodeError> {
        // Once over the limit nothing more is kept, lest a short value follow a long one.
        if self.over > 0 || self.bytes.len() + bytes.len() > self.limit {
            self.count(bytes.len());
        } else {
            self.bytes.extend_from_slice(bytes);
        }
        Ok(())
    }
}

/// Bytes on their way in. They may be hostile: a length in them is never trusted for an allocation.
pub(crate) struct Input<'de> {
    rest: &'de [u8],
}

impl<'de> Input<'de> {
    pub(crate) fn new(bytes: &'de [u8]) -> Self {
        Self { rest: bytes }
    }

    /// How many bytes were not read yet.
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    #[inline]
    pub(crate) fn get<T: Decode<()>>(&mut self) -> Result<T, Fault> {
        bincode::decode_from_reader(self, CONFIG).map_err(fault)
    }

    /// A length or count. It says nothing about how many bytes there really are.
    #[inline]
    pub(crate) fn length(&mut self) -> Result<usize, Fault> {
        usize::try_from(self.get::<u64>()?).map_err(|_| Fault::truncated())
    }

    #[inline]
    pub(crate) fn bytes(&mut self) -> Result<&'de [u8], Fault> {
        let length = self.length()?;
        self.take_bytes(length).map_err(fault)
    }

    #[inline]
    pub(crate) fn text(&mut self) -> Result<&'de str, Fault> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Fault::new("the text is not UTF-8"))
    }

    /// Whether an option holds something.
    #[inline]
    pub(crate) fn is_some(&mut self) -> Result<bool, Fault> {
        match self.get::<u8>()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(Fault::new(format!("{other} is no option tag"))),
        }
    }
}

impl Reader for Input<'_> {
    #[inline]
    fn read(&mut self, bytes: &mut [u8]) -> Result<(), bincode::error::DecodeError> {
        bytes.copy_from_slice(self.take_bytes(bytes.len())?);
        Ok(())
    }

    #[inline]
    fn peek_read(&mut self, n: usize) -> Option<&[u8]> {
        self.rest.get(..n)
    }

    #[inline]
    fn consume(&mut self, n: usize) {
        self.rest = self.rest.get(n..).unwrap_or_default();
    }
}

impl<'de> BorrowReader<'de> for Input<'de> {
    #[inline]
    fn take_bytes(&mut self, length: usize) -> Result<&'de [u8], bincode::error::DecodeError> {
        let Some((taken, rest)) = self.rest.split_at_checked(length) else {
            let additional = length - self.rest.len();
            return Err(bincode::error::DecodeError::UnexpectedEnd { additional });
        };
        self.rest = rest;
        Ok(taken)
    }
}

#[cold]
fn fault(error: bincode::error::DecodeError) -> Fault {
    use bincode::error::DecodeError;
    match error {
        DecodeError::UnexpectedEnd { .. } => Fault::truncated(),
        DecodeError::InvalidIntegerType { .. } => Fault::new("the integer is too wide"),
        DecodeError::InvalidBooleanValue(byte) => Fault::new(format!("{byte} is no bool")),
        DecodeError::InvalidCharEncoding(_) => Fault::new("not a character"),
        other => Fault::new(other.to_string()),
    }
}

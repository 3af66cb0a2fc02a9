//! What travels beside a message's arguments.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The most bytes that the names and values of one call's headers may have together.
pub const HEADERS_BYTES_MAX: usize = crate::config::HEADERS_BYTES_MAX;

/// Named texts beside a call's arguments: tenant, authentication, correlation. At most
/// [`HEADERS_BYTES_MAX`] bytes. Stored with a persisted request. One word and no allocation while
/// empty; clones share what they hold.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Header>", into = "Vec<Header>")]
pub struct Headers(Option<Arc<Vec<Header>>>);

/// Name, value, and whether it is inherited: a triple also where it is stored.
type Header = (Box<str>, Box<str>, bool);

impl Headers {
    /// The value of the header of this name. Names are compared as bytes.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all().iter().find(|(known, ..)| &**known == name).map(|(_, value, _)| &**value)
    }

    /// Sets a header; an earlier value of the name is replaced.
    pub fn set(&mut self, name: impl Into<Box<str>>, value: impl Into<Box<str>>) {
        self.put((name.into(), value.into(), false));
    }

    /// Sets a header that travels on with every call that a handler makes while it handles this
    /// one, and so from handler to handler; an earlier value of the name is replaced.
    pub fn set_inherited(&mut self, name: impl Into<Box<str>>, value: impl Into<Box<str>>) {
        self.put((name.into(), value.into(), true));
    }

    fn put(&mut self, header: Header) {
        let all = Arc::make_mut(self.0.get_or_insert_default());
        all.retain(|(known, ..)| *known != header.0);
        all.push(header);
    }

    /// Takes over the inherited headers of the call that is being handled, but those that are set
    /// here anew.
    pub(crate) fn inherit(&mut self, outer: &Headers) {
        for header in outer.all().iter().filter(|(_, _, inherited)| *inherited) {
            if self.get(&header.0).is_none() {
                self.put(header.clone());
            }
        }
    }

    fn all(&self) -> &[Header] {
        self.0.as_ref().map_or(&[], |all| all)
    }

    /// Names and values, in the order in which they were set.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.all().iter().map(|(name, value, _)| (&**name, &**value))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all().is_empty()
    }

    /// The bytes of all names and values together.
    pub fn bytes(&self) -> usize {
        self.all().iter().map(|(name, value, _)| name.len() + value.len()).sum()
    }
}

impl From<Vec<Header>> for Headers {
    fn from(all: Vec<Header>) -> Self {
        Headers((!all.is_empty()).then(|| Arc::new(all)))
    }
}

impl From<Headers> for Vec<Header> {
    fn from(headers: Headers) -> Self {
        headers.0.map(Arc::unwrap_or_clone).unwrap_or_default()
    }
}

impl fmt::Debug for Headers {
    /// Shows names only: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all().iter().map(|(name, ..)| name)).finish()
    }
}

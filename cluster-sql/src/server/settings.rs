//! How a database is connected to.

use std::borrow::Cow;
use std::str::FromStr;
use std::time::Duration;

use cluster_core::storage::{RowLimits, StorageError};
use cluster_core::time::Clock;
use sqlx_core::Url;

use crate::dialect::Dialect;
use crate::schema::check_prefix;

/// The fewest connections: one that writes, one for users' transactions, and one that reads.
const CONNECTIONS_MIN: usize = 3;

/// What a storage is set to, and its URL, which has a password in it.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) url: String,
    pub(crate) prefix: String,
    pub(crate) connections: usize,
    pub(crate) connect_timeout: Duration,
    pub(crate) answer_timeout: Duration,
    pub(crate) limits: RowLimits,
    pub(crate) clock: Option<Clock>,
}

/// How long a transaction of the storage's own may wait for its next statement, where the server
/// can end it: who has lost its process, or its network, holds nothing for longer.
pub(crate) const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(60);

/// The URLs of a database.
pub(crate) struct Urls {
    /// How they begin.
    pub(crate) schemes: [&'static str; 2],
    /// What they are like.
    pub(crate) example: &'static str,
    /// The parameters that the driver knows.
    pub(crate) parameters: &'static [&'static str],
}

impl Settings {
    pub(crate) fn new(url: String) -> Self {
        Settings {
            url,
            prefix: "cluster_".to_owned(),
            connections: 16,
            connect_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(30),
            limits: RowLimits::default(),
            clock: None,
        }
    }

    /// How long a statement waits for a lock: less than for an answer, so that who waits is told
    /// that nothing was done, and nothing that was given up stays behind on the server.
    pub(crate) fn lock_timeout(&self) -> Duration {
        self.answer_timeout / 3 * 2
    }

    /// How many connections users' own transactions have: nearly half of them.
    pub(crate) fn own(&self) -> usize {
        (self.connections / 2).saturating_sub(1).max(1)
    }

    /// How many connections write, of those that are left.
    pub(crate) fn writing(&self) -> usize {
        (self.connections - self.own()).div_ceil(2)
    }

    /// How many connections read.
    pub(crate) fn reading(&self) -> usize {
        self.connections - self.own() - self.writing()
    }

    /// Looks at everything that can be seen before anything is connected.
    ///
    /// # Errors
    /// `BadSetting`.
    pub(crate) fn check<D: Dialect>(&self, urls: &Urls) -> Result<(), StorageError> {
        check_prefix::<D>(&self.prefix)?;
        if self.connections < CONNECTIONS_MIN {
            let reason = format!("{} is below {CONNECTIONS_MIN}", self.connections);
            return Err(StorageError::BadSetting { setting: "connections", reason });
        }
        urls.check(&self.url)
    }

    /// Whether the URL says this of a parameter.
    pub(crate) fn says(&self, parameter: &str, value: &str) -> bool {
        let is_it = |(name, said): (Cow<'_, str>, Cow<'_, str>)| name == parameter && said == value;
        Url::parse(&self.url).is_ok_and(|url| url.query_pairs().any(is_it))
    }
}

impl Urls {
    /// Looks at a URL. All its parameters must be known: the driver leaves out what it does not
    /// know, or logs it, and with it what may be a password.
    ///
    /// # Errors
    /// `BadSetting`.
    fn check(&self, text: &str) -> Result<(), StorageError> {
        if !self.schemes.iter().any(|scheme| text.starts_with(scheme)) {
            return Err(self.bad());
        }
        let url = Url::parse(text).map_err(|_| self.bad())?;
        // Where a password has one of `/?#` in it, what comes after that is no password to a
        // reader of URLs, and may be told. Then the `@` that ends the password comes later still.
        let rest = [Some(url.path()), url.query()];
        if url.fragment().is_some() || rest.into_iter().flatten().any(|part| part.contains('@')) {
            return Err(self.bad());
        }
        for (name, _) in url.query_pairs() {
            let name = without_brackets(&name);
            if !self.parameters.contains(&name) {
                return Err(unknown_parameter(name));
            }
        }
        Ok(())
    }

    /// The driver's options of a URL that was looked at.
    ///
    /// # Errors
    /// `BadSetting`: it names the parameter whose value it is, if it is one.
    pub(crate) fn options<O: FromStr>(&self, text: &str) -> Result<O, StorageError> {
        O::from_str(text).map_err(|_| {
            let parameter = Url::parse(text).ok().and_then(|url| bad_parameter::<O>(&url));
            parameter.unwrap_or_else(|| self.bad())
        })
    }

    /// What is said of a URL that cannot be read. What the driver says of it may quote it.
    pub(crate) fn bad(&self) -> StorageError {
        let reason = format!(
            "it is not like {}; a password has / ? # @ % as % and two hexadecimal digits",
            self.example
        );
        StorageError::BadSetting { setting: "url", reason }
    }
}

/// The name of a parameter, which may stand with what it is of in brackets.
fn without_brackets(name: &str) -> &str {
    name.split_once('[').map_or(name, |(name, _)| name)
}

/// What is said of a URL that one of its parameters makes a bad one. Not what the parameter says.
fn bad_parameter<O: FromStr>(url: &Url) -> Option<StorageError> {
    let mut alone = url.clone();
    alone.set_query(None);
    O::from_str(alone.as_str()).ok()?;
    let (name, _) = url.query_pairs().find(|(name, value)| {
        alone.query_pairs_mut().clear().append_pair(name, value);
        O::from_str(alone.as_str()).is_err()
    })?;
    let name = without_brackets(&name);
    let reason = format!("the value of its parameter `{name}` is none that it may have");
    Some(StorageError::BadSetting { setting: "url", reason })
}

/// What is said of a parameter that the driver does not know.
fn unknown_parameter(name: &str) -> StorageError {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let reason = match name.bytes().all(is_name) {
        true => format!("`{name}` is no parameter of it"),
        false => "what stands there for a parameter's name is none".to_owned(),
    };
    StorageError::BadSetting { setting: "url", reason }
}

/// The public settings that all have, of a type with a field `settings`.
macro_rules! common_settings {
    ($options:ident) => {
        impl $options {
            /// The prefix of all tables, `cluster_` at first. Several clusters share a database
            /// under different prefixes. 1 to 32 lower-case letters, digits and underscores, no
            /// digit first.
            pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
                self.settings.prefix = prefix.into();
                self
            }

            /// The most connections, 16 at first, at least 3. Nearly half of them are for handlers'
            /// own transactions: so many are open at once, and more wait until one has ended. Of
            /// the others half write, rounded up, and half read. Of 16 these are 7, 5 and 4.
            pub fn connections(mut self, connections: usize) -> Self {
                self.settings.connections = connections;
                self
            }

            /// How long a call waits for a connection, whether for one to be free or to be made;
            /// then it fails with `Unavailable`. 10 s at first.
            pub fn connect_timeout(mut self, timeout: std::time::Duration) -> Self {
                self.settings.connect_timeout = timeout;
                self
            }

            /// How long a call waits for the server's answer. Then a read fails with `Unavailable`;
            /// the outcome of a write is unknown, which the runtime settles. Calls of several
            /// statements wait so long for all of them, or, where there may be many, as long as one
            /// comes in each such time; one that is tried again, as after a deadlock, waits anew. A
            /// statement waits for a lock two thirds of that, then it fails with nothing done. 30 s
            /// at first.
            pub fn answer_timeout(mut self, timeout: std::time::Duration) -> Self {
                self.settings.answer_timeout = timeout;
                self
            }

            /// The clock of cluster time instead of the database's own. For tests: processes that
            /// share a database must share its clock.
            pub fn clock(mut self, clock: cluster_core::time::Clock) -> Self {
                self.settings.clock = Some(clock);
                self
            }
        }

        impl std::fmt::Debug for $options {
            /// Without the URL, which has a password in it.
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($options))
                    .field("prefix", &self.settings.prefix)
                    .field("connections", &self.settings.connections)
                    .field("connect_timeout", &self.settings.connect_timeout)
                    .field("answer_timeout", &self.settings.answer_timeout)
                    .finish_non_exhaustive()
            }
        }
    };
}
pub(crate) use common_settings;

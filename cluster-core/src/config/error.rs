//! Settings that cannot be used.

use std::fmt;

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadSetting {
    /// It is zero: nothing would ever run, fit or wait.
    #[error("the setting `{setting}`{} must not be zero", From(variable))]
    Zero {
        /// The setting's name.
        setting: &'static str,
        /// The environment variable that set it.
        variable: Option<String>,
    },
    /// It is more than can be.
    #[error("the setting `{setting}`{} must be at most {max}", From(variable))]
    TooLarge {
        /// The setting's name.
        setting: &'static str,
        /// The environment variable that set it.
        variable: Option<String>,
        /// The largest value.
        max: String,
    },
    /// Two settings contradict each other.
    #[error(
        "the setting `{smaller}` (`{}`) must not be larger than `{larger}` (`{}`)",
        variable_of(smaller),
        variable_of(larger)
    )]
    Crossed {
        /// The one that must not be larger.
        smaller: &'static str,
        /// Than this one.
        larger: &'static str,
    },
    /// What happens again and again during a time would not happen often enough.
    #[error(
        "the setting `{part}` (`{}`) must fit into `{whole}` (`{}`) at least {times} times",
        variable_of(part),
        variable_of(whole)
    )]
    TooSeldom {
        /// The pause that is too long.
        part: &'static str,
        /// For this time.
        whole: &'static str,
        /// How often it must fit.
        times: u32,
    },
    /// The text of an environment variable is none that its setting takes.
    #[error("`{variable}` sets `{setting}`, and `{value}` is not such a value: {expected}")]
    Unreadable {
        /// The setting's name.
        setting: &'static str,
        /// The environment variable.
        variable: String,
        /// Its text.
        value: String,
        /// What to write instead.
        expected: String,
    },
    /// An environment variable is named almost as one that sets something.
    #[error("`{variable}` is no setting: did you mean `{nearest}`?")]
    Unknown {
        /// The environment variable.
        variable: String,
        /// The one that may be meant.
        nearest: String,
    },
}

impl BadSetting {
    /// The name of the setting; none of a variable that sets nothing.
    pub fn setting(&self) -> Option<&'static str> {
        match self {
            BadSetting::Zero { setting, .. }
            | BadSetting::TooLarge { setting, .. }
            | BadSetting::Unreadable { setting, .. }
            | BadSetting::Crossed { smaller: setting, .. }
            | BadSetting::TooSeldom { part: setting, .. } => Some(setting),
            BadSetting::Unknown { .. } => None,
        }
    }
}

/// The environment variable of a setting.
fn variable_of(setting: &str) -> String {
    format!("CLUSTER_{}", setting.to_ascii_uppercase())
}

/// The variable that a value is from.
struct From<'a>(&'a Option<String>);

impl fmt::Display for From<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |variable| write!(f, " (from `{variable}`)"))
    }
}

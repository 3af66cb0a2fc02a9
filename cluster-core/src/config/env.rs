//! Settings out of environment variables.

use std::ffi::OsString;

use super::error::BadSetting;
use super::nearest::nearest;
use super::settings::{Config, SETTINGS, Setting};

/// What the names of the variables begin with.
const PREFIX: &str = "CLUSTER_";

impl Setting {
    /// The environment variable that sets it: `CLUSTER_` and its name in capitals.
    pub fn variable(&self) -> String {
        format!("{PREFIX}{}", self.name().to_uppercase())
    }
}

impl Config {
    /// Takes over every setting that this process's environment names.
    ///
    /// # Errors
    /// As [`Config::set_from`].
    pub fn set_from_env(&mut self) -> Result<(), BadSetting> {
        self.set_from(std::env::vars_os())
    }

    /// Takes over every setting that these environment variables name: `CLUSTER_` and the setting's
    /// name in capitals, such as `CLUSTER_CALL_TIMEOUT=10s`. Other variables are left alone; one
    /// that begins with `CLUSTER_` and names nothing is told in a warning.
    ///
    /// # Errors
    /// [`BadSetting`]: a value cannot be read or used, or a variable is named almost as one that
    /// sets something. Nothing is changed then.
    pub fn set_from(
        &mut self,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<(), BadSetting> {
        let mut changed = self.clone();
        for (variable, value) in variables {
            let Some(variable) = variable.to_str() else { continue };
            let Some(name) = variable.strip_prefix(PREFIX) else { continue };
            let name = name.to_lowercase();
            // Variables are told apart by case, so one in small letters sets nothing.
            match SETTINGS.iter().find(|setting| setting.variable() == variable) {
                Some(setting) => setting.read(&mut changed, variable, &value.to_string_lossy())?,
                None => not_a_setting(variable, &name)?,
            }
        }
        *self = changed;
        Ok(())
    }
}

fn not_a_setting(variable: &str, name: &str) -> Result<(), BadSetting> {
    match nearest(name, SETTINGS.iter().map(|setting| setting.name())) {
        Some(nearest) => Err(BadSetting::Unknown {
            variable: variable.to_owned(),
            nearest: format!("{PREFIX}{}", nearest.to_uppercase()),
        }),
        None => {
            tracing::warn!(variable, "an environment variable names no setting");
            Ok(())
        }
    }
}

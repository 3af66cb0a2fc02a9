//! Entity types between their registration and the start.

use std::any::TypeId;
use std::sync::Arc;

use super::error::StartError;
use crate::config::{BadSetting, Config};
use crate::entity::{
    AnyKind, Contract, ContractOf, EntityOptions, Factory, Kind, Limits, Runner, Schemas, Serves,
    Shards,
};

/// The shard group of types that name none.
pub(super) const DEFAULT_GROUP: &str = "default";

/// A registered entity type whose shapes are not traced yet.
pub(super) trait Registration: Send + Sync {
    fn name(&self) -> &'static str;
    /// The type itself.
    fn type_id(&self) -> TypeId;
    /// What handles ask for: the type itself, or the trait it serves.
    fn contract_id(&self) -> TypeId;
    fn group(&self) -> &'static str;
    fn set_options(&mut self, options: EntityOptions);
    /// Its options, after the cluster's defaults.
    fn limits(&self, config: &Config) -> Limits;
    /// Traces the shapes of everything the type stores or sends.
    fn trace(self: Box<Self>) -> Result<Box<dyn Traced>, StartError>;
}

/// An entity type that can be built once the runner has joined.
pub(super) trait Traced: Send + Sync {
    fn build(self: Box<Self>, runner: &Arc<Runner>, shards: Shards) -> Arc<dyn AnyKind>;
}

pub(super) struct Registered<T: Serves> {
    pub(super) factory: Factory<T>,
    pub(super) options: EntityOptions,
}

impl<T: Serves> Registration for Registered<T> {
    fn name(&self) -> &'static str {
        <ContractOf<T> as Contract>::NAME
    }

    fn type_id(&self) -> TypeId {
        TypeId::of::<T>()
    }

    fn contract_id(&self) -> TypeId {
        TypeId::of::<ContractOf<T>>()
    }

    fn group(&self) -> &'static str {
        self.options.group.or(T::OPTIONS.group).unwrap_or(DEFAULT_GROUP)
    }

    fn set_options(&mut self, options: EntityOptions) {
        self.options = options;
    }

    fn limits(&self, config: &Config) -> Limits {
        let messages = <ContractOf<T> as Contract>::messages();
        Limits::new(config, T::OPTIONS, self.options, messages)
    }

    fn trace(self: Box<Self>) -> Result<Box<dyn Traced>, StartError> {
        let schemas = Schemas::trace::<T>().map_err(|source| StartError::Contract {
            entity_type: self.name(),
            source: Arc::new(source),
        })?;
        Ok(Box::new(TracedType { registered: *self, schemas }))
    }
}

struct TracedType<T: Serves> {
    registered: Registered<T>,
    schemas: Schemas,
}

impl<T: Serves> Traced for TracedType<T> {
    fn build(self: Box<Self>, runner: &Arc<Runner>, shards: Shards) -> Arc<dyn AnyKind> {
        let limits = self.registered.limits(&runner.config);
        let factory = self.registered.factory;
        Arc::new(Kind::<T>::new(runner.clone(), shards, limits, factory, self.schemas))
    }
}

/// The limits of a type are settings as well.
pub(super) fn check_options(options: &EntityOptions) -> Result<(), BadSetting> {
    let mut config = Config::default();
    let EntityOptions { mailbox, idle, concurrency, attempts, backoff_min, backoff_max, .. } =
        *options;
    config.mailbox = mailbox.unwrap_or(config.mailbox);
    config.idle = idle.unwrap_or(config.idle);
    config.concurrency = concurrency.unwrap_or(config.concurrency);
    config.attempts = attempts.unwrap_or(config.attempts);
    let given = backoff_max.or(backoff_min).unwrap_or(config.backoff_max);
    config.backoff_min = backoff_min.unwrap_or(config.backoff_min.min(given));
    config.backoff_max = backoff_max.unwrap_or(config.backoff_max.max(config.backoff_min));
    config.check()
}

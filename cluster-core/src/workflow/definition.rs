//! The traits that the macro implements.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::context::Workflow;
use super::shapes::schema_of;
use super::start::Executions;
use crate::codec::{DecodeError, EncodeError};
use crate::contract::{Schema, TraceError};
use crate::entity::{Outcome, Wire};

/// A workflow: a type with a `#[run]` method.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a workflow",
    label = "not a workflow",
    note = "put `#[workflow(name = \"..\", version = 1)]` on its impl block"
)]
pub trait WorkflowType: Send + Sync + Sized + 'static {
    /// Its name.
    const NAME: &'static str;
    /// The name of the entity type that its executions are: `workflow:` and its name.
    const ENTITY_TYPE: &'static str;
    /// Its version. An execution runs on the version that started it.
    const VERSION: u32;
    /// The names of the arguments.
    const ARGUMENTS: &'static [&'static str];

    /// The struct of the arguments.
    type Arguments: Serialize + DeserializeOwned + Send + 'static;
    /// The value that an execution gives.
    type Ok: Wire;
    /// Its own error; [`NoError`](crate::error::NoError) where it has none.
    type Err: Wire;
    /// How the return type of the body is taken apart.
    type Outcome: Outcome<Ok = Self::Ok, Err = Self::Err>;
    /// The generated client.
    type Client: WorkflowClient<Self>;

    /// Its steps.
    fn steps() -> &'static [StepInfo];

    /// The body.
    fn run<'a>(
        &'a self,
        ctx: &'a Workflow,
        arguments: Self::Arguments,
    ) -> impl Future<Output = <Self::Outcome as Outcome>::Return> + Send + 'a;
}

/// A workflow that can be made from nothing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no `Default`, so the cluster cannot make one by itself",
    label = "cannot be made without a factory",
    note = "register it with `.workflow_with::<{Self}>(|| ..)`, or derive `Default`"
)]
pub trait DefaultWorkflow: WorkflowType + Default {}

impl<W: WorkflowType + Default> DefaultWorkflow for W {}

/// A generated client of a workflow.
pub trait WorkflowClient<W: WorkflowType>: Clone + Send + Sync + 'static {
    /// Wraps the way to its executions.
    fn new(executions: Executions<W>) -> Self;
}

/// A step with a result of type `R`. That the result can be stored is asked here alone, so that it
/// is asked once.
#[derive(Debug)]
pub struct StepType<R> {
    info: StepInfo,
    encode: fn(&R, &Schema, usize) -> Result<Bytes, EncodeError>,
    decode: fn(&[u8], &Schema) -> Result<R, DecodeError>,
}

/// A step of this name with a result of this type.
pub const fn step_type<R: Wire>(name: &'static str) -> StepType<R> {
    let info = StepInfo { name, schema: schema_of::<R> };
    StepType { info, encode: R::encode, decode: R::decode }
}

impl<R> StepType<R> {
    /// What is known of it whatever its type.
    pub const fn info(&self) -> StepInfo {
        self.info
    }

    /// Encodes a result, in at most `limit` bytes.
    pub(super) fn encode(&self, value: &R, schema: &Schema, limit: usize) -> Encoded {
        (self.encode)(value, schema, limit)
    }

    /// Decodes a result.
    pub(super) fn decode(&self, payload: &[u8], schema: &Schema) -> Result<R, DecodeError> {
        (self.decode)(payload, schema)
    }
}

type Encoded = Result<Bytes, EncodeError>;

/// What is known of a step without running it.
#[derive(Debug, Clone, Copy)]
pub struct StepInfo {
    name: &'static str,
    schema: fn() -> Result<Schema, TraceError>,
}

impl StepInfo {
    /// The shape of its result.
    pub(super) fn schema(&self) -> Result<Schema, TraceError> {
        (self.schema)()
    }

    /// The stored name.
    pub fn name(&self) -> &'static str {
        self.name
    }
}

/// Traces the results of steps.
///
/// # Errors
/// [`TraceError`] names the first type that the codec cannot carry.
pub fn steps(infos: &[StepInfo]) -> Result<Vec<(String, Schema)>, TraceError> {
    infos.iter().map(|info| Ok((format!("step {}", info.name), (info.schema)()?))).collect()
}

//! The macros of `cluster`: `#[derive(Entity)]` and `#[entity]`.
//!
//! Every expansion goes the same way: `parse` reads the item into a `model`, `check` looks for what
//! contradicts itself, `expand` writes code from the model and from nothing else. Each step notes
//! what is wrong in `errors` and goes on, so that one build shows every mistake; code is emitted in
//! any case, so that one mistake shows one message.

use errors::Errors;
use proc_macro::TokenStream;
use proc_macro2::TokenStream as Code;

mod attribute;
mod check;
mod errors;
mod expand;
mod hygiene;
mod model;
mod parse;
#[cfg(test)]
mod tests;

/// Says what of a struct or enum is stored, and with which options it is run.
///
/// The `#[entity(..)]` that follows the derive takes:
///
/// | key | meaning |
/// |---|---|
/// | `durable` | the whole value is the state; it must be `Serialize` and `Deserialize` |
/// | `mailbox = 1024` | how many requests may wait |
/// | `idle = "5m"` | how long without a call until it leaves memory |
/// | `concurrency = 8` | how many `&self` handlers run at once |
/// | `group = "mail"` | the shard group |
/// | `attempts = 10` | attempts at a persisted request whose handler panics |
/// | `backoff_min = "100ms"` | the wait before the second attempt; grows with each |
/// | `backoff_max = "30s"` | the longest wait between two attempts |
/// | `on_panic = "retry"` | or `"defect"`: a panic is the outcome at once |
/// | `strict_order` | nothing starts while an earlier persisted request has not ended |
/// | `crate = "path"` | where `cluster` is, if under another name |
///
/// Durations are a whole number of `ms`, `s`, `m`, `h` or `d`. What is not given is as the
/// cluster's configuration says; values given at registration win.
///
/// Where only a part is stored, mark that field `#[state]` instead of writing `durable`. The rest
/// comes from the factory that the entity is registered with.
///
/// ```
/// use cluster::prelude::*;
///
/// #[derive(Entity, Default)]
/// #[entity(mailbox = 64, idle = "5m")]
/// struct Account {
///     #[state]
///     cents: i64,
///     reads: u64,
/// }
/// #
/// # #[entity]
/// # impl Account {
/// #     #[message]
/// #     fn cents(&mut self) -> i64 {
/// #         self.reads += 1;
/// #         self.cents
/// #     }
/// # }
/// ```
#[proc_macro_derive(Entity, attributes(entity, state))]
pub fn derive_entity(item: TokenStream) -> TokenStream {
    derived(item.into()).into()
}

/// Makes a contract and its typed client of an impl block or of a trait, or lets a type serve a
/// trait's contract.
///
/// On `impl Account { .. }` every method with [`macro@message`] becomes a message. `AccountClient`
/// gets a method of the same name, `AccountWithdraw` is the message of `withdraw`. The block itself
/// stays as it is: its methods can still be called on a plain value. [`macro@activate`] and
/// [`macro@deactivate`] mark life-cycle hooks; methods without an attribute are nobody's business.
///
/// On `trait Bank { .. }` every method is a message; clients use `cluster.get::<dyn Bank>(id)`.
/// On `impl Bank for Account { .. }` the type serves that trait's contract.
///
/// | key | meaning |
/// |---|---|
/// | `name = "account"` | the stored name of the entity type; if not given, its own |
/// | `crate = "path"` | where `cluster` is, if under another name |
///
/// ```
/// use cluster::prelude::*;
///
/// #[derive(Entity, Default)]
/// struct Account {
///     #[state]
///     cents: i64,
/// }
///
/// #[entity(name = "account")]
/// impl Account {
///     #[message(persisted)]
///     fn deposit(&mut self, cents: i64) -> i64 {
///         self.cents += cents;
///         self.cents
///     }
/// }
///
/// async fn pay(cluster: &Cluster) -> Result<i64, ClusterError> {
///     let account: AccountClient = cluster.get::<Account>("alice");
///     account.deposit(5).await
/// }
/// ```
#[proc_macro_attribute]
pub fn entity(options: TokenStream, item: TokenStream) -> TokenStream {
    annotated(options.into(), item.into()).into()
}

/// Marks a method of an [`macro@entity`] block as a message.
///
/// A handler is a plain `fn` or an `async fn` with `&self` (runs beside other `&self` handlers) or
/// `&mut self` (runs alone). Its arguments are owned; one of them may be `&Context`. It returns a
/// plain value, `Result<T, E>`, `Result<T, CallError<E>>`, or, without an error of its own,
/// `Result<T, CallError>`; or one of these as `Later<..>`, whose reply comes later. That is for
/// `&self` handlers, and for volatile `&mut self` ones of entities of which nothing is stored.
///
/// | key | meaning |
/// |---|---|
/// | `persisted` | durable before the handler starts, run until one outcome is committed |
/// | `stream` | returns `impl Stream<Item = T> + use<>`, of which the caller reads chunks |
/// | `uninterruptible` | runs to its end when its caller is gone |
/// | `fenced` | the reply leaves once the storage has confirmed that its owner still is the owner |
/// | `name = "withdraw"` | the stored name; the method's own if not given |
/// | `tag = 0x17` | what is stored with a request; the hash of the name if not given |
/// | `timeout = "10s"` | the default time limit of its calls |
/// | `attempts = 3` | attempts at a persisted one; these four win over the entity's options |
/// | `backoff_min = "1s"`, `backoff_max = "1h"` | the waits between them |
/// | `on_panic = "defect"` | a panic is the outcome at once; or `"retry"` |
/// | `transaction` | may open the storage's own transaction; persisted `&mut self` handlers only |
/// | `transaction = path` | the same, if `path(&first, &second, ..)` says `true` |
///
/// ```
/// use cluster::prelude::*;
///
/// #[derive(Entity, Default)]
/// struct Account {
///     #[state]
///     cents: i64,
/// }
///
/// #[entity]
/// impl Account {
///     #[message(persisted, tag = 0x17, timeout = "10s")]
///     async fn withdraw(&mut self, cents: i64) -> Result<i64, String> {
///         if cents > self.cents {
///             return Err(format!("{} cents are missing", cents - self.cents));
///         }
///         self.cents -= cents;
///         Ok(self.cents)
///     }
///
///     #[message]
///     fn cents(&self) -> i64 {
///         self.cents
///     }
/// }
///
/// async fn close(cluster: &Cluster) -> Result<i64, CallError<String>> {
///     let account = cluster.get::<Account>("alice");
///     let cents = account.cents().await?;
///     account.withdraw(cents).key("close").await
/// }
/// ```
#[proc_macro_attribute]
pub fn message(_options: TokenStream, item: TokenStream) -> TokenStream {
    expand::stray("message", "entity", item.into()).into()
}

/// Marks the method of an [`macro@entity`] block that runs before the first handler of an instance.
///
/// It takes `&mut self` or `&self`, and `&Context` if it likes, and returns nothing or
/// `Result<(), E>`. On an error, or a panic, the instance is made again after a while.
#[proc_macro_attribute]
pub fn activate(_options: TokenStream, item: TokenStream) -> TokenStream {
    expand::stray("activate", "entity", item.into()).into()
}

/// Marks the method of an [`macro@entity`] block that runs after the last handler of an instance.
///
/// Its form is that of an [`macro@activate`] method. Nothing waits for what it changes in the
/// state: it is not stored.
#[proc_macro_attribute]
pub fn deactivate(_options: TokenStream, item: TokenStream) -> TokenStream {
    expand::stray("deactivate", "entity", item.into()).into()
}

/// Makes a workflow of an impl block: a durable function that goes on after a crash where it was.
///
/// The method with [`macro@run`] is its body; methods with [`macro@step`] run once in an execution,
/// and their results are kept. `OrderWorkflowClient` starts executions. The methods can still be
/// called on a plain value, as unit tests do: a step is then what its method does.
///
/// | key | meaning |
/// |---|---|
/// | `name = "order"` | the stored name of the workflow; needed |
/// | `version = 1` | its version; needed. An execution runs on the one that started it |
/// | `crate = "path"` | where `cluster` is, if under another name |
///
/// ```
/// use cluster::prelude::*;
///
/// #[derive(Default)]
/// struct Greeting;
///
/// #[workflow(name = "greeting", version = 1)]
/// impl Greeting {
///     #[run]
///     async fn run(&self, ctx: &Workflow, name: String) -> String {
///         let greeting = self.greet(name).await;
///         ctx.sleep("pause", Duration::from_secs(3600)).await;
///         greeting
///     }
///
///     #[step]
///     async fn greet(&self, name: String) -> String {
///         format!("Hello, {name}!")
///     }
/// }
///
/// async fn greet(cluster: &Cluster) -> Result<String, ClusterError> {
///     cluster.workflow::<Greeting>().run("Ada".into()).key("ada").await
/// }
/// ```
#[proc_macro_attribute]
pub fn workflow(options: TokenStream, item: TokenStream) -> TokenStream {
    durable(options.into(), item.into()).into()
}

/// Marks the body of a [`macro@workflow`]: an `async fn` with `&self`.
///
/// Its arguments are owned; one of them may be `&Workflow`. It returns a plain value,
/// `Result<T, E>`, or `Result<T, CallError<E>>`. After a crash it runs again from its beginning,
/// and what has happened before is given to it: so it must do the same again, and whatever may come
/// out differently belongs into a step.
#[proc_macro_attribute]
pub fn run(_options: TokenStream, item: TokenStream) -> TokenStream {
    expand::stray("run", "workflow", item.into()).into()
}

/// Marks a step of a [`macro@workflow`]: an `async fn` with `&self` and owned arguments, whose
/// result can be stored.
///
/// Called inside of an execution, also by helper functions and inside of joins, it runs once its
/// predecessors' results are durable, and its own is stored. It is named by its name and by its
/// occurrence among the calls of that name, fixed when it is called.
///
/// | key | meaning |
/// |---|---|
/// | `name = "charge"` | the stored name; the method's own if not given |
#[proc_macro_attribute]
pub fn step(_options: TokenStream, item: TokenStream) -> TokenStream {
    expand::stray("step", "workflow", item.into()).into()
}

fn durable(options: Code, item: Code) -> Code {
    let mut errors = Errors::default();
    let block = parse::workflow(options, item, &mut errors);
    expand::workflow(&block, errors)
}

fn derived(item: Code) -> Code {
    let mut errors = Errors::default();
    let entity = parse::entity(item, &mut errors);
    expand::entity(entity.as_ref(), errors)
}

fn annotated(options: Code, item: Code) -> Code {
    let mut errors = Errors::default();
    let mut block = parse::block(options, item, &mut errors);
    check::block(&mut block, &mut errors);
    expand::block(&block, errors)
}

//! The words of addressing and order: every number and text that names something has its own type.

mod address;
mod entity_id;
mod execution_id;
mod key;
mod numbers;
mod request_id;
mod shard;
mod snowflake;

pub use address::Address;
pub use entity_id::{EntityId, InvalidText, TEXT_BYTES_MAX};
pub(crate) use execution_id::{Escaped, unescape};
pub use execution_id::{ExecutionId, InvalidExecutionId};
pub use key::{Key, KeyDigest};
pub use numbers::{Epoch, FenceNumber, Incarnation, MachineId, MessageTag, Seq, StateVersion};
pub use request_id::{InvalidRequestId, RequestId, RequestIds};
pub use shard::{SHARD_HASH_VERSION, ShardCount, ShardId};
pub use snowflake::{SNOWFLAKE_EPOCH_MS, Snowflake, Snowflakes};

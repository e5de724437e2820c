//! The broker proper: which destinations live, who subscribes to them, where a message goes, and
//! what the broker says about all that in advisories.
//!
//! Nothing here knows how a peer is connected: a consumer is an outbox and an identifier.

mod address_range;
mod advisory;
mod alarms;
mod announce;
mod arrival;
mod broker;
mod clients;
mod commit;
mod consumer_link;
mod counters;
mod dead_letter;
mod death;
mod directory;
mod durable;
mod durable_subscriber;
mod durables;
mod insight;
mod lease;
mod letter_numbers;
mod pager;
mod paging;
mod persistence;
mod places;
mod policies;
mod publish;
mod publish_error;
mod queue_group;
mod queue_handle;
mod queue_pages;
mod recovery;
mod registry;
mod retained;
mod route;
mod several;
mod subscribe;
mod subscribe_error;
mod temporary;
mod terms;
mod topic_handle;
mod topic_set;
mod transacting;
mod virtual_topics;
mod work;
mod xa;

pub use arrival::Arrival;
pub use broker::{Broker, BrokerSettings};
pub use clients::OpenError;
pub use consumer_link::ConsumerLink;
pub use counters::{DestinationCounters, Totals};
pub use directory::{DestinationSnapshot, Target};
pub use durable_subscriber::{DurableError, DurableName, DurableSnapshot};
pub use insight::{QueueInsight, Sought};
pub use lease::{ClientLease, Former};
pub use persistence::{KeptError, Origin, identify};
pub use publish_error::PublishError;
pub use recovery::{Recovered, RecoveryError, Safe};
pub use retained::bytes_kept;
pub use route::Route;
pub use subscribe::{Subscription, window_of};
pub use subscribe_error::SubscribeError;
pub use temporary::TemporaryError;
pub use work::{Work, WorkError};
pub use xa::BranchError;

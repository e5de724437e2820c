//! One running process: a broker, its listeners and its network connectors, wired together.

mod bridges_back;
mod build;
mod cluster;
mod guide;
mod local_broker;
mod readers;
mod status;
mod watch;

pub use build::{Node, OpenSpool, StartError, World};
pub use cluster::{Member, Move, Plan};
pub use status::{BrokerStatus, NodeStatus};
pub use watch::{DecisionError, NodeWatch};

//! A network in memory: hosts, listeners and streams with modelled latency, bandwidth and faults.
//!
//! It offers the traits of [`dial`](crate::dial), so that whole brokers run over it unchanged. All
//! of it lives on tokio's clock. On a paused clock and one thread, an outcome follows from the seed
//! alone.
//!
//! ```
//! use std::time::Duration;
//! use ferrymq_transport::simulated::{LinkConditions, SimulatedNetwork};
//!
//! let network = SimulatedNetwork::new(7);
//! let (london, paris) = (network.host("london"), network.host("paris"));
//! network.set_conditions(
//!     "london",
//!     "paris",
//!     LinkConditions { latency: Duration::from_millis(12), ..LinkConditions::default() },
//! );
//! // paris.bind(…), london.dial(…), and then:
//! network.cut("london", "paris");
//! network.heal("london", "paris");
//! ```
//!
//! What it does not model: packets (a lost one would only be latency to a stream), congestion, and
//! resolution finer than tokio's timers, which is one millisecond.

mod conditions;
mod direction;
mod fabric;
mod host;
mod lane;
mod listener;
mod network;
mod stream;

pub use conditions::LinkConditions;
pub use host::SimulatedHost;
pub use network::SimulatedNetwork;

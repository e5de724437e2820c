//! An asynchronous client for OpenWire brokers: FerryMQ and ActiveMQ alike.
//!
//! A [`Connection`] holds [`Session`]s; a session holds [`Producer`]s and [`Consumer`]s. What a
//! broker sees is what a JMS client would send.
//!
//! Inside, what a connection knows (`machine`) and what a consumer holds and owes
//! (`receiving::state`) are machines without I/O. Two short tasks per connection move commands
//! between them and the link; producers and consumers have none.
//!
//! Everything is sent through `uplink`, which knows the current link. On a connection that fails
//! over, [`failover`] says where the next link leads and what its broker is told.

pub mod ack_mode;
mod address;
pub mod connection;
pub mod consumer;
mod core;
pub mod delivery;
mod driver;
pub mod error;
pub mod failover;
pub mod ids;
mod machine;
pub mod message;
pub mod options;
pub mod producer;
pub mod received;
pub mod receiving;
pub mod requester;
mod requests;
mod send_window;
pub mod session;
pub mod temporary;
mod uplink;

pub use ack_mode::AckMode;
pub use connection::Connection;
pub use consumer::handle::Consumer;
pub use consumer::options::ConsumerOptions;
pub use delivery::Delivery;
pub use failover::{ConnectionEvent, Observer};
pub use ids::IdSource;
pub use message::OutgoingMessage;
pub use options::ConnectOptions;
pub use producer::handle::{Producer, Receipt};
pub use producer::options::ProducerOptions;
pub use received::ReceivedMessage;
pub use receiving::redelivery::RedeliveryPolicy;
pub use requester::Requester;
pub use session::Session;
pub use temporary::TemporaryDestination;

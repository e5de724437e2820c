//! Links between brokers and their peers.
//!
//! An [`Endpoint`](endpoint::Endpoint) names a place; a [`Dialer`](dial::Dialer) reaches it or a
//! [`Listener`](dial::Listener) lets peers in; a [`handshake`](handshake::handshake) turns the
//! bytes into a [`Link`](link::Link) of commands. A [`pipe`](pipe::pipe) is a link within the
//! process. Sockets ([`tcp`]) and simulated networks ([`simulated`]) offer the same traits.
//!
//! What commands mean is for others: this crate neither routes, nor reconnects, nor decides.

pub mod backoff;
pub mod clock;
pub mod dial;
pub mod endpoint;
pub mod handshake;
pub mod link;
pub mod names;
pub mod options;
pub mod outbox;
pub mod pace;
pub mod pipe;
pub mod settings;
pub mod simulated;
pub mod tcp;
pub mod traffic;
pub mod uri;

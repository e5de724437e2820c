//! A pair of command streams with one peer, over a socket, a simulation or a pipe.

mod batch;
mod error;
mod inbox;
mod peer;
mod pump;
mod receiver;
mod spare;
mod stream_pump;
mod stream_receiver;
mod whole;

pub use error::LinkError;
pub(crate) use inbox::Inbox;
pub use peer::PeerAddress;
pub use pump::Pump;
pub use receiver::Receiver;
pub(crate) use stream_pump::StreamPump;
pub(crate) use stream_receiver::StreamReceiver;
pub use whole::Link;

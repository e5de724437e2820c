//! What a connection remembers of its producers.

use ferrymq_openwire::ids::ProducerId;

use crate::routing::Route;

/// A producer of this connection.
pub(super) struct Producer {
    /// Whether it has a window of bytes and wants them back by `ProducerAck`s.
    pub(super) windowed: bool,
    /// Bytes of its name, which the broker keeps.
    pub(super) retained: usize,
}

/// The last message's producer and destination: mostly those of the next, too.
pub(super) struct LastTarget {
    pub(super) producer: ProducerId,
    pub(super) windowed: bool,
    pub(super) route: Route,
}

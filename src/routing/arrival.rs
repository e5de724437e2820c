//! How messages come.

/// How a message comes to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// From a producer here: it is new.
    Produced,
    /// Over a bridge, which may bring it a second time: the destination's audit is asked.
    Forwarded,
}

//! What a consumer has seen when it goes.

/// What a consumer has seen of the messages that it did not settle, when it goes
/// (`lastDeliveredSequenceId` of OpenWire's `RemoveInfo`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// None.
    Nothing,
    /// Unknown: the connection was lost; counts as all.
    Unknown,
    /// Those up to the one with this sequence number of the broker.
    UpTo(i64),
    /// Nobody knows: an own bridge forwarded them, and lost its link before they were answered.
    InDoubt,
}

impl Delivered {
    /// Reads the wire's number: -1 nothing, -2 unknown, else a sequence number.
    pub fn of(last_delivered_sequence_id: i64) -> Self {
        match last_delivered_sequence_id {
            -1 => Self::Nothing,
            -2 => Self::Unknown,
            sequence => Self::UpTo(sequence),
        }
    }
}

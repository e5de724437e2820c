//! Why a link ended.

use std::io;
use std::time::Duration;

use ferrymq_openwire::error::{DecodeError, EncodeError};

/// Why a link ended.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The peer ended it, between two commands.
    #[error("the peer closed the link")]
    Closed,
    /// This end gave it up: its outbox was aborted, or its pump has ended.
    #[error("the link was aborted")]
    Aborted,
    /// The peer ended it within a command.
    #[error("the peer closed the link in the middle of a frame, {received} bytes into it")]
    Truncated {
        /// How much of the frame had arrived.
        received: usize,
    },
    /// Nothing came for too long, not even a keep-alive.
    #[error("nothing was received for {silence:?} (maxInactivityDuration is {limit:?})")]
    Inactive {
        /// How long it was quiet.
        silence: Duration,
        /// The agreed limit.
        limit: Duration,
    },
    /// The peer takes nothing, and the link was waiting for that to close.
    #[error("the peer took nothing of the last {unsent} bytes for {waited:?}")]
    Stalled {
        /// How long.
        waited: Duration,
        /// What is left of the current write.
        unsent: usize,
    },
    /// What the peer sent is not OpenWire as agreed.
    #[error("the peer sent a bad frame: {source}")]
    Decode {
        /// What is wrong with it.
        source: DecodeError,
    },
    /// The peer negotiates once more.
    #[error("the peer sent a second WireFormatInfo")]
    RepeatedNegotiation,
    /// A command cannot be encoded. The caches of both ends are out of step afterwards.
    #[error("cannot encode a {command}: {source}")]
    Encode {
        /// ActiveMQ's name of the command.
        command: &'static str,
        /// Why not.
        source: EncodeError,
    },
    /// The socket failed.
    #[error("the link broke: {0}")]
    Io(#[from] io::Error),
}

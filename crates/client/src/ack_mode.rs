//! When messages count as settled.

use ferrymq_openwire::destination::Destination;

use crate::receiving::state::Settling;

/// When the messages of a session count as settled, and are not delivered again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AckMode {
    /// Each as it is received.
    #[default]
    Auto,
    /// When [`Delivery::ack`](crate::delivery::Delivery::ack) or
    /// [`Session::acknowledge`](crate::session::Session::acknowledge) is called, together with all
    /// that the session received before.
    Client,
    /// Each as it is received, but on topics told to the broker late and in ranges: cheaper, and
    /// after a failure some may come again.
    DupsOk,
    /// When [`Delivery::ack`](crate::delivery::Delivery::ack) is called on it.
    Individual,
    /// When [`Session::commit`](crate::session::Session::commit) is called, together with all that
    /// the session received and sent since the last commit or rollback.
    Transacted,
}

impl AckMode {
    /// How a consumer of this destination settles. On queues JMS clients settle each message at
    /// once in the duplicates-are-fine mode too.
    pub(crate) fn settling(self, destination: &Destination) -> Settling {
        match self {
            Self::Auto => Settling::Each,
            Self::DupsOk if destination.kind().is_queue() => Settling::Each,
            Self::DupsOk => Settling::Ranges,
            Self::Client | Self::Transacted => Settling::OnDemand,
            Self::Individual => Settling::OneByOne,
        }
    }
}

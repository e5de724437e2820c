//! How to send.

use std::time::Duration;

use ferrymq_openwire::destination::Destination;

/// How to send. The defaults are those of JMS: persistent, priority 4, no expiry.
#[derive(Debug, Clone)]
pub struct ProducerOptions {
    /// Where to; absent: the producer sends to any destination, which is named with each message.
    pub destination: Option<Destination>,
    /// Whether messages survive a restart of the broker, unless they say so themselves.
    pub persistent: bool,
    /// From 0 (lowest) to 9, unless messages say so themselves.
    pub priority: u8,
    /// How long messages live, unless they say so themselves; absent: for ever.
    pub ttl: Option<Duration>,
    /// How many bytes may be on their way one-way, until the broker confirms that it has room for
    /// more; absent: no such limit, and a slow broker stops reading instead.
    pub window: Option<u32>,
}

impl ProducerOptions {
    /// A producer of this destination.
    pub fn to(destination: Destination) -> Self {
        Self { destination: Some(destination), ..Self::anywhere() }
    }

    /// A producer without a destination of its own.
    pub fn anywhere() -> Self {
        Self { destination: None, persistent: true, priority: 4, ttl: None, window: None }
    }

    /// The same, persistent by default or not.
    #[must_use]
    pub fn persistent(mut self, persistent: bool) -> Self {
        self.persistent = persistent;
        self
    }

    /// The same with a window of so many bytes.
    #[must_use]
    pub fn window(mut self, bytes: u32) -> Self {
        self.window = Some(bytes);
        self
    }
}

impl From<Destination> for ProducerOptions {
    fn from(destination: Destination) -> Self {
        Self::to(destination)
    }
}

impl From<&Destination> for ProducerOptions {
    fn from(destination: &Destination) -> Self {
        Self::to(destination.clone())
    }
}

impl From<Option<Destination>> for ProducerOptions {
    fn from(destination: Option<Destination>) -> Self {
        Self { destination, ..Self::anywhere() }
    }
}

//! How often, and how soon, a message that was given back is handed out again.

use std::time::Duration;

/// What [`Session::recover`](crate::session::Session::recover) does with the messages it takes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedeliveryPolicy {
    /// After so many redeliveries a message is given up: it is acknowledged as poison, and the
    /// broker puts it on its dead letter queue. Never given up if absent.
    pub maximum: Option<u32>,
    /// How long the consumer rests before it hands the messages out again.
    pub delay: Duration,
}

impl Default for RedeliveryPolicy {
    /// As JMS clients of ActiveMQ: six redeliveries, a second apart.
    fn default() -> Self {
        Self { maximum: Some(6), delay: Duration::from_secs(1) }
    }
}

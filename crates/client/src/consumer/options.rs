//! How to consume.

use ferrymq_openwire::destination::Destination;

use crate::receiving::redelivery::RedeliveryPolicy;

/// How to consume from a destination. The rest is as in JMS clients unless said otherwise.
#[derive(Debug, Clone)]
pub struct ConsumerOptions {
    /// What to consume from: an address, or a pattern of addresses.
    pub destination: Destination,
    /// The name of a durable subscription to a topic: the broker keeps what the consumer misses,
    /// until [`unsubscribe`](crate::connection::Connection::unsubscribe). It belongs to the client
    /// id, which the connection's options must give. One consumer at a time may use it.
    pub durable: Option<String>,
    /// How many messages the broker may have out at most. 1,000 on queues, 32,767 on topics and
    /// 100 of a durable subscription if absent.
    pub prefetch: Option<u32>,
    /// Which messages to receive: an SQL-92 condition on headers and properties.
    pub selector: Option<String>,
    /// Not those that this connection sent (topics only).
    pub no_local: bool,
    /// Only this consumer shall receive from the queue.
    pub exclusive: bool,
    /// Only look: receive copies of what is in the queue now, and take none of it.
    pub browser: bool,
    /// Receive what the broker remembers of the topic.
    pub retroactive: bool,
    /// Consumers of a higher priority receive first.
    pub priority: i8,
    /// What becomes of messages that are given back.
    pub redelivery: RedeliveryPolicy,
    /// Whether to drop messages that expired on the way, telling the broker.
    pub drop_expired: bool,
}

impl ConsumerOptions {
    /// The defaults for this destination.
    pub fn new(destination: Destination) -> Self {
        Self {
            destination,
            durable: None,
            prefetch: None,
            selector: None,
            no_local: false,
            exclusive: false,
            browser: false,
            retroactive: false,
            priority: 0,
            redelivery: RedeliveryPolicy::default(),
            drop_expired: true,
        }
    }

    /// The same as the durable subscription of this name.
    #[must_use]
    pub fn durable(mut self, name: impl Into<String>) -> Self {
        self.durable = Some(name.into());
        self
    }

    /// The same with this prefetch.
    #[must_use]
    pub fn prefetch(mut self, prefetch: u32) -> Self {
        self.prefetch = Some(prefetch);
        self
    }

    /// The same with this selector.
    #[must_use]
    pub fn selector(mut self, selector: impl Into<String>) -> Self {
        self.selector = Some(selector.into());
        self
    }

    /// The same with this redelivery policy.
    #[must_use]
    pub fn redelivery(mut self, redelivery: RedeliveryPolicy) -> Self {
        self.redelivery = redelivery;
        self
    }
}

impl From<Destination> for ConsumerOptions {
    fn from(destination: Destination) -> Self {
        Self::new(destination)
    }
}

impl From<&Destination> for ConsumerOptions {
    fn from(destination: &Destination) -> Self {
        Self::new(destination.clone())
    }
}

//! Batches: what is to be remembered or forgotten, all of it or nothing.

use std::sync::Arc;

use bytes::Bytes;

/// The largest body of a message, or value of an entry, in bytes.
pub const MOST_BODY: usize = 512 * 1024 * 1024;

/// The longest key of an entry, in bytes.
pub const MOST_KEY: usize = u16::MAX as usize;

/// The most queues that may hold one message.
pub const MOST_HOLDERS: usize = u16::MAX as usize;

/// A queue of messages: that of a destination, or that of a durable subscription. The number is the
/// caller's choice; a number that was [cleared](Batch::clear) may be used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueId(pub u32);

/// What a small keyed entry is about. To the store they differ only in name; keys and values are
/// the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    /// What the broker knows about itself.
    Broker = 1,
    /// Queues by [number](Table::queue_key). The value's text up to its first zero byte is the name
    /// that offline tools show; what follows is the caller's.
    Queue = 2,
    /// Durable subscriptions.
    Subscription = 3,
    /// Receipts of once-only links: by link and origin, what has been taken over and not released.
    Receipt = 4,
    /// Prepared branches of distributed transactions, with all that they would do.
    Prepared = 5,
    /// Outcomes of transactions that a client may still ask about.
    Outcome = 6,
    /// What was handed to other brokers and may be there when this one has crashed: by queue and broker.
    Handed = 7,
    /// Topics by number, as queues are: those of which something is kept.
    Topic = 8,
}

impl Table {
    /// All tables, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Broker,
        Self::Queue,
        Self::Subscription,
        Self::Receipt,
        Self::Prepared,
        Self::Outcome,
        Self::Handed,
        Self::Topic,
    ];

    /// The table of this number, if there is one.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.number() == number)
    }

    /// Its number in files.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The key of a queue in [`Table::Queue`]: its number, big-endian.
    pub fn queue_key(queue: QueueId) -> [u8; 4] {
        queue.0.to_be_bytes()
    }
}

/// Who holds a message: it is kept once, until all have acknowledged it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holders {
    /// One queue.
    One(QueueId),
    /// Several, such as the durable subscriptions of a topic; none twice. A list that does not
    /// change can be shared between messages.
    Several(Arc<[QueueId]>),
}

impl Holders {
    /// The queues.
    pub fn as_slice(&self) -> &[QueueId] {
        match self {
            Self::One(queue) => std::slice::from_ref(queue),
            Self::Several(queues) => queues,
        }
    }
}

impl From<QueueId> for Holders {
    fn from(queue: QueueId) -> Self {
        Self::One(queue)
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Keeps a message.
    Append {
        /// Who holds it.
        holders: Holders,
        /// Its number: it orders the messages of each queue, and no two of a queue share one.
        sequence: u64,
        /// The message.
        body: Bytes,
    },
    /// A queue is done with a message.
    Acknowledge {
        /// The queue.
        queue: QueueId,
        /// The message's number.
        sequence: u64,
    },
    /// A queue is done with all that it holds.
    Clear {
        /// The queue.
        queue: QueueId,
    },
    /// Keeps an entry, in place of one under the same key.
    Put {
        /// Its table.
        table: Table,
        /// Its key.
        key: Bytes,
        /// What is kept.
        value: Bytes,
    },
    /// Forgets an entry.
    Remove {
        /// Its table.
        table: Table,
        /// Its key.
        key: Bytes,
    },
}

impl Operation {
    /// Bytes that must be kept for it beside what any operation takes.
    pub(crate) fn payload(&self) -> usize {
        match self {
            Self::Append { holders, body, .. } => body.len() + holders.as_slice().len() * 4,
            Self::Put { key, value, .. } => key.len() + value.len(),
            Self::Remove { key, .. } => key.len(),
            Self::Acknowledge { .. } | Self::Clear { .. } => 0,
        }
    }
}

/// Changes that take effect together or not at all, in this order.
///
/// A batch that [`submit`](super::Store::submit) has taken is empty again and can be filled anew.
#[derive(Debug, Default)]
pub struct Batch {
    pub(crate) operations: Vec<Operation>,
    /// Bytes of all payloads.
    pub(crate) payload: usize,
    /// Whether something is to be kept, which needs room.
    pub(crate) keeps: bool,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Whether it keeps something, and so needs room, or only forgets.
    pub fn keeps(&self) -> bool {
        self.keeps
    }

    /// How many changes are in it.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// What is in it.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Keeps a message in the queues of `holders`. One that a queue holds under this number already
    /// is replaced there.
    pub fn append(&mut self, holders: impl Into<Holders>, sequence: u64, body: Bytes) {
        self.push(Operation::Append { holders: holders.into(), sequence, body });
    }

    /// Forgets a message of a queue. What the queue does not hold is ignored.
    pub fn acknowledge(&mut self, queue: QueueId, sequence: u64) {
        self.push(Operation::Acknowledge { queue, sequence });
    }

    /// Forgets all messages of a queue, however many, as one small change.
    pub fn clear(&mut self, queue: QueueId) {
        self.push(Operation::Clear { queue });
    }

    /// Keeps an entry, in place of the one under this key.
    pub fn put(&mut self, table: Table, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.push(Operation::Put { table, key: key.into(), value: value.into() });
    }

    /// Forgets an entry. One that is not there is ignored.
    pub fn remove(&mut self, table: Table, key: impl Into<Bytes>) {
        self.push(Operation::Remove { table, key: key.into() });
    }

    /// Adds a change.
    pub fn push(&mut self, operation: Operation) {
        self.payload += operation.payload();
        self.keeps |= matches!(operation, Operation::Append { .. } | Operation::Put { .. });
        self.operations.push(operation);
    }

    /// Empties it.
    pub fn discard(&mut self) {
        self.operations.clear();
        self.restart();
    }

    /// Sets the sums back, when the operations have been taken.
    pub(crate) fn restart(&mut self) {
        self.payload = 0;
        self.keeps = false;
    }
}

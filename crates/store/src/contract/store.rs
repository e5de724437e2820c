//! The contract of a store.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::batch::{Batch, QueueId, Table};
use super::error::{Failure, ReadError, Refusal};

/// Keeps messages in queues, and small entries in tables.
///
/// # What is promised
///
/// 1. *A settled batch is durable.* Once its [`Listener`] has heard `Ok`, all of the batch survives
///    what the store is made for. A journal with `sync = "always"` survives the end of the process
///    and of power; with `"interval"` or `"never"` the end of the process, and of what power takes
///    away, the latest batches (`"interval"`: of no longer than the interval); one in memory
///    survives nothing.
/// 2. *A batch is atomic.* After a crash all of it is there or nothing, whether it was settled or
///    not. If it is there, so are all batches that were submitted before it.
/// 3. *Nothing comes back.* What a settled batch acknowledged, cleared, removed or replaced is never
///    seen again.
/// 4. *Order.* Batches take effect and are settled in the order of their [`Ticket`]s, which is the
///    order in which `submit` was called.
/// 5. *Failure is for good.* When the device fails, every batch that is not settled hears of it, no
///    later one is taken, and none is ever called durable. Whether an unsettled one is there after
///    a restart is open; promise 2 holds.
/// 6. *A full store forgets.* A batch that is taken will be written: room is set aside when it is
///    submitted. Without room, batches that keep something are refused, for the moment it takes to
///    make some, or until something is forgotten. Those that only forget have a reserve, and so
///    make room; they are refused when that is used up too, which takes a device without any room
///    and more small acknowledgements than fit in the reserve before anything becomes free.
///
/// # How to use it
///
/// Nothing but [`read`](Store::read), [`get`](Store::get), [`entries`](Store::entries) and
/// [`close`](Store::close) waits for a device. `submit` copies nothing and may be called under a
/// lock. What a batch changes can be read from some moment before it is settled on: until then the
/// caller has it in memory. A message is found by its queue and its number, not by a place in a
/// file, because the store moves what is long kept out of the way of what is not.
///
/// A message that is acknowledged while the batch that keeps it is still waiting may never be
/// written; both batches are settled together.
///
/// A store holds a few bytes of memory for each message and none of its body, if it has a device
/// (the journal: 16 bytes, and 0 to 16 in chunks that are not full).
pub trait Store: fmt::Debug + Send + Sync {
    /// Takes all that is in `batch`, which is empty afterwards, to make it durable together with
    /// what others submit. `listener` hears of it once, on any thread, maybe before this returns.
    ///
    /// # Errors
    ///
    /// See [`Refusal`]; the batch is then as it was. An empty batch is settled in its turn.
    fn submit(
        &self,
        batch: &mut Batch,
        listener: Option<Arc<dyn Listener>>,
    ) -> Result<Ticket, Refusal>;

    /// Whether a batch that keeps `bytes` in all would be taken now. Answering `false` is a request
    /// to be [told](Observer::room) of room.
    fn has_room(&self, bytes: usize) -> bool;

    /// How much of its device it has, and may have.
    fn space(&self) -> Space {
        Space::default()
    }

    /// All batches up to this one are settled.
    fn settled(&self) -> Ticket;

    /// Reads messages of a queue in order, from number `from` on, onto the end of `into`: as many as
    /// `limits` allow, but one in any case if there is one. May wait for the device.
    ///
    /// # Errors
    ///
    /// See [`ReadError`]. What was read before it is in `into`.
    fn read(
        &self,
        queue: QueueId,
        from: u64,
        limits: ReadLimits,
        into: &mut Vec<Stored>,
    ) -> Result<(), ReadError>;

    /// Whether reading may wait for a device, so that it is better done on a thread that may. A store
    /// that is driven by hand answers `false`: then whoever reads can do it where it stands, and what
    /// follows from it follows at once.
    fn reading_waits(&self) -> bool {
        true
    }

    /// How a queue stands. One that nobody has heard of is empty.
    fn queue(&self, queue: QueueId) -> QueueState;

    /// All queues that hold something, by number.
    fn queues(&self) -> Vec<QueueState>;

    /// An entry's value. May wait for the device.
    ///
    /// # Errors
    ///
    /// See [`ReadError`].
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, ReadError>;

    /// Up to `most` entries of a table, in the order of their keys, from the first key on that is
    /// greater than `after`. May wait for the device.
    ///
    /// # Errors
    ///
    /// See [`ReadError`].
    fn entries(
        &self,
        table: Table,
        after: Option<&[u8]>,
        most: usize,
    ) -> Result<Vec<Entry>, ReadError>;

    /// The highest number that a message ever had, also one that is long gone; 0 when there was
    /// none.
    fn last_sequence(&self) -> u64;

    /// Who hears of room and of failure; in place of an earlier one.
    fn watch(&self, observer: Arc<dyn Observer>);

    /// Settles what was submitted, and takes nothing any more. Waits for the device. What is kept
    /// can still be read.
    ///
    /// # Errors
    ///
    /// If the store has failed.
    fn close(&self) -> Result<(), Failure>;
}

/// The number of a batch, from 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Who waits for batches: a connection, say, whose answers are held back until what they confirm
/// is durable.
///
/// It is called by the thread that writes, so it only notes the ticket and wakes whoever waits. It
/// takes no lock that is held over `submit`.
pub trait Listener: Send + Sync {
    /// A batch is durable, or the store has failed. Called once for each batch that was submitted
    /// with this listener, in their order.
    fn settled(&self, ticket: Ticket, outcome: Result<(), &Failure>);
}

/// Who hears what concerns all. As with a [`Listener`], it only wakes others.
pub trait Observer: Send + Sync {
    /// There is room again, after somebody was refused for want of it.
    fn room(&self) {}

    /// The store has failed.
    fn failed(&self, _failure: &Failure) {}
}

/// What a store has of its device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes in use, those of what is forgotten and not free yet included.
    pub used: u64,
    /// Bytes that it may use; `u64::MAX` when only the device limits it.
    pub limit: u64,
    /// Whether it can keep no more until something is forgotten. One that has no room only for the
    /// moment that it takes to make some is not full.
    pub full: bool,
}

impl Default for Space {
    fn default() -> Self {
        Self { used: 0, limit: u64::MAX, full: false }
    }
}

/// How much to read at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimits {
    /// Messages.
    pub messages: usize,
    /// Bytes of their bodies.
    pub bytes: usize,
}

/// A message that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its number.
    pub sequence: u64,
    /// The message. Bodies that were read together may share memory.
    pub body: Bytes,
}

/// An entry of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: Bytes,
    /// What is kept under it.
    pub value: Bytes,
}

/// How a queue stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueState {
    /// Which.
    pub queue: QueueId,
    /// How many messages it holds.
    pub messages: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// The lowest number among them.
    pub first: Option<u64>,
    /// The highest.
    pub last: Option<u64>,
}

impl QueueState {
    /// That of a queue that holds nothing.
    pub fn empty(queue: QueueId) -> Self {
        Self { queue, messages: 0, bytes: 0, first: None, last: None }
    }
}

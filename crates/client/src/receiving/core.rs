//! A consumer as its connection's reader and its owner share it.

use std::sync::Arc;

use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::RemoveInfo;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::{ConsumerId, TransactionId};
use ferrymq_transport::clock::Clock;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::held::Held;
use super::state::{ConsumerState, Ended, Handed, Now, Taken};
use crate::error::{AckError, ConnectionLost};
use crate::uplink::Uplink;

/// Takes messages as they come, instead of a consumer's owner. It runs on the connection's reader:
/// it must be quick and must not wait.
pub(crate) trait Sink: Send + Sync {
    /// A message came, and is settled.
    fn take(&self, handed: Handed);
    /// No more will come.
    fn end(&self, why: &Ended);
}

/// A consumer.
pub(crate) struct ConsumerCore {
    id: ConsumerId,
    /// What it consumes from, as asked; a pattern stays a pattern.
    destination: Destination,
    uplink: Arc<Uplink>,
    clock: Clock,
    guarded: Mutex<Guarded>,
    /// Rings when there is something to take, or nothing ever again.
    arrived: Notify,
    sink: Option<Arc<dyn Sink>>,
}

struct Guarded {
    state: ConsumerState,
    /// Acknowledgements of the step under way; empty between steps, kept for its room.
    acks: Vec<Command>,
}

impl ConsumerCore {
    /// A consumer that the broker does not know yet.
    pub(crate) fn new(
        id: ConsumerId,
        destination: Destination,
        state: ConsumerState,
        sink: Option<Arc<dyn Sink>>,
        uplink: Arc<Uplink>,
        clock: Clock,
    ) -> Self {
        Self {
            id,
            destination,
            uplink,
            clock,
            guarded: Mutex::new(Guarded { state, acks: Vec::new() }),
            arrived: Notify::new(),
            sink,
        }
    }

    /// Its identifier.
    pub(crate) fn id(&self) -> &ConsumerId {
        &self.id
    }

    /// What it consumes from.
    pub(crate) fn destination(&self) -> &Destination {
        &self.destination
    }

    /// Rings when taking is worth another try.
    pub(crate) fn arrived(&self) -> &Notify {
        &self.arrived
    }

    /// Takes in dispatches.
    pub(crate) fn accept(&self, dispatches: &mut Vec<Held>) -> Result<(), ConnectionLost> {
        let (accepted, _) = self.step(|state, acks| state.accept(dispatches, acks));
        if let Err(overrun) = accepted {
            return Err(ConnectionLost::new(format!(
                "the broker sent consumer {} of {} more than the {} messages that its window allows",
                self.id, self.destination, overrun.allowed
            )));
        }
        match &self.sink {
            None => self.arrived.notify_one(),
            Some(sink) => {
                let mut handed = Vec::new();
                self.take(usize::MAX, &mut handed);
                for message in handed {
                    sink.take(message);
                }
            }
        }
        Ok(())
    }

    /// Hands out up to `max` messages.
    pub(crate) fn take(&self, max: usize, handed: &mut Vec<Handed>) -> Taken {
        let now = self.now();
        let (taken, _) = self.step(|state, acks| state.take(max, now, handed, acks));
        if let Taken::Some { more: true } = taken {
            // The bell rings once for many; another who waits must not miss the rest.
            self.arrived.notify_one();
        }
        taken
    }

    /// Settles everything that was handed out.
    pub(crate) fn acknowledge_all(&self) -> Result<(), AckError> {
        self.settle(ConsumerState::acknowledge_all)
    }

    /// Whether something was handed out that is not settled.
    pub(crate) fn holds_delivered(&self) -> bool {
        self.guarded.lock().state.holds_delivered()
    }

    /// Acknowledges everything that was handed out as part of a transaction; the number of the last.
    pub(crate) fn acknowledge_within(&self, transaction: &TransactionId) -> Option<u64> {
        let (last, _) = self.step(|state, acks| state.acknowledge_within(transaction, acks));
        last
    }

    /// The transaction is committed that settles what was handed out up to this number.
    pub(crate) fn settle_through(&self, last: u64) {
        self.guarded.lock().state.settle_through(last);
    }

    /// Settles one message.
    pub(crate) fn acknowledge_one(&self, serial: u64) -> Result<(), AckError> {
        self.settle(|state, acks| state.acknowledge_one(serial, acks))
    }

    /// Takes back everything that is unsettled.
    pub(crate) fn recover(&self) -> Result<(), AckError> {
        let now = Instant::now();
        let settled = self.settle(|state, acks| state.recover(now, acks));
        self.arrived.notify_one();
        settled
    }

    /// The link is gone, and another one may come.
    pub(crate) fn interrupt(&self) {
        self.guarded.lock().state.interrupt();
    }

    /// The broker changed the prefetch.
    pub(crate) fn set_prefetch(&self, prefetch: usize) {
        self.guarded.lock().state.set_prefetch(prefetch);
    }

    /// How many messages wait to be handed out.
    pub(crate) fn waiting(&self) -> usize {
        self.guarded.lock().state.waiting()
    }

    /// Ends it in order: what is settled is told, then that it goes, and what it saw last. Does
    /// nothing if it has ended. Its connection must have stopped to hand it dispatches.
    pub(crate) fn close(&self) {
        let mut guarded = self.guarded.lock();
        let Guarded { state, acks } = &mut *guarded;
        let Some(last_delivered) = state.close(acks) else {
            return;
        };
        // Under the lock, so that no acknowledgement follows the removal.
        self.uplink.send_acks(acks);
        self.uplink.send(Command::RemoveInfo(RemoveInfo {
            command_id: self.uplink.number(),
            response_required: false,
            object_id: Some(Box::new(Command::ConsumerId(self.id.clone()))),
            last_delivered_sequence_id: last_delivered,
        }));
        drop(guarded);
        self.ring_for_good(&Ended::ByOwner);
    }

    /// It is over, and the broker knows.
    pub(crate) fn end(&self, why: Ended) {
        self.guarded.lock().state.end(why.clone());
        self.ring_for_good(&why);
    }

    fn now(&self) -> Now {
        Now { instant: Instant::now(), epoch_millis: self.clock.wall_millis() }
    }

    fn ring_for_good(&self, why: &Ended) {
        self.arrived.notify_waiters();
        self.arrived.notify_one();
        if let Some(sink) = &self.sink {
            sink.end(why);
        }
    }

    fn settle(
        &self,
        step: impl FnOnce(&mut ConsumerState, &mut Vec<Command>),
    ) -> Result<(), AckError> {
        match self.step(step) {
            ((), true) => Ok(()),
            // Lost with the link, as one on its way might be; the audit sees to what comes again.
            ((), false) if self.uplink.may_recover() => Ok(()),
            ((), false) => Err(AckError { lost: self.uplink.lost() }),
        }
    }

    /// One step of the state. What it owes the broker leaves before the next step. `false`: the
    /// link is closed, and it did not leave.
    fn step<R>(&self, step: impl FnOnce(&mut ConsumerState, &mut Vec<Command>) -> R) -> (R, bool) {
        let mut guarded = self.guarded.lock();
        let Guarded { state, acks } = &mut *guarded;
        let result = step(state, acks);
        let sent = acks.is_empty() || self.uplink.send_acks(acks);
        (result, sent)
    }
}

impl std::fmt::Debug for ConsumerCore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConsumerCore")
            .field("id", &self.id)
            .field("destination", &self.destination)
            .finish_non_exhaustive()
    }
}

//! The one way to hand commands to a peer.

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::sync::Arc;

use ferrymq_openwire::command::Command;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::traffic::Traffic;

/// Commands on their way to one peer.
///
/// Pushing never blocks and never waits. What bounds an outbox is its users: a broker dispatches
/// within prefetch windows, and whoever produces without such a window waits for
/// [`drained_below`](Outbox::drained_below) first.
///
/// One consumer takes the commands in whole batches: the [`Pump`](crate::link::Pump) of a link, or
/// the receiver at the other end of a pipe.
#[derive(Clone)]
pub struct Outbox {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Wakes the consumer: there is something to take, or the phase has changed.
    ready: Notify,
    /// Wakes those who wait for room.
    drained: Notify,
    /// Wakes those who wait for the end of pushing.
    closed: Notify,
    traffic: Arc<Traffic>,
}

struct State {
    queue: VecDeque<Command>,
    /// Commands that the consumer has taken and not yet passed on.
    in_hand: usize,
    /// Dispatches of messages that were queued, ever.
    dispatches: u64,
    phase: Phase,
}

/// What becomes of an outbox. It only ever advances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Commands are accepted.
    Open,
    /// None are accepted; those queued still go out.
    Closing,
    /// None are accepted and none go out.
    Aborted,
}

impl Outbox {
    pub(crate) fn new() -> Self {
        let state = State { queue: VecDeque::new(), in_hand: 0, dispatches: 0, phase: Phase::Open };
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                traffic: Arc::default(),
                ready: Notify::new(),
                drained: Notify::new(),
                closed: Notify::new(),
            }),
        }
    }

    /// Queues a command. `false`: the outbox is closed and the command is gone.
    pub fn push(&self, command: Command) -> bool {
        let was_empty = {
            let mut state = self.shared.state.lock();
            if state.phase != Phase::Open {
                return false;
            }
            state.dispatches += u64::from(is_dispatch(&command));
            state.queue.push_back(command);
            state.queue.len() == 1
        };
        if was_empty {
            self.shared.ready.notify_one();
        }
        true
    }

    /// Queues all of `commands`, in order, under one lock. `false`: the outbox is closed. `commands`
    /// is empty afterwards either way.
    pub fn push_all(&self, commands: &mut Vec<Command>) -> bool {
        if commands.is_empty() {
            return !self.is_closed();
        }
        let dispatches = commands.iter().filter(|command| is_dispatch(command)).count();
        let (accepted, was_empty) = {
            let mut state = self.shared.state.lock();
            let accepted = state.phase == Phase::Open;
            let was_empty = state.queue.is_empty();
            if accepted {
                state.dispatches += dispatches as u64;
                state.queue.extend(commands.drain(..));
            }
            (accepted, was_empty)
        };
        // Refused commands are dropped outside the lock.
        commands.clear();
        if accepted && was_empty {
            self.shared.ready.notify_one();
        }
        accepted
    }

    /// Accepts no more; what is queued still goes out.
    pub fn close(&self) {
        self.advance_to(Phase::Closing);
    }

    /// Accepts no more and drops what is queued: the link ends now, in both directions. Its
    /// receiver fails with [`LinkError::Aborted`](crate::link::LinkError::Aborted).
    pub fn abort(&self) {
        self.advance_to(Phase::Aborted);
    }

    /// Whether pushing is over.
    pub fn is_closed(&self) -> bool {
        self.phase() != Phase::Open
    }

    /// How many commands have not been passed on yet.
    pub fn pending(&self) -> usize {
        let state = self.shared.state.lock();
        state.queue.len() + state.in_hand
    }

    /// What the link has carried, in both directions; a pipe carries no bytes.
    pub fn traffic(&self) -> &Arc<Traffic> {
        &self.shared.traffic
    }

    /// How many dispatches of messages have been queued, ever.
    pub fn dispatches(&self) -> u64 {
        self.shared.state.lock().dispatches
    }

    /// Waits until fewer than `commands` are pending, or the outbox is closed.
    pub async fn drained_below(&self, commands: usize) {
        loop {
            let mut drained = std::pin::pin!(self.shared.drained.notified());
            // Registered before the look, so that no progress goes unseen.
            drained.as_mut().enable();
            if self.is_closed() || self.pending() < commands {
                return;
            }
            drained.await;
        }
    }

    /// Waits until pushing is over.
    pub async fn closed(&self) {
        let mut closed = std::pin::pin!(self.shared.closed.notified());
        closed.as_mut().enable();
        if !self.is_closed() {
            closed.await;
        }
    }

    /// Whether both are the same outbox.
    pub fn is_same(&self, other: &Outbox) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    fn advance_to(&self, phase: Phase) {
        let dropped = {
            let mut state = self.shared.state.lock();
            if state.phase >= phase {
                return;
            }
            state.phase = phase;
            if phase == Phase::Aborted {
                state.in_hand = 0;
                mem::take(&mut state.queue)
            } else {
                VecDeque::new()
            }
        };
        drop(dropped);
        self.shared.ready.notify_one();
        self.shared.drained.notify_waiters();
        self.shared.closed.notify_waiters();
    }
}

/// The consumer's side.
impl Outbox {
    pub(crate) fn phase(&self) -> Phase {
        self.shared.state.lock().phase
    }

    /// Swaps everything queued into `taken`, which must be empty and lends its capacity. The
    /// commands stay pending until [`passed_on`](Self::passed_on).
    pub(crate) fn take_all(&self, taken: &mut VecDeque<Command>) -> Phase {
        let mut state = self.shared.state.lock();
        if state.phase != Phase::Aborted {
            mem::swap(&mut state.queue, taken);
            state.in_hand += taken.len();
        }
        state.phase
    }

    /// Moves up to `limit` commands to the end of `batch`; they count as passed on.
    pub(crate) fn take_up_to(&self, limit: usize, batch: &mut Vec<Command>) -> Phase {
        let (phase, taken) = {
            let mut state = self.shared.state.lock();
            let count = state.queue.len().min(limit);
            batch.extend(state.queue.drain(..count));
            (state.phase, count)
        };
        if taken > 0 {
            self.shared.drained.notify_waiters();
        }
        phase
    }

    pub(crate) fn passed_on(&self, commands: usize) {
        {
            let mut state = self.shared.state.lock();
            state.in_hand = state.in_hand.saturating_sub(commands);
        }
        self.shared.drained.notify_waiters();
    }

    /// Waits until the link is to end.
    pub(crate) async fn aborted(&self) {
        loop {
            let mut closed = std::pin::pin!(self.shared.closed.notified());
            closed.as_mut().enable();
            if self.phase() == Phase::Aborted {
                return;
            }
            closed.await;
        }
    }

    /// Waits until there may be something to take or a new phase. Needs a look before and after:
    /// a single past change is remembered, whether it has been seen or not.
    pub(crate) async fn changed(&self) {
        self.shared.ready.notified().await;
    }

    /// Gives the capacity back that a burst left behind.
    pub(crate) fn release_capacity(&self) {
        let mut state = self.shared.state.lock();
        if state.queue.is_empty() {
            state.queue = VecDeque::new();
        }
    }
}

fn is_dispatch(command: &Command) -> bool {
    matches!(command, Command::MessageDispatch(_))
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox")
            .field("pending", &self.pending())
            .field("phase", &self.phase())
            .finish()
    }
}

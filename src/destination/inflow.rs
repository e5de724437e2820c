//! What a queue takes of what bridges bring.

use std::sync::atomic::{AtomicBool, Ordering};

use super::allowance::Allowance;
use super::memory::MemoryAccount;

/// Lets a queue take from bridges what its consumers get done soon, and lets the rest wait where it
/// comes from: there, somebody faster may want it.
///
/// The broker that sends has no answer yet for what waits, so its bridge's window says how much
/// that can be. Nothing is held back from a queue without consumers, which keeps for later what it
/// is sent, and nothing while a consumer here has room.
#[derive(Debug)]
pub struct Inflow {
    allowance: Allowance,
    /// How many came.
    came: u64,
    /// How many of them were settled when somebody last looked.
    settled: u64,
    /// Those that nobody settles, it seems: they do not count.
    stuck: usize,
    /// When to look again if nothing happens before.
    due: Option<i64>,
}

/// Whether a queue takes anything of bridges now, for those who bring it.
#[derive(Debug, Default)]
pub struct Gate {
    closed: AtomicBool,
    /// Set when somebody found it closed, who is to be woken.
    turned_away: AtomicBool,
}

/// What a queue's consumers stand like.
#[derive(Debug, Clone, Copy)]
pub struct Takers {
    /// How many there are.
    pub subscriptions: usize,
    /// Whether one that is no bridge's has room.
    pub one_has_room: bool,
}

/// How many milliseconds' work there may be.
const TARGET: i64 = 150;

impl Gate {
    /// Whether nothing is taken now. Who waits then is woken as for room on a memory account.
    pub fn is_closed(&self) -> bool {
        if !self.closed.load(Ordering::SeqCst) {
            return false;
        }
        self.turned_away.store(true, Ordering::SeqCst);
        // It may have been opened between the two, with no one to wake.
        self.closed.load(Ordering::SeqCst)
    }

    fn set(&self, closed: bool, account: &MemoryAccount) {
        // Whoever sets it holds the queue's lock; mostly it stays as it is.
        if self.closed.load(Ordering::SeqCst) == closed {
            return;
        }
        self.closed.store(closed, Ordering::SeqCst);
        if !closed && self.turned_away.swap(false, Ordering::SeqCst) {
            account.space().notify_waiters();
        }
    }
}

impl Default for Inflow {
    fn default() -> Self {
        let allowance = Allowance::new(usize::MAX, TARGET, 0);
        Self { allowance, came: 0, settled: 0, stuck: 0, due: None }
    }
}

impl Inflow {
    /// One came; `account` counts it.
    pub fn took(&mut self, account: &MemoryAccount, now: i64) {
        self.came += 1;
        let unsettled = account.forwarded();
        self.allowance.handed(unsettled.saturating_sub(self.stuck), now);
    }

    /// Looks at what was settled, and opens or closes the gate.
    pub fn regulate(
        &mut self,
        gate: &Gate,
        account: &MemoryAccount,
        takers: impl FnOnce() -> Takers,
        now: i64,
    ) {
        if self.came == self.settled {
            return;
        }
        let unsettled = account.forwarded();
        self.stuck = self.stuck.min(unsettled);
        let settled = self.came.saturating_sub(unsettled as u64);
        let count = usize::try_from(settled.saturating_sub(self.settled)).unwrap_or(usize::MAX);
        self.settled = settled;
        self.allowance.settled(count, now);
        let takers = takers();
        if takers.subscriptions == 0 || takers.one_has_room {
            self.due = None;
            return gate.set(false, account);
        }
        let mut counted = unsettled - self.stuck;
        if self.due.is_some_and(|due| due <= now) && self.allowance.due() <= now {
            self.allowance.raise(now);
            (self.stuck, counted) = (unsettled, 0);
        }
        let (closed, ahead) = (gate.closed.load(Ordering::SeqCst), self.allowance.ahead());
        // Once closed, it opens for some at once.
        let bound = if closed { ahead - ahead / 4 } else { ahead };
        let closes = counted >= bound;
        gate.set(closes, account);
        self.due = closes.then(|| self.allowance.due().max(now.saturating_add(1)));
    }

    /// When to [`regulate`](Self::regulate) again, if nothing happens before.
    pub fn next_tick(&self) -> Option<i64> {
        self.due
    }
}

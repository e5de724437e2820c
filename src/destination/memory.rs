//! Memory accounts: how much messages hold, for a destination and for the broker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// What messages hold, against a limit: one account for the broker (ActiveMQ's `memoryUsage`), and
/// one below it for each destination (`memoryLimit`).
///
/// An account may run over its limit by one message: what is refused is the *next* one. A charge
/// on a destination counts on the broker too, and the broker being full makes all its destinations
/// full.
#[derive(Debug)]
pub struct MemoryAccount {
    used: AtomicU64,
    /// How much of that open transactions hold.
    uncommitted: AtomicU64,
    /// How many of the messages on it bridges brought.
    forwarded: AtomicUsize,
    /// Bytes of messages that wait for room on any account of this broker: kept at the root.
    waiting: AtomicU64,
    /// Bytes; `u64::MAX` when only the parent limits.
    limit: u64,
    parent: Option<Arc<MemoryAccount>>,
    /// Set when somebody was turned away, so that a release knows that it must wake.
    turned_away: AtomicBool,
    /// Wakes producers that wait, on any account of this broker: kept at the root.
    space: Notify,
}

/// From which percentage of the broker's limit on queues keep less of their backlogs in memory
/// (ActiveMQ's `cursorMemoryHighWaterMark`).
pub(super) const PRESSED: u64 = 70;

impl MemoryAccount {
    /// The broker's account.
    pub fn root(limit: u64) -> Arc<Self> {
        Arc::new(Self::new(limit, None))
    }

    /// A destination's account below the broker's. No `limit` of its own: only the broker's holds.
    pub fn below(parent: &Arc<Self>, limit: Option<u64>) -> Arc<Self> {
        Arc::new(Self::new(limit.unwrap_or(u64::MAX), Some(Arc::clone(parent))))
    }

    fn new(limit: u64, parent: Option<Arc<Self>>) -> Self {
        Self {
            used: AtomicU64::new(0),
            uncommitted: AtomicU64::new(0),
            forwarded: AtomicUsize::new(0),
            waiting: AtomicU64::new(0),
            limit,
            parent,
            turned_away: AtomicBool::new(false),
            space: Notify::new(),
        }
    }

    /// Bytes held.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// How many of the messages that it counts bridges brought.
    pub fn forwarded(&self) -> usize {
        self.forwarded.load(Ordering::SeqCst)
    }

    /// Bytes allowed; `u64::MAX` when only the broker's limit holds.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Whether the next message must wait: this account or the broker's has reached its limit.
    ///
    /// A caller that is turned away waits on [`space`](Self::space), registered *before* asking.
    pub fn is_full(&self) -> bool {
        self.is_full_beside(|_| 0)
    }

    /// The same for a producer here: what bridges brought and waits for room counts too. For those
    /// messages themselves it does not, or they would wait for each other.
    pub fn is_full_for_producers(&self) -> bool {
        self.is_full_beside(Self::waiting)
    }

    fn is_full_beside(&self, others: impl Fn(&Self) -> u64) -> bool {
        let over = || self.used.load(Ordering::SeqCst).saturating_add(others(self)) >= self.limit;
        if over() {
            self.turned_away.store(true, Ordering::SeqCst);
            // A release between the two lines above may have seen no one to wake.
            return over();
        }
        self.parent.as_ref().is_some_and(|parent| parent.is_full_beside(others))
    }

    /// Whether this account or the broker's has reached its limit, for whoever waits for nothing.
    pub fn is_over(&self) -> bool {
        self.used() >= self.limit || self.parent.as_ref().is_some_and(|parent| parent.is_over())
    }

    /// Whether what need not be in memory had better not be: the broker's account comes near its
    /// limit.
    pub fn is_pressed(&self) -> bool {
        self.is_filled_to(PRESSED)
    }

    /// Whether this account or the broker's comes near its limit.
    pub fn is_short(&self) -> bool {
        self.takes(PRESSED) || self.is_pressed()
    }

    /// Whether so many percent of its own limit are used.
    pub fn takes(&self, percent: u64) -> bool {
        self.used() >= self.limit / 100 * percent
    }

    /// Whether so many percent of the broker's limit are used.
    pub fn is_filled_to(&self, percent: u64) -> bool {
        let root = self.root_account();
        root.used() >= root.limit() / 100 * percent
    }

    /// Bytes used of the broker's limit, those included that wait for room, and that limit.
    pub fn of_broker(&self) -> (u64, u64) {
        let root = self.root_account();
        (root.used().saturating_add(root.waiting()), root.limit)
    }

    /// Bytes of messages of bridges that wait for room; on the broker's account only.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::SeqCst)
    }

    /// Counts a message of a bridge that waits for room on the broker's account, until the charge
    /// is dropped.
    pub fn charge_waiting(self: &Arc<Self>, bytes: usize) -> WaitingCharge {
        let (account, bytes) = (Arc::clone(self), bytes as u64);
        account.waiting.fetch_add(bytes, Ordering::SeqCst);
        WaitingCharge { account, bytes }
    }

    /// Whether the next message of a transaction must wait: what is held beside the messages of open
    /// transactions has reached the limit. Those it does not wait for: they may be its own, and a
    /// transaction that waits for itself would never end.
    pub fn is_full_of_committed(&self) -> bool {
        if self.committed_over_limit() {
            self.turned_away.store(true, Ordering::SeqCst);
            return self.committed_over_limit();
        }
        self.parent.as_ref().is_some_and(|parent| parent.is_full_of_committed())
    }

    fn committed_over_limit(&self) -> bool {
        let uncommitted = self.uncommitted.load(Ordering::SeqCst);
        self.used.load(Ordering::SeqCst).saturating_sub(uncommitted) >= self.limit
    }

    /// Whether open transactions may hold so many bytes more: half of what the account allows, or
    /// one message.
    pub fn admits_uncommitted(&self, bytes: usize) -> bool {
        let held = self.uncommitted.load(Ordering::SeqCst);
        (held == 0 || held.saturating_add(bytes as u64) <= self.limit / 2)
            && self.parent.as_ref().is_none_or(|parent| parent.admits_uncommitted(bytes))
    }

    /// Woken when an account of this broker that turned somebody away has room again.
    pub fn space(&self) -> &Notify {
        self.root_account().space_here()
    }

    fn space_here(&self) -> &Notify {
        &self.space
    }

    fn root_account(&self) -> &Self {
        self.parent.as_deref().unwrap_or(self)
    }

    /// Holds `bytes` of a message that a bridge brought until the charge is dropped.
    pub fn charge_forwarded(self: &Arc<Self>, bytes: usize) -> Charge {
        self.forwarded.fetch_add(1, Ordering::SeqCst);
        let mut charge = self.charge(bytes);
        charge.forwarded = true;
        charge
    }

    /// Holds `bytes` until the charge is dropped.
    pub fn charge(self: &Arc<Self>, bytes: usize) -> Charge {
        let bytes = bytes as u64;
        self.used.fetch_add(bytes, Ordering::SeqCst);
        if let Some(parent) = &self.parent {
            parent.used.fetch_add(bytes, Ordering::SeqCst);
        }
        Charge { account: Arc::clone(self), bytes, forwarded: false }
    }

    /// Holds nothing yet, for an open transaction.
    pub fn charge_uncommitted(self: &Arc<Self>) -> UncommittedCharge {
        UncommittedCharge { account: Arc::clone(self), bytes: 0 }
    }

    fn hold_uncommitted(&self, bytes: u64) {
        self.uncommitted.fetch_add(bytes, Ordering::SeqCst);
        self.used.fetch_add(bytes, Ordering::SeqCst);
        if let Some(parent) = &self.parent {
            parent.hold_uncommitted(bytes);
        }
    }

    fn release_uncommitted(&self, bytes: u64) {
        self.uncommitted.fetch_sub(bytes, Ordering::SeqCst);
        if let Some(parent) = &self.parent {
            parent.release_uncommitted(bytes);
        }
    }

    fn release(&self, bytes: u64) {
        let before = self.used.fetch_sub(bytes, Ordering::SeqCst);
        self.call_if_roomy(before.saturating_sub(bytes));
        if let Some(parent) = &self.parent {
            parent.release(bytes);
        }
    }

    /// Wakes whom it turned away, if there may be room for them.
    fn call_if_roomy(&self, used: u64) {
        // Transactions wait for room beside what transactions hold; others look again.
        let committed = used.saturating_sub(self.uncommitted.load(Ordering::SeqCst));
        if committed < self.limit && self.turned_away.swap(false, Ordering::SeqCst) {
            self.root_account().space.notify_waiters();
        }
    }
}

/// Bytes of a message that waits for room, given back on drop.
#[derive(Debug)]
pub struct WaitingCharge {
    account: Arc<MemoryAccount>,
    bytes: u64,
}

impl Drop for WaitingCharge {
    fn drop(&mut self) {
        self.account.waiting.fetch_sub(self.bytes, Ordering::SeqCst);
        self.account.call_if_roomy(self.account.used());
    }
}

/// Bytes held on an account by all who hold the same message, given back by the last of them.
pub type SharedCharge = Arc<Charge>;

/// Bytes held on an account, given back on drop.
#[derive(Debug)]
pub struct Charge {
    account: Arc<MemoryAccount>,
    bytes: u64,
    /// A bridge brought the message.
    forwarded: bool,
}

impl Charge {
    /// What they are held on.
    pub fn account(&self) -> &Arc<MemoryAccount> {
        &self.account
    }

    /// Bytes held.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if self.forwarded {
            self.account.forwarded.fetch_sub(1, Ordering::SeqCst);
        }
        self.account.release(self.bytes);
    }
}

/// Bytes that an open transaction holds on an account, given back on drop.
#[derive(Debug)]
pub struct UncommittedCharge {
    account: Arc<MemoryAccount>,
    bytes: u64,
}

impl UncommittedCharge {
    /// Holds more.
    pub fn grow(&mut self, bytes: usize) {
        let bytes = bytes as u64;
        self.account.hold_uncommitted(bytes);
        self.bytes += bytes;
    }

    /// Bytes held.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for UncommittedCharge {
    fn drop(&mut self) {
        // While it counts as both, it only seems to be less.
        self.account.release_uncommitted(self.bytes);
        self.account.release(self.bytes);
    }
}

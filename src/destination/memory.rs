//! Memory accounts: how much messages hold, for a destination and for the broker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

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
    /// Bytes; `u64::MAX` when only the parent limits.
    limit: u64,
    parent: Option<Arc<MemoryAccount>>,
    /// Set when somebody was turned away, so that a release knows that it must wake.
    turned_away: AtomicBool,
    /// Wakes producers that wait, on any account of this broker: kept at the root.
    space: Notify,
}

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

    /// Bytes allowed; `u64::MAX` when only the broker's limit holds.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Whether the next message must wait: this account or the broker's has reached its limit.
    ///
    /// A caller that is turned away waits on [`space`](Self::space), registered *before* asking.
    pub fn is_full(&self) -> bool {
        if self.over_limit() {
            self.turned_away.store(true, Ordering::SeqCst);
            // A release between the two lines above may have seen no one to wake.
            return self.over_limit();
        }
        self.parent.as_ref().is_some_and(|parent| parent.is_full())
    }

    fn over_limit(&self) -> bool {
        self.used.load(Ordering::SeqCst) >= self.limit
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

    /// Holds `bytes` until the charge is dropped.
    pub fn charge(self: &Arc<Self>, bytes: usize) -> Charge {
        let bytes = bytes as u64;
        self.used.fetch_add(bytes, Ordering::SeqCst);
        if let Some(parent) = &self.parent {
            parent.used.fetch_add(bytes, Ordering::SeqCst);
        }
        Charge { account: Arc::clone(self), bytes }
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
        self.used.fetch_sub(bytes, Ordering::SeqCst);
        // Less than that others may wait for, who look again.
        let roomy = !self.committed_over_limit();
        if roomy && self.turned_away.swap(false, Ordering::SeqCst) {
            self.root_account().space.notify_waiters();
        }
        if let Some(parent) = &self.parent {
            parent.release(bytes);
        }
    }
}

/// Bytes held on an account by all who hold the same message, given back by the last of them.
pub type SharedCharge = Arc<Charge>;

/// Bytes held on an account, given back on drop.
#[derive(Debug)]
pub struct Charge {
    account: Arc<MemoryAccount>,
    bytes: u64,
}

impl Charge {
    /// Bytes held.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
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

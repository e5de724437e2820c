//! The real world, as brokers see it.

use std::sync::{Arc, LazyLock};

use ferrymq_transport::clock::Clock;
use ferrymq_transport::pace::Pace;
use ferrymq_transport::tcp::Tcp;

use crate::node::World;

/// The threads are the process's, and so is their pace.
static PACE: LazyLock<Pace> = LazyLock::new(Pace::default);

/// What a thread of the runtime does before it waits for something to do.
pub(super) fn rest() {
    PACE.rest();
}

/// Sockets, the system's clock, and chance.
pub(super) fn real_world() -> World {
    World {
        dialer: Arc::new(Tcp),
        binder: Arc::new(Tcp),
        clock: Clock::system(),
        // The one place where chance comes in: below, everything follows from its seed.
        seed: fastrand::Rng::new().u64(..),
        store: None,
        spool: None,
        pace: PACE.clone(),
    }
}

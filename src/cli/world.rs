//! The real world, as brokers see it.

use std::sync::Arc;

use ferrymq_transport::clock::Clock;
use ferrymq_transport::tcp::Tcp;

use crate::node::World;

/// Sockets, the system's clock, and chance.
pub(super) fn real_world() -> World {
    World {
        dialer: Arc::new(Tcp),
        binder: Arc::new(Tcp),
        clock: Clock::system(),
        // The one place where chance comes in: below, everything follows from its seed.
        seed: fastrand::Rng::new().u64(..),
    }
}

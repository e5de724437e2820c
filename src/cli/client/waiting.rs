//! Telling the user why a command stands still.

use std::cell::Cell;
use std::convert::Infallible;
use std::time::Duration;

use ferrymq_client::Connection;
use ferrymq_openwire::destination::Destination;
use tokio::time::Instant;

use crate::cli::output::complain;

/// How long the broker may take before the user is told that it is waited for.
const SILENCE: Duration = Duration::from_secs(3);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// Whether it is the broker that is waited for, for who is to be told when that takes long.
#[derive(Debug, Default)]
pub(in crate::cli) struct Waiting {
    now: Cell<bool>,
    /// How often it was waited for.
    turns: Cell<u64>,
    /// The user was told that it is waited for.
    told: Cell<bool>,
}

impl Waiting {
    /// Waits for the broker; who was told so learns that it goes on.
    pub(in crate::cli) async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        self.now.set(true);
        let done = work.await;
        self.turns.set(self.turns.get() + 1);
        self.now.set(false);
        if self.told.take() {
            complain("going on");
        }
        done
    }

    /// Tells the user why nothing happens. (That there is no broker is told by the connection.)
    pub(in crate::cli) async fn tell(
        &self,
        connection: &Connection,
        destination: &Destination,
    ) -> Infallible {
        let (mut before, mut since) = (0, Instant::now());
        loop {
            tokio::time::sleep(LOOK).await;
            let moved = self.turns.get() != before;
            if moved || !self.now.get() || !connection.is_up() {
                (before, since) = (self.turns.get(), Instant::now());
            } else if !self.told.get() && since.elapsed() >= SILENCE {
                self.told.set(true);
                complain(format_args!(
                    "waiting for {}s: the broker takes no more messages to {destination} now; it \
                     makes producers wait while the destination, its memory or its disk is full \
                     (`ferrymq status` shows what waits there)",
                    SILENCE.as_secs()
                ));
            }
        }
    }
}

//! Non-persistent messages that a temporary store has as well.

use std::sync::Arc;

use parking_lot::Mutex;

/// Places of messages that a queue has done with, and that its temporary store is to forget. One
/// that an entry let go of, whatever became of it, is here.
#[derive(Debug, Default)]
pub(super) struct Gone(Mutex<Vec<i64>>);

impl Gone {
    /// Takes all of them.
    pub(super) fn take(&self) -> Vec<i64> {
        std::mem::take(&mut self.0.lock())
    }
}

/// A temporary store has this message. When its entry goes the store forgets it, unless from now on
/// it is only [there](Self::stays).
#[derive(Debug)]
pub(super) struct Spooled {
    place: Option<i64>,
    gone: Arc<Gone>,
}

impl Spooled {
    /// The message at a place.
    pub(super) fn new(place: i64, gone: &Arc<Gone>) -> Self {
        Self { place: Some(place), gone: Arc::clone(gone) }
    }

    /// Its entry goes, and the store keeps it.
    pub(super) fn stays(mut self) {
        self.place = None;
    }
}

impl Drop for Spooled {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.gone.0.lock().push(place);
        }
    }
}

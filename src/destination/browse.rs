//! A look at a queue's messages in their order, which takes none of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use ferrymq_openwire::message::Message;

use super::acknowledgement::{AckKind, Acknowledgement};

/// How far a browser has looked: from the oldest message to the newest that there was when it
/// came. It keeps its place and no messages, so that a queue of any length can be browsed.
#[derive(Debug)]
pub(super) struct BrowseCursor {
    /// The next message that it gets is this one or a later one.
    next: i64,
    /// The last that it gets.
    last: i64,
    /// How many it may hold unacknowledged (ActiveMQ's `queueBrowserPrefetch`); 0: it pulls.
    prefetch: usize,
    /// How many more, since it said that it has delivered some.
    extension: usize,
    outstanding: usize,
    pulled: bool,
    ended: bool,
}

/// The next messages for a browser, with how often each has been delivered, by their places.
pub(super) struct Sight {
    found: BTreeMap<i64, (Arc<Message>, i32)>,
    most: usize,
}

impl Sight {
    /// Notes a message that the browser admits, unless there are enough before it.
    pub(super) fn note(&mut self, sequence: i64, message: &Arc<Message>, redeliveries: i32) {
        let full = self.found.len() >= self.most;
        if full && self.found.last_key_value().is_some_and(|(last, _)| *last < sequence) {
            return;
        }
        self.found.insert(sequence, (Arc::clone(message), redeliveries));
        if self.found.len() > self.most {
            self.found.pop_last();
        }
    }

    /// Whether there are as many as the browser may get now.
    pub(super) fn is_full(&self) -> bool {
        self.found.len() >= self.most
    }

    /// Whether a message at this place would not be noted any more.
    pub(super) fn is_past(&self, sequence: i64) -> bool {
        self.found.len() >= self.most
            && self.found.last_key_value().is_some_and(|(last, _)| *last < sequence)
    }
}

impl BrowseCursor {
    /// A browser of all messages up to `last`.
    pub(super) fn new(prefetch: usize, last: i64) -> Self {
        Self {
            next: i64::MIN,
            last,
            prefetch,
            extension: 0,
            outstanding: 0,
            pulled: false,
            ended: false,
        }
    }

    /// The places that it has still to see: first and last.
    pub(super) fn range(&self) -> (i64, i64) {
        (self.next, self.last)
    }

    /// Room for its next messages, if it is worth to look for them: each look goes through all that
    /// is dispatched to consumers.
    pub(super) fn look(&self) -> Option<Sight> {
        if self.ended {
            return None;
        }
        let most = if self.prefetch == 0 {
            usize::from(self.pulled)
        } else {
            let allowed = self.prefetch.saturating_add(self.extension);
            let room = allowed.saturating_sub(self.outstanding);
            if room.saturating_mul(2) < self.prefetch { 0 } else { room }
        };
        (most > 0).then(|| Sight { found: BTreeMap::new(), most })
    }

    /// Takes what was found, for the browser to get; true: that was all, and it is to be told so.
    /// What is at `edge` and after it could not be looked at yet.
    pub(super) fn advance(
        &mut self,
        sight: Sight,
        edge: Option<i64>,
    ) -> (impl Iterator<Item = (Arc<Message>, i32)>, bool) {
        self.outstanding += sight.found.len();
        match (sight.found.last_key_value(), edge) {
            (Some((last, _)), _) if sight.is_full() => {
                self.next = last.saturating_add(1);
                self.pulled = false;
            }
            (_, Some(edge)) => self.next = edge,
            _ => self.ended = true,
        }
        if self.next > self.last && self.prefetch > 0 {
            self.ended = true;
        }
        self.pulled &= !self.ended;
        (sight.found.into_values(), self.ended)
    }

    /// An acknowledgement settles nothing, and makes room for more.
    pub(super) fn acknowledge(&mut self, ack: &Acknowledgement<'_>) {
        let count = match ack.kind {
            AckKind::Delivered => {
                self.extension = self.extension.saturating_add(ack.count).min(self.outstanding);
                return;
            }
            AckKind::Redelivered => return,
            AckKind::Individual => 1,
            AckKind::Standard | AckKind::Poison | AckKind::Expired => ack.count,
        };
        let count = count.min(self.outstanding);
        self.outstanding -= count;
        self.extension = self.extension.saturating_sub(count);
    }

    pub(super) fn set_prefetch(&mut self, prefetch: usize) {
        self.prefetch = prefetch;
    }

    /// It asks for one message.
    pub(super) fn pull(&mut self) {
        self.pulled = true;
    }

    /// Whether it has been told that it has seen all.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }
}

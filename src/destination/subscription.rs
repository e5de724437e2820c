//! A subscription of a queue.

use std::sync::Arc;

use ferrymq_openwire::ids::BrokerId;

use super::admission::Admission;
use super::allowance::Allowance;
use super::browse::BrowseCursor;
use super::contender::Contender;
use super::effects::{Dispatch, Effects, SubscriptionKey};
use super::entry::Entry;
use super::rate::Rate;
use super::shared_window::{MemberNumber, SharedWindow};
use super::ways::Way;
use super::window::Window;

/// What a consumer asks of a queue.
#[derive(Clone)]
pub struct QueueSubscription {
    /// Consumers of a higher priority are served first while they have room.
    pub priority: i8,
    /// How many messages may be outstanding (ActiveMQ's `prefetchSize`); 0: it gets one for each
    /// [`pull`](super::queue::Queue::pull).
    pub prefetch: usize,
    /// Which messages it may get.
    pub admission: Admission,
    /// A bridge's: what it did not settle was never delivered to anyone.
    pub network: bool,
    /// A bridge's: how many bridges away the consumer is.
    pub distance: usize,
    /// A bridge's: the brokers between here and the consumer, the consumer's first, as far as they are
    /// known.
    pub route: Vec<BrokerId>,
    /// A bridge's: how long a message that goes back must have been here, in milliseconds.
    pub settling: i64,
    /// It only looks: it gets what there is now, in order, and takes none of it. A bridge's gets what
    /// the far broker may have already, to ask about it.
    pub browser: bool,
    /// It wants the queue for itself, and gets it unless another one has it.
    pub exclusive: bool,
    /// Its window and its number there, where it has others than this queue: `prefetch` is not
    /// asked then.
    pub shared: Option<(Arc<SharedWindow>, MemberNumber)>,
}

impl QueueSubscription {
    /// Whether a browser may see it.
    pub(super) fn admits(&self, entry: &Entry) -> bool {
        self.admission.admits(&entry.message, entry.redeliveries)
    }

    /// Whether it only looks.
    pub(super) fn looks(&self) -> bool {
        self.browser && !self.network
    }

    /// Whether it is for what the far broker may have already.
    pub(super) fn settles(&self) -> bool {
        self.browser && self.network
    }

    /// The broker that recognises what it has, if messages go there.
    pub(super) fn recognises(&self) -> Option<&BrokerId> {
        let hands_on = self.network && !self.browser && self.settling == 0;
        self.admission.next_broker().filter(|_| hands_on)
    }

    /// Takes room for a message; only of a window that it shares there may be none.
    pub(super) fn reserves(&self) -> bool {
        self.shared.as_ref().is_none_or(|(window, member)| window.reserve(*member))
    }
}

/// A subscription of a queue.
pub(super) struct Subscription {
    pub(super) asked: QueueSubscription,
    pub(super) window: Window,
    /// How much of its window it may use for now.
    pub(super) allowance: Allowance,
    /// Whether it stands in the ring of those with room.
    pub(super) ready: bool,
    /// A bridge's: it only waits for answers to what it forwarded, and then ends.
    pub(super) retired: bool,
    /// While not ready: every pending message before this sequence was refused by its admission.
    pub(super) tested_to: i64,
    /// A browser's: its window stays empty and has no room.
    pub(super) browse: Option<BrowseCursor>,
    /// A bridge's: how it stands to others.
    pub(super) way: Way,
    /// A bridge's: whether it was handed messages that had come over bridges.
    pub(super) passes_on: bool,
    /// A bridge's: what has gone back over it.
    pub(super) rate: Rate,
    /// A bridge's: the number of the mark that covers what it is handed.
    pub(super) mark: Option<usize>,
    /// Whether a bridge's that asks about messages was told that there are no more.
    pub(super) told: bool,
}

impl Subscription {
    pub(super) fn contender(&self) -> Contender<'_> {
        let QueueSubscription { admission, network, browser, distance, settling, .. } = &self.asked;
        Contender {
            admission,
            network: *network,
            browser: *browser,
            distance: *distance,
            settling: *settling,
            way: &self.way,
            toward: self.asked.route.first(),
        }
    }

    /// Gives it a message.
    pub(super) fn hand_over(
        &mut self,
        to: SubscriptionKey,
        entry: Entry,
        now: i64,
        effects: &mut Effects,
    ) {
        effects.dispatches.push(Dispatch {
            to,
            message: Arc::clone(&entry.message),
            redeliveries: entry.redeliveries,
            onward: self.asked.network && !self.asked.browser,
        });
        self.window.withdraw_pull();
        self.passes_on |= self.asked.network && entry.message.broker_path_len() > 0;
        self.window.push(entry);
        self.allowance.handed(self.window.undelivered(), now);
    }

    /// It has settled so many at once.
    pub(super) fn note_settled(&mut self, count: usize, now: i64) {
        if count > 0 {
            self.window.note_settled(now);
            self.allowance.settled(count, now);
        }
    }

    /// Whether it may get more, as far as is known here: a shared window is asked for each message.
    pub(super) fn has_room(&self) -> bool {
        if self.retired {
            return false;
        }
        self.asked.shared.is_some()
            || self.window.has_room() && self.allowance.has_room(self.window.undelivered())
    }

    /// Whether its window has room that it may not use yet.
    pub(super) fn is_bounded(&self) -> bool {
        self.window.has_room() && !self.has_room()
    }
}

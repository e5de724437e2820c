//! What a queue holds and who could take it, copied out of its lock to be judged at leisure.

use std::sync::Arc;

use ferrymq_network::rules::replay::ReplayPolicy;
use ferrymq_openwire::ids::{BrokerId, MessageId};
use ferrymq_openwire::message::Message;

use super::admission::{Admission, NotAdmitted};
use super::contender::Contender;
use super::doubts::Doubt;
use super::effects::SubscriptionKey;
use super::entry::Entry;
use super::queue::Queue;
use super::subscription::Subscription;
use super::ways::Way;

/// A message that a queue holds.
#[derive(Debug, Clone)]
pub struct HeldMessage {
    /// The message.
    pub message: Arc<Message>,
    /// Its place in the queue's order.
    pub sequence: i64,
    /// How often it has been delivered before.
    pub redeliveries: i32,
    /// The broker that may have it already, for which it is held.
    pub doubt: Option<Doubt>,
}

impl HeldMessage {
    /// Whether it is the message of this identity, or the dead letter of that.
    pub fn goes_by(&self, id: &MessageId) -> bool {
        goes_by(&self.message, id, &id.to_string())
    }
}

/// A queue's subscription at one moment.
#[derive(Debug, Clone)]
pub struct SubscriptionInsight {
    /// Which.
    pub key: SubscriptionKey,
    /// Consumers of a higher priority are served first while they have room.
    pub priority: i8,
    /// Whether it is a bridge's.
    pub network: bool,
    /// Whether it only looks.
    pub browser: bool,
    /// Whether another one has the queue for itself.
    pub kept_out: bool,
    /// A bridge's whose consumer has gone: it waits for answers to what it forwarded.
    pub retired: bool,
    /// How many messages may be outstanding.
    pub prefetch: usize,
    /// How many are.
    pub in_flight: usize,
    /// The one of them that was dispatched first.
    pub oldest: Option<HeldMessage>,
    /// When something was settled last, in milliseconds since 1970; 0: never.
    pub settled_at: i64,
    /// Whether it has room for another message.
    pub has_room: bool,
    /// Whether its window has room that it may not use yet: it gets what it gets done soon.
    pub bounded: bool,
    /// What it may get.
    pub admission: Admission,
    /// A bridge's: how many bridges away the consumer is.
    pub distance: usize,
    /// A bridge's: how long a message that goes back must have been here, in milliseconds.
    pub settling: i64,
    /// A bridge's: how it stands to others.
    pub way: Way,
    /// A bridge's: the broker of the consumers that it leads to.
    pub toward: Option<BrokerId>,
    /// A bridge's: when the next message may go back, if its rate is used up.
    pub next_turn: Option<i64>,
}

/// Why a waiting message does not go to a subscription.
#[derive(Debug, Clone)]
pub enum Obstacle {
    /// It may not have it.
    NotAdmitted(NotAdmitted),
    /// It is held for another broker, which may have it.
    InDoubt(Doubt),
    /// It only looks.
    Browses,
    /// An exclusive consumer has the queue for itself.
    KeptOut,
    /// Its consumer, beyond a bridge, has gone.
    Retired,
    /// It has as many unsettled messages as it may have.
    WindowFull,
    /// It has not asked for one (prefetch 0).
    NotAsked,
}

impl SubscriptionInsight {
    /// Why a waiting message does not go there; none: it does, as soon as it is its turn. `others`
    /// are the queue's other subscriptions, `replay` is what the queue sends back.
    ///
    /// What would refuse the message for good comes before what only holds it up.
    pub fn obstacle<'a>(
        &self,
        held: &HeldMessage,
        others: impl Iterator<Item = &'a SubscriptionInsight> + Clone,
        replay: &ReplayPolicy,
        now: i64,
    ) -> Option<Obstacle> {
        let (message, redeliveries) = (&*held.message, held.redeliveries);
        let others = others.filter(|other| !other.kept_out && !other.retired);
        let others = others.map(Self::contender);
        let next_turn = || self.next_turn;
        let to = self.contender();
        let next = self.admission.next_broker();
        let doubt = held.doubt.as_ref();
        let doubt = doubt.filter(|doubt| doubt.until > now && next != Some(&doubt.at));
        match to.check(replay, next_turn, others, message, redeliveries, now) {
            Err(reason) => Some(Obstacle::NotAdmitted(reason)),
            Ok(()) if self.browser => Some(Obstacle::Browses),
            Ok(()) if self.retired => Some(Obstacle::Retired),
            Ok(()) if self.kept_out => Some(Obstacle::KeptOut),
            Ok(()) if doubt.is_some() => doubt.cloned().map(Obstacle::InDoubt),
            Ok(()) if self.has_room => None,
            Ok(()) if self.prefetch == 0 => Some(Obstacle::NotAsked),
            Ok(()) => Some(Obstacle::WindowFull),
        }
    }
}

impl SubscriptionInsight {
    fn contender(&self) -> Contender<'_> {
        Contender {
            admission: &self.admission,
            network: self.network,
            browser: self.browser,
            distance: self.distance,
            settling: self.settling,
            way: &self.way,
            toward: self.toward.as_ref(),
        }
    }
}

impl Queue {
    /// The first `most` messages that wait, from a place on; what costs time under the queue's lock
    /// is bounded by it.
    pub fn first_waiting(&self, from: i64, most: usize) -> Vec<HeldMessage> {
        let mut found = Vec::new();
        let mut at = from;
        while found.len() < most
            && let Some(entry) = self.waiting_from(at)
        {
            at = entry.sequence.saturating_add(1);
            found.push(self.held(entry));
        }
        found
    }

    /// Looks for a message among up to `most` that wait, from a place on.
    pub fn find_waiting(&self, id: &MessageId, from: i64, most: usize) -> Search<HeldMessage> {
        let (mut at, name) = (from, id.to_string());
        for _ in 0..most {
            let Some(entry) = self.waiting_from(at) else { return Search::NotThere };
            if goes_by(&entry.message, id, &name) {
                return Search::Found(self.held(entry));
            }
            at = entry.sequence.saturating_add(1);
        }
        Search::GoOnFrom(at)
    }

    /// Looks for a message among the first `most` that are dispatched and not settled.
    pub fn find_dispatched(
        &self,
        id: &MessageId,
        most: usize,
    ) -> Option<(SubscriptionKey, HeldMessage)> {
        let name = id.to_string();
        let all = self
            .standing()
            .flat_map(|(key, one)| one.window.entries().map(move |entry| (key, entry)));
        all.take(most)
            .find(|(_, entry)| goes_by(&entry.message, id, &name))
            .map(|(key, entry)| (key, self.held(entry)))
    }

    /// The first `most` subscriptions.
    pub fn insight(&self, most: usize, now: i64) -> Vec<SubscriptionInsight> {
        let all = self.standing().take(most);
        all.map(|(key, one)| {
            let Subscription { asked, window, .. } = one;
            let (prefetch, has_room) = match &asked.shared {
                Some((shared, _)) => shared.room(),
                None => (window.prefetch(), one.has_room()),
            };
            SubscriptionInsight {
                key,
                priority: asked.priority,
                network: asked.network,
                browser: asked.browser,
                kept_out: !self.exclusives.let_in(key.0),
                retired: one.retired,
                prefetch,
                in_flight: window.len(),
                oldest: window.entries().next().map(|entry| self.held(entry)),
                settled_at: window.settled_at(),
                has_room,
                bounded: asked.shared.is_none() && one.is_bounded(),
                admission: asked.admission.clone(),
                distance: asked.distance,
                settling: asked.settling,
                way: one.way.clone(),
                toward: asked.route.first().cloned(),
                next_turn: self.next_turn(key, now),
            }
        })
        .collect()
    }

    fn held(&self, entry: &Entry) -> HeldMessage {
        HeldMessage {
            message: Arc::clone(&entry.message),
            sequence: entry.sequence,
            redeliveries: entry.redeliveries,
            doubt: self.returns.doubts.about(entry.sequence).cloned(),
        }
    }
}

/// For whoever explains; nothing here changes anything.
impl Queue {
    /// What goes back to brokers that it has visited.
    pub fn replay(&self) -> &ReplayPolicy {
        self.returns.policy()
    }

    /// When a bridge's subscription gets its next message that goes back, if its rate is used up.
    pub(super) fn next_turn(&self, key: SubscriptionKey, now: i64) -> Option<i64> {
        let subscription = self.slots.get(key.0).and_then(Option::as_ref)?;
        self.returns.next_turn(subscription, now)
    }

    /// The subscriptions and their windows, which are empty where they only look.
    pub(super) fn standing(&self) -> impl Iterator<Item = (SubscriptionKey, &Subscription)> {
        let slots = self.slots.iter().enumerate();
        slots.filter_map(|(at, slot)| slot.as_ref().map(|one| (SubscriptionKey(at), one)))
    }

    /// The first message at or after a place that waits.
    pub(super) fn waiting_from(&self, sequence: i64) -> Option<&Entry> {
        self.pending.first_from(sequence)
    }
}

/// How far a search has come.
#[derive(Debug, Clone)]
pub enum Search<T> {
    /// There it is.
    Found(T),
    /// Not so far; the rest begins at this place.
    GoOnFrom(i64),
    /// It is not there.
    NotThere,
}

/// Dead letters are shown under the identities of the messages that they were.
fn goes_by(message: &Message, id: &MessageId, name: &str) -> bool {
    message.has_id(id) || message.is_shown_as(name)
}

#[cfg(test)]
mod tests {
    use ferrymq_openwire::message::MessageFields;

    use super::super::effects::Effects;
    use super::super::memory::MemoryAccount;
    use super::super::subscription::QueueSubscription;
    use super::*;

    #[test]
    fn who_pulls_is_told_from_who_only_looks() {
        let (mut queue, mut effects) =
            (Queue::new(MemoryAccount::root(u64::MAX)), Effects::default());
        let message = Message::from_fields(&MessageFields::default()).unwrap();
        queue.enqueue(Arc::new(message), 0, &mut effects);
        let asked = |browser| QueueSubscription {
            priority: 0,
            prefetch: 0,
            shared: None,
            admission: Admission::default(),
            network: false,
            distance: 0,
            route: Vec::new(),
            settling: 0,
            browser,
            exclusive: false,
        };
        queue.subscribe(asked(false), 0, &mut effects);
        queue.subscribe(asked(true), 0, &mut effects);
        let [first] = &queue.first_waiting(i64::MIN, 10)[..] else { panic!("one waits") };
        let [pulls, looks] = &queue.insight(10, 0)[..] else { panic!("there are two") };
        let obstacle = |to: &SubscriptionInsight, other: &SubscriptionInsight| {
            to.obstacle(first, std::iter::once(other), queue.replay(), 0)
        };
        assert!(matches!(obstacle(pulls, looks), Some(Obstacle::NotAsked)));
        assert!(matches!(obstacle(looks, pulls), Some(Obstacle::Browses)));
        assert_eq!(queue.insight(1, 0).len(), 1);
    }
}

//! The window of a consumer that several queues serve.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::MessageId;
use ferrymq_openwire::message::Message;
use parking_lot::Mutex;

use super::acknowledgement::{AckError, Acknowledgement};
use super::window::{Outcome, Outstanding, Window};
use crate::transaction::Tag;

/// One of the queues of a consumer, by a number that it alone has there.
pub type MemberNumber = u64;

/// What a consumer of several queues holds of all of them, in the order in which it got it.
///
/// As in ActiveMQ the consumer has one window: what it may hold, and what the ranges of its
/// acknowledgements mean, are the same however many queues a wildcard matches. A queue reserves room
/// before it takes a message out; one that finds none is noted, in turn, and served when there is
/// room again.
#[derive(Debug)]
pub struct SharedWindow {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    window: Window<Handed>,
    /// Room that queues have reserved for what they are about to hand over.
    reserved: usize,
    /// Queues that found no room, longest first; those that have left meanwhile are passed over.
    starved: VecDeque<MemberNumber>,
    /// The same, each once.
    waiting: HashSet<MemberNumber>,
    closed: bool,
}

/// So many queues may stand in a line that they have left.
const FEW: usize = 64;

#[derive(Debug)]
struct Handed {
    member: MemberNumber,
    message: Arc<Message>,
    held_by: Option<Tag>,
}

impl Outstanding for Handed {
    fn is(&self, id: &MessageId, from: Option<&Destination>) -> bool {
        self.message.has_id(id) && from.is_none_or(|from| self.message.destination_is(from))
    }

    fn held_by(&self) -> Option<Tag> {
        self.held_by
    }

    fn hold(&mut self, by: Option<Tag>) {
        self.held_by = by;
    }
}

/// What an acknowledgement settled: of which queue, and its place there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// What becomes of them.
    pub outcome: Outcome,
    /// Each of them, in the order of dispatch.
    pub messages: Vec<(MemberNumber, i64)>,
}

impl SharedWindow {
    /// An empty window of this size.
    pub fn new(prefetch: usize) -> Self {
        let state = State {
            window: Window::new(prefetch),
            reserved: 0,
            starved: VecDeque::new(),
            waiting: HashSet::new(),
            closed: false,
        };
        Self { state: Mutex::new(state) }
    }

    /// Takes room for one message; a queue that finds none is called when there is some.
    pub(super) fn reserve(&self, member: MemberNumber) -> bool {
        let mut state = self.state.lock();
        if state.has_room() {
            state.window.withdraw_pull();
            state.reserved += 1;
            return true;
        }
        if !state.closed && state.waiting.insert(member) {
            state.starved.push_back(member);
        }
        false
    }

    /// Notes a message for which room was reserved as handed over, which `push` does: in the order
    /// of these calls.
    pub fn hand_over(&self, member: MemberNumber, message: Arc<Message>, push: impl FnOnce()) {
        let mut state = self.state.lock();
        state.reserved = state.reserved.saturating_sub(1);
        state.window.push(Handed { member, message, held_by: None });
        push();
    }

    /// The same for a message that takes its room from elsewhere.
    pub fn hand_over_beside(
        &self,
        member: MemberNumber,
        message: Arc<Message>,
        push: impl FnOnce(),
    ) {
        let mut state = self.state.lock();
        state.window.push(Handed { member, message, held_by: None });
        push();
    }

    /// How many messages may be outstanding, and whether there is room for one.
    pub(super) fn room(&self) -> (usize, bool) {
        let state = self.state.lock();
        (state.window.prefetch(), state.has_room())
    }

    /// The queue that has waited longest for room, if there is some.
    pub fn next_starved(&self) -> Option<MemberNumber> {
        let mut state = self.state.lock();
        while state.has_room()
            && let Some(member) = state.starved.pop_front()
        {
            if state.waiting.remove(&member) {
                return Some(member);
            }
        }
        None
    }

    /// Applies an acknowledgement.
    pub fn settle(&self, ack: &Acknowledgement<'_>) -> Result<Settled, AckError> {
        let mut taken = Vec::new();
        let outcome = self.state.lock().window.settle(ack, &mut taken)?;
        let place = |handed: &Handed| (handed.member, handed.message.broker_sequence_id());
        Ok(Settled { outcome, messages: taken.iter().map(place).collect() })
    }

    /// Applies an acknowledgement that is part of a transaction: the queue and place of each message
    /// that it covers. They stay until the transaction ends.
    pub fn hold(
        &self,
        ack: &Acknowledgement<'_>,
        by: Tag,
    ) -> Result<Vec<(MemberNumber, i64)>, AckError> {
        let mut places = Vec::new();
        self.state.lock().window.hold(ack, by, |handed| {
            places.push((handed.member, handed.message.broker_sequence_id()));
        })?;
        Ok(places)
    }

    /// Takes out what a transaction holds; returns how many messages of `member` were among that.
    pub fn take_held(&self, by: Tag, member: MemberNumber) -> usize {
        let mut taken = Vec::new();
        self.state.lock().window.take_held(by, usize::MAX, &mut taken);
        taken.iter().filter(|handed| handed.member == member).count()
    }

    /// A transaction that was rolled back holds nothing any more.
    pub fn let_go(&self, by: Tag) {
        self.state.lock().window.let_go(by, usize::MAX);
    }

    /// Changes how many messages may be outstanding; 0: one for each pull.
    pub fn set_prefetch(&self, prefetch: usize) {
        self.state.lock().window.set_prefetch(prefetch);
    }

    /// Lets one message in, if it has no room for others.
    pub fn pull(&self) {
        self.state.lock().window.pull();
    }

    /// Whether a message was pulled and no queue has taken it out yet.
    pub fn is_pulling(&self) -> bool {
        self.state.lock().window.is_pulling()
    }

    /// Ends the wait for a message that was pulled; if it has not come, calls `tell`.
    pub fn end_pull(&self, tell: impl FnOnce()) {
        let mut state = self.state.lock();
        if state.window.is_pulling() {
            state.window.withdraw_pull();
            tell();
        }
    }

    /// Nothing more is for this consumer.
    pub fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.starved.clear();
        state.waiting.clear();
    }

    /// Nothing more is for this consumer, nor what it was handed after this message: that is no
    /// longer here, but of these queues, at these places there.
    pub fn retire(&self, last: &MessageId, from: Option<&Destination>) -> Vec<(MemberNumber, i64)> {
        let mut state = self.state.lock();
        state.closed = true;
        state.starved.clear();
        state.waiting.clear();
        let after = state.window.retire(last, from);
        let place = |handed: &Handed| (handed.member, handed.message.broker_sequence_id());
        after.iter().map(place).collect()
    }

    /// A queue is gone, and does not wait any more.
    pub fn forget(&self, member: MemberNumber) {
        let mut state = self.state.lock();
        let State { starved, waiting, .. } = &mut *state;
        waiting.remove(&member);
        if starved.len() > 2 * waiting.len() + FEW {
            starved.retain(|other| waiting.contains(other));
        }
    }

    /// For each queue the last message up to this place in the order of dispatch, `through` being
    /// that of the last; nothing if `through` is not outstanding.
    pub fn delivered_through(&self, through: i64) -> Vec<(MemberNumber, i64)> {
        let state = self.state.lock();
        let places: Vec<(MemberNumber, i64)> = state
            .window
            .entries()
            .map(|handed| (handed.member, handed.message.broker_sequence_id()))
            .collect();
        let end = places.iter().position(|(_, sequence)| *sequence == through);
        let seen = end.and_then(|end| places.get(..=end)).unwrap_or_default();
        let mut last: Vec<(MemberNumber, i64)> = Vec::new();
        let mut known = std::collections::BTreeSet::new();
        for (member, sequence) in seen.iter().rev() {
            if known.insert(*member) {
                last.push((*member, *sequence));
            }
        }
        last
    }
}

impl State {
    fn has_room(&self) -> bool {
        !self.closed && self.window.has_room_beside(self.reserved)
    }
}

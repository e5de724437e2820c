//! Forwards, and acknowledges here what the remote broker confirms.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{ConsumerInfo, MessageDispatch, NetworkBridgeFilter};
use ferrymq_openwire::destination::{Destination, DestinationKind};
use ferrymq_openwire::frame_limit::FrameLimit;
use ferrymq_openwire::ids::{BrokerId, ProducerId};
use ferrymq_openwire::throwable::Throwable;
use tokio::time::Instant;

use super::by_number::ByNumber;
use super::credit::{Credit, TURNS};
use super::effects::Event;
use super::outgoing::Outgoing;
use super::recent::RecentIds;
use super::refusal::{Refusal, TOO_LARGE, shown, too_large, word};
use super::window::{Dispatched, Window, WindowState};
use crate::demand::table::DemandNumber;
use crate::rules::forward::{crosses, forward};
use crate::rules::permit::Permits;
use crate::rules::verdict::Verdict;

/// What does not change while a bridge forwards.
#[derive(Debug)]
pub(super) struct ForwardTerms {
    /// The bridge's producer at the remote broker.
    pub(super) producer: ProducerId,
    /// The broker that forwards, for the path.
    pub(super) own: BrokerId,
    pub(super) permits: Arc<Permits>,
    pub(super) filter: NetworkBridgeFilter,
    /// Non-persistent messages are confirmed too.
    pub(super) always_sync_send: bool,
    /// The remote broker is told for the sake of whose consumers it gets a message.
    pub(super) tells_toward: bool,
    /// The frames that the remote broker takes.
    pub(super) takes: Option<FrameLimit>,
}

/// Totals since the bridge started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ForwardCounts {
    /// Messages that the remote broker has (confirmed, or sent without asking).
    pub forwarded: u64,
    /// Refusals by the remote broker, each try counted, and on its behalf: of what exceeds its frames.
    pub refused: u64,
    /// Messages given to the local dead letters after refusals.
    pub given_up: u64,
    /// Copies of topic messages that overlapping demands brought and that did not cross again.
    pub duplicates: u64,
    /// Messages dispatched that may not cross.
    pub held: u64,
}

/// The forwarding half of a bridge.
///
/// Every message dispatched to an open window ends in exactly one of: acknowledged after the
/// remote broker's confirmation, given up to the dead letters after refusals, or left
/// unacknowledged, so that it returns to its queue with the subscription.
#[derive(Debug)]
pub(super) struct Forwarder {
    terms: ForwardTerms,
    windows: ByNumber<DemandNumber, Window>,
    /// How many windows each temporary destination has.
    temporary: HashMap<Destination, usize>,
    /// Forwarded messages by the number of the command that carries them.
    pending: ByNumber<i32, Forwarded>,
    /// How much may be on its way.
    credit: Credit,
    retries: VecDeque<Retry>,
    /// Windows with something to acknowledge or to end.
    touched: Vec<DemandNumber>,
    /// Superseded topic windows, by the number of the command that ends them.
    superseded: ByNumber<i32, DemandNumber>,
    recent: RecentIds,
    counts: ForwardCounts,
    /// What was refused on the remote broker's behalf, to be told.
    pub(super) refusals: Vec<Event>,
}

#[derive(Debug, Clone, Copy)]
struct Forwarded {
    window: DemandNumber,
    entry: u64,
    size: usize,
}

#[derive(Debug)]
struct Retry {
    at: Instant,
    forwarded: Forwarded,
}

const MAX_REFUSALS: u8 = 3;
const RETRY_DELAY: Duration = Duration::from_secs(1);
const RECENT_TOPIC_MESSAGES: usize = 4096;

impl Forwarder {
    pub(super) fn new(terms: ForwardTerms) -> Self {
        Self {
            terms,
            windows: ByNumber::default(),
            temporary: HashMap::new(),
            pending: ByNumber::default(),
            credit: Credit::default(),
            retries: VecDeque::new(),
            touched: Vec::new(),
            superseded: ByNumber::default(),
            recent: RecentIds::new(RECENT_TOPIC_MESSAGES),
            counts: ForwardCounts::default(),
            refusals: Vec::new(),
        }
    }

    pub(super) fn counts(&self) -> ForwardCounts {
        self.counts
    }

    /// Forwarded messages without an answer.
    pub(super) fn in_flight(&self) -> usize {
        self.pending.len() + self.retries.len()
    }

    /// Whether a subscription to a temporary destination lives, be it on its way out.
    pub(super) fn serves(&self, temporary: &Destination) -> bool {
        self.temporary.contains_key(temporary)
    }

    /// Whether every subscription has ended.
    pub(super) fn is_drained(&self) -> bool {
        self.windows.is_empty()
    }

    /// The destination of a subscription.
    pub(super) fn serving(&self, number: DemandNumber) -> Option<Destination> {
        self.windows.get(&number).map(|window| window.destination.clone())
    }

    /// A subscription is being made.
    pub(super) fn open(&mut self, info: &ConsumerInfo) {
        let number = info.consumer_id.as_ref().map(|consumer| consumer.value);
        if let (Some(number), Some(window)) = (number, Window::new(info)) {
            if window.destination.kind().is_temporary() {
                *self.temporary.entry(window.destination.clone()).or_default() += 1;
            }
            self.windows.insert(number, window);
        }
    }

    /// The local broker refused a subscription.
    pub(super) fn discard(&mut self, number: DemandNumber) -> Option<Destination> {
        self.close(number).map(|window| window.destination)
    }

    /// Ends a subscription: a queue's after its outstanding messages are confirmed, a topic's at
    /// once.
    ///
    /// However long the remote broker takes: while the link lives it has them, and takes them in
    /// when there is room. Were they sent again meanwhile, two copies would go about that nothing
    /// tells apart. If it does not answer any more at all, the bridge ends.
    pub(super) fn end(&mut self, number: DemandNumber, local: &mut Outgoing) {
        let queue = |window: &Window| window.destination.kind().is_queue();
        if self.windows.get(&number).is_some_and(queue) {
            self.retire(number, local);
        } else {
            self.remove(number, local);
        }
    }

    /// Gives back what has not been sent, and takes no more.
    fn retire(&mut self, number: DemandNumber, local: &mut Outgoing) {
        let Some(window) = self.windows.get_mut(&number) else { return };
        if matches!(window.state, WindowState::Draining) {
            return;
        }
        window.state = WindowState::Draining;
        window.give_up_unsent();
        window.acknowledge(&mut local.commands);
        match window.retirement() {
            Some(retirement) => local.push(retirement),
            None => self.remove(number, local),
        }
    }

    /// Ends a subscription in favour of its successor.
    pub(super) fn supersede(&mut self, number: DemandNumber, local: &mut Outgoing) {
        match self.windows.get_mut(&number) {
            Some(window) if !window.destination.kind().is_queue() => {
                window.state = WindowState::Superseded;
                let id = local.request(window.removal());
                self.superseded.insert(id, number);
            }
            _ => self.end(number, local),
        }
    }

    /// Ends a durable subscription, and has the local broker forget it.
    pub(super) fn abolish(&mut self, number: DemandNumber, local: &mut Outgoing) {
        let durable = self.windows.get(&number).and_then(|window| window.durable.clone());
        self.supersede(number, local);
        if let Some(durable) = durable {
            local.request(Command::RemoveSubscriptionInfo(durable.removal()));
        }
    }

    /// The local broker answered a request; true if it was the end of a superseded subscription.
    pub(super) fn ended(&mut self, command: i32, remote: &mut Outgoing) -> bool {
        let Some(number) = self.superseded.remove(&command) else { return false };
        // Its successor does not get what it was dispatched: that goes now, whatever the credit.
        while self.send_next(number, remote) {}
        self.close(number);
        true
    }

    /// Ends all subscriptions at once, in the order of their making. What was sent to a queue and not
    /// answered, the remote broker may have; the rest is the local broker's.
    pub(super) fn abandon(&mut self, local: &mut Outgoing) {
        self.flush(local);
        let mut numbers: Vec<_> = self.windows.keys().copied().collect();
        numbers.sort_unstable();
        let lasts = |window: &Window| window.destination.kind() == DestinationKind::Queue;
        let (queues, others): (Vec<_>, Vec<_>) =
            numbers.into_iter().partition(|number| self.windows.get(number).is_some_and(lasts));
        others.into_iter().for_each(|number| self.remove(number, local));
        // All before any: what one gives back in doubt must not go to another one of this bridge,
        // which would give it back as never sent.
        queues.iter().for_each(|number| self.retire(*number, local));
        for number in queues {
            if let Some(window) = self.close(number) {
                local.request(window.removal_in_doubt());
            }
        }
        self.pending.clear();
        self.credit.clear();
        self.retries.clear();
    }

    /// Stops every window; what is outstanding is still confirmed.
    pub(super) fn drain(&mut self, local: &mut Outgoing) {
        let mut numbers: Vec<_> = self.windows.keys().copied().collect();
        numbers.sort_unstable();
        for number in numbers {
            self.retire(number, local);
        }
    }

    /// Forwards what the local broker dispatched. `topics_overlap`: a topic's message may be
    /// dispatched to several windows.
    pub(super) fn dispatched(
        &mut self,
        dispatch: MessageDispatch,
        topics_overlap: bool,
        remote: &mut Outgoing,
        events: &mut Vec<Event>,
    ) {
        let Some(number) = dispatch.consumer_id.as_ref().map(|consumer| consumer.value) else {
            return;
        };
        let Some(window) = self.windows.get_mut(&number) else { return };
        if matches!(window.state, WindowState::Draining) {
            // The local broker has it back already.
            return;
        }
        let Some(message) = dispatch.message else { return };
        let destination = dispatch.destination.unwrap_or_else(|| window.destination.clone());
        let is_queue = destination.kind().is_queue();
        let ForwardTerms { permits, filter, own, .. } = &self.terms;
        let verdict = match (is_queue, window.wildcard) {
            // Whether it may go back to where it was, only the queue could tell, and did.
            (true, false) => Verdict::Forward,
            (true, true) => permits.verdict(&destination),
            (false, false) => forward(filter, own, &message),
            (false, true) => crosses(permits, filter, own, &destination, &message),
        };
        if is_queue && !verdict.may_cross() {
            self.counts.held += 1;
            window.hold();
            events.push(Event::Held { destination, reason: verdict.to_string() });
            return;
        }
        let entry = window.enter(message, destination, dispatch.redelivery_counter);
        if !is_queue {
            let again = (topics_overlap || !self.superseded.is_empty())
                && entry
                    .message
                    .message_id()
                    .is_some_and(|id| !self.recent.insert(id, &entry.destination));
            if again || !verdict.may_cross() {
                self.counts.duplicates += u64::from(again);
                window.settle(entry);
                self.touched.push(number);
                return;
            }
        }
        if window.has_unsent() || !self.credit.admits(window.underway) {
            if window.wait_unsent(entry) {
                self.credit.wait(number);
            }
            return;
        }
        let confirmed = entry.message.persistent() || self.terms.always_sync_send;
        let id = match send(&self.terms, (&entry, window.toward.as_ref()), confirmed, remote) {
            Ok(id) => id,
            Err(too_large) => return self.give_up(number, &entry, too_large),
        };
        if confirmed {
            let size = entry.message.size();
            self.credit.sent(&mut window.underway, size);
            self.pending.insert(id, Forwarded { window: number, entry: entry.number, size });
            window.wait(entry);
        } else {
            self.counts.forwarded += 1;
            window.settle(entry);
            self.touched.push(number);
        }
    }

    /// Sends the first message of a window that waits for credit; false if there is none.
    fn send_next(&mut self, number: DemandNumber, remote: &mut Outgoing) -> bool {
        let (id, size, entry, confirmed) = loop {
            let Some(window) = self.windows.get_mut(&number) else { return false };
            let toward = window.toward.clone();
            let Some(entry) = window.next_unsent() else { return false };
            let confirmed = entry.message.persistent() || self.terms.always_sync_send;
            let sent = send(&self.terms, (entry, toward.as_ref()), confirmed, remote);
            let (size, entry) = (entry.message.size(), entry.number);
            match sent {
                Ok(id) => break (id, size, entry, confirmed),
                // No answer to it would give the next one its turn.
                Err(too_large) => {
                    if let Some(entry) = window.take(entry) {
                        self.give_up(number, &entry, too_large);
                    }
                }
            }
        };
        let Some(window) = self.windows.get_mut(&number) else { return false };
        if confirmed {
            self.credit.sent(&mut window.underway, size);
            self.pending.insert(id, Forwarded { window: number, entry, size });
        } else {
            self.counts.forwarded += 1;
            if let Some(entry) = window.take(entry) {
                window.settle(entry);
                self.touched.push(number);
            }
        }
        true
    }

    /// Lets a message be a dead letter that would end the link: the remote broker reads no such frame.
    fn give_up(&mut self, number: DemandNumber, entry: &Dispatched, TooLarge(reason): TooLarge) {
        self.counts.refused += 1;
        self.counts.given_up += 1;
        if let Some(window) = self.windows.get_mut(&number) {
            window.give_up(entry, format!("it cannot cross: {reason}"));
            self.touched.push(number);
        }
        let destination = entry.destination.clone();
        let (word, given_up) = (TOO_LARGE, true);
        self.refusals.push(Event::ForwardRefused { destination, reason, word, given_up });
    }

    /// Gives turns to demands that wait for credit, of which there may be some now.
    fn give_turns(&mut self, remote: &mut Outgoing) {
        for _ in 0..TURNS {
            let Some(number) = self.credit.next() else { return };
            let Some(window) = self.windows.get(&number) else { continue };
            if self.credit.admits(window.underway) {
                self.send_next(number, remote);
            }
            if self.windows.get(&number).is_some_and(Window::has_unsent) {
                self.credit.wait(number);
            }
        }
    }

    /// The remote broker has a message; false if no forwarded message has this number.
    pub(super) fn confirmed(&mut self, command: i32, remote: &mut Outgoing) -> bool {
        let Some(forwarded) = self.answered(command) else { return false };
        self.counts.forwarded += 1;
        if let Some(window) = self.windows.get_mut(&forwarded.window)
            && let Some(entry) = window.take(forwarded.entry)
        {
            window.settle(entry);
            self.touched.push(forwarded.window);
            if window.has_unsent() && self.credit.admits(window.underway) {
                self.send_next(forwarded.window, remote);
            }
        }
        self.give_turns(remote);
        true
    }

    /// The remote broker refused a message: it is tried again, and given up after some refusals.
    /// Err: the remote broker is failing, no message is to blame.
    pub(super) fn refused(
        &mut self,
        command: i32,
        exception: Option<&Throwable>,
        now: Instant,
        events: &mut Vec<Event>,
    ) -> Result<(), RemoteFailing> {
        let Some(forwarded) = self.answered(command) else { return Ok(()) };
        self.counts.refused += 1;
        let Some(window) = self.windows.get_mut(&forwarded.window) else { return Ok(()) };
        let Some(entry) = window.waiting(forwarded.entry) else { return Ok(()) };
        let reason = shown(exception);
        let given_up = match Refusal::of(exception, &entry.destination) {
            Refusal::RemoteFailing => {
                let destination = entry.destination.clone();
                let (given_up, word) = (false, word(exception));
                let shown = reason.clone();
                events.push(Event::ForwardRefused { destination, reason: shown, word, given_up });
                return Err(RemoteFailing(reason));
            }
            Refusal::Gone => true,
            Refusal::Message => {
                entry.refusals = entry.refusals.saturating_add(1);
                entry.refusals >= MAX_REFUSALS
            }
        };
        let destination = entry.destination.clone();
        if !given_up {
            let at = now + RETRY_DELAY * u32::from(entry.refusals);
            self.retries.push_back(Retry { at, forwarded });
        } else if let Some(entry) = window.take(forwarded.entry) {
            self.counts.given_up += 1;
            window.give_up(&entry, format!("the remote broker refused it: {reason}"));
            self.touched.push(forwarded.window);
        }
        let word = word(exception);
        events.push(Event::ForwardRefused { destination, reason, word, given_up });
        Ok(())
    }

    /// When something is due.
    pub(super) fn next_tick(&self) -> Option<Instant> {
        self.retries.iter().map(|retry| retry.at).min()
    }

    /// Tries again what is due.
    pub(super) fn tick(&mut self, now: Instant, remote: &mut Outgoing) {
        for _ in 0..self.retries.len() {
            let Some(retry) = self.retries.pop_front() else { break };
            if retry.at > now {
                self.retries.push_back(retry);
                continue;
            }
            let window = self.windows.get_mut(&retry.forwarded.window);
            let toward = window.as_ref().and_then(|window| window.toward.clone());
            // It was sent before, so it fits.
            if let Some(entry) = window.and_then(|window| window.waiting(retry.forwarded.entry))
                && let Ok(id) = send(&self.terms, (entry, toward.as_ref()), true, remote)
            {
                self.pending.insert(id, retry.forwarded);
                if let Some(window) = self.windows.get_mut(&retry.forwarded.window) {
                    self.credit.sent(&mut window.underway, retry.forwarded.size);
                }
            }
        }
        self.give_turns(remote);
    }

    /// Acknowledges what was settled and ends what is drained.
    pub(super) fn flush(&mut self, local: &mut Outgoing) {
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        for number in touched.drain(..) {
            self.acknowledge(number, local);
            let ends = self.windows.get(&number).is_some_and(|window| {
                matches!(window.state, WindowState::Draining) && window.is_drained()
            });
            if ends {
                self.remove(number, local);
            }
        }
        self.touched = touched;
    }

    /// Forgets which topic messages crossed, once no two windows can get the same.
    pub(super) fn topics_no_longer_overlap(&mut self) {
        if self.superseded.is_empty() {
            self.recent.clear();
        }
    }

    fn answered(&mut self, command: i32) -> Option<Forwarded> {
        let forwarded = self.pending.remove(&command)?;
        let window = self.windows.get_mut(&forwarded.window);
        self.credit.answered(window.map(|window| &mut window.underway), forwarded.size);
        Some(forwarded)
    }

    fn acknowledge(&mut self, number: DemandNumber, local: &mut Outgoing) {
        if let Some(window) = self.windows.get_mut(&number) {
            window.acknowledge(&mut local.commands);
        }
    }

    fn remove(&mut self, number: DemandNumber, local: &mut Outgoing) {
        if let Some(window) = self.close(number) {
            local.request(window.removal());
        }
    }

    fn close(&mut self, number: DemandNumber) -> Option<Window> {
        let window = self.windows.remove(&number)?;
        if let Entry::Occupied(mut count) = self.temporary.entry(window.destination.clone()) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        Some(window)
    }
}

/// The remote broker cannot serve anybody; it said so in these words.
#[derive(Debug)]
pub(super) struct RemoteFailing(pub(super) String);

/// Why the remote broker would not read a message.
struct TooLarge(String);

/// Sends a message's copy; returns the number of its command.
fn send(
    terms: &ForwardTerms,
    (entry, toward): (&Dispatched, Option<&BrokerId>),
    confirmed: bool,
    remote: &mut Outgoing,
) -> Result<i32, TooLarge> {
    let toward = toward.filter(|_| terms.tells_toward);
    let mut copy = entry.message.forwarded_toward(&terms.producer, &terms.own, toward);
    if let Some(limit) = &terms.takes
        && !limit.takes(&copy)
    {
        return Err(TooLarge(too_large(limit.bytes(&copy), limit.most())));
    }
    let id = remote.next_id();
    copy.command_id = id;
    copy.response_required = confirmed;
    if entry.redeliveries != entry.message.redelivery_counter() {
        copy.set_redelivery_counter(entry.redeliveries);
    }
    remote.push(Command::Message(Arc::new(copy)));
    Ok(id)
}

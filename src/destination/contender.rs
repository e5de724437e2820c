//! Who else is there for a message that might go back.

use ferrymq_network::rules::replay::{ReplayPolicy, Standing, replay};
use ferrymq_network::rules::verdict::Verdict;
use ferrymq_openwire::ids::BrokerId;
use ferrymq_openwire::message::Message;
use ferrymq_openwire::text::Text;

use super::admission::{Admission, NotAdmitted};
use super::ways::{OfBridges, Way};

/// A subscription of a queue, as far as it matters for what goes back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Contender<'a> {
    /// What it may get.
    pub(super) admission: &'a Admission,
    /// A bridge's.
    pub(super) network: bool,
    /// A browser's.
    pub(super) browser: bool,
    /// A bridge's: how many bridges away the consumer is.
    pub(super) distance: usize,
    /// A bridge's: how long a message that goes back must have been here, in milliseconds.
    pub(super) settling: i64,
    /// A bridge's: how it stands to others.
    pub(super) way: &'a Way,
    /// A bridge's: the broker of the consumers that it leads to.
    pub(super) toward: Option<&'a BrokerId>,
}

impl Contender<'_> {
    /// Whether it is a consumer here that holds every message back.
    pub(super) fn keeps_everything(&self, selector_aware: bool) -> bool {
        !self.browser && !self.is_bridge() && (!selector_aware || self.admission.selects_all())
    }

    fn is_bridge(&self) -> bool {
        self.network && self.admission.next_broker().is_some()
    }

    /// Whether a message may go there; `others` are the queue's other subscriptions, without those
    /// that an exclusive consumer keeps out; `next_turn` is asked when a bridge whose rate is used up
    /// has its next turn.
    pub(super) fn check<'b>(
        &self,
        policy: &ReplayPolicy,
        next_turn: impl FnOnce() -> Option<i64>,
        others: impl Iterator<Item = Contender<'b>> + Clone,
        message: &Message,
        redeliveries: i32,
        now: i64,
    ) -> Result<(), NotAdmitted> {
        let returns = policy.replay_when_no_consumers;
        let goes_back = match self.admission.check(message, redeliveries) {
            Ok(()) => false,
            Err(NotAdmitted::Bridge(Verdict::AlreadyVisited { .. })) if returns => true,
            Err(reason) => return Err(reason),
        };
        if self.network {
            let meant = |bridges| {
                let new = bridges == OfBridges::All;
                let counts = move |one: &Contender<'_>| new || !one.way.is_new(now);
                meant_for(policy, others.clone().filter(counts), message, redeliveries)
            };
            let meant_or_sent = |bridges| {
                meant(bridges).or_else(|| self.sent_for(others.clone(), message, redeliveries))
            };
            match self.way.check(message, returns, meant_or_sent) {
                Verdict::Forward => {}
                refusal => return Err(NotAdmitted::Bridge(refusal)),
            }
            if !goes_back && let Some(refusal) = self.way.waits(message, now, meant) {
                return Err(NotAdmitted::Bridge(refusal));
            }
        }
        match goes_back {
            true => check_return(policy, self, next_turn(), others, message, redeliveries, now),
            false => Ok(()),
        }
    }
}

impl Contender<'_> {
    /// The way that leads where a message was sent to by the broker that it came from, if that is not
    /// this one: where all ways are detours, it had better keep to that.
    fn sent_for<'b>(
        &self,
        mut others: impl Iterator<Item = Contender<'b>>,
        message: &Message,
        redeliveries: i32,
    ) -> Option<Verdict> {
        let leads_there = |to: Option<&BrokerId>| {
            let name = to.and_then(|to| to.value.as_ref()).map(Text::as_bytes);
            name.is_some() && name == message.toward()
        };
        if leads_there(self.toward) {
            return None;
        }
        let other = others.find(|other| {
            leads_there(other.toward)
                && !other.browser
                && other.way.check(message, true, |_| None).may_cross()
                && other.admission.check(message, redeliveries).is_ok()
        });
        let broker = other.and_then(|other| other.admission.next_broker());
        broker.map(|broker| Verdict::BetterWay { broker: broker.clone() })
    }
}

/// Whether a message may go back to the broker beyond the bridge of `to`, which it has visited;
/// `next_turn` is when that bridge has its next turn if its rate is used up.
///
/// It goes only where nobody else wants it: not while a consumer is here, however busy, and of the
/// bridges only over one that leads to the nearest consumer, however busy the others. So it never
/// goes back and forth between brokers that both only wait for a third.
fn check_return<'a>(
    policy: &ReplayPolicy,
    to: &Contender<'_>,
    next_turn: Option<i64>,
    others: impl Iterator<Item = Contender<'a>> + Clone,
    message: &Message,
    redeliveries: i32,
    now: i64,
) -> Result<(), NotAdmitted> {
    to.admission.check_selector(message, redeliveries)?;
    let Some(broker) = to.admission.next_broker() else { return Ok(()) };
    let local_consumer = is_wanted_here(policy, others.clone(), message, redeliveries);
    let leads = |other: &Contender<'_>| {
        let crosses = || other.way.check(message, true, |_| None).may_cross();
        if !other.network || other.browser || !crosses() {
            return false;
        }
        match other.admission.check(message, redeliveries) {
            Ok(()) => true,
            Err(NotAdmitted::Bridge(Verdict::AlreadyVisited { .. })) => {
                let selects = || other.admission.check_selector(message, redeliveries).is_ok();
                other.distance < to.distance && selects()
            }
            Err(_) => false,
        }
    };
    let other_way = if local_consumer { None } else { others.filter(leads).last() };
    let other_way = other_way.and_then(|other| other.admission.next_broker());
    let standing = Standing { local_consumer, other_way, settling: to.settling, next_turn, now };
    match replay(policy, broker, message, &standing) {
        Verdict::Forward => Ok(()),
        refusal => Err(NotAdmitted::Bridge(refusal)),
    }
}

/// Whom a message is for that would make a detour from here to others: a consumer of this broker, or
/// one for whom this is the way.
fn meant_for<'a>(
    policy: &ReplayPolicy,
    mut others: impl Iterator<Item = Contender<'a>> + Clone,
    message: &Message,
    redeliveries: i32,
) -> Option<Verdict> {
    if is_wanted_here(policy, others.clone(), message, redeliveries) {
        return Some(Verdict::LocalConsumer);
    }
    let leads = others.find(|other| {
        other.is_bridge()
            && !other.browser
            && other.way.check(message, true, |_| None).may_cross()
            && !other.way.is_detour(message)
            && other.admission.check(message, redeliveries).is_ok()
    });
    let broker = leads.and_then(|other| other.admission.next_broker());
    broker.map(|broker| Verdict::BetterWay { broker: broker.clone() })
}

/// Whether a consumer of this broker is there for a message, however busy.
fn is_wanted_here<'a>(
    policy: &ReplayPolicy,
    mut others: impl Iterator<Item = Contender<'a>>,
    message: &Message,
    redeliveries: i32,
) -> bool {
    others.any(|other| {
        let selects = || other.admission.check_selector(message, redeliveries).is_ok();
        !other.browser && !other.is_bridge() && (!policy.selector_aware || selects())
    })
}

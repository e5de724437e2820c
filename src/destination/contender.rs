//! Who else is there for a message that might go back.

use ferrymq_network::rules::replay::{ReplayPolicy, Standing, replay};
use ferrymq_network::rules::verdict::Verdict;
use ferrymq_openwire::message::Message;

use super::admission::{Admission, NotAdmitted};

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
}

impl Contender<'_> {
    /// Whether it is a consumer here that holds every message back.
    pub(super) fn keeps_everything(&self, selector_aware: bool) -> bool {
        let bridge = self.network && self.admission.next_broker().is_some();
        !self.browser && !bridge && (!selector_aware || self.admission.selects_all())
    }
}

/// Whether a message may go back to the broker beyond the bridge of `to`, which it has visited;
/// `others` are the queue's other subscriptions, without those that an exclusive consumer keeps out;
/// `next_turn` is when the bridge has its next turn if
/// its rate is used up.
///
/// It goes only where nobody else wants it: not while a consumer is here, however busy, and of the
/// bridges only over one that leads to the nearest consumer, however busy the others. So it never
/// goes back and forth between brokers that both only wait for a third.
pub(super) fn check_return<'a>(
    policy: &ReplayPolicy,
    to: &Contender<'_>,
    next_turn: Option<i64>,
    others: impl Iterator<Item = Contender<'a>>,
    message: &Message,
    redeliveries: i32,
    now: i64,
) -> Result<(), NotAdmitted> {
    to.admission.check_selector(message, redeliveries)?;
    let Some(broker) = to.admission.next_broker() else { return Ok(()) };
    let (mut local_consumer, mut other_way) = (false, None);
    for other in others.filter(|other| !other.browser) {
        let selects = || other.admission.check_selector(message, redeliveries).is_ok();
        match other.admission.next_broker() {
            Some(beyond) if other.network => {
                let leads = match other.admission.check(message, redeliveries) {
                    Ok(()) => true,
                    Err(NotAdmitted::Bridge(Verdict::AlreadyVisited { .. })) => {
                        other.distance < to.distance && selects()
                    }
                    Err(_) => false,
                };
                if leads {
                    other_way = Some(beyond);
                }
            }
            _ if !policy.selector_aware || selects() => {
                local_consumer = true;
                break;
            }
            _ => {}
        }
    }
    let standing = Standing { local_consumer, other_way, settling: to.settling, next_turn, now };
    match replay(policy, broker, message, &standing) {
        Verdict::Forward => Ok(()),
        refusal => Err(NotAdmitted::Bridge(refusal)),
    }
}

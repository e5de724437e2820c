//! Where messages go that nobody will get.

use std::sync::Arc;

use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::MessageId;
use ferrymq_openwire::message::Message;
use ferrymq_openwire::properties::{Properties, Value};
use ferrymq_openwire::text::Text;

use super::arrival::Arrival;
use super::broker::Broker;
use super::death::Death;
use super::directory::Living;
use super::persistence::Origin;
use crate::config::DeadLetterSettings;

/// ActiveMQ's shared dead-letter queue.
const DEAD_LETTERS: &str = "ActiveMQ.DLQ";
/// Before the names of queues, where each has its own, unless a policy says otherwise.
const QUEUE_PREFIX: &str = "ActiveMQ.DLQ.Queue.";
/// The same for topics.
const TOPIC_PREFIX: &str = "ActiveMQ.DLQ.Topic.";

impl Broker {
    /// Puts a copy of `message` where its dead letters go, with the reason. As in ActiveMQ, only
    /// persistent messages are kept unless a policy says otherwise; the others end here.
    pub(super) fn bury(&self, message: &Message, death: Death, cause: &str) {
        let Some(from) = message.destination() else { return };
        if !from.kind().is_queue() {
            self.count_death(&from, death);
        }
        let place = self.place_of_dead_letters(&from);
        let origin = if message.persistent() { self.origin(&from, message) } else { None };
        if !message.persistent() && !place.process_non_persistent
            || death == Death::Expired && !place.process_expired
            || place.address == from
            || self.keeps_dead_letters(&from)
        {
            return self.forget(origin);
        }
        // A queue has one of each; a topic as many as there are durable subscriptions.
        if place.once
            && !from.kind().is_queue()
            && !self.buried.lock().note(message.broker_sequence_id())
        {
            return;
        }
        let former = message.message_id();
        let id = former.as_ref().map(|id| id.to_string()).unwrap_or_default();
        let until = match place.expiration {
            0 => 0,
            time => self.clock.wall_millis().saturating_add(time),
        };
        let to = &place.address;
        match dead_letter(message, self.letters.next(former.as_ref()), to, until, cause) {
            Ok(letter) => {
                // A queue takes over from the former one in one batch; a topic keeps nothing.
                let moved = origin.filter(|_| to.kind().is_queue());
                let arrival = moved.map_or(Arrival::Produced, Arrival::Moved);
                let taken = self
                    .resolve(to)
                    .and_then(|target| self.publish(&target, Arc::new(letter), arrival));
                match taken {
                    Ok(()) if moved.is_some() => return,
                    Ok(()) => {}
                    // Where it is kept it stays, for the next start.
                    Err(error) => {
                        return tracing::warn!(message = %id, %error, "a dead letter is lost");
                    }
                }
            }
            Err(error) => return tracing::warn!(message = %id, %error, "a dead letter is lost"),
        }
        self.forget(origin);
    }

    /// Counts what a durable subscription loses; queues count for themselves.
    fn count_death(&self, topic: &Destination, death: Death) {
        let Some(living) = self.directory.find(topic) else { return };
        match death {
            Death::Expired => living.counters().add_expired(1),
            Death::Refused => living.counters().add_dead(1),
        }
    }

    /// Where a message that has left its queue is still kept.
    fn origin(&self, from: &Destination, message: &Message) -> Option<Origin> {
        match self.directory.find(from)? {
            Living::Queue(queue) => queue.origin(message),
            Living::Topic(_) => None,
        }
    }

    fn forget(&self, origin: Option<Origin>) {
        if let (Some(persistence), Some(origin)) = (&self.persistence, origin) {
            persistence.forget(origin);
        }
    }

    /// Where the dead letters of a destination go.
    fn place_of_dead_letters(&self, of: &Destination) -> Place {
        let policies = &self.settings.policies;
        let settings =
            || policies.iter().filter(|one| one.pattern.matches(of)).map(|one| &one.dead_letter);
        let flag = |setting: fn(&DeadLetterSettings) -> Option<bool>, default| {
            settings().find_map(setting).unwrap_or(default)
        };
        let text = |setting: fn(&DeadLetterSettings) -> Option<&String>, default: &str| {
            settings().find_map(setting).map_or_else(|| default.to_owned(), Clone::clone)
        };
        let expiration = settings().find_map(|one| one.expiration).unwrap_or_default();
        let address = if flag(|one| one.individual, false) {
            let name = of.name().to_string_lossy();
            let (prefix, suffix, is_queue) = if of.kind().is_queue() {
                (
                    text(|one| one.queue_prefix.as_ref(), QUEUE_PREFIX),
                    text(|one| one.queue_suffix.as_ref(), ""),
                    flag(|one| one.use_queue_for_queue_messages, true),
                )
            } else {
                (
                    text(|one| one.topic_prefix.as_ref(), TOPIC_PREFIX),
                    text(|one| one.topic_suffix.as_ref(), ""),
                    flag(|one| one.use_queue_for_topic_messages, true),
                )
            };
            let name = format!("{prefix}{name}{suffix}");
            if is_queue { Destination::queue(name) } else { Destination::topic(name) }
        } else {
            let shared = settings().find_map(|one| one.dead_letter_queue.clone());
            shared.unwrap_or_else(|| Destination::queue(DEAD_LETTERS))
        };
        Place {
            address,
            once: flag(|one| one.enable_audit, true),
            process_expired: flag(|one| one.process_expired, true),
            process_non_persistent: flag(|one| one.process_non_persistent, false),
            expiration: i64::try_from(expiration.as_millis()).unwrap_or(i64::MAX),
        }
    }

    /// Whether dead letters come to a destination: what dies there is gone.
    fn keeps_dead_letters(&self, address: &Destination) -> bool {
        if *address == Destination::queue(DEAD_LETTERS) {
            return true;
        }
        let name = address.name().to_string_lossy();
        let bears = |prefix: Option<&String>, default: &str, suffix: Option<&String>| {
            let (prefix, suffix) = (prefix.map_or(default, |text| text), suffix.map_or("", |s| s));
            (!prefix.is_empty() || !suffix.is_empty())
                && name.starts_with(prefix)
                && name.ends_with(suffix)
        };
        self.settings.policies.iter().map(|policy| &policy.dead_letter).any(|one| {
            one.dead_letter_queue.as_ref() == Some(address)
                || one.individual == Some(true)
                    && (bears(one.queue_prefix.as_ref(), QUEUE_PREFIX, one.queue_suffix.as_ref())
                        || bears(
                            one.topic_prefix.as_ref(),
                            TOPIC_PREFIX,
                            one.topic_suffix.as_ref(),
                        ))
        })
    }
}

/// Where dead letters go, and which do.
struct Place {
    address: Destination,
    /// Whether a message gets one, however often it dies.
    once: bool,
    process_expired: bool,
    process_non_persistent: bool,
    /// How long they are kept, in milliseconds; 0: for ever.
    expiration: i64,
}

#[derive(Debug, thiserror::Error)]
enum DeadLetterError {
    #[error("its fields cannot be read: {0}")]
    Decode(#[from] ferrymq_openwire::error::DecodeError),
    #[error("its copy cannot be written: {0}")]
    Encode(#[from] ferrymq_openwire::error::EncodeError),
}

fn dead_letter(
    message: &Message,
    id: MessageId,
    to: &Destination,
    until: i64,
    cause: &str,
) -> Result<Message, DeadLetterError> {
    let mut fields = message.to_fields()?;
    fields.message_id = Some(id);
    let properties = match &fields.marshalled_properties {
        Some(_) => message.properties().ok(),
        None => Some(Properties::default()),
    };
    // Properties that cannot be read may be why nobody took it: they stay as they are.
    if let Some(mut properties) = properties {
        properties.insert(Text::from("dlqDeliveryFailureCause"), Value::String(Text::from(cause)));
        if fields.expiration > 0 {
            properties.insert(Text::from("originalExpiration"), Value::Long(fields.expiration));
        }
        fields.marshalled_properties = Some(properties.encode());
    }
    fields.original_destination = fields.destination.take();
    fields.original_transaction_id = fields.transaction_id.take();
    fields.destination = Some(to.clone());
    fields.expiration = until;
    fields.redelivery_counter = 0;
    Ok(Message::from_fields(&fields)?)
}

//! A consumer, as its owner holds it.

use std::sync::Arc;
use std::time::Duration;

use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::ConsumerInfo;
use ferrymq_openwire::destination::{Destination, DestinationKind};
use ferrymq_openwire::ids::ConsumerId;
use tokio::time::Instant;

use super::options::ConsumerOptions;
use crate::delivery::Delivery;
use crate::error::{OpenError, ReceiveError};
use crate::receiving::core::{ConsumerCore, Sink};
use crate::receiving::state::{ConsumerState, Ended, Handed, Taken, Terms};
use crate::session::Session;

const QUEUE_PREFETCH: u32 = 1000;
const TOPIC_PREFETCH: u32 = 32767;
const DURABLE_PREFETCH: u32 = 100;

/// How many addresses a pattern or a list may stand for before its consumer must suspect the broker.
const MOST_ADDRESSES: usize = 1024;

/// How many windows the broker may keep for a consumer of this destination.
fn windows(destination: &Destination) -> usize {
    let several = destination.name().as_bytes().iter().any(|byte| b"*>,".contains(byte));
    if several { MOST_ADDRESSES } else { 1 }
}

impl Session {
    /// Opens a consumer. Messages flow as soon as the broker knows it.
    pub async fn consumer(
        &self,
        options: impl Into<ConsumerOptions>,
    ) -> Result<Consumer, OpenError> {
        self.consumer_into(options.into(), None).await
    }

    /// Opens a consumer whose messages go elsewhere than to its owner.
    pub(crate) async fn consumer_into(
        &self,
        options: ConsumerOptions,
        sink: Option<Arc<dyn Sink>>,
    ) -> Result<Consumer, OpenError> {
        Consumer::open(self.clone(), options, sink).await
    }
}

/// A consumer: receives what the broker dispatches to it, up to its prefetch ahead.
///
/// Dropped, it is closed.
#[derive(Debug)]
pub struct Consumer {
    core: Arc<ConsumerCore>,
    session: Session,
}

impl Consumer {
    async fn open(
        session: Session,
        options: ConsumerOptions,
        sink: Option<Arc<dyn Sink>>,
    ) -> Result<Self, OpenError> {
        let connection = session.connection().core();
        let destination = options.destination;
        let what = match &options.durable {
            Some(name) => format!("the durable subscription {name} to {destination}"),
            None => format!("a consumer of {destination}"),
        };
        if let Some(name) = &options.durable {
            let reason = match (destination.kind(), name.as_str()) {
                (DestinationKind::Topic, "") => Some("it needs a name"),
                (DestinationKind::Topic, _) if !connection.is_named() => {
                    Some("it belongs to a client id, and the connection has none of its own")
                }
                (DestinationKind::Topic, _) => None,
                _ => Some("only topics have durable subscriptions"),
            };
            if let Some(reason) = reason {
                return Err(OpenError::Invalid { what, reason });
            }
        }
        let prefetch =
            options.prefetch.unwrap_or(match (&options.durable, destination.kind().is_queue()) {
                (Some(_), _) => DURABLE_PREFETCH,
                (None, true) => QUEUE_PREFETCH,
                (None, false) => TOPIC_PREFETCH,
            });
        let Some(prefetch_size) = i32::try_from(prefetch).ok().filter(|size| *size > 0) else {
            return Err(OpenError::Invalid {
                what,
                reason: "the prefetch must be at least 1 and less than 2^31",
            });
        };
        let id = ConsumerId::new(&session.core().id, session.core().number_consumer());
        let info = ConsumerInfo {
            response_required: true,
            consumer_id: Some(id.clone()),
            destination: Some(destination.clone()),
            prefetch_size,
            dispatch_async: true,
            selector: options.selector.as_deref().map(Into::into),
            client_id: Some(connection.client_id.as_str().into()),
            subscription_name: options.durable.as_deref().map(Into::into),
            no_local: options.no_local,
            exclusive: options.exclusive,
            browser: options.browser,
            retroactive: options.retroactive,
            priority: options.priority,
            ..ConsumerInfo::default()
        };
        // Nobody keeps what a topic's consumer has not acknowledged, unless it is a durable one. Of
        // several topics, copies of one message are no duplicates.
        let kept = destination.kind().is_queue()
            || (options.durable.is_some() && windows(&destination) == 1);
        let terms = Terms {
            id: id.clone(),
            settling: session.core().mode.settling(&destination),
            redelivery: options.redelivery,
            drop_expired: options.drop_expired,
            windows: windows(&destination),
            // No name of a destination starts like that.
            audited_as: options.durable.map(|name| Destination::topic(format!("\0{name}"))),
            audit: connection.audit.clone().filter(|_| kept),
        };
        let state = ConsumerState::new(terms, prefetch as usize);
        let core = ConsumerCore::new(
            id,
            destination,
            state,
            sink,
            Arc::clone(&connection.uplink),
            connection.clock.clone(),
        );
        // Known before the broker learns of it: the first dispatch may overtake the response.
        let consumer = Self { core: Arc::new(core), session: session.clone() };
        connection.machine.lock().add_consumer(Arc::clone(&consumer.core));
        session.core().add(Arc::clone(&consumer.core));
        let asked = connection
            .ask(|command_id| Command::ConsumerInfo(Box::new(ConsumerInfo { command_id, ..info })))
            .await;
        match asked {
            Ok(_) => Ok(consumer),
            Err(error) => {
                let refusal = error.opening(what);
                if matches!(refusal, OpenError::Refused { .. }) {
                    // The broker has no such consumer: there is nothing to remove there.
                    connection.machine.lock().remove_consumer(consumer.core.id());
                    consumer.core.end(Ended::ByOwner);
                }
                Err(refusal)
            }
        }
    }

    /// The next message. Waits for one; `None` once the consumer is closed.
    pub async fn receive(&self) -> Result<Option<Delivery>, ReceiveError> {
        self.receive_until(None).await
    }

    /// The next message, if one comes within this time. `None` too once the consumer is closed.
    pub async fn receive_within(&self, time: Duration) -> Result<Option<Delivery>, ReceiveError> {
        self.receive_until(Some(Instant::now() + time)).await
    }

    /// The next message, if one is here.
    pub fn try_receive(&self) -> Result<Option<Delivery>, ReceiveError> {
        let mut handed = Vec::new();
        match self.core.take(1, &mut handed) {
            Taken::Never(ended) => self.over(ended).map(|()| None),
            _ => Ok(handed.pop().map(|handed| self.delivery(handed))),
        }
    }

    /// Appends up to `max` messages, all that are here; waits while there are none. Where receiving
    /// settles, they are settled as one range: this is the cheap way to receive many. Returns how
    /// many came, 0 once the consumer is closed.
    pub async fn receive_many(
        &self,
        max: usize,
        deliveries: &mut Vec<Delivery>,
    ) -> Result<usize, ReceiveError> {
        let mut handed = Vec::new();
        self.fill(max, None, &mut handed).await?;
        let count = handed.len();
        deliveries.extend(handed.into_iter().map(|handed| self.delivery(handed)));
        Ok(count)
    }

    async fn receive_until(
        &self,
        deadline: Option<Instant>,
    ) -> Result<Option<Delivery>, ReceiveError> {
        let mut handed = Vec::new();
        self.fill(1, deadline, &mut handed).await?;
        Ok(handed.pop().map(|handed| self.delivery(handed)))
    }

    async fn fill(
        &self,
        max: usize,
        deadline: Option<Instant>,
        handed: &mut Vec<Handed>,
    ) -> Result<(), ReceiveError> {
        loop {
            let arrived = self.core.arrived().notified();
            let resting = match self.core.take(max, handed) {
                Taken::Some { .. } => return Ok(()),
                Taken::Never(ended) => return self.over(ended),
                Taken::None => None,
                Taken::RestingUntil(until) => Some(until),
            };
            let wake = match (resting, deadline) {
                (Some(resting), Some(deadline)) => Some(resting.min(deadline)),
                (resting, deadline) => resting.or(deadline),
            };
            let Some(wake) = wake else {
                arrived.await;
                continue;
            };
            tokio::select! {
                biased;
                () = arrived => {}
                () = tokio::time::sleep_until(wake) => {
                    if deadline.is_some_and(|deadline| deadline <= wake) {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn over(&self, ended: Ended) -> Result<(), ReceiveError> {
        let destination = || self.core.destination().clone();
        match ended {
            Ended::ByOwner => Ok(()),
            Ended::ByBroker => Err(ReceiveError::ClosedByBroker { destination: destination() }),
            Ended::Lost(lost) => Err(ReceiveError::Lost { destination: destination(), lost }),
        }
    }

    fn delivery(&self, handed: Handed) -> Delivery {
        Delivery::new(handed, Arc::clone(&self.core), Arc::clone(self.session.core()))
    }

    /// What it consumes from.
    pub fn destination(&self) -> &Destination {
        self.core.destination()
    }

    /// Its identifier.
    pub fn id(&self) -> &ConsumerId {
        self.core.id()
    }

    /// How many messages are here and not received yet.
    pub fn waiting(&self) -> usize {
        self.core.waiting()
    }

    /// The session that it belongs to.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Ends the consumer. What it holds and has not settled goes back to the broker; receivers who
    /// wait get `None`.
    pub fn close(&self) {
        self.session.connection().core().machine.lock().remove_consumer(self.core.id());
        self.core.close();
        self.session.core().remove(&self.core);
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.close();
    }
}

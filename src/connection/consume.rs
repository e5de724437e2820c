//! Consumers and their acknowledgements.

use ferrymq_network::local_broker::{ABSENCE, RETIREMENT};
use ferrymq_openwire::commands::{
    ConsumerControl, ConsumerInfo, MessageAck, RemoveSubscriptionInfo,
};
use ferrymq_openwire::ids::ConsumerId;

use super::peer::{Consumer, Outcome, Peer};
use super::refusal::Refusal;
use crate::destination::Delivered;
use crate::routing::{ConsumerLink, Subscription, bytes_kept, window_of};

/// How many consumers one connection may open.
const MOST_CONSUMERS: usize = 65_536;

impl Peer {
    pub(super) fn add_consumer(&mut self, info: &ConsumerInfo) -> Result<Outcome, Refusal> {
        let Some(id) = &info.consumer_id else {
            return Err(Refusal::state("the consumer has no identifier"));
        };
        self.check_session(id.session_id)?;
        if let Some(known) = self.consumers.get(id) {
            // A client that failed over declares again what it has; a bridge of our own, whose
            // demand has come to be reached another way.
            if self.permits.is_some() {
                self.broker.describe_anew(&known.subscription, info);
            }
            return Ok(Outcome::Done);
        }
        if self.consumers.len() >= MOST_CONSUMERS {
            return Err(Refusal::limit(format!("more than {MOST_CONSUMERS} consumers")));
        }
        let retained = bytes_kept(info);
        self.retain(retained)?;
        let subscribed = self.subscribe(info);
        if subscribed.is_err() {
            self.retained -= retained;
        }
        let subscription = subscribed?;
        let window = window_of(info.prefetch_size);
        self.windows.add(window);
        self.consumers_so_far += 1;
        let number = self.consumers_so_far;
        let consumer = Consumer { subscription, window, retained, number, pull_until: None };
        self.consumers.insert(id.clone(), consumer);
        self.synchronise(info);
        Ok(Outcome::Done)
    }

    fn subscribe(&self, info: &ConsumerInfo) -> Result<Subscription, Refusal> {
        let Some(client) = &self.client else {
            return Err(Refusal::state("the connection is not open"));
        };
        let link = ConsumerLink {
            outbox: &self.outbox,
            client,
            permits: self.permits.as_ref(),
            foreign: self.foreign,
            takes: self.takes,
        };
        Ok(self.broker.subscribe(info, &link)?)
    }

    /// Ends a durable subscription, which must have no consumer.
    pub(super) fn remove_subscription(
        &mut self,
        info: &RemoveSubscriptionInfo,
    ) -> Result<Outcome, Refusal> {
        let Some(client) = &self.client else {
            return Err(Refusal::state("the connection is not open"));
        };
        self.broker.remove_durable(info, client, self.permits.is_some())?;
        Ok(Outcome::Done)
    }

    pub(super) fn remove_consumer(
        &mut self,
        id: &ConsumerId,
        delivered: Delivered,
    ) -> Result<(), Refusal> {
        let Some(consumer) = self.consumers.remove(id) else {
            return Err(Refusal::state(format!("there is no consumer {id} on this connection")));
        };
        self.end_consumer(consumer, delivered);
        Ok(())
    }

    /// Ends the consumers that `which` picks, in the order in which they came.
    pub(super) fn end_consumers(
        &mut self,
        delivered: Delivered,
        which: impl Fn(&ConsumerId) -> bool,
    ) {
        let mut ending: Vec<Consumer> = self
            .consumers
            .extract_if(.., |id, _| which(id))
            .map(|(_, consumer)| consumer)
            .collect();
        ending.sort_by_key(|consumer| consumer.number);
        // What one gives back is not for the next to go: it would count as delivered again.
        for consumer in &ending {
            self.broker.suspend(&consumer.subscription);
        }
        for consumer in ending {
            self.end_consumer(consumer, delivered);
        }
    }

    fn end_consumer(&mut self, consumer: Consumer, delivered: Delivered) {
        self.pulls.forget(consumer.pull_until, consumer.number);
        self.windows.remove(consumer.window);
        self.retained -= consumer.retained;
        self.broker.unsubscribe(consumer.subscription, delivered);
    }

    pub(super) fn acknowledge(&mut self, ack: &MessageAck) -> Result<(), Refusal> {
        if let Some(within) = &ack.transaction_id {
            return self.acknowledge_in(within, ack);
        }
        // An acknowledgement may cross the end of its consumer: then there is nothing to do.
        let consumer = ack.consumer_id.as_ref().and_then(|id| self.consumers.get_mut(id));
        if let Some(consumer) = consumer {
            if ack.ack_type == RETIREMENT && self.permits.is_some() {
                self.broker.retire(&mut consumer.subscription, ack);
                return Ok(());
            }
            if ack.ack_type == ABSENCE && self.permits.is_some() {
                self.broker.deny(&consumer.subscription, ack);
                return Ok(());
            }
            self.broker.acknowledge(&consumer.subscription, ack)?;
        }
        Ok(())
    }

    pub(super) fn control_consumer(
        &mut self,
        control: &ConsumerControl,
    ) -> Result<Outcome, Refusal> {
        if control.flush || control.start || control.stop {
            return Err(Refusal::not_supported("starting and stopping consumers is"));
        }
        let Some(id) = &control.consumer_id else {
            return Err(Refusal::state("the control names no consumer"));
        };
        if control.close {
            self.remove_consumer(id, Delivered::Unknown)?;
        } else if let Some(consumer) = self.consumers.get_mut(id) {
            let window = window_of(control.prefetch);
            self.windows.remove(consumer.window);
            self.windows.add(window);
            consumer.window = window;
            self.broker.set_prefetch(&consumer.subscription, window);
        }
        Ok(Outcome::Done)
    }
}

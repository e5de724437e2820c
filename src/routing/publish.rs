//! A message's way into the broker.

use std::sync::Arc;

use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::message::Message;

use super::arrival::Arrival;
use super::broker::Broker;
use super::directory::{Living, Target};
use super::publish_error::PublishError;
use super::topic_handle::TopicHandle;

impl Broker {
    /// The living destination at `address`, brought to life if need be.
    ///
    /// Temporary ones are never made this way: their owner makes them.
    pub fn resolve(&self, address: &Destination) -> Result<Target, PublishError> {
        if let Some(living) = self.directory.find(address) {
            return Ok(Target(living));
        }
        let invalid = |reason| PublishError::InvalidName { address: address.clone(), reason };
        if address.kind().is_temporary() {
            return Err(PublishError::DoesNotExist { address: address.clone() });
        }
        let name = address.name().as_bytes();
        if name.is_empty() {
            return Err(invalid("the name is empty"));
        }
        if name.contains(&0) {
            return Err(invalid("a name must not hold zero bytes"));
        }
        if name.contains(&b',') {
            return Err(invalid("the name of one destination must not hold a comma"));
        }
        let wildcard = name.split(|byte| *byte == b'.').any(|level| level == b"*" || level == b">");
        if wildcard && !self.directory.names_virtual_queue(address) {
            return Err(invalid("a name to send to must not hold the wildcards '*' and '>'"));
        }
        Ok(Target(self.create_destination(address)?))
    }

    /// Waits until a destination that was found deleted is out of the directory: whoever deletes it
    /// holds the registry for so long.
    pub(super) fn wait_for_removal(&self) {
        drop(self.registry.lock());
    }

    /// Takes a message for `target`. When the destination has been deleted meanwhile, it is looked
    /// up again by the message's own address.
    ///
    /// Whether there is room is for the caller to ask ([`Target::is_full`]): what is handed
    /// in here is taken, unless the audit of the destination knows it already.
    pub fn publish(
        &self,
        target: &Target,
        mut message: Arc<Message>,
        arrival: Arrival,
    ) -> Result<(), PublishError> {
        let now = self.clock.now_millis();
        Arc::make_mut(&mut message).set_broker_in_time(now);
        let mut successor = None;
        while let Err(back) =
            self.hand_in(successor.as_ref().unwrap_or(target), message, arrival, now)
        {
            message = back;
            self.wait_for_removal();
            successor = Some(self.resolve(target.address())?);
        }
        Ok(())
    }

    /// Gives a message to a destination, which gives it back if it has been deleted.
    fn hand_in(
        &self,
        target: &Target,
        mut message: Arc<Message>,
        arrival: Arrival,
        now: i64,
    ) -> Result<(), Arc<Message>> {
        match &target.0 {
            Living::Queue(queue) => {
                self.clear_up(queue.publish(message, arrival, &self.sequence, now)?);
            }
            Living::Topic(topic) => {
                let published = topic.publish(&mut message, arrival, &self.sequence, now);
                let Ok(aftermath) = published else { return Err(message) };
                self.clear_up(aftermath);
                self.copy_to_queues(topic, &message, arrival, now);
            }
        }
        Ok(())
    }

    /// Puts copies of a topic's message in the queues that are named after the topic.
    fn copy_to_queues(&self, topic: &TopicHandle, message: &Message, arrival: Arrival, now: i64) {
        let Some(copies) = topic.copies() else { return };
        for copy in copies.iter().filter(|copy| copy.takes(message)) {
            let message = Arc::new(message.readdressed(copy.queue.address()));
            // One that has just been deleted gets nothing.
            if let Ok(aftermath) = copy.queue.publish(message, arrival, &self.sequence, now) {
                self.clear_up(aftermath);
            }
        }
    }
}

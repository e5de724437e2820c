//! Request and reply: many requests in flight over one temporary queue.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ferrymq_openwire::destination::Destination;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::ack_mode::AckMode;
use crate::connection::Connection;
use crate::consumer::handle::Consumer;
use crate::consumer::options::ConsumerOptions;
use crate::error::{ConnectionLost, OpenError, ReplyError};
use crate::message::OutgoingMessage;
use crate::producer::handle::Producer;
use crate::producer::options::ProducerOptions;
use crate::received::ReceivedMessage;
use crate::receiving::core::Sink;
use crate::receiving::state::{Ended, Handed};
use crate::temporary::TemporaryDestination;

/// Sends requests to one destination and pairs the replies with them by correlation id. Tasks may
/// share one; any number of requests may be in flight.
#[derive(Debug)]
pub struct Requester {
    destination: Destination,
    producer: Producer,
    replies: Arc<ReplyTable>,
    /// Takes the replies; it lives as long as the requester.
    consumer: Consumer,
    queue: TemporaryDestination,
}

impl Requester {
    /// A requester for this destination, with a temporary queue of its own for the replies.
    pub async fn open(
        connection: &Connection,
        destination: Destination,
    ) -> Result<Self, OpenError> {
        let queue = connection.temporary_queue().await?;
        let session = connection.session(AckMode::Auto);
        let replies = Arc::new(ReplyTable::default());
        let options = ConsumerOptions::new(queue.destination().clone());
        let sink = Arc::clone(&replies) as Arc<dyn Sink>;
        let consumer = session.consumer_into(options, Some(sink)).await?;
        // A request dies with its requester; to keep it longer helps nobody.
        let options = ProducerOptions::to(destination.clone()).persistent(false);
        let producer = session.producer(options).await?;
        Ok(Self { destination, producer, replies, consumer, queue })
    }

    /// Sends a request and waits for its reply, for as long as this. The message's correlation id
    /// and reply address are set here.
    pub async fn request(
        &self,
        message: impl Into<OutgoingMessage>,
        timeout: Duration,
    ) -> Result<ReceivedMessage, ReplyError> {
        let lost = |lost| ReplyError::Lost { destination: self.destination.clone(), lost };
        let due = ReplyTable::expect(&self.replies).map_err(lost)?;
        let message = message
            .into()
            .correlation_id(due.correlation_id())
            .reply_to(self.queue.destination().clone());
        let exchange = async {
            self.producer.send(message).await?;
            due.arrived().await.map_err(lost)
        };
        match tokio::time::timeout(timeout, exchange).await {
            Ok(reply) => reply,
            Err(_) => {
                Err(ReplyError::TimedOut { destination: self.destination.clone(), waited: timeout })
            }
        }
    }

    /// Where requests go.
    pub fn destination(&self) -> &Destination {
        &self.destination
    }

    /// Where replies come to.
    pub fn reply_queue(&self) -> &Destination {
        self.queue.destination()
    }

    /// Ends the requester and deletes its queue. Requests in flight fail.
    pub async fn close(self) -> Result<(), OpenError> {
        self.consumer.close();
        self.producer.close();
        self.queue.delete().await
    }
}

/// Who waits for which reply.
#[derive(Debug, Default)]
struct ReplyTable {
    state: Mutex<ReplyState>,
}

#[derive(Debug, Default)]
struct ReplyState {
    waiting: BTreeMap<u64, oneshot::Sender<ReceivedMessage>>,
    next: u64,
    /// Set once no reply can come any more.
    lost: Option<ConnectionLost>,
}

impl ReplyTable {
    fn expect(table: &Arc<Self>) -> Result<DueReply, ConnectionLost> {
        let mut state = table.state.lock();
        if let Some(lost) = &state.lost {
            return Err(lost.clone());
        }
        state.next += 1;
        let number = state.next;
        let (sender, receiver) = oneshot::channel();
        state.waiting.insert(number, sender);
        Ok(DueReply { number, table: Arc::clone(table), receiver })
    }

    fn lost(&self) -> ConnectionLost {
        let lost = self.state.lock().lost.clone();
        lost.unwrap_or_else(|| ConnectionLost::new("the reply was given up"))
    }
}

impl Sink for ReplyTable {
    fn take(&self, handed: Handed) {
        let number = handed
            .received
            .message
            .correlation_id()
            .and_then(|id| id.as_str().and_then(|id| id.parse::<u64>().ok()));
        let waiter = number.and_then(|number| self.state.lock().waiting.remove(&number));
        match waiter {
            // Who stopped waiting in the meantime does not care.
            Some(waiter) => drop(waiter.send(handed.received)),
            None => tracing::debug!(
                queue = %handed.received.destination(),
                "a reply that nobody waits for was dropped"
            ),
        }
    }

    fn end(&self, why: &Ended) {
        let lost = match why {
            Ended::Lost(lost) => lost.clone(),
            Ended::ByOwner => ConnectionLost::new("the requester was closed"),
            Ended::ByBroker => ConnectionLost::new("the broker closed the reply consumer"),
        };
        let mut state = self.state.lock();
        state.lost.get_or_insert(lost);
        state.waiting.clear();
    }
}

/// A reply that is due. Dropped, it is due no more.
#[derive(Debug)]
struct DueReply {
    number: u64,
    table: Arc<ReplyTable>,
    receiver: oneshot::Receiver<ReceivedMessage>,
}

impl DueReply {
    fn correlation_id(&self) -> String {
        self.number.to_string()
    }

    async fn arrived(mut self) -> Result<ReceivedMessage, ConnectionLost> {
        match (&mut self.receiver).await {
            Ok(reply) => Ok(reply),
            Err(_) => Err(self.table.lost()),
        }
    }
}

impl Drop for DueReply {
    fn drop(&mut self) {
        self.table.state.lock().waiting.remove(&self.number);
    }
}

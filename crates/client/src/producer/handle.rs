//! A producer, as its owner holds it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{ProducerInfo, RemoveInfo};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::{MessageId, ProducerId};
use ferrymq_openwire::message::{Message, MessageFields};
use parking_lot::Mutex;

use super::options::ProducerOptions;
use crate::ack_mode::AckMode;
use crate::core::Pending;
use crate::error::{AskError, OpenError, RequestFailure, SendError};
use crate::message::OutgoingMessage;
use crate::send_window::SendWindow;
use crate::session::Session;
use crate::uplink::{NoLink, Sent};

/// While so many commands wait to be written, producers wait too: what a slow broker does not take
/// must not pile up here.
const MAX_PENDING: usize = 4096;
/// The same in bytes, counted as if all that waits were like the message at hand.
const MAX_PENDING_BYTES: usize = 16 << 20;
/// Looking at the queue costs a lock; for small messages this often is enough.
const SENDS_PER_LOOK: i64 = 64;
/// What a message costs beside its content.
const OVERHEAD: usize = 1024;

/// A producer: sends messages to one destination, or to any.
///
/// Tasks may share one; messages are numbered and sent in the order of the calls. Dropped, it is
/// closed.
#[derive(Debug)]
pub struct Producer {
    pub(super) id: ProducerId,
    options: ProducerOptions,
    /// Refilled by the broker, if asked for.
    window: Option<Arc<SendWindow>>,
    /// The number of the last message, held while one is numbered and sent, so that numbers go out
    /// in order: brokers take a lower one for a duplicate.
    pub(super) sequence: Mutex<i64>,
    closed: AtomicBool,
    pub(super) session: Session,
}

/// The confirmation of a message that is due.
#[derive(Debug)]
#[must_use = "a message is confirmed only when its receipt says so"]
pub struct Receipt {
    pending: Pending,
    destination: Destination,
    timeout: Option<Duration>,
}

impl Session {
    /// Opens a producer: of one destination, or of any if none is given.
    pub async fn producer(
        &self,
        options: impl Into<ProducerOptions>,
    ) -> Result<Producer, OpenError> {
        Producer::open(self.clone(), options.into()).await
    }
}

impl Producer {
    async fn open(session: Session, options: ProducerOptions) -> Result<Self, OpenError> {
        let connection = Arc::clone(session.connection().core());
        let id = ProducerId::new(&session.core().id, session.core().number_producer());
        let window = options.window.map(|size| Arc::new(SendWindow::new(size as usize)));
        if let Some(window) = &window {
            connection.machine.lock().add_window(&id, Arc::clone(window));
        }
        let info = ProducerInfo {
            response_required: true,
            producer_id: Some(id.clone()),
            destination: options.destination.clone(),
            window_size: options.window.map_or(0, |size| i32::try_from(size).unwrap_or(i32::MAX)),
            ..ProducerInfo::default()
        };
        let what = match &options.destination {
            Some(destination) => format!("a producer for {destination}"),
            None => "a producer".to_owned(),
        };
        let producer = Self {
            id,
            options,
            window,
            sequence: Mutex::new(0),
            closed: AtomicBool::new(false),
            session,
        };
        let asked =
            connection.ask(|command_id| Command::from(ProducerInfo { command_id, ..info })).await;
        if let Err(error) = asked {
            let refusal = error.opening(what);
            if matches!(refusal, OpenError::Refused { .. }) {
                // The broker has no such producer: there is nothing to remove there.
                producer.closed.store(true, Ordering::Relaxed);
                connection.machine.lock().remove_window(&producer.id);
            }
            return Err(refusal);
        }
        Ok(producer)
    }

    /// Sends a message to the producer's destination. A persistent one is on the broker, safe, when
    /// this returns, unless it is part of a transaction: then the commit says so; a non-persistent one is handed to the link, and a failure shows in
    /// [`Connection::next_error`](crate::connection::Connection::next_error).
    pub async fn send(&self, message: impl Into<OutgoingMessage>) -> Result<(), SendError> {
        let destination = self.own_destination()?;
        self.send_addressed(destination, message.into()).await
    }

    /// Sends a message to this destination, as [`send`](Self::send) does.
    pub async fn send_to(
        &self,
        destination: &Destination,
        message: impl Into<OutgoingMessage>,
    ) -> Result<(), SendError> {
        self.check_destination(destination)?;
        self.send_addressed(destination, message.into()).await
    }

    async fn send_addressed(
        &self,
        destination: &Destination,
        message: OutgoingMessage,
    ) -> Result<(), SendError> {
        let transacted = self.session.ack_mode() == AckMode::Transacted;
        if !transacted && message.headers.persistent.unwrap_or(self.options.persistent) {
            self.submit_addressed(destination, &message).await?.confirmed().await
        } else {
            self.send_one_way(destination, &message).await
        }
    }

    /// Sends a message to the producer's destination and asks the broker to confirm it, persistent
    /// or not, without waiting for that: many can be on their way at once.
    pub async fn submit(&self, message: impl Into<OutgoingMessage>) -> Result<Receipt, SendError> {
        let destination = self.own_destination()?;
        self.submit_addressed(destination, &message.into()).await
    }

    /// Sends a message to the producer's destination without asking for a confirmation, persistent
    /// or not. Waits only while the link or the producer's window is full.
    pub async fn send_async(&self, message: impl Into<OutgoingMessage>) -> Result<(), SendError> {
        let destination = self.own_destination()?;
        self.send_one_way(destination, &message.into()).await
    }

    async fn submit_addressed(
        &self,
        destination: &Destination,
        message: &OutgoingMessage,
    ) -> Result<Receipt, SendError> {
        self.wait_for_link(message).await;
        let connection = self.session.connection().core();
        let lost = |lost| AskError::Failed(RequestFailure::Lost(lost)).sending(destination);
        loop {
            let command_id = connection.uplink.number();
            let pending = connection.expect(command_id).map_err(lost)?;
            match self.send_encoded(destination, message, Some(command_id))? {
                Sent::Yes => {
                    let destination = destination.clone();
                    return Ok(Receipt {
                        pending,
                        destination,
                        timeout: connection.request_timeout,
                    });
                }
                Sent::Never | Sent::TooLarge(_) => return Err(lost(connection.uplink.lost())),
                Sent::NotNow => drop(pending),
            }
            self.wait_for_broker(destination).await?;
        }
    }

    /// Numbers a message and hands it to the link; `confirm_as`: with the wish for a response to
    /// this command. A message that does not leave does not use up a number.
    fn send_encoded(
        &self,
        destination: &Destination,
        message: &OutgoingMessage,
        confirm_as: Option<i32>,
    ) -> Result<Sent, SendError> {
        let uplink = &self.session.connection().core().uplink;
        let mut sequence = self.sequence.lock();
        let mut encoded = self.encode(destination, message, *sequence + 1)?;
        encoded.command_id = confirm_as.unwrap_or_else(|| uplink.number());
        encoded.response_required = confirm_as.is_some();
        let size = encoded.frame_len() as u64;
        let sent = uplink.send_message(Arc::new(encoded));
        if let Sent::TooLarge(largest) = sent {
            return Err(SendError::TooLarge { destination: destination.clone(), size, largest });
        }
        if sent == Sent::Yes {
            *sequence += 1;
        }
        Ok(sent)
    }

    /// Waits while the connection has no broker, as long as its options have it.
    async fn wait_for_broker(&self, destination: &Destination) -> Result<(), SendError> {
        let connection = self.session.connection().core();
        connection.uplink.ready(connection.outage_timeout).await.map_err(|error| {
            let destination = destination.clone();
            match error {
                NoLink::Lost(lost) => SendError::Lost { destination, lost },
                NoLink::TimedOut(waited) => SendError::NoBroker { destination, waited },
            }
        })
    }

    async fn send_one_way(
        &self,
        destination: &Destination,
        message: &OutgoingMessage,
    ) -> Result<(), SendError> {
        self.wait_for_link(message).await;
        if let Some(window) = &self.window {
            // As the broker counts it, or it would give back less than was taken.
            let content = message.content.as_ref().map_or(0, |bytes| bytes.len());
            let properties = message.encoded_properties().map_or(0, |bytes| bytes.len());
            window.reserve(OVERHEAD + content + properties).await;
        }
        loop {
            match self.send_encoded(destination, message, None)? {
                Sent::Yes => return Ok(()),
                Sent::NotNow => self.wait_for_broker(destination).await?,
                Sent::Never | Sent::TooLarge(_) => {
                    let lost = self.session.connection().core().uplink.lost();
                    return Err(SendError::Lost { destination: destination.clone(), lost });
                }
            }
        }
    }

    /// Waits while too much is on its way to the broker.
    async fn wait_for_link(&self, message: &OutgoingMessage) {
        self.wait_for_room(message.content.as_ref().map_or(0, |content| content.len())).await;
    }

    /// The same for so many bytes of content.
    pub(super) async fn wait_for_room(&self, content: usize) {
        let size = OVERHEAD + content;
        let most = (MAX_PENDING_BYTES / size).clamp(4, MAX_PENDING);
        if most == MAX_PENDING && *self.sequence.lock() % SENDS_PER_LOOK != 0 {
            return;
        }
        let uplink = &self.session.connection().core().uplink;
        if uplink.pending() >= most {
            uplink.drained_below(most / 4 + 1).await;
        }
        if uplink.is_full() {
            // What ends the wait, if not room, shows when the message is sent.
            let _ = uplink.ready(None).await;
        }
    }

    fn encode(
        &self,
        destination: &Destination,
        message: &OutgoingMessage,
        sequence: i64,
    ) -> Result<Message, SendError> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(SendError::Closed);
        }
        let headers = &message.headers;
        let timestamp = self.session.connection().core().clock.wall_millis();
        let ttl = headers.ttl.or(self.options.ttl).unwrap_or_default();
        let ttl_millis = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
        let (group_id, group_sequence) = match &headers.group {
            Some((id, sequence)) => (Some(id.as_str().into()), *sequence),
            None => (None, 0),
        };
        let fields = MessageFields {
            kind: message.kind,
            producer_id: Some(self.id.clone()),
            destination: Some(destination.clone()),
            message_id: Some(MessageId::new(self.id.clone(), sequence)),
            transaction_id: self.session.core().within(self.session.connection().core()),
            group_id,
            group_sequence,
            correlation_id: headers.correlation_id.as_deref().map(Into::into),
            persistent: headers.persistent.unwrap_or(self.options.persistent),
            expiration: if ttl.is_zero() { 0 } else { timestamp.saturating_add(ttl_millis) },
            priority: headers.priority.unwrap_or(self.options.priority).min(9) as i8,
            reply_to: headers.reply_to.clone(),
            timestamp,
            jms_type: headers.jms_type.as_deref().map(Into::into),
            content: message.content.clone(),
            marshalled_properties: message.encoded_properties(),
            ..MessageFields::default()
        };
        Message::from_fields(&fields).map_err(|error| SendError::Unencodable {
            destination: destination.clone(),
            reason: error.to_string(),
        })
    }

    fn own_destination(&self) -> Result<&Destination, SendError> {
        self.options.destination.as_ref().ok_or(SendError::NoDestination)
    }

    fn check_destination(&self, asked: &Destination) -> Result<(), SendError> {
        match &self.options.destination {
            Some(own) if own != asked => {
                Err(SendError::ForeignDestination { own: own.clone(), asked: asked.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Its identifier.
    pub fn id(&self) -> &ProducerId {
        &self.id
    }

    /// Where it sends to, unless it sends anywhere.
    pub fn destination(&self) -> Option<&Destination> {
        self.options.destination.as_ref()
    }

    /// The session that it belongs to.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Ends the producer.
    pub fn close(&self) {
        if self.closed.swap(true, Ordering::Relaxed) {
            return;
        }
        let connection = self.session.connection().core();
        connection.machine.lock().remove_window(&self.id);
        connection.uplink.send(Command::RemoveInfo(RemoveInfo {
            command_id: connection.uplink.number(),
            response_required: false,
            object_id: Some(Box::new(Command::ProducerId(self.id.clone()))),
            // Means nothing for a producer; what JMS clients say.
            last_delivered_sequence_id: -2,
        }));
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.close();
    }
}

impl Receipt {
    /// Waits until the broker has the message, safe.
    pub async fn confirmed(self) -> Result<(), SendError> {
        match self.pending.wait(self.timeout).await {
            Ok(_) => Ok(()),
            Err(error) => Err(error.sending(&self.destination)),
        }
    }
}

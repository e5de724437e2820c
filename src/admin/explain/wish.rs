//! What is asked.

use ferrymq_openwire::destination::{Destination, DestinationKind};
use ferrymq_openwire::ids::{BrokerId, ConnectionId, MessageId, ProducerId, SessionId};

/// A queue, and one of its messages.
pub(in crate::admin) struct Wish {
    pub(super) queue: Destination,
    pub(super) message: Option<(String, MessageId)>,
    /// In place of a message that is there, one that comes by way of these brokers.
    pub(super) probe: Option<Vec<BrokerId>>,
}

/// How many brokers a probe may come by way of, and how long their ids may be.
const MOST_HOPS: usize = 64;
const LONGEST_ID: usize = 512;

/// Why nothing can be explained.
#[derive(Debug, thiserror::Error)]
pub(in crate::admin) enum WishError {
    #[error("{0} is no queue: a topic keeps nothing that could wait")]
    NotAQueue(String),
    #[error("the queue has no name")]
    NoName,
    #[error("a probe comes by way of {MOST_HOPS} brokers at most, with ids of {LONGEST_ID} bytes")]
    TooFar,
    #[error("{0:?} is no message id; it looks like ID:HOST-PORT-TIME-N:1:1:1:1")]
    NoMessageId(String),
}

impl Wish {
    pub(in crate::admin) fn read(
        queue: &str,
        message: Option<&str>,
        probe: Option<&str>,
    ) -> Result<Self, WishError> {
        let (kind, name) = match queue.split_once("://") {
            None => (DestinationKind::Queue, queue),
            Some(("queue", name)) => (DestinationKind::Queue, name),
            Some(("temp-queue", name)) => (DestinationKind::TempQueue, name),
            Some(_) => return Err(WishError::NotAQueue(queue.to_owned())),
        };
        if name.is_empty() {
            return Err(WishError::NoName);
        }
        let message = match message {
            None => None,
            Some(text) => {
                let id = message_id(text).ok_or_else(|| WishError::NoMessageId(text.to_owned()))?;
                Some((text.to_owned(), id))
            }
        };
        let probe = probe.map(|path| {
            path.split(',').filter(|id| !id.is_empty()).map(BrokerId::new).collect::<Vec<_>>()
        });
        if let Some(path) = &probe
            && (path.len() > MOST_HOPS || path.iter().any(|id| id.to_string().len() > LONGEST_ID))
        {
            return Err(WishError::TooFar);
        }
        Ok(Self { queue: Destination::new(kind, name), message, probe })
    }
}

/// Reads an id as it is shown: `CONNECTION:SESSION:PRODUCER:NUMBER`.
fn message_id(text: &str) -> Option<MessageId> {
    let mut parts = text.rsplitn(4, ':');
    let mut number = || parts.next()?.parse::<i64>().ok();
    let (sequence, producer, session) = (number()?, number()?, number()?);
    let connection = ConnectionId::new(parts.next().filter(|text| !text.is_empty())?);
    let session = SessionId::new(&connection, session);
    Some(MessageId::new(ProducerId::new(&session, producer), sequence))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_asked_for_by_the_id_that_clients_see() {
        let text = "ID:london-41234-1700000000000-1:1:3:2:17";
        let wish = Wish::read("orders", Some(text), None).unwrap();
        assert_eq!(wish.queue, Destination::queue("orders"));
        let (_, id) = wish.message.unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(id.producer_sequence_id, 17);
    }

    #[test]
    fn what_cannot_be_explained_is_refused_in_words() {
        let refusal = |queue: &str, id| Wish::read(queue, id, None).err().unwrap().to_string();
        assert!(refusal("topic://prices", None).contains("is no queue"));
        assert!(refusal("queue://", None).contains("no name"));
        for id in ["17", "a:b:c:d", ":1:1:1", ""] {
            assert!(refusal("orders", Some(id)).contains("no message id"), "{id}");
        }
    }
}

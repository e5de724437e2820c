//! Which messages were settled lately: what tells a message that comes once more after its
//! acknowledgement was lost with a link.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};

use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::message::{Message, Origin};
use parking_lot::{Mutex, MutexGuard};

/// How many settled messages are remembered. A broker has out no more than its windows allow, and
/// only what it has out can come again: this covers 65 consumers with the usual window.
const MOST: usize = 65_536;
/// How many of the latest producers are looked through before the index is asked.
const RECENT: usize = 4;

/// The messages of a connection that were settled lately, by identity and queue. It is locked
/// alone, or while a consumer is.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    settled: Mutex<Settled>,
    /// Whether a link was lost, so that messages may come again.
    suspicious: AtomicBool,
}

/// What an [`Audit`] remembers.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// The settled messages, oldest first: a place among `producers`, and a number there.
    recent: VecDeque<(u32, i64)>,
    /// The same, to be looked up; kept once there is something to look for.
    known: Option<HashSet<(u32, i64)>>,
    /// Places are reused when nothing refers to them any more.
    producers: Vec<Place>,
    free: Vec<u32>,
    index: BTreeMap<Key, u32>,
    /// The places of the latest messages, latest first.
    latest: VecDeque<u32>,
}

#[derive(Debug)]
struct Place {
    key: Key,
    uses: usize,
}

/// A producer, as far as one queue is concerned.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    session: i64,
    producer: i64,
    connection: Box<[u8]>,
    queue: Box<[u8]>,
}

impl Audit {
    /// Links were lost: from now on messages are looked up.
    pub(crate) fn suspect(&self) {
        let mut settled = self.settled.lock();
        if settled.known.is_none() {
            settled.known = Some(settled.recent.iter().copied().collect());
        }
        self.suspicious.store(true, Ordering::Relaxed);
    }

    /// Whether messages may come again.
    pub(crate) fn is_suspicious(&self) -> bool {
        self.suspicious.load(Ordering::Relaxed)
    }

    /// To note and to look up several messages.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Settled> {
        self.settled.lock()
    }
}

impl Settled {
    /// The application is done with this message of this queue.
    pub(crate) fn note(&mut self, message: &Message, queue: &Destination) {
        let Some(origin) = message.origin() else { return };
        let number = origin.sequence;
        let place = match self.find_latest(&origin, queue) {
            Some(place) => place,
            None => self.place(Key::of(&origin, queue)),
        };
        if let Some(entry) = self.producers.get_mut(place as usize) {
            entry.uses += 1;
        }
        self.recent.push_back((place, number));
        if let Some(known) = &mut self.known {
            known.insert((place, number));
        }
        while self.recent.len() > MOST {
            self.forget_oldest();
        }
    }

    /// Whether the application is done with this message of this queue.
    pub(crate) fn knows(&self, message: &Message, queue: &Destination) -> bool {
        let (Some(known), Some(origin)) = (&self.known, message.origin()) else { return false };
        let place = match self.find_latest(&origin, queue) {
            Some(place) => Some(place),
            None => self.index.get(&Key::of(&origin, queue)).copied(),
        };
        place.is_some_and(|place| known.contains(&(place, origin.sequence)))
    }

    fn find_latest(&self, origin: &Origin<'_>, queue: &Destination) -> Option<u32> {
        let is = |place: &&u32| {
            self.producers.get(**place as usize).is_some_and(|entry| entry.key.is(origin, queue))
        };
        self.latest.iter().find(is).copied()
    }

    fn place(&mut self, key: Key) -> u32 {
        let place = match self.index.get(&key) {
            Some(place) => *place,
            None => {
                let entry = Place { key: key.clone(), uses: 0 };
                let place = match self.free.pop() {
                    Some(free) => {
                        if let Some(slot) = self.producers.get_mut(free as usize) {
                            *slot = entry;
                        }
                        free
                    }
                    None => {
                        self.producers.push(entry);
                        // There are no more places than messages.
                        u32::try_from(self.producers.len() - 1).unwrap_or(u32::MAX)
                    }
                };
                self.index.insert(key, place);
                place
            }
        };
        self.latest.push_front(place);
        self.latest.truncate(RECENT);
        place
    }

    fn forget_oldest(&mut self) {
        let Some((place, number)) = self.recent.pop_front() else { return };
        if let Some(known) = &mut self.known {
            known.remove(&(place, number));
        }
        let Some(entry) = self.producers.get_mut(place as usize) else { return };
        entry.uses -= entry.uses.min(1);
        if entry.uses == 0 {
            self.index.remove(&entry.key);
            self.latest.retain(|latest| *latest != place);
            self.free.push(place);
        }
    }
}

impl Key {
    fn of(origin: &Origin<'_>, queue: &Destination) -> Self {
        Self {
            session: origin.session,
            producer: origin.producer,
            connection: origin.connection.into(),
            queue: queue.name().as_bytes().into(),
        }
    }

    fn is(&self, origin: &Origin<'_>, queue: &Destination) -> bool {
        self.producer == origin.producer
            && self.session == origin.session
            && *self.connection == *origin.connection
            && *self.queue == *queue.name().as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferrymq_openwire::ids::{ConnectionId, MessageId, ProducerId, SessionId};
    use ferrymq_openwire::message::MessageFields;

    fn message(connection: &str, number: i64) -> Message {
        let session = SessionId::new(&ConnectionId::new(connection), 1);
        let id = MessageId::new(ProducerId::new(&session, 1), number);
        Message::from_fields(&MessageFields { message_id: Some(id), ..MessageFields::default() })
            .unwrap()
    }

    #[test]
    fn what_was_settled_is_known_on_its_queue_once_it_may_come_again() {
        let audit = Audit::default();
        let (one, two) = (Destination::queue("one"), Destination::queue("two"));
        audit.lock().note(&message("a", 1), &one);
        assert!(!audit.lock().knows(&message("a", 1), &one), "nothing was lost yet");
        audit.suspect();
        audit.lock().note(&message("b", 2), &two);
        let settled = audit.lock();
        assert!(settled.knows(&message("a", 1), &one));
        assert!(settled.knows(&message("b", 2), &two));
        assert!(!settled.knows(&message("a", 1), &two), "a copy elsewhere is another message");
        assert!(!settled.knows(&message("a", 2), &one));
        assert!(!settled.knows(&message("b", 1), &one));
    }

    #[test]
    fn the_oldest_are_forgotten_and_their_places_given_to_others() {
        let audit = Audit::default();
        audit.suspect();
        let queue = Destination::queue("q");
        let mut settled = audit.lock();
        for connection in 0..10 {
            settled.note(&message(&format!("c{connection}"), 7), &queue);
        }
        for number in 0..MOST as i64 {
            settled.note(&message("busy", number), &queue);
        }
        assert_eq!(settled.recent.len(), MOST);
        assert_eq!(settled.index.len(), 1, "only the busy one is left");
        assert!(!settled.knows(&message("c3", 7), &queue));
        settled.note(&message("late", 7), &queue);
        assert!(settled.producers.len() <= 11);
        assert!(settled.knows(&message("late", 7), &queue));
        assert!(!settled.knows(&message("busy", 0), &queue));
        assert!(settled.knows(&message("busy", 1), &queue));
    }
}

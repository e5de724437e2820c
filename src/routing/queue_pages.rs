//! Queues whose backlog is longer than memory is for: what waits on disk only is read here, away from
//! their locks.

use std::sync::Arc;

use ferrymq_openwire::destination::Destination;
use ferrymq_store::contract::{QueueId, QueueState, ReadError, ReadLimits, Store, Stored};

use super::broker::Broker;
use super::directory::Living;
use super::pager::Paged;
use super::paging::{take_up, tell_set_aside};
use super::persistence::{Persistence, message_of};
use super::queue_handle::{Aftermath, QueueHandle, State};
use crate::destination::{HeldMessage, Page, PageSize, Queue};

/// How many bytes are read at once for whoever explains.
const LOOK: usize = 1024 * 1024;
/// How many bytes are read at once where a message is damaged.
const AT_DAMAGE: usize = 64 * 1024;

/// A page that a queue waits for.
struct Wanted {
    queue: QueueId,
    /// What a temporary store has beside it.
    spool: Option<(Arc<Persistence>, QueueId)>,
    from: u64,
    limits: ReadLimits,
}

impl Broker {
    /// Completes when a queue has something to be read, perhaps before this was called.
    pub async fn pages_wanted(&self) {
        match &self.persistence {
            Some(persistence) => persistence.pager().calls().await,
            None => std::future::pending().await,
        }
    }

    /// Completes when somebody waits for memory that queues could do without, perhaps before this was
    /// called.
    pub async fn memory_wanted(&self) {
        match &self.persistence {
            Some(persistence) => persistence.pager().pressed().await,
            None => std::future::pending().await,
        }
    }

    /// Somebody has to wait for memory.
    pub fn want_memory(&self) {
        if let Some(persistence) = &self.persistence
            && self.memory.is_pressed()
        {
            persistence.pager().press();
        }
    }

    /// Lets queues keep less of their backlogs in memory, if that is short.
    pub fn relieve_memory(&self) {
        let now = self.clock.now_millis();
        for living in self.directory.all() {
            if !self.memory.is_pressed() {
                return;
            }
            if let Living::Queue(queue) = living {
                self.clear_up(queue.with_queue(now, |queue, _| queue.heed_pressure()));
            }
        }
        let durables = self.durables.lock().all();
        for subscriber in durables.into_iter().take_while(|_| self.memory.is_pressed()) {
            self.clear_up(subscriber.heed_pressure());
        }
    }

    /// Up to `most` messages of a queue that wait on disk only, from a place on, as they are now, and
    /// where to go on after them, if there are more. May wait for a device.
    pub(super) fn on_disk(
        &self,
        queue: &QueueHandle,
        from: i64,
        most: usize,
    ) -> (Vec<HeldMessage>, Option<i64>) {
        let Some(persistence) = &self.persistence else { return (Vec::new(), None) };
        let limits = ReadLimits { messages: most, bytes: LOOK };
        let wanted = queue.wanted(|queue| Some((queue.paged_from(from)?, limits)));
        let Some(wanted) = wanted else { return (Vec::new(), None) };
        let Page { messages, .. } =
            read(persistence.store(), &wanted, &Paged::Queue(queue.address().clone()));
        let next = messages.last().map(|(last, _)| last.saturating_add(1));
        let held = messages.into_iter().filter_map(|(sequence, message)| {
            let message = Arc::new(message?);
            let redeliveries = message.redelivery_counter();
            Some(HeldMessage { message, sequence, redeliveries, doubt: None })
        });
        let held: Vec<HeldMessage> = held.collect();
        let on_disk = queue.look(|queue, _| {
            held.into_iter().filter(|held| queue.is_paged(held.sequence)).collect()
        });
        (on_disk, next)
    }

    /// Forgets the messages of a queue that are set aside because they are damaged, and says how many
    /// that were; `None` if there is no such queue.
    pub fn release_set_aside(&self, address: &Destination) -> Option<usize> {
        match self.directory.find(address)? {
            Living::Queue(queue) => Some(queue.release_set_aside()),
            Living::Topic(_) => None,
        }
    }

    /// Whether [`page`](Self::page) may wait for a device.
    pub fn paging_waits(&self) -> bool {
        self.persistence.as_ref().is_some_and(|persistence| persistence.store().reading_waits())
    }

    /// Who has something to be read next, if there is somebody.
    pub fn next_to_page(&self) -> Option<Paged> {
        self.persistence.as_ref()?.pager().next()
    }

    /// Reads what a queue or a durable subscription waits for, one page at most. May wait for a
    /// device.
    pub fn page(&self, who: &Paged) {
        let Some(persistence) = &self.persistence else { return };
        let now = || self.clock.now_millis();
        // One that was deleted meanwhile waits for nothing.
        match who {
            Paged::Queue(address) => {
                let Some(Living::Queue(queue)) = self.directory.find(address) else { return };
                let (wanted, left) = queue.begin_page(now());
                self.clear_up(left);
                if let Some(wanted) = wanted {
                    let page = read(persistence.store(), &wanted, who);
                    self.clear_up(queue.take_page(page, now()));
                }
            }
            Paged::Subscription(name) => {
                let kept = self.durables.lock().get(name).map(|kept| Arc::clone(&kept.subscriber));
                let Some(subscriber) = kept else { return };
                let (wanted, left) = subscriber.begin_page();
                self.clear_up(left);
                if let Some((queue, from, limits)) = wanted {
                    let wanted = Wanted { queue, spool: None, from, limits };
                    let page = read(persistence.store(), &wanted, who);
                    self.clear_up(subscriber.take_page(page, now()));
                }
            }
        }
    }
}

impl QueueHandle {
    /// Takes up what the store holds from before: nothing of it is read yet.
    pub(super) fn take_up(&self, state: &QueueState) -> Aftermath {
        self.with_queue(i64::MIN, |queue, _| {
            take_up(queue, state);
            queue.look_at_front();
        })
    }

    /// The page that it waits for, if nobody reads it yet; and what is left to do.
    fn begin_page(&self, now: i64) -> (Option<Wanted>, Aftermath) {
        let left = {
            let settled = self.with_store(|_, store| Some(store.persistence().store().settled().0));
            self.with_queue(now, |queue, effects| {
                queue.hear_of_marks(settled.unwrap_or(0), now, effects);
            })
        };
        let wanted = self.wanted(|queue| {
            let (from, PageSize { messages, bytes }) = queue.begin_page()?;
            Some((from, ReadLimits { messages, bytes }))
        });
        (wanted, left)
    }

    fn wanted(&self, ask: impl FnOnce(&mut Queue) -> Option<(i64, ReadLimits)>) -> Option<Wanted> {
        let mut state = self.state.lock();
        let State { queue, store, spool, .. } = &mut *state;
        let id = store.as_ref()?.id()?;
        let (from, limits) = ask(queue)?;
        let from = u64::try_from(from).unwrap_or(0);
        let spool = spool.as_ref().and_then(|spool| spool.place());
        Some(Wanted { queue: id, spool, from, limits })
    }

    fn take_page(&self, page: Page, now: i64) -> Aftermath {
        let mut damaged = Vec::new();
        let left = self.with_queue(now, |queue, effects| {
            damaged = queue.take_page(page, now, effects);
        });
        tell_set_aside(&Paged::Queue(self.address().clone()), &damaged);
        left
    }

    /// Forgets what is set aside; returns how many messages that were.
    fn release_set_aside(&self) -> usize {
        let mut state = self.state.lock();
        let State { queue, store, spool, .. } = &mut *state;
        let places = queue.release_set_aside();
        let spool = spool.as_mut().and_then(|spool| spool.store_mut());
        for store in store.iter_mut().chain(spool) {
            places.iter().for_each(|place| store.forget(*place));
            store.submit();
        }
        places.len()
    }
}

/// Reads a page, of both stores if there are two: as far as it is known to be without a gap.
fn read(store: &dyn Store, wanted: &Wanted, who: &Paged) -> Page {
    let kept = read_one(store, wanted.queue, wanted, who);
    let Some((spool, queue)) = &wanted.spool else { return kept };
    let spooled = read_one(spool.store(), *queue, wanted, who);
    let ends = [&kept, &spooled].map(|page| match page.messages.last() {
        Some((last, _)) => *last,
        None if page.failed => i64::MIN,
        None => i64::MAX,
    });
    let end = ends.into_iter().min().unwrap_or(i64::MIN);
    let mut page = kept;
    page.failed |= spooled.failed;
    page.messages.extend(spooled.messages);
    page.messages.retain(|(place, _)| *place <= end);
    page.messages.sort_by_key(|(place, _)| *place);
    page.damaged.extend(spooled.damaged);
    page.damaged.retain(|(place, _)| *place <= end);
    page
}

/// Reads a page of one store. What is damaged is passed over.
fn read_one(store: &dyn Store, queue: QueueId, wanted: &Wanted, who: &Paged) -> Page {
    let (mut from, mut limits, mut page) = (wanted.from, wanted.limits, Page::default());
    let place = |number| i64::try_from(number).unwrap_or(i64::MAX);
    let mut stored: Vec<Stored> = Vec::new();
    while limits.messages > 0 {
        let outcome = store.read(queue, from, limits, &mut stored);
        limits.messages = limits.messages.saturating_sub(stored.len());
        for stored in stored.drain(..) {
            let message = message_of(&stored);
            if let Err(error) = &message {
                page.damaged.push((place(stored.sequence), error.to_string()));
            }
            page.messages.push((place(stored.sequence), message.ok()));
        }
        match outcome {
            Ok(()) => break,
            Err(ref error @ ReadError::Damaged { sequence: Some(number), .. }) => {
                page.damaged.push((place(number), error.to_string()));
                page.messages.push((place(number), None));
                limits.messages = limits.messages.saturating_sub(1);
                // Where one is damaged others are, and each is read up to.
                limits.bytes = limits.bytes.min(AT_DAMAGE);
                from = number.saturating_add(1);
            }
            Err(error) => {
                tracing::error!(queue = %who, %error, "cannot read what waits on disk");
                page.failed = true;
                break;
            }
        }
    }
    page
}

//! What the broker has only so much of, and telling of it.

use ferrymq_openwire::destination::Destination;
use ferrymq_store::contract::Space;

use super::broker::Broker;
use super::directory::{Living, Target};
use super::shortage::{LimitKind, Shortage};
use super::shortages::{KeptOut, LimitSnapshot};
use super::work::Work;

impl Broker {
    /// A message is kept out by a limit: that is counted, and said when it begins.
    pub fn note_shortage(&self, shortage: &Shortage, becomes: KeptOut) {
        self.shortages.note(shortage, becomes, self.clock.now_millis());
    }

    /// Completes when a limit keeps messages out that did not before, perhaps before this was
    /// called.
    pub async fn shortage_begun(&self) {
        self.shortages.begun().await;
    }

    /// Says of which limits there is room again; whether others are still reached.
    pub fn end_shortages(&self) -> bool {
        self.shortages.end(self.clock.now_millis(), |(limit, destination)| {
            self.is_reached(*limit, destination.as_ref())
        })
    }

    /// How each limit stands.
    pub fn limits(&self) -> Vec<LimitSnapshot> {
        self.shortages.snapshot()
    }

    /// Bytes that the store has, and may have; `None` without a store.
    pub fn store_space(&self) -> Option<Space> {
        self.persistence.as_ref().map(|persistence| persistence.store().space())
    }

    /// The store's, if it can keep no more for now. One that only makes room at this moment does
    /// not count.
    pub fn shortage_of_store(&self, destination: &Destination) -> Option<Shortage> {
        let space = self.store_space().filter(|space| space.full)?;
        let (limit, destination) = (LimitKind::Store, destination.clone());
        let (used, allowed) = (space.used, space.limit);
        Some(Shortage { limit, destination, used, allowed, passing: false })
    }

    /// A transaction is not committed, or not prepared, for want of room in the store.
    pub(super) fn note_no_room_for(&self, work: &Work) {
        let shortage = work.persistent().next().and_then(|(to, _)| self.shortage_of_store(to));
        if let Some(shortage) = shortage {
            self.note_shortage(&shortage, KeptOut::Refused);
        }
    }

    fn is_reached(&self, limit: LimitKind, destination: Option<&Destination>) -> bool {
        match limit {
            LimitKind::Memory => self.memory.used() + self.memory.waiting() >= self.memory.limit(),
            LimitKind::Store => self.store_space().is_some_and(|space| space.full),
            LimitKind::Temp => self.spool_space().is_some_and(|space| space.full),
            LimitKind::DestinationMemory => self
                .living(destination)
                .is_some_and(|target| target.account().used() >= target.account().limit()),
            LimitKind::DestinationStore => match self.living(destination) {
                Some(Target(Living::Queue(queue))) => queue.fills_its_store(),
                _ => false,
            },
        }
    }

    fn living(&self, address: Option<&Destination>) -> Option<Target> {
        self.directory.find(address?).map(Target)
    }
}

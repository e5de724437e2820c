//! Which links a broker has with which others, so that no two of them do the same work.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ferrymq_openwire::ids::BrokerId;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::status::MadeBy;
use crate::destination_pattern::DestinationPattern;
use crate::local_broker::BrokerIdentity;
use crate::rules::permit::Permits;

/// The links of one broker that know their far ends. All its connectors and the bridges back that
/// peers ask for share it.
///
/// Two links between the same two brokers may both be wanted: connectors of different names carry
/// different destinations. What is not wanted:
///
/// - two links under one name to one broker, as when two addresses of a list lead there: the
///   second is refused;
/// - a link whose far end a peer has given up, beside the peer's new one: the new one replaces it;
/// - duplex links that both ends have dialled, for the same destinations: whichever is up first
///   stays, and of two that are opened at once the one of the broker with the smaller id. Both
///   ends decide so by themselves, and alike.
#[derive(Debug)]
pub struct LinkRegister {
    state: Mutex<State>,
    /// Tells that something has changed.
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    entries: BTreeMap<u64, Entry>,
    /// Brokers whose names were complained of.
    namesakes: BTreeSet<BrokerId>,
}

#[derive(Debug)]
struct Entry {
    link: Claimed,
    live: bool,
}

/// What a link is for.
#[derive(Debug, Clone)]
pub(super) struct Claimed {
    pub(super) remote: BrokerIdentity,
    pub(super) connector: String,
    pub(super) made_by: MadeBy,
    /// Of a duplex link: what may cross it, either way.
    pub(super) duplex: Option<Arc<Permits>>,
    /// Set when the link has to make way for another one.
    pub(super) give_way: watch::Sender<bool>,
}

/// A link's place in the register; dropped, it is free.
#[derive(Debug)]
pub(super) struct LinkClaim {
    register: Arc<LinkRegister>,
    number: u64,
}

/// Where a link keeps its claim while it lives.
pub(super) type ClaimSlot = Arc<Mutex<Option<LinkClaim>>>;

/// Why a link is not to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ClaimError {
    /// Another one has its name.
    #[error(
        "a link to broker '{remote}' under the name '{connector}' is up already; a second one \
         needs a connector with a name of its own"
    )]
    Twin { remote: String, connector: String },
    /// The far end dialled too, and its link stays.
    #[error("{STANDBY} '{connector}'")]
    Standby { connector: String },
}

/// How a link's refusal begins that is not needed, on the wire too: the reader's peer has one.
pub(super) const STANDBY: &str = "standby: linked by the peer's connector";

/// How many brokers are complained of by name.
const MOST_NAMESAKES: usize = 256;

impl Default for LinkRegister {
    fn default() -> Self {
        Self { state: Mutex::default(), changes: watch::channel(0).0 }
    }
}

impl LinkRegister {
    /// Enters a link, or says why it is not to be. Others that have to make way are told so.
    pub(super) fn claim(
        self: &Arc<Self>,
        own: &BrokerIdentity,
        link: Claimed,
    ) -> Result<LinkClaim, ClaimError> {
        let mut state = self.state.lock();
        state.complain_of_namesakes(own, &link.remote);
        for yielding in state.contest(own, &link)? {
            if let Some(entry) = state.entries.get(&yielding) {
                entry.link.give_way.send_replace(true);
            }
        }
        state.last += 1;
        let number = state.last;
        state.entries.insert(number, Entry { link, live: false });
        drop(state);
        self.changed();
        Ok(LinkClaim { register: Arc::clone(self), number })
    }

    /// Whether [`claim`](Self::claim) would enter a link. Changes nothing.
    pub(super) fn check(&self, own: &BrokerIdentity, link: &Claimed) -> Result<(), ClaimError> {
        self.state.lock().contest(own, link).map(|_| ())
    }

    /// Waits until a link that `remote` dialled does the same work, or until none does.
    pub(super) async fn until_peer_links(
        &self,
        remote: &BrokerId,
        permits: &Permits,
        linked: bool,
    ) {
        let mut changes = self.changes.subscribe();
        loop {
            changes.borrow_and_update();
            let found = self.state.lock().entries.values().any(|entry| {
                entry.link.made_by == MadeBy::Peer
                    && entry.link.remote.id == *remote
                    && entry.link.does_the_work_of(permits)
            });
            if found == linked || changes.changed().await.is_err() {
                return;
            }
        }
    }

    fn changed(&self) {
        self.changes.send_modify(|number| *number = number.wrapping_add(1));
    }
}

impl State {
    /// The links that must make way for a new one; or why it is not to be itself.
    fn contest(&self, own: &BrokerIdentity, new: &Claimed) -> Result<Vec<u64>, ClaimError> {
        let mut yielding = Vec::new();
        for (number, entry) in &self.entries {
            let old = &entry.link;
            if old.remote.id != new.remote.id {
                continue;
            }
            let same_work = match (&old.duplex, &new.duplex) {
                (Some(_), Some(permits)) => old.does_the_work_of(permits),
                _ => false,
            };
            let one_name = old.connector == new.connector;
            match (old.made_by, new.made_by) {
                (MadeBy::Connector, MadeBy::Connector) if one_name => {
                    return Err(ClaimError::Twin {
                        remote: new.remote.name.clone(),
                        connector: new.connector.clone(),
                    });
                }
                // The peer has one link of a name, and this is the later one.
                (MadeBy::Peer, MadeBy::Peer) if one_name => yielding.push(*number),
                (MadeBy::Peer, MadeBy::Connector) if same_work => {
                    return Err(ClaimError::Standby { connector: old.connector.clone() });
                }
                (MadeBy::Connector, MadeBy::Peer) if same_work => {
                    let own_is_first = own.id.value < new.remote.id.value;
                    if entry.live || own_is_first {
                        return Err(ClaimError::Standby { connector: old.connector.clone() });
                    }
                    yielding.push(*number);
                }
                _ => {}
            }
        }
        Ok(yielding)
    }

    /// Two brokers of one name get into each other's way wherever names tell them apart.
    fn complain_of_namesakes(&mut self, own: &BrokerIdentity, remote: &BrokerIdentity) {
        let others = self.entries.values().map(|entry| &entry.link.remote);
        let namesake = [own]
            .into_iter()
            .chain(others)
            .find(|other| other.name == remote.name && other.id != remote.id);
        let Some(namesake) = namesake else { return };
        let id = namesake.id.to_string();
        if self.namesakes.len() < MOST_NAMESAKES && self.namesakes.insert(remote.id.clone()) {
            tracing::warn!(
                name = %remote.name,
                one = %remote.id,
                other = %id,
                "two brokers bear the same name: give each one of its own, or their bridges and \
                 durable subscriptions get mixed up (a broker that was started anew is one, too, \
                 until its old links are gone)"
            );
        }
    }
}

impl Claimed {
    /// Whether the same may cross it.
    fn does_the_work_of(&self, permits: &Permits) -> bool {
        self.duplex.as_ref().is_some_and(|own| filters(own) == filters(permits))
    }
}

type Filters<'a> = ([BTreeSet<&'a DestinationPattern>; 3], bool);

fn filters(permits: &Permits) -> Filters<'_> {
    let Permits { dynamically_included, statically_included, excluded, temporary } = permits;
    let lists = [dynamically_included, statically_included, excluded];
    (lists.map(|list| list.iter().collect()), *temporary)
}

impl LinkClaim {
    /// The link is up.
    pub(super) fn live(&self) {
        if let Some(entry) = self.register.state.lock().entries.get_mut(&self.number) {
            entry.live = true;
        }
    }
}

impl Drop for LinkClaim {
    fn drop(&mut self) {
        self.register.state.lock().entries.remove(&self.number);
        self.register.changed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use MadeBy::{Connector, Peer};

    fn broker(name: &str) -> BrokerIdentity {
        BrokerIdentity {
            id: BrokerId::new(format!("ID:{name}")),
            name: name.to_owned(),
            url: String::new(),
            admin: None,
        }
    }

    fn link(remote: &str, connector: &str, made_by: MadeBy) -> Claimed {
        Claimed {
            remote: broker(remote),
            connector: connector.to_owned(),
            made_by,
            duplex: Some(Arc::default()),
            give_way: watch::channel(false).0,
        }
    }

    fn is_standby(claimed: &Result<LinkClaim, ClaimError>) -> bool {
        matches!(claimed, Err(ClaimError::Standby { .. }))
    }

    #[test]
    fn a_connector_links_a_broker_once() {
        let register = Arc::new(LinkRegister::default());
        let first = register.claim(&broker("m"), link("x", "NC", Connector)).unwrap();
        let twin = register.claim(&broker("m"), link("x", "NC", Connector)).unwrap_err();
        assert!(twin.to_string().contains("broker 'x' under the name 'NC' is up already"));
        let _other_name = register.claim(&broker("m"), link("x", "other", Connector)).unwrap();
        let _other_broker = register.claim(&broker("m"), link("y", "NC", Connector)).unwrap();
        drop(first);
        register.claim(&broker("m"), link("x", "NC", Connector)).unwrap();
    }

    #[test]
    fn a_peers_later_link_replaces_its_earlier_one() {
        let register = Arc::new(LinkRegister::default());
        let old = link("x", "NC", Peer);
        let told = old.give_way.subscribe();
        let _old = register.claim(&broker("m"), old).unwrap();
        let _beside = register.claim(&broker("m"), link("x", "other", Peer)).unwrap();
        assert!(!*told.borrow());
        let _new = register.claim(&broker("m"), link("x", "NC", Peer)).unwrap();
        assert!(*told.borrow());
    }

    #[test]
    fn of_two_crossing_links_both_ends_keep_the_same() {
        for (own, far) in [("a", "b"), ("b", "a")] {
            let register = Arc::new(LinkRegister::default());
            let mine = link(far, "mine", Connector);
            let told = mine.give_way.subscribe();
            let _mine = register.claim(&broker(own), mine).unwrap();
            let theirs = register.claim(&broker(own), link(far, "theirs", Peer));
            // The link of "a" stays.
            assert_eq!(is_standby(&theirs), own == "a");
            assert_eq!(*told.borrow(), own == "b");
        }
    }

    #[test]
    fn what_is_up_stays_up_whoever_dialled() {
        let register = Arc::new(LinkRegister::default());
        let mine = register.claim(&broker("z"), link("a", "mine", Connector)).unwrap();
        mine.live();
        assert!(is_standby(&register.claim(&broker("z"), link("a", "theirs", Peer))));
        drop(mine);
        let theirs = register.claim(&broker("z"), link("a", "theirs", Peer)).unwrap();
        assert!(is_standby(&register.claim(&broker("z"), link("a", "mine", Connector))));
        drop(theirs);
        register.claim(&broker("z"), link("a", "mine", Connector)).unwrap();
    }

    #[test]
    fn links_for_different_destinations_or_one_way_stand_beside_each_other() {
        let register = Arc::new(LinkRegister::default());
        let _mine = register.claim(&broker("a"), link("b", "mine", Connector)).unwrap();
        let orders = Permits {
            dynamically_included: vec!["queue://orders.>".parse().unwrap()],
            ..Permits::default()
        };
        let other = Claimed { duplex: Some(Arc::new(orders)), ..link("b", "theirs", Peer) };
        let _other = register.claim(&broker("a"), other).unwrap();
        let one_way = Claimed { duplex: None, ..link("b", "way", Connector) };
        register.claim(&broker("a"), one_way).unwrap();
    }

    #[tokio::test]
    async fn who_stands_by_learns_when_it_is_needed() {
        let register = Arc::new(LinkRegister::default());
        let (remote, permits) = (broker("b").id, Permits::default());
        register.until_peer_links(&remote, &permits, false).await;
        let theirs = register.claim(&broker("a"), link("b", "theirs", Peer)).unwrap();
        register.until_peer_links(&remote, &permits, true).await;
        let waiting = register.until_peer_links(&remote, &permits, false);
        let losing = async {
            tokio::task::yield_now().await;
            drop(theirs);
        };
        tokio::join!(waiting, losing);
    }
}

//! What a walk finds: a plain machine that says whom to ask next.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::address::admin_url;
use crate::admin::answers::{BridgeTo, BrokerAnswer, BrokerName, NetworkAnswer};
use crate::admin::client::AdminUrl;

/// A network as a walk saw it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkMap {
    /// The brokers, in the order in which they were met.
    pub brokers: Vec<SeenBroker>,
    /// The links, by the broker that made them.
    pub links: Vec<SeenLink>,
    /// Names that several brokers go by.
    pub shared_names: Vec<String>,
    /// Whether the walk ended before it had asked everyone.
    pub cut_short: bool,
}

/// A broker that was met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenBroker {
    /// Who it is.
    pub broker: BrokerName,
    /// Its software, where somebody knows.
    pub product: Option<String>,
    /// Where it was asked; null if nowhere.
    pub asked_at: Option<String>,
    /// What came of that.
    pub seen: Seen,
    /// Why it did not answer, or was not asked.
    pub reason: Option<String>,
    /// What it says about itself.
    pub status: Option<BrokerAnswer>,
}

/// What came of asking a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// It answered.
    Answered,
    /// It did not.
    Silent,
    /// Nobody knows where its admin API is, or it cannot be reached from here.
    NotAsked,
}

/// A link that a broker makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenLink {
    /// The broker that makes it.
    pub from: BrokerName,
    /// The link.
    pub link: BridgeTo,
}

/// Whom to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    /// The broker that is expected there; none at the start.
    pub(super) id: Option<String>,
    pub(super) url: AdminUrl,
}

/// What a broker says.
#[derive(Debug, Clone)]
pub(super) struct Answers {
    pub(super) broker: BrokerAnswer,
    pub(super) network: NetworkAnswer,
}

/// A walk, as far as it has come.
#[derive(Debug, Default)]
pub(super) struct Walk {
    map: NetworkMap,
    /// Where each broker stands in the list, by its id.
    known: BTreeMap<String, usize>,
    open: VecDeque<Question>,
    most: usize,
}

impl Walk {
    /// A walk that begins at `start` and asks no more than `most` brokers.
    pub(super) fn new(start: AdminUrl, most: usize) -> Self {
        let open = VecDeque::from([Question { id: None, url: start }]);
        Self { open, most, ..Self::default() }
    }

    /// Whom to ask next; none while only answers can tell.
    pub(super) fn next(&mut self) -> Option<Question> {
        self.open.pop_front()
    }

    /// A broker answered.
    pub(super) fn answered(&mut self, question: &Question, answers: Answers) {
        let Answers { broker: status, network } = answers;
        let id = status.broker.id.clone();
        if let Some(expected) = question.id.as_ref().filter(|expected| **expected != id) {
            // Its admin address belongs to another one, for example on another machine.
            let reason =
                format!("another broker, {}, answers at {}", status.broker.name, question.url);
            return self.note(expected, Seen::NotAsked, Some(reason));
        }
        let at = self.meet(&status.broker, None);
        let Some(seen) = self.map.brokers.get_mut(at) else { return };
        if seen.seen == Seen::Answered {
            return;
        }
        seen.product = Some(format!("FerryMQ {}", status.version));
        seen.asked_at = Some(question.url.to_string());
        (seen.seen, seen.reason) = (Seen::Answered, None);
        seen.status = Some(status);
        self.follow(&network, &question.url);
    }

    /// A broker did not answer.
    pub(super) fn silent(&mut self, question: &Question, reason: String) {
        if let Some(id) = question.id.clone() {
            self.note(&id, Seen::Silent, Some(reason));
        }
    }

    /// The end; `cut_short` if somebody was not waited for.
    pub(super) fn finish(mut self, cut_short: bool) -> NetworkMap {
        let mut by_name: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for seen in &self.map.brokers {
            by_name.entry(&seen.broker.name).or_default().insert(&seen.broker.id);
        }
        let shared = by_name.into_iter().filter(|(_, ids)| ids.len() > 1);
        self.map.shared_names = shared.map(|(name, _)| name.to_owned()).collect();
        self.map.cut_short |= cut_short || !self.open.is_empty();
        self.map
    }

    /// Goes on from what a broker knows.
    fn follow(&mut self, network: &NetworkAnswer, asked: &AdminUrl) {
        let from = &network.broker;
        for link in &network.bridges_to {
            self.map.links.push(SeenLink { from: from.clone(), link: link.clone() });
            if let Some(remote) = &link.remote_broker {
                self.met(remote, link.remote_product.as_ref(), &link.remote_uri, asked);
            }
        }
        for bridge in &network.bridged_from {
            self.met(&bridge.broker, bridge.product.as_ref(), &bridge.remote, asked);
        }
    }

    /// A broker was met at `place`.
    fn met(&mut self, broker: &BrokerName, product: Option<&String>, place: &str, by: &AdminUrl) {
        let new = !self.known.contains_key(&broker.id);
        if new && self.known.len() >= self.most {
            self.map.cut_short = true;
            return;
        }
        let at = self.meet(broker, product);
        let Some(seen) = self.map.brokers.get_mut(at) else { return };
        if seen.product.is_none() {
            seen.product = product.cloned();
        }
        // One that could not be asked from one side may be from another.
        if seen.seen != Seen::NotAsked || seen.asked_at.is_some() {
            return;
        }
        match broker.admin.as_deref().map(|told| admin_url(told, place, by)) {
            None => seen.reason = Some("it does not say where an admin API answers".to_owned()),
            Some(Err(reason)) => seen.reason = Some(reason),
            Some(Ok(url)) => {
                seen.asked_at = Some(url.to_string());
                self.open.push_back(Question { id: Some(broker.id.clone()), url });
            }
        }
    }

    /// Its place in the list.
    fn meet(&mut self, broker: &BrokerName, product: Option<&String>) -> usize {
        let next = self.map.brokers.len();
        let at = *self.known.entry(broker.id.clone()).or_insert(next);
        if at == next {
            self.map.brokers.push(SeenBroker {
                broker: broker.clone(),
                product: product.cloned(),
                asked_at: None,
                seen: Seen::NotAsked,
                reason: None,
                status: None,
            });
        }
        at
    }

    fn note(&mut self, id: &str, outcome: Seen, reason: Option<String>) {
        let at = self.known.get(id).copied();
        if let Some(seen) = at.and_then(|at| self.map.brokers.get_mut(at))
            && seen.seen != Seen::Answered
        {
            (seen.seen, seen.reason) = (outcome, reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::answers::{BridgedFrom, MessageCounts};

    fn name(name: &str, admin: Option<&str>) -> BrokerName {
        BrokerName {
            name: name.trim_end_matches(char::is_numeric).to_owned(),
            id: format!("ID:{name}"),
            url: format!("tcp://{name}:61616"),
            admin: admin.map(str::to_owned),
        }
    }

    fn answers(broker: &BrokerName, to: &[&BrokerName], from: &[&BrokerName]) -> Answers {
        let status = BrokerAnswer {
            broker: broker.clone(),
            version: "1".to_owned(),
            state: "ready".to_owned(),
            listening: Vec::new(),
            started_unix_ms: 0,
            uptime_ms: 0,
            memory_used_bytes: 0,
            memory_limit_bytes: 0,
            in_doubt: 0,
            audit_bytes: 0,
            connections: 0,
            destinations: 0,
            links: 0,
            messages: MessageCounts::default(),
        };
        let bridges_to = to.iter().map(|remote| BridgeTo {
            connector: "n".to_owned(),
            remote_uri: remote.url.clone(),
            remote_broker: Some((*remote).clone()),
            remote_product: None,
            state: "live".to_owned(),
            reason: None,
            in_state_ms: 0,
            next_try_in_ms: None,
            forwarded: 0,
            in_flight: 0,
        });
        let bridged_from = from.iter().map(|remote| BridgedFrom {
            broker: (*remote).clone(),
            product: Some("ActiveMQ 5.17.2".to_owned()),
            remote: remote.url.clone(),
            since_unix_ms: 0,
        });
        let network = NetworkAnswer {
            broker: broker.clone(),
            bridges_to: bridges_to.collect(),
            bridged_from: bridged_from.collect(),
        };
        Answers { broker: status, network }
    }

    fn start() -> AdminUrl {
        AdminUrl::parse("a:1").unwrap()
    }

    #[test]
    fn a_ring_is_walked_once_around() {
        let ring = ["a", "b", "c"].map(|one| name(one, Some(&format!("{one}:1"))));
        let [a, b, c] = &ring;
        let mut walk = Walk::new(start(), 10);
        let mut asked = Vec::new();
        while let Some(question) = walk.next() {
            asked.push(question.url.to_string());
            let here = ring.iter().find(|one| question.url.to_string().contains(&one.name));
            let (to, from) = match here.unwrap().name.as_str() {
                "a" => (b, c),
                "b" => (c, a),
                _ => (a, b),
            };
            walk.answered(&question, answers(here.unwrap(), &[to], &[from]));
        }
        assert_eq!(asked, ["http://a:1", "http://b:1", "http://c:1"]);
        let map = walk.finish(false);
        assert_eq!((map.brokers.len(), map.links.len(), map.cut_short), (3, 3, false));
        assert!(map.brokers.iter().all(|seen| seen.seen == Seen::Answered));
        assert!(map.shared_names.is_empty());
    }

    #[test]
    fn who_cannot_be_asked_is_shown_with_the_reason() {
        let (a, quiet) = (name("a", None), name("quiet", Some("quiet:1")));
        let (old, double) = (name("old", None), name("a2", Some("a:1")));
        let mut walk = Walk::new(start(), 10);
        let first = walk.next().unwrap();
        walk.answered(&first, answers(&a, &[&quiet, &double], &[&old]));
        let second = walk.next().unwrap();
        walk.silent(&second, "nobody answers".to_owned());
        let third = walk.next().unwrap();
        walk.answered(&third, answers(&a, &[], &[]));
        assert_eq!(walk.next(), None);
        let map = walk.finish(false);
        let seen: Vec<(&str, Seen, &str)> = map
            .brokers
            .iter()
            .map(|one| {
                (one.broker.id.as_str(), one.seen, one.reason.as_deref().unwrap_or_default())
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("ID:a", Seen::Answered, ""),
                ("ID:quiet", Seen::Silent, "nobody answers"),
                ("ID:a2", Seen::NotAsked, "another broker, a, answers at http://a:1"),
                ("ID:old", Seen::NotAsked, "it does not say where an admin API answers"),
            ]
        );
        assert_eq!(map.brokers[3].product.as_deref(), Some("ActiveMQ 5.17.2"));
        assert_eq!(map.shared_names, ["a"], "two brokers of one name");
    }

    #[test]
    fn a_walk_ends_at_its_bound() {
        let many: Vec<BrokerName> =
            (0..20).map(|number| name(&format!("b{number}"), Some("b:1"))).collect();
        let mut walk = Walk::new(start(), 5);
        let first = walk.next().unwrap();
        let neighbours: Vec<&BrokerName> = many.iter().collect();
        walk.answered(&first, answers(&name("a", None), &neighbours, &[]));
        assert_eq!(std::iter::from_fn(|| walk.next()).count(), 4);
        assert!(walk.finish(false).cut_short);
    }
}

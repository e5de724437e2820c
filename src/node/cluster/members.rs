//! Which other brokers there are, as far as this one knows: a machine without I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::announcement::{Announcement, address};
use super::balance::{Plan, plan};

/// No more brokers are known.
const MOST: usize = 256;
/// A broker that is not at the end of a bridge, and silent for so long, is gone.
const EXPIRY: Duration = Duration::from_secs(5);

/// Another broker of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Where clients reach it.
    pub url: String,
    /// Whether a bridge leads there or comes from there.
    pub near: bool,
    /// How many clients it has that could go elsewhere, if it says.
    pub clients: Option<usize>,
    /// Whether it wants its share of clients.
    pub balances: bool,
    /// When it said so last.
    heard: Option<Instant>,
    /// How many clients were sent there since.
    coming: usize,
}

/// All other brokers, by address.
#[derive(Debug, Default)]
pub(in crate::node) struct Members {
    own_url: String,
    by_url: BTreeMap<String, Member>,
}

impl Members {
    pub(in crate::node) fn new(own_url: &str) -> Self {
        Self { own_url: own_url.to_owned(), by_url: BTreeMap::new() }
    }

    /// A broker said this. Returns whether it came, or goes, with that.
    pub(in crate::node) fn hear(&mut self, said: Announcement, now: Instant) -> bool {
        if said.url == self.own_url {
            return false;
        }
        if said.leaves {
            return self.by_url.remove(&said.url).is_some();
        }
        let is_new = !self.by_url.contains_key(&said.url);
        let Some(member) = self.member(&said.url, &said.name) else { return false };
        member.name = said.name;
        member.clients = Some(said.clients);
        member.balances = said.balances;
        member.heard = Some(now);
        member.coming = 0;
        is_new
    }

    /// These brokers, by name and address, are at the ends of bridges now. Forgets who is gone.
    pub(in crate::node) fn see(&mut self, near: &[(String, String)], now: Instant) {
        let mut seen = BTreeSet::new();
        for (name, url) in near {
            let Some(url) = address(url).filter(|url| *url != self.own_url) else { continue };
            if let Some(member) = self.member(&url, name) {
                member.near = true;
                seen.insert(url);
            }
        }
        self.by_url.retain(|url, member| {
            member.near = seen.contains(url);
            let heard = member.heard.is_some_and(|heard| now.duration_since(heard) < EXPIRY);
            if !heard {
                member.clients = None;
            }
            member.near || heard
        });
    }

    fn member(&mut self, url: &str, name: &str) -> Option<&mut Member> {
        if !self.by_url.contains_key(url) && self.by_url.len() >= MOST {
            return None;
        }
        let member = self.by_url.entry(url.to_owned()).or_insert_with(|| Member {
            name: name.to_owned(),
            url: url.to_owned(),
            near: false,
            clients: None,
            balances: false,
            heard: None,
            coming: 0,
        });
        Some(member)
    }

    /// A client was sent there.
    pub(in crate::node) fn sent_to(&mut self, url: &str) {
        if let Some(member) = self.by_url.get_mut(url) {
            member.coming += 1;
        }
    }

    /// All, by address.
    pub(in crate::node) fn all(&self) -> Vec<Member> {
        self.by_url.values().cloned().collect()
    }

    /// What to do about this many clients of the own broker.
    pub(in crate::node) fn plan(&self, clients: usize) -> Plan {
        let others: Vec<(&str, usize)> = self
            .by_url
            .values()
            .filter(|member| member.balances)
            .filter_map(|member| Some((member.url.as_str(), member.clients? + member.coming)))
            .collect();
        plan(clients, &others)
    }

    /// Where a client goes whose broker stops: to who has fewest; of those whose number is not
    /// known, to any.
    pub(in crate::node) fn refuge(&self) -> Option<String> {
        let load = |member: &&Member| member.clients.unwrap_or(0) + member.coming;
        self.by_url.values().min_by_key(load).map(|member| member.url.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(url: &str, clients: usize) -> Announcement {
        Announcement {
            name: url.to_owned(),
            url: url.to_owned(),
            clients,
            balances: true,
            leaves: false,
        }
    }

    fn urls(members: &Members) -> Vec<String> {
        members.all().into_iter().map(|member| member.url).collect()
    }

    fn near(urls: &[&str]) -> Vec<(String, String)> {
        urls.iter().map(|url| ((*url).to_owned(), (*url).to_owned())).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn far_brokers_are_known_while_they_are_heard_and_near_ones_while_the_bridge_is() {
        let mut members = Members::new("tcp://own:1");
        members.hear(said("tcp://far:1", 1), Instant::now());
        members.hear(said("tcp://own:1", 1), Instant::now());
        members.see(&near(&["tcp://near:1", "tcp://own:1", "nonsense"]), Instant::now());
        assert_eq!(urls(&members), ["tcp://far:1", "tcp://near:1"]);
        tokio::time::advance(EXPIRY).await;
        members.see(&near(&["tcp://near:1"]), Instant::now());
        assert_eq!(urls(&members), ["tcp://near:1"]);
        members.see(&[], Instant::now());
        assert!(urls(&members).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_is_gone_at_once_and_nobody_grows_the_list_without_end() {
        let mut members = Members::new("tcp://own:1");
        for number in 0..1000 {
            members.hear(said(&format!("tcp://h{number}:1"), 0), Instant::now());
        }
        assert_eq!(members.all().len(), MOST);
        members.hear(Announcement { leaves: true, ..said("tcp://h7:1", 0) }, Instant::now());
        assert!(!urls(&members).contains(&"tcp://h7:1".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn clients_on_their_way_count_until_their_broker_counts_them() {
        let mut members = Members::new("tcp://own:1");
        members.hear(said("tcp://b:1", 0), Instant::now());
        assert_eq!(members.plan(100).moves[0].clients, 50);
        for _ in 0..30 {
            members.sent_to("tcp://b:1");
        }
        assert_eq!(members.plan(70).moves[0].clients, 20);
        members.hear(said("tcp://b:1", 25), Instant::now());
        assert_eq!(members.plan(70).moves[0].clients, 22);
    }

    #[tokio::test(start_paused = true)]
    async fn the_least_loaded_broker_is_the_refuge() {
        let mut members = Members::new("tcp://own:1");
        assert_eq!(members.refuge(), None);
        members.hear(said("tcp://b:1", 2), Instant::now());
        members.hear(said("tcp://c:1", 1), Instant::now());
        assert_eq!(members.refuge().as_deref(), Some("tcp://c:1"));
        members.sent_to("tcp://c:1");
        members.sent_to("tcp://c:1");
        assert_eq!(members.refuge().as_deref(), Some("tcp://b:1"));
    }
}

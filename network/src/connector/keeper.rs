//! Keeps a link to each broker that discovery leads to.

use std::collections::BTreeMap;
use std::sync::Arc;

use fastrand::Rng;
use ferrymq_discovery::agent::Discovery;
use ferrymq_discovery::known::{Absent, Known, Remote};
use tokio::sync::watch;
use tokio::task::{Id, JoinSet};

use super::board::LinkBoard;
use super::order::Order;
use super::roster::LinkRoster;
use super::status::{LinkState, MadeBy};
use super::supervisor::{Supervisor, Surroundings, stopped};

/// Keeps a link to each broker that discovery leads to.
pub(super) struct Keeper {
    surroundings: Arc<Surroundings>,
    roster: LinkRoster,
    seeds: Rng,
    /// By what tells remote brokers apart.
    links: BTreeMap<String, Kept>,
    tasks: JoinSet<()>,
}

struct Kept {
    task: Id,
    orders: watch::Sender<Order>,
    board: Arc<LinkBoard>,
}

impl Keeper {
    pub(super) fn new(surroundings: Arc<Surroundings>, roster: LinkRoster, seeds: Rng) -> Self {
        Self { surroundings, roster, seeds, links: BTreeMap::new(), tasks: JoinSet::new() }
    }

    /// Makes the links those that are known: new ones start, and others go as far as they are not
    /// wanted any more.
    pub(super) fn reconcile(&mut self, known: &Known) {
        let connector = self.surroundings.config.name.as_str();
        for (key, link) in &self.links {
            if known.present.iter().any(|remote| remote.key() == *key) {
                continue;
            }
            let gone = match &known.absent {
                Absent::Gone => true,
                Absent::Silent { gone } => gone.iter().any(|remote| remote.key() == *key),
            };
            let order = if gone { Order::End } else { Order::LetGo };
            if link.orders.send_if_modified(|given| given.becomes(order)) {
                tracing::info!(connector, remote = key, gone, "broker found no more");
            }
        }
        for remote in &known.present {
            match self.links.get(&remote.key()) {
                // One that is ending already is started anew when it has ended.
                Some(link) => {
                    link.orders.send_if_modified(|given| given.becomes(Order::Keep));
                }
                None => self.start(remote.clone()),
            }
        }
    }

    fn start(&mut self, remote: Remote) {
        let key = remote.key();
        let connector = &self.surroundings.config.name;
        let board = Arc::new(LinkBoard::new(connector, key.clone(), MadeBy::Connector));
        self.roster.add(Arc::clone(&board));
        let (orders, given) = watch::channel(Order::Keep);
        let supervisor = Supervisor::new(
            Arc::clone(&self.surroundings),
            remote,
            Arc::clone(&board),
            self.seeds.fork(),
        );
        let task = self.tasks.spawn(supervisor.run(given)).id();
        self.links.insert(key, Kept { task, orders, board });
    }

    /// Follows discovery until told to stop; then ends all links.
    pub(super) async fn run(mut self, mut discovery: Discovery, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut stop) => break,
                known = discovery.changed() => self.reconcile(&known),
                Some(ended) = self.tasks.join_next_with_id() => match ended {
                    Ok((task, ())) => {
                        self.remove(task);
                        // It may have come back while its link was ending.
                        self.reconcile(&discovery.known());
                    }
                    Err(failed) => self.show_stopped(failed.id()),
                },
            }
        }
        for link in self.links.values() {
            link.orders.send_replace(Order::End);
        }
        while let Some(ended) = self.tasks.join_next_with_id().await {
            if let Err(failed) = ended {
                self.show_stopped(failed.id());
            }
        }
    }

    fn remove(&mut self, task: Id) {
        let roster = &self.roster;
        self.links.retain(|_, link| {
            let stays = link.task != task;
            if !stays {
                roster.remove(&link.board);
            }
            stays
        });
    }

    /// A link that failed by a fault of its own is not tried again, and stays in sight.
    fn show_stopped(&self, task: Id) {
        if let Some(link) = self.links.values().find(|link| link.task == task) {
            link.board.enter(LinkState::Stopped);
        }
    }
}

//! The discovery agents of a connection that looks for its brokers.

use std::sync::Arc;

use fastrand::Rng;
use ferrymq_discovery::agent::{Agent, Discovery, Surroundings};
use ferrymq_discovery::known::{Absent, Known, Remote};
use ferrymq_discovery::own::Own;
use ferrymq_transport::endpoint::Endpoint;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::failover::Found;

/// What agents show that was not looked at yet; they replace it while nobody looks.
const MOST_WAITING: usize = 4;

/// The agents, running. Dropped, they end.
pub(crate) struct Finder {
    news: mpsc::Receiver<(usize, Arc<Known>)>,
    shown: Vec<Shown>,
    _tasks: JoinSet<()>,
}

/// What one agent shows.
struct Shown {
    known: Arc<Known>,
    ranked: bool,
    /// Whether it has shown anything.
    ever: bool,
}

/// What has changed.
pub(super) struct News {
    /// What each agent shows now.
    pub(super) found: Vec<Found>,
    /// Who is there no more, as far as the agent that showed it can tell.
    pub(super) gone: Vec<Endpoint>,
}

impl Finder {
    /// Starts all agents, on the present tokio runtime.
    pub(crate) fn start(agents: &[Agent], seed: u64) -> Self {
        let (tell, news) = mpsc::channel(MOST_WAITING);
        let mut seeds = Rng::with_seed(seed);
        let mut tasks = JoinSet::new();
        let mut shown = Vec::new();
        for (index, agent) in agents.iter().enumerate() {
            // A client is nobody's broker.
            let surroundings = Surroundings { own: Own::default(), seed: seeds.u64(..) };
            let discovery = agent.start(surroundings);
            let known = discovery.known();
            shown.push(Shown { known, ranked: agent.is_ranked(), ever: false });
            tasks.spawn(forward(index, discovery, tell.clone()));
        }
        Self { news, shown, _tasks: tasks }
    }

    /// Whether there are agents.
    pub(super) fn is_any(&self) -> bool {
        !self.shown.is_empty()
    }

    /// Whether each agent has shown something, if only that nobody is there.
    pub(super) fn all_have_shown(&self) -> bool {
        self.shown.iter().all(|shown| shown.ever)
    }

    /// Waits until an agent shows something else; without agents for ever. Cancel-safe.
    pub(super) async fn changed(&mut self) -> News {
        let Some((index, known)) = self.news.recv().await else {
            return std::future::pending().await;
        };
        let mut gone = Vec::new();
        if let Some(shown) = self.shown.get_mut(index) {
            gone = gone_since(&shown.known, &known);
            shown.known = known;
            shown.ever = true;
        }
        let found = self.shown.iter().map(|shown| Found {
            endpoints: addresses(&shown.known.present).cloned().collect(),
            ranked: shown.ranked,
        });
        News { found: found.collect(), gone }
    }
}

async fn forward(index: usize, mut discovery: Discovery, tell: mpsc::Sender<(usize, Arc<Known>)>) {
    loop {
        let known = discovery.changed().await;
        if tell.send((index, known)).await.is_err() {
            return;
        }
    }
}

/// Who was there and is known not to be any more.
fn gone_since(before: &Known, now: &Known) -> Vec<Endpoint> {
    let gone: Vec<Endpoint> = match &now.absent {
        Absent::Gone => addresses(&before.present).cloned().collect(),
        Absent::Silent { gone } => addresses(gone).cloned().collect(),
    };
    let is_there = |endpoint: &Endpoint| {
        addresses(&now.present).any(|present| crate::failover::same(present, endpoint))
    };
    gone.into_iter().filter(|endpoint| !is_there(endpoint)).collect()
}

fn addresses(remotes: &[Remote]) -> impl Iterator<Item = &Endpoint> {
    remotes.iter().flat_map(Remote::addresses)
}

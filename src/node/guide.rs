//! Guiding clients: telling them which brokers there are, and sending them on.
//!
//! Only where a transport connector asks for it. Brokers tell each other how many clients they have
//! by messages to a topic, which crosses bridges as any other does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use ferrymq_client::{
    AckMode, ConnectOptions, Connection, Consumer, IdSource, OutgoingMessage, Producer,
    ProducerOptions,
};
use ferrymq_network::connector::LinkState;
use ferrymq_openwire::destination::Destination;
use ferrymq_transport::dial::Dialer;
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::cluster::{Announcement, Member, Members, Plan, TOPIC};
use super::watch::NodeWatch;
use crate::connection::{Connections, FarEnd, Guidance, GuidedClient};

/// How often a broker announces itself, and looks who is at the ends of its bridges.
const PERIOD: Duration = Duration::from_secs(1);
/// How long a client that was sent elsewhere and stays is left in peace.
const PEACE: Duration = Duration::from_secs(60);
/// How long clients have to go before a broker that stops lets them down.
const HAND_OVER: Duration = Duration::from_secs(5);
/// In what part of that time all are told to go.
const TELLING: Duration = Duration::from_secs(2);

/// Watches over who is where, and sends clients on.
pub(crate) struct Guide {
    watch: NodeWatch,
    connections: Connections,
    /// What each connector tells, that tells anything.
    guidances: Vec<Arc<Guidance>>,
    members: Arc<Mutex<Members>>,
    random: Rng,
    own_name: String,
    own_url: String,
    /// Who was sent elsewhere, by connection, and when.
    sent: BTreeMap<u64, Instant>,
}

/// A running guide.
pub(crate) struct GuideHandle {
    task: JoinHandle<Guide>,
    stop: CancellationToken,
    members: Arc<Mutex<Members>>,
    connections: Connections,
}

/// The way to the other guides.
struct Gossip {
    connection: Connection,
    producer: Producer,
    consumer: Consumer,
}

impl Guide {
    /// Starts to guide the clients of these connectors; `None` if none of them asks for it.
    pub(crate) fn start(
        watch: NodeWatch,
        connections: Connections,
        guidances: &[Arc<Guidance>],
        dialer: Arc<dyn Dialer>,
        seed: u64,
    ) -> Option<GuideHandle> {
        let guidances: Vec<_> =
            guidances.iter().filter(|guidance| guidance.options().is_on()).cloned().collect();
        if guidances.is_empty() {
            return None;
        }
        let identity = watch.broker().identity;
        let members = Arc::new(Mutex::new(Members::new(&identity.url)));
        let stop = CancellationToken::new();
        let mut guide = Self {
            watch: watch.clone(),
            connections: connections.clone(),
            guidances,
            members: Arc::clone(&members),
            random: Rng::with_seed(seed),
            own_name: identity.name,
            own_url: identity.url,
            sent: BTreeMap::new(),
        };
        guide.look();
        let stopping = stop.clone();
        let task = tokio::spawn(async move {
            let gossip = guide.gossip(dialer, seed).await;
            tokio::select! {
                biased;
                () = stopping.cancelled() => {}
                () = guide.run(gossip.as_ref()) => {}
            }
            if let Some(gossip) = gossip {
                guide.announce(&gossip, true).await;
                // Its broker is here: the farewell takes no time.
                let _ = gossip.connection.close().await;
            }
            guide
        });
        Some(GuideHandle { task, stop, members, connections })
    }

    /// Joins the topic of announcements, as a client of the own broker.
    async fn gossip(&self, dialer: Arc<dyn Dialer>, seed: u64) -> Option<Gossip> {
        let link = self.connections.open_pipe("cluster", None);
        let clock = self.watch.clock();
        let ids = IdSource::new(&self.own_name, seed, clock.now_millis());
        let options = ConnectOptions::new(dialer, clock, ids);
        let joined = async {
            let connection = Connection::over(link, options).await?;
            let session = connection.session(AckMode::Auto);
            let topic = Destination::topic(TOPIC);
            let consumer = session.consumer(&topic).await?;
            let producer = session.producer(ProducerOptions::to(topic).persistent(false)).await?;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(Gossip {
                connection,
                producer,
                consumer,
            })
        };
        match joined.await {
            Ok(gossip) => Some(gossip),
            Err(error) => {
                tracing::warn!(%error, "no announcements: only neighbours are known");
                None
            }
        }
    }

    async fn run(&mut self, gossip: Option<&Gossip>) {
        let mut look_at = Instant::now();
        let mut send_at = Instant::now() + PERIOD;
        loop {
            tokio::select! {
                biased;
                () = sleep_until(look_at) => {
                    look_at = Instant::now() + PERIOD;
                    self.look();
                    if let Some(gossip) = gossip {
                        self.announce(gossip, false).await;
                    }
                }
                () = sleep_until(send_at) => {
                    let wait = self.send_one_on().unwrap_or(PERIOD);
                    // Up to a half later, so that brokers do not act in step.
                    send_at = Instant::now() + wait.mul_f64(1.0 + 0.5 * self.random.f64());
                }
                said = hear(gossip) => {
                    if self.members.lock().hear(said, Instant::now()) {
                        self.look();
                    }
                }
            }
        }
    }

    async fn announce(&self, gossip: &Gossip, leaves: bool) {
        let told = Announcement {
            name: self.own_name.clone(),
            url: self.own_url.clone(),
            clients: self.connections.guided().len(),
            balances: self.guidances.iter().any(|guidance| guidance.options().rebalance),
            leaves,
        };
        let message = OutgoingMessage::text(told.to_text()).ttl(10 * PERIOD);
        if let Err(error) = gossip.producer.send(message).await {
            tracing::debug!(%error, "not announced");
        }
    }

    /// Looks who is there, and tells clients what is new.
    fn look(&mut self) {
        let links = self.watch.links();
        let linked = links
            .into_iter()
            .filter(|link| matches!(link.state, LinkState::Live { .. }))
            .filter_map(|link| link.remote_broker);
        let connected = self.watch.connections().into_iter().filter_map(|one| match one.far_end {
            FarEnd::Broker(broker) => Some(broker),
            FarEnd::Client | FarEnd::InProcess(_) => None,
        });
        let near: Vec<(String, String)> =
            linked.chain(connected).map(|broker| (broker.name, broker.url)).collect();
        let members = {
            let mut members = self.members.lock();
            members.see(&near, Instant::now());
            members.all()
        };
        for guidance in &self.guidances {
            let admitted = members.iter().filter(|one| guidance.options().admits(&one.name));
            let mut addresses = vec![self.own_url.clone()];
            addresses.extend(admitted.map(|member| member.url.clone()));
            self.tell(guidance, addresses);
        }
    }

    fn tell(&self, guidance: &Arc<Guidance>, addresses: Vec<String>) {
        let before = guidance.addresses();
        if before == addresses {
            return;
        }
        let more = addresses.iter().any(|address| !before.contains(address));
        let options = guidance.options();
        guidance.set_addresses(addresses);
        if options.update && (more || options.update_on_remove) {
            for client in self.guided_by(guidance) {
                client.tell();
            }
        }
    }

    fn guided_by(&self, guidance: &Arc<Guidance>) -> Vec<GuidedClient> {
        let mut guided = self.connections.guided();
        guided.retain(|client| Arc::ptr_eq(&client.guidance, guidance));
        guided
    }

    /// Sends one client to a broker that lacks some. Returns how long to wait before the next;
    /// `None`: nobody has to go now.
    fn send_one_on(&mut self) -> Option<Duration> {
        let guided = self.connections.guided();
        let now = Instant::now();
        self.sent.retain(|_, sent| now.duration_since(*sent) < PEACE);
        let plan = self.members.lock().plan(guided.len());
        let candidates: Vec<&GuidedClient> = guided
            .iter()
            .filter(|client| client.guidance.options().rebalance)
            .filter(|client| !self.sent.contains_key(&client.number))
            .collect();
        let total: usize = plan.moves.iter().map(|to| to.clients).sum();
        // Those under way have not left yet.
        let leaving = guided.iter().filter(|client| self.sent.contains_key(&client.number)).count();
        if total <= leaving || candidates.is_empty() {
            return None;
        }
        let mut chosen = self.random.usize(..total);
        let to = plan.moves.iter().find(|to| {
            let here = chosen < to.clients;
            chosen = chosen.saturating_sub(to.clients);
            here
        })?;
        let client = candidates.get(self.random.usize(..candidates.len()))?;
        let others = self.others(client);
        tracing::debug!(to = to.to, "a client is sent on");
        client.send_to(&to.to, &others);
        self.members.lock().sent_to(&to.to);
        self.sent.insert(client.number, now);
        Some(Duration::from_secs(1) / client.guidance.options().rate.max(1))
    }

    /// All brokers that a client may turn to, but this one.
    fn others(&self, client: &GuidedClient) -> Vec<String> {
        let mut others = client.guidance.addresses();
        others.retain(|address| *address != self.own_url);
        others
    }

    /// Sends all clients on, none of them in one moment with all the others.
    async fn send_all_on(&mut self) {
        let guided = self.connections.guided();
        let pause = TELLING / u32::try_from(guided.len().max(1)).unwrap_or(u32::MAX);
        for client in guided {
            let refuge = {
                let mut members = self.members.lock();
                let refuge = members.refuge();
                if let Some(refuge) = &refuge {
                    members.sent_to(refuge);
                }
                refuge
            };
            let Some(refuge) = refuge else { return };
            client.send_to(&refuge, &self.others(&client));
            sleep(pause).await;
        }
    }
}

/// Waits for an announcement.
async fn hear(gossip: Option<&Gossip>) -> Announcement {
    let Some(gossip) = gossip else { return std::future::pending().await };
    loop {
        // Without more to come, the broker stops.
        let Ok(Some(delivery)) = gossip.consumer.receive().await else {
            return std::future::pending().await;
        };
        let said = delivery.text().ok().flatten();
        if let Some(said) = said.as_deref().and_then(Announcement::read) {
            return said;
        }
    }
}

impl GuideHandle {
    /// The other brokers.
    pub(crate) fn members(&self) -> impl Fn() -> (Vec<Member>, Plan) + Send + Sync + 'static {
        let (members, connections) = (Arc::clone(&self.members), self.connections.clone());
        move || {
            let clients = connections.guided().len();
            let members = members.lock();
            (members.all(), members.plan(clients))
        }
    }

    /// The broker stops: hands its clients over to others, within a bound. It must accept no more.
    pub(crate) async fn hand_over(self) {
        self.stop.cancel();
        let Ok(mut guide) = self.task.await else { return };
        let handed_over = async {
            guide.send_all_on().await;
            while guide.members.lock().refuge().is_some() && !guide.connections.guided().is_empty()
            {
                sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(HAND_OVER, handed_over).await.is_err() {
            let left = self.connections.guided().len();
            tracing::info!(left, "clients did not go to other brokers in time");
        }
    }
}

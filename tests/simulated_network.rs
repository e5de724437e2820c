//! Two whole brokers, their bridge and their clients in one process, over simulated links on a
//! paused clock: minutes pass in a moment, and one seed always leads to one history.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ferrymq::config::{
    AdminConfig, BrokerConfig, ClusterClients, Limits, TransportConnectorConfig,
};
use ferrymq::node::{Node, World};
use ferrymq_client::{
    AckMode, ConnectOptions, Connection, ConsumerOptions, IdSource, OutgoingMessage,
    ProducerOptions,
};
use ferrymq_network::config::NetworkConnectorConfig;
use ferrymq_openwire::destination::Destination;
use ferrymq_transport::clock::Clock;
use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::pace::Pace;
use ferrymq_transport::simulated::{LinkConditions, SimulatedNetwork};
use tokio::time::{Instant, sleep, sleep_until};

const EPOCH: i64 = 1_700_000_000_000;
const PORT: u16 = 61616;

/// A consumer's history: when (in virtual milliseconds) which message came.
type History = Vec<(u128, u32)>;

struct Simulation {
    network: SimulatedNetwork,
    clock: Clock,
    seed: u64,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let network = SimulatedNetwork::new(seed);
        network.set_default_conditions(LinkConditions {
            latency: Duration::from_millis(12),
            jitter: Duration::from_millis(5),
            bandwidth: Some(1024 * 1024),
            ..LinkConditions::default()
        });
        Self { network, clock: Clock::starting_at(EPOCH), seed }
    }

    /// Starts a broker on the host of its name; it bridges to `remote`.
    async fn broker(&self, name: &str, remote: Option<&str>) -> Node {
        let connector = remote.map(|remote| {
            let uri = format!("static:(tcp://{remote}:{PORT})").parse().unwrap();
            NetworkConnectorConfig::new(format!("to-{remote}"), &uri).unwrap()
        });
        let config = BrokerConfig {
            name: name.to_owned(),
            listen: vec![TransportConnectorConfig {
                name: "openwire".to_owned(),
                endpoint: Endpoint::tcp(name, PORT),
                clients: ClusterClients::default(),
                announce: None,
            }],
            network_connectors: connector.into_iter().collect(),
            limits: Limits::default(),
            store: None,
            virtual_topics: Vec::new(),
            admin: AdminConfig::off(),
        };
        let host = Arc::new(self.network.host(name));
        let world = World {
            dialer: Arc::clone(&host) as _,
            binder: host,
            clock: self.clock.clone(),
            seed: self.seed,
            store: None,
            spool: None,
            pace: Pace::default(),
        };
        Node::start(config, world).await.unwrap()
    }

    async fn client(&self, host: &str, broker: &str) -> Connection {
        let dialer = Arc::new(self.network.host(host));
        let ids = IdSource::new(host, self.seed, EPOCH);
        let options = ConnectOptions::new(dialer, self.clock.clone(), ids);
        Connection::connect(&format!("tcp://{broker}:{PORT}"), options).await.unwrap()
    }
}

/// Sends `count` messages to `queue`, evenly over `time`, each confirmed by the broker.
async fn produce(connection: Connection, queue: Destination, count: u32, time: Duration) {
    let session = connection.session(AckMode::Auto);
    let producer = session.producer(ProducerOptions::to(queue)).await.unwrap();
    let start = Instant::now();
    for number in 0..count {
        sleep_until(start + time * number / count).await;
        producer.send(OutgoingMessage::text(number.to_string())).await.unwrap();
    }
    connection.close().await.unwrap();
}

/// Receives until `count` different messages have come.
async fn consume(connection: Connection, queue: Destination, count: u32) -> History {
    let session = connection.session(AckMode::Auto);
    let consumer = session.consumer(ConsumerOptions::new(queue)).await.unwrap();
    let start = Instant::now();
    let (mut history, mut seen) = (History::new(), BTreeMap::<u32, u32>::new());
    while seen.len() < count as usize {
        let delivery = consumer.receive().await.unwrap().expect("the consumer is open");
        let number: u32 = delivery.text().unwrap().unwrap().parse().unwrap();
        *seen.entry(number).or_default() += 1;
        history.push((start.elapsed().as_millis(), number));
    }
    connection.close().await.unwrap();
    history
}

/// Ten minutes of two bridged brokers, whose link is cut for a while and goes deaf for a while.
async fn ten_minutes(seed: u64) -> History {
    const MESSAGES: u32 = 3_000;
    let simulation = Simulation::new(seed);
    let queue = Destination::queue("orders");
    let far = simulation.broker("far", None).await;
    let near = simulation.broker("near", Some("far")).await;
    let consumer = simulation.client("consumer", "far").await;
    let producer = simulation.client("producer", "near").await;
    let start = Instant::now();

    let consuming = tokio::spawn(consume(consumer, queue.clone(), MESSAGES));
    let producing = tokio::spawn(produce(producer, queue, MESSAGES, Duration::from_secs(600)));

    sleep(Duration::from_secs(60)).await;
    simulation.network.cut("near", "far");
    sleep(Duration::from_secs(20)).await;
    simulation.network.heal("near", "far");
    sleep(Duration::from_secs(120)).await;
    simulation.network.black_hole("near", "far");
    sleep(Duration::from_secs(90)).await;
    simulation.network.heal("near", "far");

    producing.await.unwrap();
    let history = consuming.await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(599));
    near.stop().await;
    far.stop().await;
    history
}

fn run(seed: u64) -> History {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(ten_minutes(seed))
}

#[test]
fn a_bridge_survives_a_cut_and_a_deaf_link_and_nothing_confirmed_is_lost() {
    // That all messages came is what `consume` waits for; order holds but for what was in doubt
    // when a link went, which comes again.
    let history = run(7);
    let mut highest = None;
    let mut repeated = 0;
    for (_, number) in &history {
        if highest.is_some_and(|highest| *number <= highest) {
            repeated += 1;
        } else {
            assert_eq!(*number, highest.map_or(0, |highest| highest + 1), "a gap");
            highest = Some(*number);
        }
    }
    assert!(repeated < 100, "{repeated} messages came again");
    let outage = history.iter().filter(|(at, _)| (61_000..80_000).contains(at)).count();
    assert_eq!(outage, 0, "messages crossed a link that was cut");
}

#[test]
fn one_seed_leads_to_one_history_and_another_to_another() {
    let history = run(1);
    assert_eq!(history, run(1));
    assert_ne!(history, run(2), "the seed decides nothing");
}

//! Brokers and clients on hosts of a simulated network.

use std::sync::Arc;

use ferrymq::config::{
    AdminConfig, BrokerConfig, ClusterClients, Limits, TransportConnectorConfig,
};
use ferrymq::node::{Node, StartError, World};
use ferrymq_client::{ConnectOptions, Connection, IdSource};
use ferrymq_network::config::NetworkConnectorConfig;
use ferrymq_store::contract::Store;
use ferrymq_transport::clock::Clock;
use ferrymq_transport::dial::Dialer;
use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::pace::Pace;
use ferrymq_transport::simulated::{LinkConditions, SimulatedNetwork};

const EPOCH: i64 = 1_700_000_000_000;
const PORT: u16 = 61616;

pub struct Simulation {
    pub network: SimulatedNetwork,
    clock: Clock,
    seed: u64,
}

impl Simulation {
    pub fn new(seed: u64, conditions: LinkConditions) -> Self {
        let network = SimulatedNetwork::new(seed);
        network.set_default_conditions(conditions);
        Self { network, clock: Clock::starting_at(EPOCH), seed }
    }

    /// The brokers' time, in milliseconds since 1970.
    pub fn now(&self) -> i64 {
        self.clock.now_millis()
    }

    /// Sets the clocks of all hosts forward or back.
    pub fn set_clocks_by(&self, millis: i64) {
        self.clock.set_by(millis);
    }

    /// When the brokers' time began.
    pub fn start_of_time(&self) -> i64 {
        EPOCH
    }

    /// Starts a broker on the host of its name; it bridges to each of `remotes`.
    pub async fn broker(&self, name: &str, remotes: &[&str], limits: Limits) -> Node {
        let dialer = Arc::new(self.network.host(name));
        self.start(name, remotes, limits, dialer, self.seed, None).await.unwrap()
    }

    /// The same, which dials through `dialer` and keeps its messages in `store`.
    pub async fn start(
        &self,
        name: &str,
        remotes: &[&str],
        limits: Limits,
        dialer: Arc<dyn Dialer>,
        seed: u64,
        store: Option<Arc<dyn Store>>,
    ) -> Result<Node, StartError> {
        let connector = |remote: &&str| {
            let uri = format!("static:(tcp://{remote}:{PORT})").parse().unwrap();
            NetworkConnectorConfig::new(format!("to-{remote}"), &uri).unwrap()
        };
        let config = BrokerConfig {
            name: name.to_owned(),
            listen: vec![TransportConnectorConfig {
                name: "openwire".to_owned(),
                endpoint: Endpoint::tcp(name, PORT),
                clients: ClusterClients::default(),
                announce: None,
            }],
            network_connectors: remotes.iter().map(connector).collect(),
            limits,
            store: None,
            admin: AdminConfig::off(),
            virtual_topics: Vec::new(),
        };
        let world = World {
            dialer,
            binder: Arc::new(self.network.host(name)),
            clock: self.clock.clone(),
            seed,
            store,
            spool: None,
            pace: Pace::default(),
        };
        Node::start(config, world).await
    }

    /// Connects a client on a host of its own.
    pub async fn client(&self, host: &str, broker: &str) -> Connection {
        Connection::connect(&address(broker), self.options(host)).await.unwrap()
    }

    /// How a client on a host of its own connects; each of its connections has its own identifier.
    pub fn options(&self, host: &str) -> ConnectOptions {
        let dialer = Arc::new(self.network.host(host));
        let ids = IdSource::new(host, self.seed, EPOCH);
        ConnectOptions::new(dialer, self.clock.clone(), ids)
    }
}

/// Where the broker of this name listens.
pub fn address(broker: &str) -> String {
    format!("tcp://{broker}:{PORT}")
}

/// Runs on a paused clock: waiting takes no time.
pub fn run<T>(story: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(story)
}

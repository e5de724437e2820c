//! A broker in this process.

use std::sync::Arc;
use std::time::Duration;

use ferrymq::config::{
    AdminConfig, BrokerConfig, ClusterClients, DestinationPolicy, Limits, TransportConnectorConfig,
    VirtualTopic,
};
use ferrymq::node::{Node, OpenSpool, World};
use ferrymq_network::config::NetworkConnectorConfig;
use ferrymq_network::destination_pattern::DestinationPattern;
use ferrymq_store::contract::Store;
use ferrymq_transport::clock::Clock;
use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::pace::Pace;
use ferrymq_transport::tcp::Tcp;
use tokio::time::timeout;

/// Only ever waited out by a failure.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Starts a broker on a free port.
pub async fn broker(limits: Limits) -> Node {
    paced_broker(limits, Pace::default()).await
}

/// Starts a broker that tells `pace` what arrives, and goes by it.
pub async fn paced_broker(limits: Limits, pace: Pace) -> Node {
    start("broker", limits, pace, Vec::new(), None, None).await
}

/// Starts a broker that keeps its persistent messages in `store`.
pub async fn keeping_broker(limits: Limits, store: Arc<dyn Store>) -> Node {
    start("broker", limits, Pace::default(), Vec::new(), Some(store), None).await
}

/// The same, with a temporary store for what waits for want of memory.
pub async fn spooling_broker(limits: Limits, store: Arc<dyn Store>, spool: OpenSpool) -> Node {
    start("broker", limits, Pace::default(), Vec::new(), Some(store), Some(spool)).await
}

/// Starts a broker with a network connector. Its name is not that of the others, so that it is never
/// taken for them.
pub async fn networked_broker(limits: Limits, connector: NetworkConnectorConfig) -> Node {
    start("near", limits, Pace::default(), vec![connector], None, None).await
}

async fn start(
    name: &str,
    limits: Limits,
    pace: Pace,
    network_connectors: Vec<NetworkConnectorConfig>,
    store: Option<Arc<dyn Store>>,
    spool: Option<OpenSpool>,
) -> Node {
    let connector = TransportConnectorConfig {
        name: "openwire".to_owned(),
        endpoint: Endpoint::tcp("127.0.0.1", 0),
        announce: None,
        clients: ClusterClients::default(),
    };
    let config = BrokerConfig {
        name: name.to_owned(),
        listen: vec![connector],
        network_connectors,
        admin: AdminConfig::off(),
        limits,
        store: None,
        virtual_topics: vec![VirtualTopic::default()],
    };
    let world = World {
        dialer: Arc::new(Tcp),
        binder: Arc::new(Tcp),
        clock: Clock::system(),
        seed: 1,
        store,
        spool,
        pace,
    };
    Node::start(config, world).await.unwrap()
}

/// Limits with one policy: what each destination of `pattern` may hold.
pub fn limited(pattern: &str, bytes: u64) -> Limits {
    let pattern = DestinationPattern::parse(pattern).unwrap();
    let policy = DestinationPolicy { memory_limit: Some(bytes), ..DestinationPolicy::new(pattern) };
    Limits { policies: vec![policy], ..Limits::default() }
}

/// Asks again and again until there is an answer.
pub async fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask() {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let answer = timeout(PATIENCE, asking).await;
    answer.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

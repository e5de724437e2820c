//! What a transport connector tells its clients about other brokers.
//!
//! Which brokers there are, and which client goes where, is for the node to say.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ferrymq_openwire::commands::ConnectionControl;
use ferrymq_openwire::text::Text;
use ferrymq_transport::outbox::Outbox;
use parking_lot::Mutex;

use crate::config::ClusterClients;

/// Since when `ConnectionControl` has room for addresses.
const FIRST_WITH_ADDRESSES: u8 = 6;

/// What a transport connector tells its clients about other brokers.
#[derive(Debug, Default)]
pub struct Guidance {
    options: ClusterClients,
    /// The addresses of all brokers that they may learn of, the own one first.
    addresses: Mutex<Vec<String>>,
    /// How many clients were told: each list begins elsewhere.
    told: AtomicUsize,
}

/// A client that may be told where to go: it fails over, and understands.
#[derive(Debug, Clone)]
pub struct GuidedClient {
    /// Its connection's number, which no other one of this broker has.
    pub number: u64,
    /// What its connector tells it.
    pub guidance: Arc<Guidance>,
    pub(super) outbox: Outbox,
}

impl Guidance {
    /// Tells what these options say; no brokers yet.
    pub fn new(options: ClusterClients) -> Self {
        Self { options, ..Self::default() }
    }

    /// What it tells of.
    pub fn options(&self) -> &ClusterClients {
        &self.options
    }

    /// The addresses of all brokers that clients may learn of, the own one first.
    pub fn addresses(&self) -> Vec<String> {
        self.addresses.lock().clone()
    }

    /// From now on there are these.
    pub fn set_addresses(&self, addresses: Vec<String>) {
        *self.addresses.lock() = addresses;
    }

    /// Whether a client that speaks this version understands.
    pub(super) fn reaches(&self, version: u8) -> bool {
        version >= FIRST_WITH_ADDRESSES && self.options.is_on()
    }

    /// What a client is told about all brokers. Each list begins with another one: clients that
    /// keep its order spread.
    pub(super) fn list(&self) -> ConnectionControl {
        let mut addresses = if self.options.update { self.addresses() } else { Vec::new() };
        if self.options.rebalance && !addresses.is_empty() {
            let turn = self.told.fetch_add(1, Ordering::Relaxed) % addresses.len();
            addresses.rotate_left(turn);
        }
        control(&addresses, "")
    }
}

impl GuidedClient {
    /// Tells it which brokers there are.
    pub fn tell(&self) {
        self.outbox.push(self.guidance.list().into());
    }

    /// Sends it there. `others` are further addresses that it may turn to, should nobody be there.
    pub fn send_to(&self, address: &str, others: &[String]) {
        let mut known = vec![address.to_owned()];
        known.extend(others.iter().filter(|other| *other != address).cloned());
        self.outbox.push(control(&known, address).into());
    }
}

/// Empty texts, not absent ones: Java clients split them without asking. Choosing anew is never
/// asked for: all would at once.
fn control(addresses: &[String], reconnect_to: &str) -> ConnectionControl {
    ConnectionControl {
        connected_brokers: Some(Text::from(addresses.join(","))),
        reconnect_to: Some(Text::from(reconnect_to)),
        ..ConnectionControl::default()
    }
}

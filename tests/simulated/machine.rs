//! A host with a disk, on which a broker lives one life after the other.

use std::io;
use std::sync::Arc;

use fastrand::Rng;
use ferrymq::config::Limits;
use ferrymq::node::Node;
use ferrymq_store::contract::Store;
use ferrymq_store::journal::{Drive, Journal, Options};
use ferrymq_store::volume::SimulatedDisk;
use ferrymq_transport::dial::{BoxFuture, DialError, Dialer, Stream};
use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::simulated::SimulatedHost;
use tokio_util::sync::CancellationToken;

use super::device::Device;
use super::simulation::Simulation;

/// Room on a disk, in bytes.
const CAPACITY: u64 = 64 * 1024 * 1024;
/// Small segments, so that little fills many.
const SEGMENT: u32 = 64 * 1024;

/// A host, its disk, and the broker that lives there, if one does.
pub struct Machine {
    simulation: Arc<Simulation>,
    name: &'static str,
    remotes: Vec<&'static str>,
    /// Tell it how to fail; it forgets that with the life in which it was told.
    pub disk: SimulatedDisk,
    random: Rng,
    life: Option<Life>,
}

struct Life {
    node: Node,
    device: Arc<Device>,
    /// Cancelled, it dials nobody any more.
    cord: CancellationToken,
}

impl Machine {
    /// A host of this name, without a broker yet. Its brokers bridge to `remotes`.
    pub fn new(
        simulation: &Arc<Simulation>,
        name: &'static str,
        remotes: &[&'static str],
        seed: u64,
    ) -> Self {
        Self {
            simulation: Arc::clone(simulation),
            name,
            remotes: remotes.to_vec(),
            disk: SimulatedDisk::new(seed, CAPACITY),
            random: Rng::with_seed(seed),
            life: None,
        }
    }

    /// The broker that lives here.
    pub fn node(&self) -> &Node {
        &self.life.as_ref().expect("a broker runs").node
    }

    /// Starts a broker on what the disk holds. One that meets a failure that the disk was told of is
    /// started again.
    pub async fn start(&mut self) {
        assert!(self.life.is_none(), "a broker runs already");
        // Twice at most: what was told is forgotten with the first failure.
        for _ in 0..3 {
            let failing = self.disk.is_told_to_fail();
            let options = Options {
                segment_bytes: SEGMENT,
                drive: Drive::Steps,
                ..Options::new(self.random.u64(..))
            };
            let journal = match Journal::open(Arc::new(self.disk.clone()), &options) {
                Ok((journal, _)) => journal,
                Err(error) => {
                    assert!(failing, "the journal of {} does not open: {error}", self.name);
                    self.blow();
                    continue;
                }
            };
            let device = Device::start(journal, &self.disk, self.random.fork());
            let cord = CancellationToken::new();
            let host = self.simulation.network.host(self.name);
            let started = self
                .simulation
                .start(
                    self.name,
                    &self.remotes,
                    Limits::default(),
                    Arc::new(Corded { host, cord: cord.clone() }),
                    self.random.u64(..),
                    Some(Arc::clone(&device) as Arc<dyn Store>),
                )
                .await;
            let node = started.unwrap_or_else(|error| panic!("{}: {error}", self.name));
            self.life = Some(Life { node, device, cord });
            return;
        }
        panic!("{} does not start", self.name);
    }

    /// Completes when the broker cannot go on: power went while its disk worked, or its store failed.
    pub async fn broken(&self) {
        let life = self.life.as_ref().expect("a broker runs");
        tokio::select! {
            biased;
            () = life.device.dark() => {}
            _ = life.node.failed() => {}
        }
    }

    /// Power is gone, and comes back: of what was not synced, anything may be there.
    pub fn lose_power(&mut self) {
        self.vanish(|disk| disk.cut_power_after(0));
        self.disk.lose_power();
    }

    /// The process ends at once (`kill -9`): all that was written is there.
    pub fn kill(&mut self) {
        self.vanish(SimulatedDisk::restart_process);
        self.disk.restart_process();
    }

    /// An orderly end.
    pub async fn stop(&mut self) {
        let Life { node, device, .. } = self.life.take().expect("a broker runs");
        node.stop().await;
        device.end();
        self.blow();
    }

    /// Whatever the disk was told, it has happened or will not.
    fn blow(&self) {
        if self.disk.is_down() { self.disk.lose_power() } else { self.disk.restart_process() }
    }

    /// Nothing of the broker reaches anybody any more.
    fn vanish(&mut self, unplug: impl FnOnce(&SimulatedDisk)) {
        let Life { node, device, cord } = self.life.take().expect("a broker runs");
        self.simulation.network.crash(self.name);
        cord.cancel();
        unplug(&self.disk);
        device.end();
        // Its tasks live on for a moment, and find neither peers nor disk.
        tokio::spawn(node.stop());
    }
}

/// Dials until the cord is cut.
struct Corded {
    host: SimulatedHost,
    cord: CancellationToken,
}

impl Dialer for Corded {
    fn dial<'a>(&'a self, endpoint: &'a Endpoint) -> BoxFuture<'a, Result<Stream, DialError>> {
        Box::pin(async move {
            tokio::select! {
                biased;
                () = self.cord.cancelled() => Err(DialError::Connect {
                    endpoint: endpoint.clone(),
                    addresses: Vec::new(),
                    source: io::ErrorKind::NetworkDown.into(),
                }),
                dialled = self.host.dial(endpoint) => dialled,
            }
        })
    }
}

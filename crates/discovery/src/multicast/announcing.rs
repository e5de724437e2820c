//! The task that announces a broker to a group.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use ferrymq_transport::clock::Clock;
use ferrymq_transport::endpoint::Endpoint;
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::config::MulticastConfig;
use super::interface::ways;
use super::packet::{LONGEST, write};
use super::secret::Secret;
use super::socket::to_announce;

/// How long to wait before what does not work is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// After so many announcements the interface is chosen anew.
const LOOK_AGAIN: u32 = 20;

/// Announces `endpoint` until told to stop, and takes leave then.
pub(crate) async fn announce(
    config: MulticastConfig,
    endpoint: Endpoint,
    clock: Clock,
    mut stopping: watch::Receiver<bool>,
) {
    let mut stop = std::pin::pin!(async move {
        let _ = stopping.wait_for(|stop| *stop).await;
    });
    let mut complained = false;
    let mut herald = Herald { config, endpoint, clock, secret: None, counter: 0 };
    loop {
        let announced = tokio::select! {
            biased;
            () = &mut stop => {
                herald.take_leave().await;
                return;
            }
            announced = herald.announce_for_a_while() => announced,
        };
        match announced {
            Ok(()) => complained = false,
            Err(error) => {
                if !std::mem::replace(&mut complained, true) {
                    let endpoint = &herald.endpoint;
                    tracing::warn!(%endpoint, %error, "cannot announce this broker; trying again");
                }
                tokio::select! {
                    biased;
                    () = &mut stop => return,
                    () = sleep(RETRY) => {}
                }
            }
        }
    }
}

struct Herald {
    config: MulticastConfig,
    endpoint: Endpoint,
    clock: Clock,
    secret: Option<Secret>,
    /// The last number that a proof had.
    counter: u64,
}

impl Herald {
    /// Announces until the interface may be another one.
    async fn announce_for_a_while(&mut self) -> io::Result<()> {
        let (socket, service) = self.open().await?;
        let mut times = interval(self.config.keep_alive);
        times.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for _ in 0..LOOK_AGAIN {
            times.tick().await;
            self.say(&socket, true, &service).await?;
        }
        // The next one is due in its time.
        times.tick().await;
        Ok(())
    }

    async fn take_leave(&mut self) {
        let left = match self.open().await {
            Ok((socket, service)) => self.say(&socket, false, &service).await,
            Err(error) => Err(error),
        };
        if let Err(error) = left {
            tracing::debug!(%error, "cannot take leave of the group");
        }
    }

    /// A socket, and the address to announce by it.
    async fn open(&mut self) -> io::Result<(UdpSocket, String)> {
        if let (None, Some(path)) = (&self.secret, &self.config.secret_file) {
            let secret = Secret::read(path).await.map_err(|error| {
                io::Error::other(format!("no secret in {}: {error}", path.display()))
            })?;
            self.secret = Some(secret);
        }
        // Nobody elsewhere can dial a loopback address.
        let time_to_live =
            if is_loopback(&self.endpoint.host) { 0 } else { self.config.time_to_live };
        let ways = ways(&self.config.interface, self.config.address)?;
        let socket = to_announce(&self.config, ways, time_to_live)?;
        let host = match self.endpoint.host.as_str() {
            // Any of this machine's: then the one that the group sees.
            "0.0.0.0" | "::" => reachable(&self.endpoint.host, socket.local_addr()?.ip())?,
            host => host.to_owned(),
        };
        Ok((socket, Endpoint { host, ..self.endpoint.clone() }.to_string()))
    }

    async fn say(&mut self, socket: &UdpSocket, alive: bool, service: &str) -> io::Result<()> {
        // Grows also from one run of the broker to the next.
        let now = u64::try_from(self.clock.wall_millis()).unwrap_or_default();
        self.counter = now.max(self.counter.saturating_add(1));
        let proof = self.secret.as_ref().map(|secret| (secret, self.counter));
        let packet = write(&self.config.group, alive, service, proof);
        if packet.len() > LONGEST {
            return Err(io::Error::other("the announcement is longer than a packet"));
        }
        socket.send(packet.as_bytes()).await.map(|_| ())
    }
}

/// The address that the group sees, as others can dial it.
fn reachable(listens_at: &str, own: IpAddr) -> io::Result<String> {
    let problem = match own {
        IpAddr::V6(_) if listens_at == "0.0.0.0" => {
            "it listens to IPv4 alone, and the group is of IPv6; listen on [::], or announce a name"
        }
        IpAddr::V6(own) if own.is_unicast_link_local() => {
            "the interface has no IPv6 address that others could dial; listen on a name"
        }
        own => return Ok(own.to_string()),
    };
    Err(io::Error::other(problem))
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

//! The task that listens to a group.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::config::MulticastConfig;
use super::group::{Group, GroupSettings, Heard, Refusal};
use super::interface::{Ways, ways};
use super::packet::LONGEST;
use super::secret::Secret;
use super::socket::to_listen;
use crate::allowance::Allowance;
use crate::known::Known;
use crate::own::{Own, is_local};
use crate::running::Discovery;

/// How long to wait before what does not work is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// How often the machine's interfaces are looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// Packets that are looked at within [`ROUND`]; what comes beyond, the system drops.
const MOST_PACKETS: u32 = 1024;
const ROUND: Duration = Duration::from_millis(250);

/// Listens to a group for as long as it is wanted.
pub(crate) fn listen(config: MulticastConfig, own: Own) -> Discovery {
    Discovery::spawn(|known| run(config, own, known))
}

async fn run(config: MulticastConfig, own: Own, known: watch::Sender<Arc<Known>>) {
    let mut complained = false;
    let secret = loop {
        let Some(path) = &config.secret_file else { break None };
        match Secret::read(path).await {
            Ok(secret) => break Some(secret),
            // Without the secret it would believe anybody.
            Err(error) => complain(
                &mut complained,
                format_args!("cannot listen without the secret in {}: {error}", path.display()),
            ),
        }
        sleep(RETRY).await;
    };
    let group = Group::new(GroupSettings {
        group: config.group.clone(),
        expiry: config.expiry,
        secret,
        discovered: config.discovered.clone(),
        own,
        is_local,
    });
    let mut listener = Listener { group, known, refused: BTreeSet::new() };
    loop {
        match open(&config) {
            Ok((socket, ways)) => {
                complained = false;
                tracing::debug!(group = %config.address, ?ways, "listening for brokers");
                if let Err(error) = listener.listen(&config, &socket, ways).await {
                    complain(&mut complained, format_args!("cannot hear the group: {error}"));
                }
            }
            Err(error) => {
                let address = config.address;
                complain(&mut complained, format_args!("cannot join {address}: {error}"));
            }
        }
        let retry = Instant::now() + RETRY;
        // Who is silent for too long goes, whether or not we could have heard it.
        while Instant::now() < retry {
            sleep_until(listener.group.next_expiry().map_or(retry, |at| at.min(retry))).await;
            listener.expire();
        }
    }
}

fn open(config: &MulticastConfig) -> io::Result<(UdpSocket, Ways)> {
    let ways = ways(&config.interface, config.address)?;
    Ok((to_listen(config, ways)?, ways))
}

/// Warns of an outage once, not each time that it goes on.
fn complain(complained: &mut bool, what: std::fmt::Arguments<'_>) {
    if !std::mem::replace(complained, true) {
        tracing::warn!("multicast discovery: {what}; trying again");
    }
}

struct Listener {
    group: Group,
    known: watch::Sender<Arc<Known>>,
    /// What was complained of already.
    refused: BTreeSet<Refusal>,
}

impl Listener {
    /// Listens until the socket fails or another interface is the right one.
    async fn listen(
        &mut self,
        config: &MulticastConfig,
        socket: &UdpSocket,
        opened: Ways,
    ) -> io::Result<()> {
        // One more than may be, to tell what is too long.
        let mut buffer = vec![0; LONGEST + 1];
        let mut budget = Allowance::new(MOST_PACKETS, ROUND / MOST_PACKETS);
        let mut look_again = Instant::now() + LOOK_AGAIN;
        loop {
            let until = self.group.next_expiry().map_or(look_again, |at| at.min(look_again));
            tokio::select! {
                biased;
                () = sleep_until(until) => {
                    self.expire();
                    if Instant::now() >= look_again {
                        look_again = Instant::now() + LOOK_AGAIN;
                        if ways(&config.interface, config.address).is_ok_and(|now| now != opened) {
                            return Ok(());
                        }
                    }
                }
                received = socket.recv_from(&mut buffer) => {
                    let (length, source) = received?;
                    if budget.take(Instant::now()) {
                        self.hear(buffer.get(..length).unwrap_or_default(), source);
                    } else {
                        // The system drops what does not fit meanwhile, which costs nothing here.
                        sleep(ROUND).await;
                    }
                }
            }
        }
    }

    fn hear(&mut self, packet: &[u8], source: SocketAddr) {
        match self.group.hear(packet, source.ip(), Instant::now()) {
            Heard::New | Heard::Left => self.tell(),
            Heard::Again | Heard::Own | Heard::Unheeded => {}
            Heard::Refused(refusal) => self.note(refusal, source),
        }
    }

    fn expire(&mut self) {
        let silent = self.group.expire(Instant::now());
        if !silent.is_empty() {
            tracing::debug!(?silent, "announced no more");
        }
        self.tell();
    }

    /// Replaces what is known, if it has changed.
    fn tell(&mut self) {
        let now = self.group.known();
        self.known.send_if_modified(|known| {
            let changed = **known != now;
            if changed {
                *known = Arc::new(now);
            }
            changed
        });
    }

    /// A word for each kind of refusal: who floods the group does not flood the log.
    fn note(&mut self, refusal: Refusal, source: SocketAddr) {
        if self.refused.insert(refusal) {
            tracing::warn!(%source, reason = %refusal, "an announcement is ignored, and others like it");
        }
    }
}

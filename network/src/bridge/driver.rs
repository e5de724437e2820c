//! Moves commands between a bridge and its two links.
//!
//! Everything that is decided is decided by the machine. Writing is never waited for: commands go
//! to outboxes, and each link's pump writes in a task of its own. What bounds the outboxes are the
//! prefetch windows; and while the remote link takes nothing, no more is read from the local one, so
//! that copies of messages are made only when they can leave. Of what the remote broker does not
//! confirm, the bridge's credit bounds the copies.

use std::future::pending;
use std::time::Duration;

use ferrymq_openwire::command::Command;
use ferrymq_transport::link::{Link, LinkError, Receiver};
use ferrymq_transport::outbox::Outbox;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::effects::{Effects, Event};
use super::machine::{Bridge, BridgeCounts};
use super::phase::{BridgeEnd, Phase};
use crate::local_broker::BrokerIdentity;

/// Commands that may wait for the remote link before the local one is read again.
const REMOTE_BACKLOG: usize = 1024;
/// How long the last words to a peer may take.
const FAREWELL_LIMIT: Duration = Duration::from_secs(2);

/// Sees what a bridge does.
pub trait Observer {
    /// Something happened.
    fn told(&mut self, event: &Event);
    /// The numbers after a batch.
    fn counted(&mut self, counts: BridgeCounts);
}

/// Runs a bridge over a fresh link to the remote broker until it is over, and closes both links.
/// `open_local` opens the link to the own broker once the remote one is known, or says why there
/// is to be no bridge; `stop` completes when the bridge is to end.
pub async fn run(
    bridge: Bridge,
    remote: Link,
    open_local: impl Fn(&BrokerIdentity) -> Result<Link, BridgeEnd>,
    observer: &mut impl Observer,
    stop: impl Future<Output = ()>,
) -> BridgeEnd {
    let mut driver = Driver {
        bridge,
        remote: End::new(remote),
        local: None,
        open_local,
        observer,
        effects: Effects::default(),
        from_remote: Vec::new(),
        from_local: Vec::new(),
    };
    let end = driver.drive(stop).await;
    let Driver { remote, local, .. } = driver;
    if matches!(end, BridgeEnd::RemoteDeaf { .. }) {
        remote.outbox.abort();
    }
    // Both at once: a remote that takes nothing must not hold up the local farewell.
    tokio::join!(remote.leave(), async {
        if let Some(local) = local {
            local.leave().await;
        }
    });
    end
}

struct Driver<'a, O, F> {
    bridge: Bridge,
    remote: End,
    local: Option<End>,
    open_local: F,
    observer: &'a mut O,
    effects: Effects,
    from_remote: Vec<Command>,
    from_local: Vec<Command>,
}

/// One link, its pump running.
struct End {
    receiver: Receiver,
    outbox: Outbox,
    pump: JoinHandle<Result<(), LinkError>>,
}

impl End {
    fn new(link: Link) -> Self {
        let Link { receiver, outbox, pump, .. } = link;
        Self { receiver, outbox, pump: tokio::spawn(pump.run()) }
    }

    /// Lets what is queued go out, within reason.
    async fn leave(self) {
        let Self { receiver, outbox, mut pump } = self;
        outbox.close();
        if timeout(FAREWELL_LIMIT, &mut pump).await.is_err() {
            outbox.abort();
            pump.abort();
        }
        drop(receiver);
    }
}

enum Input {
    Stop,
    Local(Result<(), LinkError>),
    Remote(Result<(), LinkError>),
    Tick,
    /// The remote link took some of what was waiting.
    Drained,
}

impl<O: Observer, F: Fn(&BrokerIdentity) -> Result<Link, BridgeEnd>> Driver<'_, O, F> {
    async fn drive(&mut self, stop: impl Future<Output = ()>) -> BridgeEnd {
        let mut stop = std::pin::pin!(stop);
        let mut stopping = false;
        loop {
            let congested = self.remote.outbox.pending() >= REMOTE_BACKLOG;
            let tick = self.bridge.next_tick();
            let input = tokio::select! {
                biased;
                () = &mut stop, if !stopping => Input::Stop,
                received = self.remote.receiver.receive(&mut self.from_remote) => {
                    Input::Remote(received)
                },
                received = receive(self.local.as_mut(), &mut self.from_local), if !congested => {
                    Input::Local(received)
                }
                () = self.remote.outbox.drained_below(REMOTE_BACKLOG), if congested => {
                    Input::Drained
                }
                () = at(tick) => Input::Tick,
            };
            let now = Instant::now();
            match input {
                Input::Stop => {
                    stopping = true;
                    self.bridge.stop(now);
                }
                Input::Remote(received) => {
                    for command in self.from_remote.drain(..) {
                        self.bridge.handle_remote(command, now);
                    }
                    if let Err(error) = received {
                        self.bridge.fail(BridgeEnd::remote_lost(&error));
                    }
                }
                Input::Local(received) => {
                    for command in self.from_local.drain(..) {
                        self.bridge.handle_local(command, now);
                    }
                    if let Err(error) = received {
                        self.bridge.fail(BridgeEnd::local_lost(&error));
                    }
                }
                Input::Tick | Input::Drained => {}
            }
            self.bridge.handle_tick(now);
            self.carry_out();
            if let Phase::Over { end } = self.bridge.phase() {
                return end.clone();
            }
        }
    }

    fn carry_out(&mut self) {
        self.bridge.take_effects(&mut self.effects);
        let mut refused = None;
        for event in self.effects.events.drain(..) {
            if let Event::RemoteKnown(remote) = &event {
                match (self.open_local)(remote) {
                    Ok(link) => self.local = Some(End::new(link)),
                    Err(end) => refused = Some(end),
                }
            }
            self.observer.told(&event);
        }
        if let Some(end) = refused {
            self.bridge.fail(end);
            self.bridge.take_effects(&mut self.effects);
        }
        // A closed outbox ends its receiver as well, which tells why.
        self.remote.outbox.push_all(&mut self.effects.to_remote);
        match &self.local {
            Some(local) => {
                local.outbox.push_all(&mut self.effects.to_local);
            }
            None => self.effects.to_local.clear(),
        }
        self.observer.counted(self.bridge.counts());
    }
}

async fn receive(end: Option<&mut End>, batch: &mut Vec<Command>) -> Result<(), LinkError> {
    match end {
        Some(end) => end.receiver.receive(batch).await,
        None => pending().await,
    }
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}

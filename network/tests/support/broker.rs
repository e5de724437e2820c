//! The fake brokers as tasks behind real links, for tests of driver and connector.

use std::sync::Arc;

use ferrymq_network::local_broker::{BrokerIdentity, LocalBroker};
use ferrymq_network::rules::permit::Permits;
use ferrymq_openwire::command::Command;
use ferrymq_transport::link::Link;
use ferrymq_transport::pipe::pipe;
use parking_lot::Mutex;

use super::local::FakeLocal;
use super::make::broker;
use super::remote::FakeRemote;

/// The bridge's own broker: one [`FakeLocal`] behind pipes. A new pipe ends the one before.
#[derive(Clone, Default)]
pub struct Own {
    pub state: Arc<Mutex<FakeLocal>>,
    changed: Arc<tokio::sync::Notify>,
}

impl Own {
    /// Changes the broker from outside, and lets what follows go out.
    pub fn change<T>(&self, change: impl FnOnce(&mut FakeLocal) -> T) -> T {
        let outcome = change(&mut self.state.lock());
        self.changed.notify_waiters();
        outcome
    }
}

impl LocalBroker for Own {
    fn identity(&self) -> BrokerIdentity {
        broker("local")
    }

    fn open_link(&self, remote: &BrokerIdentity, _: Arc<Permits>) -> Link {
        let (near, mut far) = pipe("local", &remote.name);
        let this = self.clone();
        this.state.lock().greet();
        tokio::spawn(async move {
            loop {
                let changed = this.changed.notified();
                let mut waiting: Vec<_> = this.state.lock().out.drain(..).collect();
                far.outbox.push_all(&mut waiting);
                let mut batch = Vec::new();
                tokio::select! {
                    biased;
                    received = far.receiver.receive(&mut batch) => {
                        let mut state = this.state.lock();
                        batch.into_iter().for_each(|command| state.take(command));
                        if received.is_err() {
                            state.sever();
                            return;
                        }
                    }
                    () = changed => {}
                }
            }
        });
        near
    }

    fn serve(&self, _: Link) {
        panic!("no connector here is duplex");
    }
}

/// The remote broker: one [`FakeRemote`], over whatever link it is given.
#[derive(Clone, Default)]
pub struct Other {
    pub state: Arc<Mutex<FakeRemote>>,
    changed: Arc<tokio::sync::Notify>,
}

impl Other {
    /// Changes the broker from outside, and lets what follows go out.
    pub fn change<T>(&self, change: impl FnOnce(&mut FakeRemote) -> T) -> T {
        let outcome = change(&mut self.state.lock());
        self.changed.notify_waiters();
        outcome
    }

    /// Serves one link until it ends; every message is accepted at once.
    pub async fn serve(self, link: Link) {
        let Link { mut receiver, outbox, pump, .. } = link;
        let pump = tokio::spawn(pump.run());
        self.state.lock().greet();
        loop {
            let changed = self.changed.notified();
            let mut waiting: Vec<Command> = {
                let mut state = self.state.lock();
                while !state.unanswered.is_empty() {
                    state.answer(0);
                }
                state.out.drain(..).collect()
            };
            outbox.push_all(&mut waiting);
            let mut batch = Vec::new();
            tokio::select! {
                biased;
                received = receiver.receive(&mut batch) => {
                    let mut state = self.state.lock();
                    batch.into_iter().for_each(|command| state.take(command));
                    if received.is_err() {
                        state.sever();
                        break;
                    }
                }
                () = changed => {}
            }
        }
        outbox.close();
        let _ = pump.await;
    }
}

//! The whole: two brokers, the bridge, four wires, and a clock that tests turn.

use std::collections::VecDeque;
use std::time::Duration;

use ferrymq_network::bridge::effects::{Effects, Event};
use ferrymq_network::bridge::machine::Bridge;
use ferrymq_network::bridge::phase::{BridgeEnd, Phase};
use ferrymq_network::bridge::settings::BridgeSettings;
use ferrymq_network::config::NetworkConnectorConfig;
use ferrymq_openwire::command::Command;
use tokio::time::Instant;

use super::local::FakeLocal;
use super::make;
use super::remote::FakeRemote;

pub struct World {
    pub config: NetworkConnectorConfig,
    pub bridge: Bridge,
    pub local: FakeLocal,
    pub remote: FakeRemote,
    /// From the bridge.
    pub to_local: VecDeque<Command>,
    pub to_remote: VecDeque<Command>,
    pub events: Vec<Event>,
    pub now: Instant,
    incarnation: u64,
}

impl World {
    pub fn new(config: NetworkConnectorConfig) -> Self {
        Self::with(make::settings(&config, 1))
    }

    pub fn with(settings: BridgeSettings) -> Self {
        let now = Instant::now();
        let config = (*settings.config).clone();
        let mut world = Self {
            bridge: Bridge::new(settings, now),
            config,
            local: FakeLocal::default(),
            remote: FakeRemote::default(),
            to_local: VecDeque::new(),
            to_remote: VecDeque::new(),
            events: Vec::new(),
            now,
            incarnation: 1,
        };
        world.local.greet();
        world.remote.greet();
        world
    }

    /// A world whose bridge is up.
    pub fn live(config: NetworkConnectorConfig) -> Self {
        let mut world = Self::new(config);
        world.settle();
        assert!(matches!(world.bridge.phase(), Phase::Live { .. }), "{:?}", world.bridge.phase());
        world
    }

    /// Carries out what the bridge wants.
    pub fn carry_out(&mut self) {
        let mut effects = Effects::default();
        self.bridge.take_effects(&mut effects);
        self.to_local.extend(effects.to_local);
        self.to_remote.extend(effects.to_remote);
        self.events.extend(effects.events);
    }

    /// Lets one command arrive; false if that wire is empty.
    pub fn arrive(&mut self, wire: usize) -> bool {
        let now = self.now;
        let moved = match wire {
            0 => self.local.out.pop_front().map(|command| self.bridge.handle_local(command, now)),
            1 => self.remote.out.pop_front().map(|command| self.bridge.handle_remote(command, now)),
            2 => self.to_local.pop_front().map(|command| self.local.take(command)),
            3 => self.to_remote.pop_front().map(|command| self.remote.take(command)),
            _ => unreachable!(),
        };
        self.carry_out();
        moved.is_some()
    }

    /// One command of each wire; whether there was any.
    fn arrive_each(&mut self) -> bool {
        let moved = [0, 1, 2, 3].map(|wire| self.arrive(wire));
        moved.contains(&true)
    }

    /// Lets everything arrive, answering all messages, until nothing moves.
    pub fn settle(&mut self) {
        loop {
            let moved = self.arrive_each();
            let answered = !self.remote.unanswered.is_empty();
            while !self.remote.unanswered.is_empty() {
                self.remote.answer(0);
            }
            if !moved && !answered {
                return;
            }
        }
    }

    /// Lets everything arrive; messages stay unanswered.
    pub fn settle_unanswered(&mut self) {
        while self.arrive_each() {}
    }

    pub fn wait(&mut self, duration: Duration) {
        self.now += duration;
        self.bridge.handle_tick(self.now);
        self.carry_out();
    }

    /// The link to the remote broker breaks: what is on its wires is gone. The local end is told.
    pub fn cut(&mut self) {
        self.bridge.fail(BridgeEnd::RemoteLost("cut".to_owned()));
        self.carry_out();
        self.to_remote.clear();
        self.remote.sever();
        while self.arrive(2) {}
        self.local.sever();
    }

    /// The process dies: nobody is told anything.
    pub fn crash(&mut self) {
        self.to_local.clear();
        self.to_remote.clear();
        self.remote.sever();
        self.local.sever();
    }

    /// A new bridge over a new link.
    pub fn redial(&mut self) {
        self.incarnation += 1;
        self.bridge = Bridge::new(make::settings(&self.config, self.incarnation), self.now);
        self.local.greet();
        self.remote.greet();
    }

    pub fn end(&self) -> Option<&BridgeEnd> {
        match self.bridge.phase() {
            Phase::Over { end } => Some(end),
            _ => None,
        }
    }
}

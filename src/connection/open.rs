//! Opening a connection and its sessions; meeting a broker.

use std::sync::Arc;

use ferrymq_network::BrokerIdentity;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{
    BrokerInfo, BrokerSubscriptionInfo, ConnectionInfo, ConsumerInfo, DestinationInfo, SessionInfo,
};
use ferrymq_openwire::text::Text;

use super::peer::{Duplex, Outcome, Peer, Resends};
use super::refusal::Refusal;
use super::synchronises::Synchronises;
use crate::routing::Broker;

/// How many sessions one connection may open.
const MOST_SESSIONS: usize = 16_384;

/// What the broker says about itself to every peer.
pub(super) fn own_broker_info(broker: &Broker) -> Command {
    let identity = broker.identity();
    Command::BrokerInfo(Box::new(BrokerInfo {
        broker_id: Some(identity.id.clone()),
        broker_name: Some(Text::from(identity.name.as_str())),
        broker_url: Some(Text::from(identity.url.as_str())),
        network_properties: Some(identity.properties())
            .filter(|properties| !properties.is_empty())
            .map(Text::from),
        ..BrokerInfo::default()
    }))
}

impl Peer {
    pub(super) fn open(&mut self, info: &ConnectionInfo) -> Result<Outcome, Refusal> {
        if let Some(client) = &self.client {
            return if Some(client.connection_id()) == info.connection_id.as_ref() {
                Ok(Outcome::Done)
            } else {
                Err(Refusal::protocol("a second connection over one link is not supported"))
            };
        }
        if self.leaving.is_some() {
            return Err(Refusal::protocol("the former connection over this link still closes"));
        }
        self.admit_bridge()?;
        let own = self.permits.is_some().then(|| self.broker.identity().id.clone());
        let (client, former) = self.broker.open_client(
            info.connection_id.as_ref(),
            info.client_id.as_ref(),
            &self.remote,
            own.as_ref().or(self.bridge_of.as_ref()),
            self.end.clone(),
        )?;
        tracing::debug!(remote = %self.remote, client = %client.client_id(), "connected");
        self.entry.opened_by(client.client_id(), client.connection_id());
        self.client = Some(client);
        self.closed = false;
        self.resends = Resends::of(info);
        self.former = former;
        if self.permits.is_some() {
            // A bridge of our own takes up what its predecessors left.
            let mut left = self.broker.durable_consumers();
            left.retain(|info| info.network_subscription);
            left.extend(self.in_doubt());
            self.tell(left);
        }
        if info.manageable {
            let told = self.guidance.clone().unwrap_or_default();
            self.outbox.push(told.list().into());
            if info.fault_tolerant && !self.is_network {
                self.entry.is_guided_by(self.guidance.as_ref());
            }
        }
        Ok(Outcome::Done)
    }

    /// The peer is a broker: its bridge reads demand here and forwards messages to here.
    pub(super) fn meet_broker(&mut self, info: &BrokerInfo) -> Result<Outcome, Refusal> {
        if self.is_network {
            return Err(Refusal::protocol("a second BrokerInfo on one connection"));
        }
        if info.slave_broker {
            return Err(Refusal::protocol("replication to a slave broker is not supported"));
        }
        let name = info.broker_name.as_ref().map(ToString::to_string).unwrap_or_default();
        if self.permits.is_some() {
            tracing::debug!(to = %name, "an own bridge has connected");
        } else {
            tracing::info!(remote = %self.remote, broker = %name, "a broker's bridge has connected");
        }
        self.is_network = true;
        self.synchronises = Synchronises::asked(info, self.version).or(self.synchronises);
        self.bridge_of.clone_from(&info.broker_id);
        self.foreign = self.permits.is_some() && BrokerIdentity::is_foreign(info);
        self.entry.is_of_broker(info);
        if info.duplex_connection {
            self.duplex = Duplex::Wanted(Box::new(info.clone()));
        }
        Ok(Outcome::Done)
    }

    /// A bridge that asked for it is told which durable subscriptions there are, once it listens
    /// to their comings and goings: what happens from now on it learns from advisories.
    pub(super) fn synchronise(&mut self, consumer: &ConsumerInfo) {
        let listens = consumer.destination.as_ref().is_some_and(|topic| {
            topic.name().to_string_lossy().contains("ActiveMQ.Advisory.Consumer.")
        });
        if !listens {
            return;
        }
        match self.synchronises.take() {
            None => {}
            Some(Synchronises::Durables) => self.tell(self.broker.durable_consumers()),
            Some(Synchronises::Topics) => {
                let mut told = self.broker.durable_consumers();
                told.extend(self.broker.topic_consumers());
                self.tell(told);
            }
        }
    }

    fn tell(&self, consumers: Vec<ConsumerInfo>) {
        self.outbox.push(Command::BrokerSubscriptionInfo(Box::new(BrokerSubscriptionInfo {
            broker_name: Some(Text::from(self.broker.identity().name.as_str())),
            subscription_infos: Some(consumers.into_iter().map(Some).collect()),
            ..BrokerSubscriptionInfo::default()
        })));
    }

    /// Whether the peer may have the bridge back that it asked for. It is started when the peer is
    /// let in.
    fn admit_bridge(&mut self) -> Result<(), Refusal> {
        let Duplex::Wanted(info) = std::mem::take(&mut self.duplex) else { return Ok(()) };
        let Some(bridges) = &self.bridges_back else {
            return Err(Refusal::protocol("a duplex bridge needs a link of its own"));
        };
        let bridge = bridges.admit(&info).map_err(Refusal::protocol)?;
        self.duplex = Duplex::Admitted(bridge);
        Ok(())
    }

    pub(super) fn add_session(&mut self, info: &SessionInfo) -> Result<Outcome, Refusal> {
        let Some(id) = &info.session_id else {
            return Err(Refusal::state("the session has no identifier"));
        };
        if self.sessions.len() >= MOST_SESSIONS {
            return Err(Refusal::limit(format!("more than {MOST_SESSIONS} sessions")));
        }
        self.sessions.insert(id.value);
        Ok(Outcome::Done)
    }

    /// A session that the peer has opened; the connection's own (-1) always is.
    pub(super) fn check_session(&self, session: i64) -> Result<(), Refusal> {
        if session == -1 || self.sessions.contains(&session) {
            return Ok(());
        }
        Err(Refusal::state(format!("there is no session {session} on this connection")))
    }

    pub(super) fn change_destination(
        &mut self,
        info: &DestinationInfo,
    ) -> Result<Outcome, Refusal> {
        let (Some(client), Some(address)) = (&self.client, &info.destination) else {
            return Err(Refusal::state("the destination has no name"));
        };
        let broker = Arc::clone(&self.broker);
        match info.operation_type {
            0 => broker.add_destination(info, address, client, self.is_network)?,
            1 => broker.remove_destination(info, address, client, self.is_network)?,
            other => return Err(Refusal::state(format!("unknown destination operation {other}"))),
        }
        Ok(Outcome::Done)
    }
}

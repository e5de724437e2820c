//! Opening a connection under a client's identifiers, and holding them.

use std::sync::Arc;

use ferrymq_openwire::ids::{BrokerId, ConnectionId};
use ferrymq_openwire::text::Text;
use tokio_util::sync::CancellationToken;

use super::broker::Broker;
use super::clients::{Holder, OpenError};

/// Holds a client's identifiers while its connection is open.
pub struct ClientLease {
    broker: Arc<Broker>,
    number: u64,
    connection_id: ConnectionId,
    client_id: Text,
    gone: CancellationToken,
}

/// A connection of the same identifier, over another link, that is told to end: a client that
/// failed over left it behind.
pub struct Former {
    gone: CancellationToken,
}

impl Former {
    /// Waits until it has let go of its consumers and temporary destinations, so that they are not
    /// torn from its successor, which has them under the same names.
    pub async fn gone(&self) {
        self.gone.cancelled().await;
    }
}

impl ClientLease {
    /// The connection's identifier.
    pub fn connection_id(&self) -> &ConnectionId {
        &self.connection_id
    }

    /// The client's identifier.
    pub fn client_id(&self) -> &Text {
        &self.client_id
    }

    /// A number that no other connection of this broker has had.
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl Broker {
    /// Opens a connection under its identifiers. `end` ends it, should the same connection come
    /// again over another link (a client that failed over): the later one wins, and waits for the
    /// former's end. So does the bridge of a broker (`bridge_of`) win against an earlier one of the
    /// same broker and client id: the broker has one of a name, and knows that it lost the link.
    pub fn open_client(
        self: &Arc<Self>,
        connection_id: Option<&ConnectionId>,
        client_id: Option<&Text>,
        remote: &str,
        bridge_of: Option<&BrokerId>,
        end: CancellationToken,
    ) -> Result<(ClientLease, Option<Former>), OpenError> {
        let connection_id = connection_id
            .filter(|id| id.value.is_some())
            .cloned()
            .ok_or(OpenError::NoConnectionId)?;
        let client_id = client_id
            .filter(|id| !id.as_bytes().is_empty())
            .cloned()
            .ok_or(OpenError::NoClientId)?;
        let mut clients = self.clients.lock();
        let mut displaced = None;
        if let Some((_, holder, other)) = clients.by_client.get(&client_id)
            && *holder != connection_id
        {
            let held = clients.by_connection.get(holder);
            let holder = held.and_then(|held| held.bridge_of.as_ref());
            let (client_id, remote) = (client_id.to_string(), other.clone());
            match (holder, bridge_of) {
                (Some(holder), Some(broker)) if holder == broker => {
                    displaced = held.map(|held| (held.end.clone(), held.gone.clone()));
                }
                (Some(holder), Some(_)) => {
                    let holder = holder.clone();
                    return Err(OpenError::NamesakeConnected { client_id, remote, holder });
                }
                _ => return Err(OpenError::ClientIdInUse { client_id, remote }),
            }
        }
        clients.next += 1;
        let number = clients.next;
        clients
            .by_client
            .insert(client_id.clone(), (number, connection_id.clone(), remote.to_owned()));
        let gone = CancellationToken::new();
        let bridge_of = bridge_of.cloned();
        let holder = Holder { number, bridge_of, end, gone: gone.clone() };
        let former = clients.by_connection.insert(connection_id.clone(), holder);
        drop(clients);
        let former = former.map(|former| (former.end, former.gone)).or(displaced);
        let former = former.map(|(end, gone)| {
            end.cancel();
            Former { gone }
        });
        let broker = Arc::clone(self);
        Ok((ClientLease { broker, number, connection_id, client_id, gone }, former))
    }

    /// How many connections are open.
    pub fn open_clients(&self) -> usize {
        self.clients.lock().by_connection.len()
    }
}

impl Drop for ClientLease {
    fn drop(&mut self) {
        let mut clients = self.broker.clients.lock();
        let number = self.number;
        if clients.by_client.get(&self.client_id).is_some_and(|(holder, ..)| *holder == number) {
            clients.by_client.remove(&self.client_id);
        }
        let held = clients.by_connection.get(&self.connection_id);
        if held.is_some_and(|holder| holder.number == number) {
            clients.by_connection.remove(&self.connection_id);
        }
        drop(clients);
        self.gone.cancel();
    }
}

//! Which clients are connected.

use std::collections::HashMap;

use ferrymq_openwire::ids::{BrokerId, ConnectionId};
use ferrymq_openwire::text::Text;
use tokio_util::sync::CancellationToken;

/// The open connections, by their identifiers and by their clients'.
#[derive(Default)]
pub(super) struct Clients {
    pub(super) next: u64,
    pub(super) by_connection: HashMap<ConnectionId, Holder>,
    pub(super) by_client: HashMap<Text, (u64, ConnectionId, String)>,
}

/// Who holds a connection's identifier.
pub(super) struct Holder {
    pub(super) number: u64,
    /// The broker whose bridge it is.
    pub(super) bridge_of: Option<BrokerId>,
    /// Ends its connection.
    pub(super) end: CancellationToken,
    /// Cancelled when it has let go of all that it had.
    pub(super) gone: CancellationToken,
}

/// Why a connection is not opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// No connection identifier.
    #[error("the connection has no identifier")]
    NoConnectionId,
    /// No client identifier.
    #[error("the connection has no client identifier")]
    NoClientId,
    /// Another connection has the client identifier.
    #[error("client id '{client_id}' is already connected from {remote}")]
    ClientIdInUse {
        /// The client identifier.
        client_id: String,
        /// Where the other one is.
        remote: String,
    },
    /// The bridge of another broker has it, which must bear the same name.
    #[error(
        "client id '{client_id}' is already connected from {remote}, by the bridge of another \
         broker of this name ({holder}): give each broker a name of its own"
    )]
    NamesakeConnected {
        /// The client identifier.
        client_id: String,
        /// Where the other one is.
        remote: String,
        /// The other broker.
        holder: BrokerId,
    },
}

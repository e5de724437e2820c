//! What a bridge to here asks to be told when it starts.

use ferrymq_openwire::commands::BrokerInfo;

/// Since when brokers tell each other of durable subscriptions.
const FIRST_WITH_SYNC: u8 = 12;

/// Which consumers a bridge to here wants to be told of when it starts (`syncDurableSubs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Synchronises {
    /// The durable subscriptions.
    Durables,
    /// All consumers of topics: for some of them it keeps messages (`forceDurable`).
    Topics,
}

impl Synchronises {
    /// What a broker that introduces itself asks for; `version` is the protocol's.
    pub(super) fn asked(info: &BrokerInfo, version: u8) -> Option<Self> {
        let properties = info.network_properties.as_ref()?.to_string_lossy();
        let asked = properties.lines().any(|line| line.trim() == "syncDurableSubs=true");
        let wanted =
            if properties.contains("forceDurable") { Self::Topics } else { Self::Durables };
        Self::unasked(version).filter(|_| asked && info.network_connection).and(Some(wanted))
    }

    /// What the far broker's bridge back may want to know: it introduces itself to nobody.
    pub(super) fn unasked(version: u8) -> Option<Self> {
        (version >= FIRST_WITH_SYNC).then_some(Self::Durables)
    }
}

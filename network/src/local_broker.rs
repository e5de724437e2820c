//! The port through which bridges reach their own broker.

use std::sync::Arc;

use ferrymq_openwire::commands::BrokerInfo;
use ferrymq_openwire::ids::BrokerId;
use ferrymq_openwire::text::Text;
use ferrymq_transport::link::Link;

use crate::rules::permit::Permits;

/// Who a broker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerIdentity {
    /// Unique, and the same for as long as the broker runs: what broker paths are made of.
    pub id: BrokerId,
    /// The name that people gave it.
    pub name: String,
    /// Where clients reach it; empty if nowhere.
    pub url: String,
    /// Where its admin API answers, as `HOST:PORT`, where it tells other brokers; `*` for a host
    /// that is any of its machine's.
    pub admin: Option<String>,
}

/// The key under which a broker tells others where its admin API answers, in the network properties
/// of its `BrokerInfo`. ActiveMQ ignores keys that it does not know.
const ADMIN_KEY: &str = "ferrymqAdmin";
/// The longest such address that is believed.
const LONGEST_ADMIN: usize = 300;

/// What a bridge says to its own broker, in the network properties of the `BrokerInfo`, about a far
/// broker that is no FerryMQ: what goes back there must have been here for a while. Such a broker
/// still has the message that it forwarded until it has our answer, and takes one that comes back
/// before for a copy, which it drops.
pub(crate) const FOREIGN: &str = "ferrymqForeign=true\n";

/// The type of a bridge's `MessageAck` that settles nothing: its consumer takes no more. What it was
/// dispatched up to the last message named stays with it, to be settled; what came after that goes
/// back to its place, in order. ActiveMQ has this number for what a selector refuses, of which a
/// bridge never speaks.
pub const RETIREMENT: i8 = 5;

/// The last delivered sequence in a bridge's `RemoveInfo` of a consumer whose messages were forwarded
/// and not answered before the link was lost: the far broker may have them, and recognises them when
/// it is brought them again, while a consumer elsewhere would get a second copy.
pub const IN_DOUBT: i64 = -3;

/// The type of a bridge's `MessageAck` for a message that it asked about: the far broker does not have
/// it. It goes back to its place, for everybody. ActiveMQ has no such number.
pub const ABSENCE: i8 = 7;

/// What a broker answers (`IntegerResponse`) to a bridge's question about a message: it has it, or had
/// it, and would drop a second copy.
pub const HERE: i32 = 1;

/// The same: it never came, and will not come by an earlier link any more.
pub const NOT_HERE: i32 = 0;

impl BrokerIdentity {
    /// Who a `BrokerInfo` says that its sender is; a broker without a name is called by its id.
    /// `None`: it has no id.
    pub fn of(info: &BrokerInfo) -> Option<Self> {
        let text = |text: &Option<Text>| text.as_ref().map(Text::to_string).unwrap_or_default();
        let id = info.broker_id.clone()?;
        let name = Some(text(&info.broker_name)).filter(|name| !name.is_empty());
        let properties = text(&info.network_properties);
        let admin = properties.lines().find_map(|line| {
            line.strip_prefix(ADMIN_KEY)?.strip_prefix('=').map(|value| value.replace('\\', ""))
        });
        Some(Self {
            name: name.unwrap_or_else(|| id.to_string()),
            url: text(&info.broker_url),
            admin: admin.filter(|admin| !admin.is_empty() && admin.len() <= LONGEST_ADMIN),
            id,
        })
    }

    /// Whether an own bridge says in this `BrokerInfo` that the far broker is no FerryMQ.
    pub fn is_foreign(far_end: &BrokerInfo) -> bool {
        far_end.network_properties.as_ref().is_some_and(|text| *text == FOREIGN)
    }

    /// What it says about itself beyond the fields of `BrokerInfo`: lines of Java properties.
    pub fn properties(&self) -> String {
        let admin = self.admin.as_ref().filter(|admin| admin.is_ascii());
        admin.map(|admin| format!("{ADMIN_KEY}={admin}\n")).unwrap_or_default()
    }
}

/// The broker that owns a connector. A bridge is a client of it like any other, over a pipe.
///
/// What a bridge asks of the broker's end of that pipe, beyond what every client does:
///
/// - The first `BrokerInfo` that arrives on it flags the connection as a network connection. Such
///   a connection may create, consume from and remove temporary destinations that belong to
///   others, and the broker delays instead of failing when it is full.
/// - A consumer of it is attached to a destination only if
///   [`Permits::verdict`](crate::rules::permit::Permits::verdict) says so, for each destination
///   that a wildcard reaches; and gets a message only if
///   [`forward`](crate::rules::forward::forward) says so, asked with the consumer's
///   `additionalPredicate`, or, of a queue, [`replay`](crate::rules::replay::replay). What is
///   refused stays for other consumers, uncounted and unacked.
/// - `RemoveInfo` with a last delivered sequence of -1 gives back what the consumer held, in its
///   old order and without raising a redelivery counter; so does the end of the pipe.
/// - One of [`IN_DOUBT`] gives it back in the same way, but holds persistent messages of queues for a
///   while for the next bridge to the same broker.
/// - When a bridge introduces itself, the broker tells it, among the durable subscriptions that its
///   predecessors left, of queues with messages that the far broker may have: as subscriptions without
///   a name. A browser of such a queue, made for a bridge, gets those and no others; what it
///   acknowledges is gone, what it says an [`ABSENCE`] of is for everybody. When there are no more, it
///   gets a dispatch without a message.
/// - A [`RETIREMENT`] gives back a part of that in the same way, at once; from then on the consumer
///   stands in nobody's way.
pub trait LocalBroker: Send + Sync + 'static {
    /// Who the broker is; asked before each attempt to bridge.
    fn identity(&self) -> BrokerIdentity;

    /// Opens an in-memory connection on behalf of a bridge to `remote`, whose consumers may only
    /// get what `permits` lets cross. It starts with the broker's `BrokerInfo`, without
    /// `WireFormatInfo`.
    fn open_link(&self, remote: &BrokerIdentity, permits: Arc<Permits>) -> Link;

    /// Serves the bridge of a remote broker at the other end of `link`, as if that had dialled:
    /// half of a duplex link that the own broker dialled. Returns at once; the broker ends with
    /// the link.
    fn serve(&self, link: Link);
}

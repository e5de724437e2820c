//! One scenario, two brokers: what must hold is first shown to hold on a real ActiveMQ, which proves
//! that the expectation is right, then on FerryMQ.

use std::fmt::Debug;

use super::activemq::{ActiveMq, ActiveMqSetup};
use super::ferrymq::{Ferry, FerrySetup};
use super::jms::Jms;

/// Which product a broker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Ferry,
    ActiveMq,
}

/// A running broker of either product.
pub enum Subject {
    Ferry(Ferry),
    ActiveMq(ActiveMq),
}

impl Subject {
    pub fn start(kind: Kind, name: &str) -> Self {
        match kind {
            Kind::Ferry => Self::Ferry(Ferry::named(name).start()),
            Kind::ActiveMq => Self::ActiveMq(ActiveMq::named(name).start()),
        }
    }

    /// A broker with a one-way network connector to the broker at `url`, which reconnects fast.
    pub fn start_bridged(kind: Kind, name: &str, url: &str) -> Self {
        match kind {
            Kind::Ferry => Self::Ferry(Ferry::named(name).network(&fast_static(url)).start()),
            Kind::ActiveMq => Self::ActiveMq(ActiveMq::named(name).connect(url).start()),
        }
    }

    pub fn url(&self) -> &str {
        match self {
            Self::Ferry(broker) => broker.url(),
            Self::ActiveMq(broker) => broker.url(),
        }
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        match self {
            Self::Ferry(broker) => broker.process.kill(),
            Self::ActiveMq(broker) => broker.process.kill(),
        }
    }

    /// Starts it again on the same port.
    pub fn restart(&mut self) {
        match self {
            Self::Ferry(broker) => broker.restart(),
            Self::ActiveMq(broker) => broker.restart(),
        }
    }
}

/// A static connector to one broker that tries again every 100 ms.
fn fast_static(url: &str) -> String {
    format!("static:({url})?initialReconnectDelay=100&maxReconnectDelay=100")
}

/// Runs `scenario` against a fresh ActiveMQ and a fresh FerryMQ, and demands the same outcome.
///
/// `FERRYMQ_INTEROP=activemq` leaves FerryMQ out, to try a new expectation on its own.
pub fn on_both<T: Debug + PartialEq>(scenario: impl Fn(&mut Jms, &str) -> T) {
    let run = |kind| {
        eprintln!("against {kind:?}");
        let broker = Subject::start(kind, "single");
        scenario(&mut Jms::start(), broker.url())
    };
    let expected = run(Kind::ActiveMq);
    if std::env::var("FERRYMQ_INTEROP").as_deref() != Ok("activemq") {
        assert_eq!(run(Kind::Ferry), expected, "FerryMQ differs from ActiveMQ");
    }
}

//! One scenario, two brokers: what must hold is first shown to hold on a real ActiveMQ, which proves
//! that the expectation is right, then on FerryMQ.

use std::fmt::Debug;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::activemq::{ActiveMq, ActiveMqSetup};
use super::ferrymq::{Ferry, FerrySetup};
use super::jms::Jms;
use super::wait::{PATIENCE, until};

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

/// How a broker of either product is to be started.
#[derive(Clone, Debug)]
pub struct SubjectSetup {
    kind: Kind,
    name: String,
    port: u16,
    links: Vec<Link>,
    /// Where it keeps what must outlive it.
    data: Option<String>,
}

/// A network connector that reconnects fast.
#[derive(Clone, Debug)]
struct Link {
    url: String,
    way: Way,
}

#[derive(Clone, Debug)]
enum Way {
    There,
    ThereExcept(String),
    ThereAndBack,
}

impl SubjectSetup {
    /// A network connector to the broker at `url`.
    pub fn bridged_to(mut self, url: &str) -> Self {
        self.links.push(Link { url: url.to_owned(), way: Way::There });
        self
    }

    /// A duplex network connector to the broker at `url`.
    pub fn duplex_to(mut self, url: &str) -> Self {
        self.links.push(Link { url: url.to_owned(), way: Way::ThereAndBack });
        self
    }

    /// The same, closed for a destination (`queue://NAME`, with wildcards).
    pub fn bridged_except(mut self, url: &str, excluded: &str) -> Self {
        let way = Way::ThereExcept(excluded.to_owned());
        self.links.push(Link { url: url.to_owned(), way });
        self
    }

    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Keeps what must outlive it in a fresh folder.
    pub fn keeping(mut self) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!(
            "kept-{}-{:?}-{number}",
            std::process::id(),
            self.kind
        ));
        let _ = std::fs::remove_dir_all(&folder);
        self.data = Some(folder.to_str().expect("a path in UTF-8").to_owned());
        self
    }

    pub fn start(self) -> Subject {
        match self.kind {
            Kind::Ferry => {
                let setup = Ferry::named(&self.name).port(self.port);
                let setup = match &self.data {
                    Some(data) => setup.configure(&format!("[broker]\ndata_dir = \"{data}\"")),
                    None => setup,
                };
                Subject::Ferry(self.links.iter().fold(setup, connected_ferry).start())
            }
            Kind::ActiveMq => {
                let setup = ActiveMq::named(&self.name).port(self.port);
                let setup = match &self.data {
                    Some(data) => setup.flag("--data", data),
                    None => setup,
                };
                Subject::ActiveMq(self.links.iter().fold(setup, connected_activemq).start())
            }
        }
    }
}

fn connected_ferry(setup: FerrySetup, link: &Link) -> FerrySetup {
    let uri = format!("static:({})?initialReconnectDelay=100&maxReconnectDelay=100", link.url);
    let with = |settings: &str| {
        format!("[[network_connector]]\nname = \"special\"\nuri = \"{uri}\"\n{settings}")
    };
    match &link.way {
        Way::There => setup.network(&uri),
        Way::ThereExcept(excluded) => {
            setup.configure(&with(&format!("excluded = [\"{excluded}\"]")))
        }
        Way::ThereAndBack => setup.configure(&with("duplex = true")),
    }
}

fn connected_activemq(setup: ActiveMqSetup, link: &Link) -> ActiveMqSetup {
    let setup = setup.connect(&link.url);
    match &link.way {
        Way::There => setup,
        Way::ThereExcept(excluded) => setup.flag("--exclude", excluded),
        Way::ThereAndBack => setup.flag("--duplex", "true"),
    }
}

/// A port that was free a moment ago, for brokers that must know each other before they start.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

impl Subject {
    pub fn named(kind: Kind, name: &str) -> SubjectSetup {
        SubjectSetup { kind, name: name.to_owned(), port: 0, links: Vec::new(), data: None }
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

    /// Lets it end by itself: a signal for FerryMQ, the end of its input for ActiveMQ's process.
    pub fn stop(&mut self) {
        let process = match self {
            Self::Ferry(broker) => {
                broker.process.signal("TERM");
                &mut broker.process
            }
            Self::ActiveMq(broker) => {
                broker.process.close_stdin();
                &mut broker.process
            }
        };
        until("the broker stops", PATIENCE, || (!process.is_running()).then_some(()));
    }

    /// Starts it again on the same port.
    pub fn restart(&mut self) {
        match self {
            Self::Ferry(broker) => broker.restart(),
            Self::ActiveMq(broker) => broker.restart(),
        }
    }
}

/// The same with brokers that keep what must outlive them, and may be killed.
pub fn on_both_keeping<T: Debug + PartialEq>(scenario: impl Fn(&mut Jms, &mut Subject) -> T) {
    let run = |kind| {
        eprintln!("against {kind:?}");
        let mut broker = Subject::named(kind, "kept").keeping().start();
        scenario(&mut Jms::start(), &mut broker)
    };
    let outcomes: Vec<T> = subjects().into_iter().map(run).collect();
    if let [expected, other] = outcomes.as_slice() {
        assert_eq!(other, expected, "FerryMQ differs from ActiveMQ");
    }
}

/// The products that a promise is tried on: ActiveMQ first, which proves that the expectation is
/// right, then FerryMQ. `FERRYMQ_INTEROP=activemq` leaves FerryMQ out, to try a new expectation.
pub fn subjects() -> Vec<Kind> {
    match std::env::var("FERRYMQ_INTEROP").as_deref() {
        Ok("activemq") => vec![Kind::ActiveMq],
        _ => vec![Kind::ActiveMq, Kind::Ferry],
    }
}

/// Runs `scenario` against a fresh broker of each product, and demands the same outcome.
pub fn on_both<T: Debug + PartialEq>(scenario: impl Fn(&mut Jms, &str) -> T) {
    let run = |kind| {
        eprintln!("against {kind:?}");
        let broker = Subject::named(kind, "single").start();
        scenario(&mut Jms::start(), broker.url())
    };
    let outcomes: Vec<T> = subjects().into_iter().map(run).collect();
    if let [expected, other] = outcomes.as_slice() {
        assert_eq!(other, expected, "FerryMQ differs from ActiveMQ");
    }
}

//! Whom a network connector dials: a discovery agent, and when each broker is dialled again.

use ferrymq_discovery::agent::Agent;
use ferrymq_discovery::known::Remote;
use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::options::Options;
use ferrymq_transport::uri::{Composite, Uri};

use super::error::RemotesError;
use super::redial::Redial;

/// A checked address of a network connector.
#[derive(Debug, Clone)]
pub struct Remotes {
    agent: Agent,
    redial: Redial,
    /// The address without its options.
    shown: String,
}

impl Remotes {
    /// Checks a connector's address. `tcp://host:port` stands for a list of one.
    pub fn new(uri: &Uri) -> Result<Self, RemotesError> {
        let (agent, options) = Agent::new(uri)?;
        let redial = Redial::from_options(options, &agent)?;
        Ok(Self { agent, redial, shown: without_options(uri) })
    }

    /// Nobody to dial: the link is a peer's.
    pub(crate) fn of_nobody() -> Self {
        let agent = Agent::List(Vec::new());
        Self { agent, redial: Redial::by_nobody(), shown: String::new() }
    }

    /// Where the addresses come from.
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// When each broker is dialled again.
    pub fn redial(&self) -> &Redial {
        &self.redial
    }

    /// The addresses that are known beforehand: those of a list.
    pub fn endpoints(&self) -> Vec<&Endpoint> {
        self.agent.listed().iter().flat_map(Remote::addresses).collect()
    }

    /// Whom it leads to, for people: the brokers of a list, or where others are found.
    pub fn shown(&self) -> Vec<String> {
        match self.agent.listed() {
            [] => vec![self.shown.clone()],
            listed => listed.iter().map(ToString::to_string).collect(),
        }
    }
}

fn without_options(uri: &Uri) -> String {
    match uri {
        Uri::Endpoint(endpoint) => endpoint.bare().to_string(),
        Uri::Composite(composite) => {
            Composite { options: Options::new(), ..composite.clone() }.to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::redial::REDIAL_OPTIONS;
    use super::*;

    fn remotes(uri: &str) -> Result<Remotes, RemotesError> {
        Remotes::new(&uri.parse().unwrap())
    }

    fn reason(uri: &str) -> String {
        remotes(uri).unwrap_err().to_string()
    }

    #[test]
    fn every_member_is_a_remote_broker() {
        for scheme in ["static", "simple"] {
            let uri = format!("{scheme}:(tcp://a:1,tcp://b:2?wireFormat.maxInactivityDuration=0)");
            let two = remotes(&uri).unwrap();
            let shown: Vec<_> = two.endpoints().iter().map(ToString::to_string).collect();
            assert_eq!(shown, ["tcp://a:1", "tcp://b:2?wireFormat.maxInactivityDuration=0"]);
            assert_eq!(two.shown(), ["tcp://a:1", "tcp://b:2"]);
        }
        assert_eq!(remotes("tcp://a:1").unwrap().endpoints().len(), 1);
    }

    #[test]
    fn all_members_of_masterslave_are_one_remote_broker() {
        let one = remotes("masterslave:(tcp://a:1,tcp://b:2)?nested.keepAlive=false").unwrap();
        assert_eq!(one.agent().listed().len(), 1);
        assert_eq!(one.shown(), ["masterslave:(tcp://a:1,tcp://b:2)"]);
        assert!(one.endpoints().iter().all(|e| e.options.get("keepAlive") == Some("false")));
        assert!(reason("masterslave:(tcp://a:1)").contains("needs two addresses"));
    }

    #[test]
    fn delays_come_from_the_address() {
        let list = remotes(
            "static:(tcp://a:1)?initialReconnectDelay=200&maxReconnectDelay=400\
             &minConnectTime=50&maxReconnectAttempts=3",
        )
        .unwrap();
        let redial = list.redial();
        assert_eq!(redial.longest, Duration::from_millis(400));
        assert_eq!(redial.min_connect_time, Duration::from_millis(50));
        assert_eq!(redial.max_attempts, 3);
        let first = redial.backoff().next(&mut fastrand::Rng::with_seed(1));
        assert!(first <= Duration::from_millis(200) && first >= Duration::from_millis(100));
    }

    #[test]
    fn a_multicast_group_waits_longer_and_always_alike() {
        let group = remotes("multicast://default").unwrap();
        assert_eq!(group.shown(), ["multicast://default:6155"]);
        let mut random = fastrand::Rng::with_seed(1);
        let mut backoff = group.redial().backoff();
        for _ in 0..3 {
            let delay = backoff.next(&mut random);
            assert!(
                (Duration::from_secs(4)..=Duration::from_secs(5)).contains(&delay),
                "{delay:?}"
            );
        }
        let short = remotes("multicast://default?maxReconnectDelay=100").unwrap();
        assert!(short.redial().backoff().next(&mut random) <= Duration::from_millis(100));
    }

    #[test]
    fn the_defaults_of_the_reference_are_those_that_count() {
        let written = REDIAL_OPTIONS.iter().filter_map(|option| {
            option.default.map(|default| format!("{}={default}", option.name))
        });
        let written = written.collect::<Vec<_>>().join("&");
        let redial = |uri: &str| format!("{:?}", remotes(uri).unwrap().redial());
        assert_eq!(redial(&format!("static:(tcp://a:1)?{written}")), redial("tcp://a:1"));
    }

    #[test]
    fn a_first_delay_beyond_the_default_cap_raises_it() {
        let list = remotes("static:(tcp://a:1)?initialReconnectDelay=60000").unwrap();
        assert_eq!(list.redial().longest, Duration::from_secs(60));
    }

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        assert!(reason("zeroconf://default:1").contains("`zeroconf:` is not supported"));
        assert!(reason("failover:(tcp://a:1)").contains("cannot carry a bridge"));
        assert!(reason("statik:(tcp://a:1)").contains("did you mean `static`?"));
        assert!(reason("static:(static:(tcp://a:1))").contains("cannot stand inside"));
        assert!(reason("static:(tcp://a:1,tcp://a:1?x=y)").contains("listed twice"));
        assert!(
            reason("static:(tcp://a:1)?initialReconectDelay=5").contains("initialReconnectDelay")
        );
        assert!(reason("static:(tcp://a:1)?maxReconnectDelay=soon").contains("milliseconds"));
        assert!(
            reason("static:(tcp://a:1)?initialReconnectDelay=9&maxReconnectDelay=5")
                .contains("shorter than the first")
        );
        assert!(reason("multicast://default?keepAliveIntervall=5").contains("keepAliveInterval"));
    }
}

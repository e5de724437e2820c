//! `failover:(…)` and `discovery:(…)`: the brokers that one of them may be connected to.

use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::options::{OptionError, Options};
use ferrymq_transport::uri::{Composite, Uri};

use super::options::FailoverOptions;

/// A checked `failover:(…)` address.
#[derive(Debug, Clone, PartialEq)]
pub struct FailoverList {
    /// The brokers, in the order in which they were written, each once.
    pub endpoints: Vec<Endpoint>,
    /// How one of them is found.
    pub options: FailoverOptions,
}

/// Why an address cannot be failed over with.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ListError {
    /// An option that is unknown or has a bad value.
    #[error("{scheme}: {source}")]
    Option {
        /// The scheme of the list.
        scheme: String,
        /// What is wrong.
        source: OptionError,
    },
    /// Options of a Java client's factory, which have no place here.
    #[error("{scheme}: option \"{option}\" is for Java clients; this one has its own settings")]
    ForJava {
        /// The scheme of the list.
        scheme: String,
        /// The option.
        option: String,
    },
    /// Options of a list among others, which could not count for it alone.
    #[error(
        "option \"{option}\" of a {scheme}: inside another list would have to count for all; \
         write it after the outer parenthesis"
    )]
    InnerOption {
        /// The scheme of the inner list.
        scheme: String,
        /// The option.
        option: String,
    },
    /// A list of a kind that cannot stand here.
    #[error("`{scheme}:` cannot be failed over to{why}")]
    Member {
        /// Its scheme.
        scheme: String,
        /// More about it: empty, or from a semicolon on.
        why: &'static str,
    },
}

/// Lists of fixed addresses, which only differ in what an outer list makes of them.
const FIXED: [&str; 4] = ["failover", "static", "simple", "masterslave"];

impl FailoverList {
    /// Checks a list. `discovery:` lists its addresses by one agent, of which the fixed ones
    /// (`static:`, `simple:`, `masterslave:`) are known here.
    pub fn new(list: &Composite) -> Result<Self, ListError> {
        let mut list = list.clone();
        let scheme = list.scheme.clone();
        if scheme == "discovery" {
            list.options = discovered(&list.options);
            // ActiveMQ looks at the first one only; more are more than can be meant.
            if let Some(agent) = list.members.iter().find(|agent| !is_fixed(agent)) {
                return Err(not_a_member(agent.scheme()));
            }
        }
        let ordered = matches!(
            list.members.as_slice(),
            [Uri::Composite(only)] if only.scheme == "masterslave"
        );
        if ordered && list.options.get("randomize").is_none() {
            list.options.insert("randomize", "false");
        }
        take_over_only_member(&mut list);
        if let Some(option) = list.options.remaining().find(|option| option.starts_with("jms.")) {
            let option = option.to_owned();
            return Err(ListError::ForJava { scheme, option });
        }
        let options = FailoverOptions::read(list.options)
            .map_err(|source| ListError::Option { scheme, source })?;
        let mut endpoints = Vec::new();
        flatten(list.members, &mut endpoints)?;
        let mut listed: Vec<Endpoint> = Vec::new();
        for endpoint in endpoints {
            if !listed.iter().any(|known| same(known, &endpoint)) {
                listed.push(options.complete(endpoint));
            }
        }
        Ok(Self { endpoints: listed, options })
    }
}

/// Whether both are the same broker, whatever options they are written with.
pub(crate) fn same(one: &Endpoint, other: &Endpoint) -> bool {
    one.port == other.port && one.host.eq_ignore_ascii_case(&other.host)
}

fn is_fixed(uri: &Uri) -> bool {
    matches!(uri, Uri::Composite(list) if FIXED.contains(&list.scheme.as_str()))
}

/// `discovered.X` gives each address that is found the option `X`.
fn discovered(options: &Options) -> Options {
    let named = options.iter().map(|(name, value)| match name.strip_prefix("discovered.") {
        Some(rest) => (format!("nested.{rest}"), value.to_owned()),
        None => (name.to_owned(), value.to_owned()),
    });
    named.collect()
}

/// `failover:(failover:(a,b)?x=y)` is `failover:(a,b)?x=y`.
fn take_over_only_member(list: &mut Composite) {
    while let [Uri::Composite(only)] = list.members.as_mut_slice()
        && only.scheme == "failover"
    {
        let only = std::mem::replace(
            only,
            Composite { scheme: String::new(), members: Vec::new(), options: Options::new() },
        );
        for (name, value) in only.options.iter() {
            if list.options.get(name).is_none() {
                list.options.insert(name, value);
            }
        }
        list.members = only.members;
    }
}

fn flatten(members: Vec<Uri>, endpoints: &mut Vec<Endpoint>) -> Result<(), ListError> {
    for member in members {
        match member {
            Uri::Endpoint(endpoint) => endpoints.push(endpoint),
            Uri::Composite(mut inner) if FIXED.contains(&inner.scheme.as_str()) => {
                inner.hand_down_nested_options();
                if let Some(option) = inner.options.remaining().next() {
                    let option = option.to_owned();
                    return Err(ListError::InnerOption { scheme: inner.scheme, option });
                }
                flatten(inner.members, endpoints)?;
            }
            Uri::Composite(inner) => return Err(not_a_member(&inner.scheme)),
        }
    }
    Ok(())
}

fn not_a_member(scheme: &str) -> ListError {
    let why = match scheme {
        "multicast" | "zeroconf" | "http" | "https" | "dns" | "file" => {
            "; this client knows no agent of that kind yet: list the addresses"
        }
        "fanout" => "; a connection has one broker at a time",
        "discovery" => "; write discovery:(…) outermost",
        "tcp" => "; discovery: takes an agent, such as static:(tcp://host:port)",
        _ => "",
    };
    ListError::Member { scheme: scheme.to_owned(), why }
}

#[cfg(test)]
mod tests {
    use super::super::options::FAILOVER_OPTIONS;
    use super::*;

    fn list(text: &str) -> Result<FailoverList, ListError> {
        match text.parse().unwrap() {
            Uri::Composite(composite) => FailoverList::new(&composite),
            Uri::Endpoint(endpoint) => panic!("{endpoint}"),
        }
    }

    fn addresses(text: &str) -> Vec<String> {
        list(text).unwrap().endpoints.iter().map(ToString::to_string).collect()
    }

    fn refusal(text: &str) -> String {
        list(text).unwrap_err().to_string()
    }

    #[test]
    fn every_form_of_a_list_names_the_same_brokers() {
        for text in [
            "failover:(tcp://a:1,tcp://b:2)",
            "failover://(tcp://a:1,tcp://b:2)?randomize=false",
            "failover:tcp://a:1,tcp://b:2",
            "failover:(failover:(tcp://a:1,tcp://b:2)?timeout=5)",
            "failover:(failover:(tcp://a:1),tcp://b:2,tcp://A:1)",
            "failover:(static:(tcp://a:1,tcp://b:2))",
            "discovery:(static:(tcp://a:1,tcp://b:2))?maxReconnectAttempts=3",
            "failover:(masterslave:(tcp://a:1,tcp://b:2))",
        ] {
            assert_eq!(addresses(text), ["tcp://a:1", "tcp://b:2"], "{text}");
        }
    }

    #[test]
    fn options_inside_belong_to_a_member_and_nested_ones_to_all() {
        assert_eq!(
            addresses(
                "failover:(tcp://a:1?keepAlive=false,tcp://b:2)\
                 ?nested.keepAlive=true&nested.tcpNoDelay=false"
            ),
            [
                "tcp://a:1?keepAlive=false&tcpNoDelay=false",
                "tcp://b:2?keepAlive=true&tcpNoDelay=false"
            ]
        );
        assert_eq!(
            addresses("failover:(tcp://a:1)?nestedExtraQueryOptions=keepAlive=true%26backlog=1"),
            ["tcp://a:1?keepAlive=true&backlog=1"]
        );
        assert_eq!(
            addresses("discovery:(static:(tcp://a:1))?discovered.keepAlive=false"),
            ["tcp://a:1?keepAlive=false"]
        );
    }

    #[test]
    fn an_only_inner_list_lends_its_options_and_others_may_have_none() {
        let inner = list("failover:(failover:(tcp://a:1)?timeout=5&randomize=false)?timeout=7");
        let options = inner.unwrap().options;
        assert_eq!(options.timeout.unwrap().as_millis(), 7);
        assert!(!options.randomize);
        assert!(
            refusal("failover:(failover:(tcp://a:1)?timeout=5,tcp://b:2)").contains("\"timeout\"")
        );
        assert!(!list("failover:(masterslave:(tcp://a:1,tcp://b:2))").unwrap().options.randomize);
    }

    #[test]
    fn defaults_are_those_of_the_reference() {
        let written: Options = FAILOVER_OPTIONS
            .iter()
            .filter_map(|option| Some((option.name, option.default?)))
            .collect();
        assert_eq!(FailoverOptions::read(written).unwrap(), FailoverOptions::default());
        assert_eq!(list("failover:(tcp://a:1)").unwrap().options, FailoverOptions::default());
    }

    #[test]
    fn every_option_of_the_reference_is_read() {
        for option in FAILOVER_OPTIONS {
            let wrong = if option.name == "updateURIsURL" { "http://x/y" } else { "-?=%" };
            let options = [(option.name, wrong)].into_iter().collect();
            let error = FailoverOptions::read(options).unwrap_err().to_string();
            assert!(error.starts_with(&format!("option \"{}\" is", option.name)), "{error}");
        }
    }

    #[test]
    fn unknown_options_are_refused_with_the_nearest_name() {
        for (text, said) in [
            ("failover:(tcp://a:1)?randomise=false", "did you mean \"randomize\""),
            ("failover:(tcp://a:1)?backOffMultiplier=2", "\"reconnectDelayExponent\""),
            ("failover:(tcp://a:1)?jms.prefetchPolicy.all=1", "for Java clients"),
            ("failover:(tcp://a:1)?priorityURIs=a,b", "must be a list of addresses"),
            ("failover:(tcp://a:1)?reconnectDelayExponent=0.5", "a number from 1"),
            ("failover:(fanout:(tcp://a:1))", "one broker at a time"),
            ("discovery:(tcp://a:1)", "takes an agent"),
            ("discovery:(multicast://default)", "no agent of that kind"),
            ("failover:(discovery:(static:(tcp://a:1)))", "outermost"),
        ] {
            assert!(refusal(text).contains(said), "{text}: {}", refusal(text));
        }
    }
}

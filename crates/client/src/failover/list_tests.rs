use super::*;
use crate::failover::options::FAILOVER_OPTIONS;

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
        "failover:(discovery:(static:(tcp://a:1,tcp://b:2)))",
        "failover:(tcp://a:1,discovery:(static:(tcp://b:2)))",
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
        ["tcp://a:1?keepAlive=false&tcpNoDelay=false", "tcp://b:2?keepAlive=true&tcpNoDelay=false"]
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
    assert!(refusal("failover:(failover:(tcp://a:1)?timeout=5,tcp://b:2)").contains("\"timeout\""));
    assert!(!list("failover:(masterslave:(tcp://a:1,tcp://b:2))").unwrap().options.randomize);
}

#[test]
fn defaults_are_those_of_the_reference() {
    let written: Options =
        FAILOVER_OPTIONS.iter().filter_map(|option| Some((option.name, option.default?))).collect();
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
        ("discovery:(failovr:(tcp://a:1))", "takes an agent"),
        ("failover:(tcp://b:1,discovery:(tcp://a:1))", "takes an agent"),
        ("failover:(odd:(tcp://a:1))", "cannot be failed over to"),
    ] {
        assert!(refusal(text).contains(said), "{text}: {}", refusal(text));
    }
}

fn agents(text: &str) -> Vec<&'static str> {
    list(text).unwrap().agents.iter().map(ferrymq_discovery::agent::Agent::title).collect()
}

#[test]
fn agents_stand_in_discovery_and_among_addresses() {
    for (text, expected) in [
        ("discovery:(multicast://default)", vec!["multicast"]),
        ("discovery:multicast://default", vec!["multicast"]),
        ("discovery://(dns:(_openwire._tcp.example.org))?randomize=false", vec!["dns"]),
        ("discovery:(file:/etc/brokers)", vec!["file"]),
        ("discovery:(http://a:8161/discovery-registry/default)", vec!["http"]),
        ("discovery:(http:(http://a:1/r/g,http://b:1/r/g))", vec!["http"]),
        ("failover:(dns:(a:1),tcp://b:2,file:x)", vec!["dns", "file"]),
        ("failover:(discovery:(multicast://default))", vec!["multicast"]),
        ("failover:(tcp://a:1,discovery:(dns:(b:1)))", vec!["dns"]),
    ] {
        assert_eq!(agents(text), expected, "{text}");
    }
    assert_eq!(addresses("failover:(dns:(a:1),tcp://b:2,file:x)"), ["tcp://b:2"]);
}

#[test]
fn what_is_found_gets_the_options_of_every_list_around_it() {
    let found = |text: &str| {
        let list = list(text).unwrap();
        let options = list.agents[0].discovered().cloned().unwrap();
        let found = list.options.complete(Endpoint { options, ..Endpoint::tcp("a", 1) });
        let options =
            ["keepAlive", "tcpNoDelay"].map(|name| found.options.get(name).map(str::to_owned));
        (options, found.options.len())
    };
    let expected = ([Some("false".to_owned()), Some("true".to_owned())], 2);
    for text in [
        "discovery:(multicast://default?discovered.keepAlive=false)?discovered.tcpNoDelay=true",
        "failover:(discovery:(dns:(x:1))?discovered.keepAlive=false)?nested.tcpNoDelay=true",
        "failover:(tcp://b:1,discovery:(file:x)?discovered.keepAlive=false)?nested.tcpNoDelay=true",
    ] {
        assert_eq!(found(text), expected, "{text}");
    }
}

#[test]
fn options_of_agents_are_checked_where_they_stand() {
    for (text, said) in [
        ("discovery:(multicast://default?groop=x)", "did you mean \"group\""),
        ("discovery:(multicast://default?keepAliveInterval=1)", "from 10 to"),
        ("discovery:(dns:(a:1)?maxReconnectDelay=5)", "after the outer parenthesis"),
        ("discovery:(dns:(a:1)?backOffMultiplier=5)", "after the outer parenthesis"),
        ("discovery:(dns:(a:1))?discovered.keepAliv=true", "did you mean \"keepAlive\""),
        ("discovery:(file:x?discovered.tcpNoDelay=perhaps)", "addresses that are found"),
        ("failover:(tcp://b:1,discovery:(file:x)?timeout=1)", "after the outer parenthesis"),
        ("discovery:(zeroconf:_activemq.broker.)", "`zeroconf:` is not supported"),
        ("discovery:(rendezvous:default)", "`rendezvous:` is not supported"),
        ("discovery:(dns:(a))", "write a:61616"),
    ] {
        assert!(refusal(text).contains(said), "{text}: {}", refusal(text));
    }
}

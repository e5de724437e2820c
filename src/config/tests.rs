//! Broker configurations: defaults, what flags change, what is refused.

use std::time::Duration;

use ferrymq_network::document::problem::Problems;
use ferrymq_network::document::source::Source;
use ferrymq_network::document::table::Fields;

use super::sections::{
    AdminSection, BrokerSection, NetworkConnectorSection, StoreSection, SystemUsageSection,
    TransportConnectorSection,
};
use super::{
    AdminListen, BrokerConfig, Flags, Limits, StoreConfig, SyncStrategy, host_name, load,
    load_with_findings,
};

fn file(text: &str) -> Result<BrokerConfig, Problems> {
    load(Some(&Source::file("broker.toml", text)), &Flags::default())
}

fn texts(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

fn listening(config: &BrokerConfig) -> Vec<String> {
    config.listen.iter().map(|listen| format!("{} {}", listen.name, listen.endpoint)).collect()
}

#[test]
fn rules_of_virtual_topics_are_checked() {
    let refused = |toml: &str| file(toml).unwrap_err().to_string();
    for (line, reason) in [
        ("prefix = \"Consumer\"", "a prefix is made of levels, each followed by a dot"),
        ("prefix = \"a.>.\"", "a prefix is made of levels, each followed by a dot"),
        ("postfix = \"copies\"", "a postfix is made of levels, each preceded by a dot"),
        ("name = \"queue://A\"", "only topics can be virtual topics"),
        ("concurrent_send = true", "copies are made one after the other"),
        ("drop_on_resource_limit = true", "producers wait while a queue"),
    ] {
        let shown = refused(&format!("[[virtual_topic]]\n{line}"));
        assert!(shown.contains(reason), "{line}: {shown}");
    }
}

#[test]
fn nothing_at_all_is_a_broker_on_the_loopback() {
    let config = load(None, &Flags::default()).unwrap();
    assert_eq!(config.name, host_name());
    assert_eq!(listening(&config), ["openwire tcp://127.0.0.1:61616"]);
    assert!(config.network_connectors.is_empty());
    assert_eq!(config.limits.memory, Limits::DEFAULT_MEMORY);
    assert_eq!(config.admin.listen, AdminListen::Default);
}

#[test]
fn a_file_is_read_in_both_spellings() {
    let config = file(
        r#"
[broker]
brokerName = "london"
persistent = false
[[transportConnector]]
uri = "tcp://0.0.0.0:61616?wireFormat.maxInactivityDuration=5000&transport.keepAlive=true"
[[transportConnector]]
name = "second"
uri = "tcp://[::1]:61617"
[[networkConnector]]
uri = "static:(tcp://paris:61616,tcp://rome:61616)?initialReconnectDelay=100"
duplex = false
conduitSubscriptions = false
dynamicallyIncludedDestinations = ["queue://orders.>", "topic://prices.>"]
excluded = ["queue://local.>"]
networkTTL = 3
messageTTL = 5
prefetchSize = 10
userName = "bridge"
password = "secret"
[[networkConnector]]
name = "backup"
uri = "tcp://paris:61616"
[[destinationPolicy]]
match = "queue://>"
memoryLimit = "2MiB"
[[destinationPolicy]]
match = "queue://orders.eu"
memory_limit = "1MiB"
enableAudit = false
maxProducersToAudit = 5
[systemUsage]
memoryUsage = "64MiB"
"#,
    )
    .unwrap();
    assert_eq!(config.name, "london");
    assert_eq!(
        listening(&config),
        [
            "openwire tcp://0.0.0.0:61616?wireFormat.maxInactivityDuration=5000&transport.keepAlive=true",
            "second tcp://[::1]:61617"
        ]
    );
    let connector = &config.network_connectors[0];
    assert_eq!(connector.name, "network");
    assert_eq!(connector.remotes.endpoints().len(), 2);
    assert!(!connector.conduit_subscriptions);
    assert_eq!(connector.dynamically_included.len(), 2);
    assert_eq!((connector.message_ttl, connector.consumer_ttl), (5, 3));
    assert_eq!(connector.prefetch_size.get(), 10);
    assert_eq!(connector.local_credentials.user_name.as_deref(), Some("bridge"));
    let password = connector.local_credentials.password.as_ref().unwrap();
    assert_eq!(password.reveal(), "secret");
    assert_eq!(config.network_connectors[1].name, "backup");
    assert_eq!(config.limits.memory, 64 << 20);
    let policies: Vec<(String, Option<u64>)> = config
        .limits
        .policies
        .iter()
        .map(|policy| (policy.pattern.to_string(), policy.memory_limit))
        .collect();
    assert_eq!(
        policies,
        [("queue://orders.eu".to_owned(), Some(1 << 20)), ("queue://>".to_owned(), Some(2 << 20))],
        "the most specific first"
    );
    let audit = config.limits.policies[0].audit;
    assert_eq!((audit.enable_audit, audit.max_producers_to_audit), (Some(false), Some(5)));
    assert_eq!(config.limits.policies[1].audit.enable_audit, None);
}

#[test]
fn flags_win_over_the_file() {
    let source = Source::file(
        "broker.toml",
        "[broker]\nname = \"a\"\n[[transport_connector]]\nuri = \"tcp://0.0.0.0:1\"\n\
         [[network_connector]]\nuri = \"tcp://x:1\"\n\
         [admin]\naddress = \"0.0.0.0:1\"\nhost_names = [\"london\"]",
    );
    let flags = Flags {
        name: Some("b".to_owned()),
        listen: texts(&["tcp://127.0.0.1:2", "tcp://127.0.0.1:3"]),
        network: texts(&["static:(tcp://y:1)"]),
        admin: Some("none".to_owned()),
    };
    let config = load(Some(&source), &flags).unwrap();
    assert_eq!(config.name, "b");
    assert_eq!(config.admin.listen, AdminListen::Off);
    assert_eq!(config.admin.host_names, ["london"]);
    assert_eq!(listening(&config), ["openwire tcp://127.0.0.1:2", "openwire-2 tcp://127.0.0.1:3"]);
    let names: Vec<&str> =
        config.network_connectors.iter().map(|connector| connector.name.as_str()).collect();
    assert_eq!(names, ["network", "network-2"]);
}

#[test]
fn what_is_wrong_with_a_file_is_placed_and_explained() {
    let table: &[(&str, &[&str])] = &[
        ("[brokr]\nname = \"a\"", &["1:2: unknown table `brokr` (did you mean `broker`?)"]),
        (
            "[broker]\nnmae = \"a\"\n[[network_connectors]]\nuri = \"tcp://x:1\"",
            &[
                "2:1: unknown key `nmae` in [broker] (did you mean `name`?)",
                "3:3: unknown table `network_connectors` (did you mean `network_connector`?)",
            ],
        ),
        (
            "[broker]\npersistent = false\ndataDir = \"x\"",
            &[
                "3:11: a folder for messages that are not kept (leave it out, or set `persistent = true`)",
            ],
        ),
        (
            "[store]\nsync = \"often\"",
            &["2:9: `often` is not \"always\", \"interval\" or \"never\""],
        ),
        (
            "[broker]\ndata_dir = \"x\"\n[store]\nsync_interval = \"1s\"\nsegment_size = \"2GiB\"",
            &[
                "4:17: an interval that nothing goes by (set `sync = \"interval\"`)",
                "5:16: a size from 16KiB to 1GiB is needed",
            ],
        ),
        (
            "[admin]\naddress = \"127.0.0.1\"\nhost_names = [\"london:1\"]\nuser = \"x\"",
            &[
                "2:21: the port is missing (write 127.0.0.1:8161)",
                "3:22: a host's name cannot contain ':'",
                "4:1: unknown key `user` in [admin] (known here: address, host_names, announce, discovery_registry)",
            ],
        ),
        (
            "[[transport_connector]]\nname = \"x\"",
            &[
                "1:1: `uri` is missing in [[transport_connector]] (it is an address such as \"tcp://127.0.0.1:61616\")",
            ],
        ),
        (
            "[[transport_connector]]\nuri = \"tcp://localhost\"",
            &["2:23: the port is missing: write tcp://localhost:61616"],
        ),
        (
            "[[transport_connector]]\nuri = \"tcp://127.0.0.1:61616?wireFormat.maxFrameSzie=1\"",
            &[
                "2:30: unknown option \"wireFormat.maxFrameSzie\"; did you mean \"wireFormat.maxFrameSize\"?",
            ],
        ),
        (
            "[[transport_connector]]\nuri = \"tcp://a:1\"\n[[transport_connector]]\nuri = \"tcp://a:1\"",
            &["4:7: `openwire` listens there already"],
        ),
        (
            "[[network_connector]]\nname = \"n\"\nuri = \"tcp://a:1\"\n[[network_connector]]\nname = \"n\"\nuri = \"tcp://b:1\"",
            &["5:8: a second network connector is called `n` (names are unique in a broker)"],
        ),
        (
            "[[network_connector]]\nuri = \"zeroconf:(tcp://a:1)\"",
            &[
                "2:8: `zeroconf:` is not supported: it needs a responder of mDNS; use multicast://default on one network, and dns:(…) beyond it",
            ],
        ),
        (
            "[[network_connector]]\nuri = \"multicast://default?gruop=x\"",
            &["2:28: unknown option \"gruop\"; did you mean \"group\"?"],
        ),
        (
            "[[transport_connector]]\nuri = \"tcp://a:1\"\ndiscovery_uri = \"static:(tcp://b:1)\"",
            &[
                "3:18: `static:` announces nothing; write multicast://default or http://HOST:PORT/discovery-registry/default",
            ],
        ),
        (
            "[[network_connector]]\nuri = \"static:(tcp://a:1)?maxReconectDelay=1\"",
            &["2:27: unknown option \"maxReconectDelay\"; did you mean \"maxReconnectDelay\"?"],
        ),
        (
            "[[network_connector]]\nuri = \"static:(tcp://a:1,tcp//b:2)\"",
            &["2:26: the address starts with no scheme: write tcp://b:2"],
        ),
        (
            "[[network_connector]]\nuri = \"tcp://a:1\"\nduplex = true\nprefetch_size = 0",
            &["4:17: expected a whole number from 1 to 4294967295, found 0"],
        ),
        (
            "[[network_connector]]\nuri = \"tcp://a:1\"\nlink_timeout = \"10ms\"",
            &["3:16: so short that busy brokers seem dead (the shortest is 200 ms)"],
        ),
        (
            "[[network_connector]]\nuri = \"tcp://a:1\"\npassword = \"x\"",
            &["3:12: a password without a user name"],
        ),
        (
            "[[network_connector]]\nuri = \"tcp://a:1\"\nexcluded = [\"queue://a\", \"quue://b\"]",
            &["3:27: `quue://` is no kind of destination; did you mean `queue://`?"],
        ),
        (
            "[[network_connector]]\nuri = \"tcp://a:1\"\nexcluded = \"queue://a\"",
            &["3:12: expected a list, found a text (write [\"queue://a\"])"],
        ),
        (
            "[[destination_policy]]\nmatch = \"queue://a\"\n[[destination_policy]]\nmatch = \"queue://a\"",
            &["4:9: a second policy for queue://a (put them together)"],
        ),
        (
            "[system_usage]\nmemory_limit = 1000",
            &["2:16: a size needs a unit (did you mean \"1000B\" or \"1000MiB\"?)"],
        ),
        (
            "[system_usage]\nmemory_limit = \"0B\"",
            &["2:16: a broker without memory cannot take messages"],
        ),
    ];
    for (text, expected) in table {
        let problems = file(text).unwrap_err();
        let shown: Vec<String> = problems
            .0
            .iter()
            .map(|problem| {
                let hint =
                    problem.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
                let place = &problem.place;
                format!("{}:{}: {}{hint}", place.line, place.column, problem.what)
            })
            .collect();
        assert_eq!(shown, *expected, "of {text}");
    }
}

#[test]
fn a_wrong_flag_is_named_with_the_column_in_its_value() {
    let table = [
        (
            Flags { name: Some("a/b".to_owned()), ..Flags::default() },
            "--name, column 2: error: a name cannot contain '/'",
        ),
        (
            Flags { listen: texts(&["tcp://localhost"]), ..Flags::default() },
            "--listen, column 16: error: the port is missing: write tcp://localhost:61616",
        ),
        (
            Flags { listen: texts(&["tcp://a:1", "tcp://a:1"]), ..Flags::default() },
            "--listen, column 1: error: `openwire` listens there already",
        ),
        (
            Flags { admin: Some("127.0.0.1:high".to_owned()), ..Flags::default() },
            "--admin, column 11: error: \"high\" is no port",
        ),
        (
            Flags { network: texts(&["static:(tcp://a:1"]), ..Flags::default() },
            "--network, column 8: error: this parenthesis is never closed",
        ),
        (
            Flags { network: texts(&["failover:(tcp://a:1)"]), ..Flags::default() },
            "--network, column 1: error: `failover:` cannot carry a bridge",
        ),
    ];
    for (flags, expected) in table {
        let shown = load(None, &flags).unwrap_err().to_string();
        assert!(shown.starts_with(expected), "{shown}");
    }
}

/// A section with every default written out.
fn spelled_out<T: Fields>(heading: &str, required: &str) -> String {
    let defaults = T::fields()
        .into_iter()
        .filter_map(|field| field.default.map(|default| format!("{} = {default}\n", field.key)));
    format!("{heading}\n{required}\n{}", defaults.collect::<String>())
}

#[test]
fn the_defaults_of_the_reference_are_those_that_count() {
    let bare = "[broker]\ndata_dir = \"d\"\n[store]\n[[transport_connector]]\nuri = \"tcp://127.0.0.1:1\"\n\
        [[network_connector]]\nuri = \"tcp://a:1\"\n\
        [[destination_policy]]\nmatch = \"queue://>\"\n";
    let full = [
        spelled_out::<BrokerSection>("[broker]", "data_dir = \"d\""),
        spelled_out::<StoreSection>("[store]", ""),
        spelled_out::<TransportConnectorSection>(
            "[[transport_connector]]",
            "uri = \"tcp://127.0.0.1:1\"",
        ),
        spelled_out::<NetworkConnectorSection>("[[network_connector]]", "uri = \"tcp://a:1\""),
        // What a policy leaves out, a wider one may say: its defaults count when none does.
        "[[destination_policy]]\nmatch = \"queue://>\"\n".to_owned(),
        spelled_out::<SystemUsageSection>("[system_usage]", ""),
        spelled_out::<AdminSection>("[admin]", ""),
    ];
    let shown = |text: &str| match file(text) {
        // What a policy leaves open is decided by the next one: it has no defaults of its own.
        Ok(mut config) => {
            assert_eq!(config.limits.policies.len(), 1);
            config.limits.policies.clear();
            format!("{config:#?}")
        }
        Err(problems) => panic!("{problems}"),
    };
    assert_eq!(shown(&full.concat()), shown(bare));
}

#[test]
fn messages_are_kept_where_there_is_a_folder() {
    assert_eq!(file("[broker]\nname = \"a\"").unwrap().store, None);
    assert_eq!(
        file("[broker]\npersistent = true").unwrap().store,
        Some(StoreConfig::at("ferrymq-data"))
    );
    let config = file(
        "[broker]\ndata_dir = \"data/a\"\n[store]\nsync = \"periodic\"\nsync_interval = \"50ms\"\n\
         segment_size = \"64MiB\"\n[system_usage]\nstore_limit = \"1GiB\"",
    )
    .unwrap();
    let expected = StoreConfig {
        sync: SyncStrategy::Interval,
        sync_interval: Duration::from_millis(50),
        segment_bytes: 64 << 20,
        limit: 1 << 30,
        ..StoreConfig::at("data/a")
    };
    assert_eq!(config.store, Some(expected));
}

#[test]
fn a_stores_files_are_a_small_part_of_its_limit() {
    let with = |limit: &str, segment: &str| {
        file(&format!(
            "[broker]\ndata_dir = \"a\"\n[store]\n{segment}\n[system_usage]\nstore_limit = \"{limit}\""
        ))
    };
    assert_eq!(with("100MiB", "").unwrap().store.unwrap().segment_bytes, (100 << 20) / 8);
    assert_eq!(with("10GiB", "").unwrap().store.unwrap().segment_bytes, 32 << 20);
    assert!(with("100MiB", "segment_size = \"20MiB\"").is_ok());
    let refused = with("100MiB", "segment_size = \"32MiB\"").unwrap_err().to_string();
    assert!(refused.contains("a fifth of `store_limit`"), "{refused}");
}

#[test]
fn a_connector_to_the_broker_itself_is_a_finding() {
    let findings = |text: &str| {
        let source = Source::file("broker.toml", text);
        let (_, findings) = load_with_findings(Some(&source), &Flags::default()).unwrap();
        findings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let listening = |uri: &str| format!("[[transport_connector]]\nuri = \"{uri}\"\n");
    let to = |uri: &str| format!("[[network_connector]]\nname = \"n\"\nuri = \"{uri}\"\n");
    let own = listening("tcp://0.0.0.0:7000");
    let found = findings(&(own.clone() + &to("static:(tcp://localhost:7000,tcp://b:7000)")));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("broker.toml:5:7: warning: `n` leads back to this broker"));
    // Without a listener of its own it has the default one.
    assert_eq!(findings(&to("tcp://127.0.0.1:61616")).len(), 1);
    assert_eq!(findings(&(own + &to("tcp://127.0.0.1:7001"))), Vec::<String>::new());
    let flags = Flags { network: texts(&["tcp://127.0.0.1:61616"]), ..Flags::default() };
    let (_, found) = load_with_findings(None, &flags).unwrap();
    assert!(found[0].to_string().starts_with("--network"), "{found:?}");
}

//! A whole network is seen from any one of its brokers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use serde_json::Value;
use support::{Ferry, PATIENCE, Process, ferrymq_command, free_port, until};

/// `status --network --json` at a broker.
fn network(admin: &str) -> Value {
    let arguments = ["status", "--network", "--json", "--admin", admin];
    let ended = Process::spawn("ferrymq status", ferrymq_command(&arguments)).ended();
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    serde_json::from_str(&ended.stdout.join("\n")).expect("JSON")
}

/// The network, as soon as it looks as wanted.
fn seen(what: &str, admin: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    until(what, PATIENCE, || Some(network(admin)).filter(|map| wanted(map)))
}

fn named<'v>(map: &'v Value, name: &str) -> &'v Value {
    let brokers = map["brokers"].as_array().expect("brokers");
    brokers.iter().find(|one| one["broker"]["name"] == name).expect("a broker of this name")
}

fn live(map: &Value) -> usize {
    let links = map["links"].as_array().expect("links");
    links.iter().filter(|one| one["link"]["state"] == "live").count()
}

#[test]
fn a_ring_with_a_silent_broker_and_a_dead_link_is_seen_from_anywhere() {
    let port = free_port();
    let dead = format!("tcp://127.0.0.1:{}", free_port());
    let to = |url: &str| format!("static:({url})?initialReconnectDelay=50&maxReconnectDelay=50");
    let a = Ferry::named("a").admin().port(port).network(&to(&dead)).start();
    let b = Ferry::named("b").admin().network(&to(a.url())).start();
    // Without an admin API: it can be seen, and not be asked.
    let hidden = Ferry::named("hidden").start();
    let c = Ferry::named("c").admin().network(&to(b.url())).network(&to(hidden.url())).start();
    let map = seen("all links are up", &a.admin(), |map| live(map) == 3);

    assert_eq!(map["brokers"].as_array().unwrap().len(), 4, "{map}");
    for (name, broker) in [("a", &a), ("b", &b), ("c", &c)] {
        let seen = named(&map, name);
        assert_eq!(seen["seen"], "answered", "{seen}");
        assert_eq!(seen["asked_at"], broker.admin(), "{seen}");
        assert_eq!(seen["status"]["state"], "ready", "{seen}");
    }
    let hidden = named(&map, "hidden");
    assert_eq!((&hidden["seen"], &hidden["asked_at"]), (&"not_asked".into(), &Value::Null));
    assert!(hidden["reason"].as_str().unwrap().contains("does not say"), "{hidden}");
    assert!(hidden["product"].as_str().unwrap().starts_with("FerryMQ"), "{hidden}");
    let links = map["links"].as_array().unwrap();
    let down = links.iter().find(|one| one["link"]["remote_uri"] == *dead).expect("the dead link");
    assert_eq!(
        (&down["from"]["name"], down["link"]["remote_broker"].is_null()),
        (&"a".into(), true)
    );
    assert!(down["link"]["reason"].is_string() || down["link"]["state"] == "connecting", "{down}");
    assert_eq!((&map["shared_names"], &map["cut_short"]), (&serde_json::json!([]), &false.into()));

    // From the other end the same is seen, and people are told in words.
    let other = seen("the same", &c.admin(), |map| live(map) == 3);
    assert_eq!(other["brokers"].as_array().unwrap().len(), 4);
    let arguments = ["status", "--network", "--admin", &c.admin()];
    let shown = Process::spawn("ferrymq status", ferrymq_command(&arguments)).ended();
    assert_eq!(shown.stdout[0], "4 brokers, 3 of 4 links live", "{shown:?}");
    for line in ["b -> a", "c -> b", "c -> hidden"] {
        assert!(shown.stdout.iter().any(|shown| shown.starts_with(line)), "{shown:?}");
    }
}

#[test]
fn two_brokers_of_one_name_are_pointed_out() {
    let one = Ferry::named("twin").admin().start();
    let other = Ferry::named("twin").admin().start();
    let uri = format!("static:({},{})", one.url(), other.url());
    let hub = Ferry::named("hub").admin().network(&uri).start();
    let map = seen("both are seen", &hub.admin(), |map| {
        map["brokers"].as_array().is_some_and(|brokers| brokers.len() == 3)
    });
    assert_eq!(map["shared_names"], serde_json::json!(["twin"]), "{map}");
}

#[test]
fn a_broker_alone_is_one() {
    let broker = Ferry::named("alone").admin().start();
    let arguments = ["status", "--network", "--admin", &broker.admin()];
    let ended = Process::spawn("ferrymq status", ferrymq_command(&arguments)).ended();
    assert_eq!(ended.stdout[0], "1 broker, 0 of 0 links live");
}

#[test]
fn nobody_at_the_first_address_is_an_error() {
    let nobody = format!("127.0.0.1:{}", free_port());
    let arguments = ["status", "--network", "--admin", &nobody];
    let ended = Process::spawn("ferrymq status", ferrymq_command(&arguments)).ended();
    assert_eq!(ended.code(), Some(1), "{ended:?}");
}

//! Virtual topics in networks of FerryMQ and ActiveMQ: a queue that is named after a topic gets what
//! is published to it beyond a bridge, once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use support::{Jms, Kind, Subject, free_port};

const TOPIC: &str = "topic://VirtualTopic.X";
const QUEUE: &str = "queue://Consumer.a.VirtualTopic.X";

/// A broker of each kind, with a connector to the other.
fn pair(near: Kind, far: Kind) -> (Subject, Subject) {
    let port = free_port();
    let a = Subject::named(near, "a").bridged_to(&format!("tcp://127.0.0.1:{port}")).start();
    let b = Subject::named(far, "b").port(port).bridged_to(a.url()).start();
    (a, b)
}

/// Publishes questions until one has come to each of the consumers: their demand has crossed.
fn demand_crosses(jms: &mut Jms, consumers: &[&str]) {
    for consumer in consumers {
        let crossed = (0..300).any(|_| {
            jms.send_text("p", "near", "?");
            !jms.receive_within(consumer, Duration::from_millis(100)).is_null()
        });
        assert!(crossed, "nothing comes to {consumer}");
    }
}

/// How often each of the next texts comes that are no questions, until none comes any more.
fn counted(jms: &mut Jms, consumer: &str) -> BTreeMap<String, u32> {
    let mut seen = BTreeMap::new();
    loop {
        let message = jms.receive_within(consumer, Duration::from_millis(800));
        let Some(body) = message["body"].as_str() else { return seen };
        if body != "?" {
            *seen.entry(body.to_owned()).or_default() += 1;
        }
    }
}

fn each_once(near: Kind, far: Kind) {
    let (a, b) = pair(near, far);
    let mut jms = Jms::start();
    jms.connect("near", a.url(), "auto");
    jms.connect("far", b.url(), "auto");
    jms.produce("p", "near", TOPIC, true);
    jms.consume("queue", "far", QUEUE);
    demand_crosses(&mut jms, &["queue"]);
    let once: BTreeMap<String, u32> = (0..20).map(|number| (number.to_string(), 1)).collect();
    for body in once.keys() {
        jms.send_text("p", "near", body);
    }
    assert_eq!(counted(&mut jms, "queue"), once, "{near:?} to {far:?}: the queue alone");
    // Now the topic crosses, too.
    jms.consume("plain", "far", TOPIC);
    demand_crosses(&mut jms, &["plain"]);
    for body in once.keys() {
        jms.send_text("p", "near", body);
    }
    assert_eq!(counted(&mut jms, "plain"), once, "{near:?} to {far:?}: the topic");
    assert_eq!(counted(&mut jms, "queue"), once, "{near:?} to {far:?}: queue and topic");
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn from_activemq_each_message_comes_once() {
    each_once(Kind::ActiveMq, Kind::Ferry);
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn to_activemq_each_message_comes_once() {
    each_once(Kind::Ferry, Kind::ActiveMq);
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn between_activemq_brokers_each_message_comes_once() {
    each_once(Kind::ActiveMq, Kind::ActiveMq);
}

//! One duplex connector of broker A, one socket, and everything crosses both ways, whichever of the
//! two is an ActiveMQ. Each promise is also run between two ActiveMQ brokers: that proves the
//! expectation itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::time::Duration;

use serde_json::json;
use support::{ActiveMq, Ferry, Jms, Kind, PATIENCE, Proxy, Subject, free_port, get, until};

macro_rules! promises {
    ($($promise:ident)*) => {
        promises! { @pair ferrymq_to_ferrymq, Kind::Ferry, Kind::Ferry, $($promise)* }
        promises! { @pair activemq_to_ferrymq, Kind::ActiveMq, Kind::Ferry, $($promise)* }
        promises! { @pair ferrymq_to_activemq, Kind::Ferry, Kind::ActiveMq, $($promise)* }
        promises! { @pair activemq_to_activemq, Kind::ActiveMq, Kind::ActiveMq, $($promise)* }
    };
    (@pair $pair:ident, $a:expr, $b:expr, $($promise:ident)*) => {
        mod $pair {
            use super::support::Kind;
            $(
                #[test]
                #[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
                fn $promise() {
                    super::$promise($a, $b);
                }
            )*
        }
    };
}

promises! {
    queues_and_topics_cross_both_ways_over_one_socket
    requests_are_answered_in_both_directions_over_one_socket
    an_idle_link_stays_up_and_carries_both_ways_afterwards
    a_link_that_is_cut_carries_both_ways_again
    a_durable_subscriber_beyond_the_link_misses_nothing_while_it_or_the_link_is_away
}

const WAYS: [(&str, &str); 2] = [("at A", "at B"), ("at B", "at A")];

/// Two brokers joined by A's duplex connector, the wire between them, and a JMS client with a
/// connection to each.
struct Pair {
    a: Subject,
    b: Subject,
    wire: Proxy,
    jms: Jms,
}

impl Pair {
    fn start(a: Kind, b: Kind) -> Self {
        let b = Subject::named(b, "B").start();
        let port = b.url().rsplit(':').next().unwrap().parse().unwrap();
        let wire = Proxy::to(port);
        let a = Subject::named(a, "A").duplex_to(&wire.url()).start();
        let mut jms = Jms::start();
        jms.connect("at A", a.url(), "auto");
        jms.connect("at B", b.url(), "auto");
        Self { a, b, wire, jms }
    }

    /// Waits until both bridges run, by sending to queues of their own with a consumer beyond.
    fn bridged(&mut self) {
        for (from, to) in WAYS {
            let queue = format!("queue://bridged.{}", to.replace(' ', "."));
            self.jms.consume("k bridged", to, &queue);
            self.jms.produce("p bridged", from, &queue, false);
            self.jms.send_text("p bridged", from, "across");
            assert_eq!(self.jms.receive_within("k bridged", PATIENCE)["body"], "across");
            self.jms.close("k bridged");
        }
    }
}

fn queues_and_topics_cross_both_ways_over_one_socket(a: Kind, b: Kind) {
    let mut pair = Pair::start(a, b);
    pair.bridged();
    let jms = &mut pair.jms;
    for (from, to) in WAYS {
        for persistent in [false, true] {
            let queue = format!("queue://work.{persistent}.{}", to.replace(' ', "."));
            jms.consume("k", to, &queue);
            jms.produce("p", from, &queue, persistent);
            jms.send_many("p", from, 0, 1_500);
            jms.receive_run("k", 0, 1_500);
            jms.nothing_comes("k");
            jms.close("k");
        }
        let topic = format!("topic://news.{}", to.replace(' ', "."));
        jms.consume("k", to, &topic);
        jms.produce("p", from, &topic, false);
        until("demand for the topic has travelled", PATIENCE, || {
            jms.send_text("p", from, "is anybody there?");
            (!jms.receive_within("k", Duration::from_millis(200)).is_null()).then_some(())
        });
        jms.send_text("p", from, "the last question");
        while jms.receive_text("k") != "the last question" {}
        jms.send_many("p", from, 0, 1_500);
        jms.receive_run("k", 0, 1_500);
        jms.nothing_comes("k");
        jms.close("k");
    }
    assert_eq!(pair.wire.accepted(), 1);
}

fn requests_are_answered_in_both_directions_over_one_socket(a: Kind, b: Kind) {
    let mut pair = Pair::start(a, b);
    pair.bridged();
    let jms = &mut pair.jms;
    for (from, to) in WAYS {
        let asking = format!("{from}.s");
        let service = format!("queue://service.{}", to.replace(' ', "."));
        let server = if to == "at A" { &pair.a } else { &pair.b };
        jms.connect("server", server.url(), "auto");
        jms.call(json!({
            "op": "respond", "on": "server.s", "connection": "server", "from": service
        }));
        jms.call(json!({"op": "temporary_queue", "as": "replies", "on": asking}));
        jms.consume("k", from, "replies");
        jms.produce("p", from, &service, false);
        if matches!(server, Subject::ActiveMq(_)) {
            jms.until_answered("p", from, "replies", "k");
        }
        let refused = jms.exceptions("server");
        for number in 0..30 {
            let body = format!("question {number}");
            let id = jms.ask("p", from, "replies", &body);
            let reply = jms.receive("k");
            assert_eq!((&reply["body"], &reply["correlation_id"]), (&body.into(), &id));
        }
        assert_eq!(jms.exceptions("server"), refused);
        jms.close("server");
        jms.close("k");
    }
    assert_eq!(pair.wire.accepted(), 1);
}

fn an_idle_link_stays_up_and_carries_both_ways_afterwards(a: Kind, b: Kind) {
    let mut pair = Pair::start(a, b);
    pair.bridged();
    // Longer than a FerryMQ bridge goes without proof of life (10 s) and than both transports
    // tolerate silence.
    let patience = Duration::from_secs(13);
    pair.jms.consume("silent", "at A", "queue://silent");
    assert!(pair.jms.receive_within("silent", patience).is_null());
    pair.bridged();
    assert_eq!(pair.wire.accepted(), 1);
}

fn a_link_that_is_cut_carries_both_ways_again(a: Kind, b: Kind) {
    let mut pair = Pair::start(a, b);
    for _ in 0..3 {
        pair.bridged();
        let before = pair.wire.accepted();
        pair.wire.cut();
        pair.wire.accepts_another(before);
    }
    pair.bridged();
}

fn a_durable_subscriber_beyond_the_link_misses_nothing_while_it_or_the_link_is_away(
    a: Kind,
    b: Kind,
) {
    let mut pair = Pair::start(a, b);
    pair.bridged();
    for (from, to) in WAYS {
        let topic = format!("topic://lasting.{}", to.replace(' ', "."));
        let url = if to == "at A" { pair.a.url() } else { pair.b.url() };
        let call = json!({"as": "away", "url": url, "client_id": "away"});
        let jms = &mut pair.jms;
        let come = |jms: &mut Jms| {
            jms.connect_with(call.clone(), "auto");
            jms.subscribe("k", "away", "sub", &topic);
        };
        come(jms);
        jms.produce("p", from, &topic, true);
        until("demand for the topic has travelled", PATIENCE, || {
            jms.send_text("p", from, "is anybody there?");
            (!jms.receive_within("k", Duration::from_millis(200)).is_null()).then_some(())
        });
        jms.send_text("p", from, "the last question");
        while jms.receive_text("k") != "the last question" {}
        jms.close("away");
        jms.send_many("p", from, 0, 20);
        let before = pair.wire.accepted();
        pair.wire.cut();
        jms.send_many("p", from, 20, 20);
        pair.wire.accepts_another(before);
        come(jms);
        let came = jms.receive_many("k", 40, PATIENCE);
        assert_eq!(came["distinct"], 40, "{came}");
        jms.close("away");
    }
}

/// The default `link_timeout` of 10 s goes for both; alone, ActiveMQ notices after 30 s.
fn a_black_hole_is_noticed(a: Kind, b: Kind) {
    let mut pair = Pair::start(a, b);
    pair.bridged();
    let before = pair.wire.accepted();
    pair.wire.go_deaf();
    pair.wire.accepts_another(before);
    pair.wire.hear_again();
    pair.bridged();
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_black_hole_between_ferrymq_and_activemq_is_noticed() {
    a_black_hole_is_noticed(Kind::Ferry, Kind::ActiveMq);
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_black_hole_between_activemq_and_ferrymq_is_noticed() {
    a_black_hole_is_noticed(Kind::ActiveMq, Kind::Ferry);
}

/// ActiveMQ knows of no convergence; FerryMQ sees to it alone that topic messages come once.
#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn duplex_connectors_that_cross_become_one_link_with_an_activemq_too() {
    let (port_a, port_b) = (free_port(), free_port());
    let url = |port: u16| format!("tcp://127.0.0.1:{port}");
    let b = Subject::named(Kind::ActiveMq, "B").port(port_b).duplex_to(&url(port_a)).start();
    let a = Subject::named(Kind::Ferry, "A").port(port_a).duplex_to(&url(port_b)).start();
    let mut jms = Jms::start();
    jms.connect("at A", a.url(), "auto");
    jms.connect("at B", b.url(), "auto");
    for (from, to) in WAYS {
        let topic = format!("topic://news.{}", to.replace(' ', "."));
        jms.consume("k", to, &topic);
        jms.produce("p", from, &topic, false);
        until("demand for the topic has travelled", PATIENCE, || {
            jms.send_text("p", from, "is anybody there?");
            (!jms.receive_within("k", Duration::from_millis(200)).is_null()).then_some(())
        });
        jms.send_text("p", from, "the last question");
        while jms.receive_text("k") != "the last question" {}
        jms.send_many("p", from, 0, 200);
        jms.receive_run("k", 0, 200);
        jms.nothing_comes("k");
        jms.close("k");
    }
}

/// What waits for room at an ActiveMQ is unanswered for as long as that takes, which is no reason to
/// give the link up.
#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_full_queue_of_an_activemq_does_not_cost_the_link() {
    for duplex in [false, true] {
        let b = ActiveMq::named("B").flag("--queue-memory-kb", "40").start();
        let port = b.url().rsplit(':').next().unwrap().parse().unwrap();
        let wire = Proxy::to(port);
        let a = Ferry::named("A").admin().configure(&format!(
            "[[network_connector]]\nname = \"line\"\nuri = \"tcp://127.0.0.1:{}\"\n\
             duplex = {duplex}\nlink_timeout = \"2s\"\n",
            wire.url().rsplit(':').next().unwrap()
        ));
        let a = a.start();
        let mut jms = Jms::start();
        jms.connect("at A", a.url(), "auto");
        jms.connect("at B", b.url(), "auto");
        jms.consume("lazy", "at B", "queue://full?consumer.prefetchSize=1");
        jms.produce("p", "at A", "queue://full", true);
        jms.send_many("p", "at A", 0, 500);
        until("the queue is full", PATIENCE, || {
            let link = get(&a.admin(), "/api/v1/links").json()["links"][0].clone();
            (link["in_flight"].as_u64() > Some(5)).then_some(())
        });
        // Long enough for a deaf broker to be given up.
        jms.consume("silent", "at A", "queue://silent");
        assert!(jms.receive_within("silent", Duration::from_secs(5)).is_null());
        assert_eq!(wire.accepted(), 1);
        jms.receive_run("lazy", 0, 500);
        jms.nothing_comes("lazy");
        assert_eq!(wire.accepted(), 1);
    }
}

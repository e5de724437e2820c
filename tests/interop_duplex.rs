//! One duplex connector of broker A, one socket, and everything crosses both ways, whichever of the
//! two is an ActiveMQ. Each promise is also run between two ActiveMQ brokers: that proves the
//! expectation itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::time::Duration;

use serde_json::json;
use support::{Jms, Kind, PATIENCE, Proxy, Subject, until};

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
        for number in 0..30 {
            let body = format!("question {number}");
            let id = jms.call(json!({
                "op": "send", "on": "p", "session": asking, "body": body, "reply_to": "replies"
            }));
            let reply = jms.receive("k");
            assert_eq!((&reply["body"], &reply["correlation_id"]), (&body.into(), &id));
        }
        assert_eq!(jms.exceptions("server"), Vec::<String>::new());
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

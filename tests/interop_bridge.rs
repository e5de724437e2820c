//! Messages cross from broker A to broker B over a one-way bridge that A dials, whichever of the two
//! is an ActiveMQ. Each promise is also run between two ActiveMQ brokers: that proves the
//! expectation itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::{Jms, Kind, PATIENCE, Subject, free_port, until};

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
    a_queue_crosses_in_order_without_loss_or_duplicates
    a_topic_crosses_in_order_without_loss_or_duplicates
    a_request_is_answered_by_a_server_on_the_other_broker
    nothing_crosses_before_a_consumer_comes_and_the_backlog_crosses_then
    nothing_crosses_once_the_last_consumer_has_gone
    consumers_of_a_queue_on_the_far_broker_share_one_copy_of_each_message
    a_message_crosses_with_its_body_and_headers_unchanged
    a_wildcard_consumer_draws_every_matching_topic
    an_excluded_queue_stays_at_home
    large_messages_cross
    many_queues_cross_at_once
    a_topic_message_arrives_once_though_bridges_run_both_ways
    a_far_broker_that_dies_and_returns_is_bridged_again_and_gets_what_waited
    a_near_broker_that_dies_and_returns_bridges_again
}

/// How many messages the long runs send; a few by default, so that they stay quick.
fn many() -> u32 {
    let chosen = std::env::var("FERRYMQ_INTEROP_MESSAGES").ok();
    chosen.and_then(|text| text.parse().ok()).unwrap_or(5_000)
}

/// Two brokers with a bridge from A to B, and a JMS client with a connection to each.
struct Pair {
    a: Subject,
    b: Subject,
    jms: Jms,
}

impl Pair {
    fn start(a: Kind, b: Kind) -> Self {
        let b = Subject::named(b, "B").start();
        let a = Subject::named(a, "A").bridged_to(b.url()).start();
        Self::with_clients(a, b)
    }

    /// One-way bridges in both directions.
    fn start_mutual(a: Kind, b: Kind) -> Self {
        let (port_a, port_b) = (free_port(), free_port());
        let url = |port: u16| format!("tcp://127.0.0.1:{port}");
        let b = Subject::named(b, "B").port(port_b).bridged_to(&url(port_a)).start();
        let a = Subject::named(a, "A").port(port_a).bridged_to(&url(port_b)).start();
        Self::with_clients(a, b)
    }

    fn with_clients(a: Subject, b: Subject) -> Self {
        let mut jms = Jms::start();
        jms.connect("at A", a.url(), "auto");
        jms.connect("at B", b.url(), "auto");
        Self { a, b, jms }
    }

    /// Waits until a bridge runs, by sending to a queue of its own that has a consumer beyond it.
    fn bridged(&mut self, from: &str, to: &str) {
        let queue = format!("queue://bridged.{}", to.replace(' ', "."));
        self.jms.consume("k bridged", to, &queue);
        self.jms.produce("p bridged", from, &queue, false);
        self.jms.send_text("p bridged", from, "across");
        let message = self.jms.receive_within("k bridged", PATIENCE);
        assert_eq!(message["body"], "across");
        self.jms.close("k bridged");
    }

    /// Waits until `producer` (of `from`) reaches `consumer`, a topic's: what is sent to a topic
    /// before demand has travelled is rightly lost.
    fn reaches(&mut self, producer: &str, from: &str, consumer: &str) {
        until("demand for the topic has travelled", PATIENCE, || {
            self.jms.send_text(producer, from, "is anybody there?");
            let answer = self.jms.receive_within(consumer, Duration::from_millis(200));
            (!answer.is_null()).then_some(())
        });
        self.jms.send_text(producer, from, "the last question");
        while self.jms.receive_text(consumer) != "the last question" {}
    }
}

fn a_queue_crosses_in_order_without_loss_or_duplicates(a: Kind, b: Kind) {
    let Pair { a: _a, b: _b, mut jms } = Pair::start(a, b);
    for (queue, persistent) in [("queue://fast", false), ("queue://safe", true)] {
        let count = if persistent { many() / 10 } else { many() };
        jms.consume("k", "at B", queue);
        jms.produce("p", "at A", queue, persistent);
        jms.send_many("p", "at A", 0, count);
        jms.receive_run("k", 0, count);
        jms.nothing_comes("k");
    }
}

fn a_topic_crosses_in_order_without_loss_or_duplicates(a: Kind, b: Kind) {
    let mut pair = Pair::start(a, b);
    pair.jms.consume("k", "at B", "topic://news");
    pair.jms.produce("p", "at A", "topic://news", false);
    pair.reaches("p", "at A", "k");
    pair.jms.send_many("p", "at A", 0, many());
    pair.jms.receive_run("k", 0, many());
    pair.jms.nothing_comes("k");
}

fn a_request_is_answered_by_a_server_on_the_other_broker(a: Kind, b: Kind) {
    let mut pair = Pair::start_mutual(a, b);
    pair.bridged("at A", "at B");
    pair.bridged("at B", "at A");
    let jms = &mut pair.jms;
    jms.call(json!({
        "op": "respond", "on": "at B.s", "connection": "at B", "from": "queue://service"
    }));
    jms.call(json!({"op": "temporary_queue", "as": "replies", "on": "at A.s"}));
    jms.consume("k", "at A", "replies");
    jms.produce("p", "at A", "queue://service", false);
    if matches!(b, Kind::ActiveMq) {
        jms.until_answered("p", "at A", "replies", "k");
    }
    let refused = jms.exceptions("at B");
    for number in 0..50 {
        let body = format!("question {number}");
        let id = jms.ask("p", "at A", "replies", &body);
        let reply = jms.receive("k");
        assert_eq!(reply["body"], body);
        assert_eq!(reply["correlation_id"], id);
    }
    assert_eq!(jms.exceptions("at B"), refused);
}

fn nothing_crosses_before_a_consumer_comes_and_the_backlog_crosses_then(a: Kind, b: Kind) {
    let mut pair = Pair::start(a, b);
    pair.jms.produce("p", "at A", "queue://backlog", true);
    pair.jms.send_many("p", "at A", 0, 100);
    pair.bridged("at A", "at B");
    // All are still at A, where a consumer that settles half of them finds them.
    pair.jms.connect("peek", pair.a.url(), "client");
    pair.jms.consume("k peek", "peek", "queue://backlog");
    pair.jms.receive_run("k peek", 0, 100);
    pair.jms.close("peek");
    pair.jms.consume("k", "at B", "queue://backlog");
    let crossed = pair.jms.receive_many("k", 100, PATIENCE);
    assert_eq!(crossed["distinct"], 100, "{crossed}");
    assert_eq!(crossed["disordered"], 0, "{crossed}");
    pair.jms.nothing_comes("k");
}

fn nothing_crosses_once_the_last_consumer_has_gone(a: Kind, b: Kind) {
    let mut pair = Pair::start(a, b);
    let jms = &mut pair.jms;
    for consumer in ["one", "two"] {
        jms.consume(consumer, "at B", "queue://wanted");
    }
    jms.produce("p", "at A", "queue://wanted", true);
    jms.send_text("p", "at A", "first");
    let taken_by = ["one", "two"]
        .into_iter()
        .find(|consumer| !jms.receive_within(consumer, Duration::from_secs(2)).is_null());
    assert!(taken_by.is_some(), "the first message crossed");
    jms.close("one");
    jms.send_text("p", "at A", "second");
    assert_eq!(jms.receive_text("two"), "second", "one consumer is still there");
    jms.close("two");
    // The news of the close travels beside the messages, so one or the other may still cross.
    jms.consume("home", "at A", "queue://wanted");
    until("messages stay at A", PATIENCE, || {
        for body in ["kept", "kept too"] {
            jms.send_text("p", "at A", body);
        }
        let count = (0..2)
            .filter(|_| !jms.receive_within("home", Duration::from_millis(500)).is_null())
            .count();
        (count == 2).then_some(())
    });
}

fn consumers_of_a_queue_on_the_far_broker_share_one_copy_of_each_message(a: Kind, b: Kind) {
    let Pair { a: _a, b, mut jms } = Pair::start(a, b);
    for consumer in ["one", "two"] {
        jms.connect_with(json!({"as": consumer, "url": b.url(), "prefetch": 1}), "auto");
        jms.consume(&format!("k {consumer}"), consumer, "queue://shared");
    }
    jms.produce("p", "at A", "queue://shared", false);
    for number in 0..40 {
        jms.send_text("p", "at A", &number.to_string());
    }
    let mut seen: Vec<u32> = Vec::new();
    until("both consumers together have received all", PATIENCE, || {
        for consumer in ["k one", "k two"] {
            let message = jms.receive_within(consumer, Duration::from_millis(100));
            seen.extend(message["body"].as_str().map(|body| body.parse::<u32>().unwrap()));
        }
        (seen.len() >= 40).then_some(())
    });
    seen.sort_unstable();
    assert_eq!(seen, (0..40).collect::<Vec<_>>());
    jms.nothing_comes("k one");
    jms.nothing_comes("k two");
}

fn a_message_crosses_with_its_body_and_headers_unchanged(a: Kind, b: Kind) {
    let Pair { a: _a, b: _b, mut jms } = Pair::start(a, b);
    jms.consume("k", "at B", "queue://parcels");
    jms.call(json!({"op": "temporary_queue", "as": "replies", "on": "at A.s"}));
    jms.call(json!({
        "op": "producer", "as": "p", "on": "at A.s", "to": "queue://parcels",
        "persistent": true, "priority": 7, "time_to_live_ms": 600_000
    }));
    let parcels = [
        json!({"kind": "text", "body": "hé \u{1F6A2}"}),
        json!({"kind": "bytes", "body": [0, 128, 255]}),
        json!({"kind": "map", "body": {"l": {"long": 1}, "text": "x"}}),
        json!({"kind": "stream", "body": [{"int": 1}, "x"]}),
        json!({"kind": "object", "body": "serialised"}),
        json!({"kind": "empty"}),
    ];
    for parcel in parcels {
        let mut call = json!({
            "op": "send", "on": "p", "session": "at A.s", "correlation_id": "c", "jms_type": "t",
            "reply_to": "replies", "properties": {"n": {"int": 3}, "s": "größer"}
        });
        call.as_object_mut().unwrap().extend(parcel.as_object().unwrap().clone());
        let id = jms.call(call.clone());
        let arrived = jms.receive("k");
        assert_eq!(arrived["id"], id);
        for field in ["kind", "body", "correlation_id", "jms_type", "properties"] {
            assert_eq!(arrived.get(field), call.get(field), "{field} of {arrived}");
        }
        assert_eq!(arrived["priority"], 7);
        assert_eq!(arrived["persistent"], true);
        assert_eq!(arrived["redelivered"], false);
        assert_eq!(arrived["destination"], "queue://parcels");
        let life = |field: &str| arrived[field].as_i64().expect("milliseconds");
        assert_eq!(life("expiration") - life("timestamp"), 600_000);
        assert!(arrived["reply_to"].as_str().is_some_and(|name| name.starts_with("temp-queue://")));
    }
}

fn a_wildcard_consumer_draws_every_matching_topic(a: Kind, b: Kind) {
    let mut pair = Pair::start(a, b);
    pair.jms.consume("k", "at B", "topic://prices.>");
    for name in ["prices.gold", "prices.metal.tin"] {
        pair.jms.produce("p", "at A", &format!("topic://{name}"), false);
        pair.reaches("p", "at A", "k");
        pair.jms.send_text("p", "at A", name);
        let message = pair.jms.receive("k");
        assert_eq!(message["body"], name);
        assert_eq!(message["destination"], format!("topic://{name}"));
    }
}

fn large_messages_cross(a: Kind, b: Kind) {
    let Pair { a: _a, b: _b, mut jms } = Pair::start(a, b);
    jms.consume("k", "at B", "queue://freight");
    jms.produce("p", "at A", "queue://freight", true);
    for first in 0..3 {
        jms.call(json!({
            "op": "send_many", "on": "p", "session": "at A.s", "first": first, "count": 1,
            "size": 10_000_000
        }));
        jms.receive_run("k", first, 1);
    }
}

fn many_queues_cross_at_once(a: Kind, b: Kind) {
    let Pair { a: _a, b: _b, mut jms } = Pair::start(a, b);
    for number in 0..200 {
        jms.consume(&format!("k{number}"), "at B", &format!("queue://many.{number}"));
    }
    for number in 0..200 {
        jms.produce("p", "at A", &format!("queue://many.{number}"), false);
        jms.send_many("p", "at A", 0, 20);
        jms.close("p");
    }
    for number in 0..200 {
        jms.receive_run(&format!("k{number}"), 0, 20);
    }
}

fn an_excluded_queue_stays_at_home(a: Kind, b: Kind) {
    let b = Subject::named(b, "B").start();
    let a = Subject::named(a, "A").bridged_except(b.url(), "queue://local.>").start();
    let Pair { a: _a, b: _b, mut jms } = Pair::with_clients(a, b);
    for (consumer, queue) in [("k local", "queue://local.x"), ("k open", "queue://open.x")] {
        jms.consume(consumer, "at B", queue);
    }
    for (producer, queue) in [("p local", "queue://local.x"), ("p open", "queue://open.x")] {
        jms.produce(producer, "at A", queue, true);
        jms.send_text(producer, "at A", queue);
    }
    assert_eq!(jms.receive_text("k open"), "queue://open.x");
    jms.nothing_comes("k local");
    jms.consume("k home", "at A", "queue://local.x");
    assert_eq!(jms.receive_text("k home"), "queue://local.x");
}

fn a_topic_message_arrives_once_though_bridges_run_both_ways(a: Kind, b: Kind) {
    let mut pair = Pair::start_mutual(a, b);
    for connection in ["at A", "at B"] {
        pair.jms.produce(&format!("p {connection}"), connection, "topic://round", false);
    }
    pair.jms.consume("k at B", "at B", "topic://round");
    pair.reaches("p at A", "at A", "k at B");
    pair.jms.consume("k at A", "at A", "topic://round");
    pair.reaches("p at B", "at B", "k at A");
    // What asked for an answer from B also came to B's own consumer.
    while !pair.jms.receive_within("k at B", Duration::from_millis(300)).is_null() {}
    pair.jms.send_many("p at A", "at A", 0, 200);
    pair.jms.send_many("p at B", "at B", 200, 200);
    for consumer in ["k at A", "k at B"] {
        let seen = pair.jms.receive_many(consumer, 401, Duration::from_secs(2));
        let facts = json!([seen["received"], seen["distinct"]]);
        assert_eq!(facts, json!([400, 400]), "{consumer}: {seen}");
    }
}

fn a_far_broker_that_dies_and_returns_is_bridged_again_and_gets_what_waited(a: Kind, b: Kind) {
    let mut pair = Pair::start(a, b);
    pair.bridged("at A", "at B");
    pair.b.kill();
    pair.jms.produce("p", "at A", "queue://patience", true);
    pair.jms.send_many("p", "at A", 0, 200);
    for round in 0..2 {
        pair.b.restart();
        pair.jms.connect("at B", pair.b.url(), "auto");
        if round == 0 {
            pair.jms.consume("k", "at B", "queue://patience");
            let seen = pair.jms.receive_many("k", 200, PATIENCE);
            let wanted: Value = json!([200, 200, 0]);
            assert_eq!(json!([seen["received"], seen["distinct"], seen["disordered"]]), wanted);
        }
        pair.bridged("at A", "at B");
        pair.b.kill();
    }
}

fn a_near_broker_that_dies_and_returns_bridges_again(a: Kind, b: Kind) {
    let mut pair = Pair::start(a, b);
    pair.jms.consume("k", "at B", "queue://onward");
    pair.bridged("at A", "at B");
    pair.a.kill();
    pair.a.restart();
    pair.jms.connect("at A", pair.a.url(), "auto");
    // The consumer has been there all the time; A learns of it again by itself.
    pair.jms.produce("p", "at A", "queue://onward", true);
    pair.jms.send_many("p", "at A", 0, 200);
    pair.jms.receive_run("k", 0, 200);
}

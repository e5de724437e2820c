//! What an unmodified JMS client sends arrives: all of it, once, in order, at the consumers that the
//! kind of destination calls for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use serde_json::json;
use support::{Jms, on_both};

/// How many messages the long runs send; a few by default, so that they stay quick.
fn many() -> u32 {
    let chosen = std::env::var("FERRYMQ_INTEROP_MESSAGES").ok();
    chosen.and_then(|text| text.parse().ok()).unwrap_or(5_000)
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_queue_delivers_all_in_order_persistent_or_not() {
    on_both(|jms, url| {
        for (queue, persistent) in [("queue://fast", false), ("queue://safe", true)] {
            let connection = format!("c {queue}");
            jms.connect(&connection, url, "auto");
            jms.produce("p", &connection, queue, persistent);
            jms.consume("k", &connection, queue);
            let count = if persistent { many() / 10 } else { many() };
            jms.send_many("p", &connection, 0, count);
            jms.receive_run("k", 0, count);
            jms.nothing_comes("k");
        }
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_queue_keeps_what_was_sent_before_its_consumer_came() {
    on_both(|jms, url| {
        jms.connect("sender", url, "auto");
        jms.produce("p", "sender", "queue://backlog", true);
        jms.send_many("p", "sender", 0, 500);
        jms.close("sender");
        jms.connect("receiver", url, "auto");
        jms.consume("k", "receiver", "queue://backlog");
        jms.receive_run("k", 0, 500);
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_topic_reaches_every_subscriber_in_order_and_only_while_subscribed() {
    on_both(|jms, url| {
        jms.connect("sender", url, "auto");
        jms.produce("p", "sender", "topic://news", false);
        jms.send_many("p", "sender", 0, 10);
        for subscriber in ["one", "two"] {
            jms.connect(subscriber, url, "auto");
            jms.consume(&format!("k {subscriber}"), subscriber, "topic://news");
        }
        jms.send_many("p", "sender", 100, many());
        for subscriber in ["one", "two"] {
            jms.receive_run(&format!("k {subscriber}"), 100, many());
            jms.nothing_comes(&format!("k {subscriber}"));
        }
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn consumers_of_one_queue_share_it_and_each_message_goes_to_one_of_them() {
    on_both(|jms, url| {
        for consumer in ["one", "two"] {
            jms.connect_with(json!({"as": consumer, "url": url, "prefetch": 10}), "auto");
            jms.consume(&format!("k {consumer}"), consumer, "queue://shared");
        }
        jms.connect("sender", url, "auto");
        jms.produce("p", "sender", "queue://shared", false);
        jms.send_many("p", "sender", 0, 20);
        // Neither consumer receives yet, so each holds exactly its window: half of what was sent.
        for consumer in ["one", "two"] {
            let held = jms.receive_many(&format!("k {consumer}"), 10, support::PATIENCE);
            assert_eq!(held["distinct"], 10, "{consumer} got its half: {held}");
            assert_eq!(held["disordered"], 0, "{consumer} got its half in order: {held}");
            jms.nothing_comes(&format!("k {consumer}"));
        }
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_prefetch_window_bounds_what_a_slow_consumer_takes_from_a_fast_one() {
    on_both(|jms, url| {
        jms.connect_with(json!({"as": "slow", "url": url, "prefetch": 1}), "client");
        jms.consume("k slow", "slow", "queue://uneven");
        jms.connect("sender", url, "auto");
        jms.produce("p", "sender", "queue://uneven", false);
        jms.send_many("p", "sender", 0, 1);
        jms.connect("fast", url, "auto");
        jms.consume("k fast", "fast", "queue://uneven");
        jms.send_many("p", "sender", 1, 200);
        jms.receive_run("k fast", 1, 200);
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_wildcard_consumer_sees_every_topic_below_under_its_own_name() {
    on_both(|jms, url| {
        jms.connect("c", url, "auto");
        jms.consume("all", "c", "topic://prices.>");
        jms.consume("one level", "c", "topic://prices.*");
        for name in ["prices.gold", "prices.metal.tin", "rates.gold"] {
            let producer = format!("p {name}");
            jms.produce(&producer, "c", &format!("topic://{name}"), false);
            jms.send_text(&producer, "c", name);
        }
        let mut seen = Vec::new();
        for consumer in ["all", "all", "one level"] {
            let message = jms.receive(consumer);
            seen.push((message["destination"].to_string(), message["body"].to_string()));
        }
        jms.nothing_comes("all");
        jms.nothing_comes("one level");
        seen
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_topic_consumer_can_refuse_what_its_own_connection_sends() {
    on_both(|jms, url| {
        jms.connect("own", url, "auto");
        jms.call(json!({
            "op": "consumer", "as": "k", "on": "own.s", "from": "topic://chat", "no_local": true
        }));
        jms.connect("other", url, "auto");
        for connection in ["own", "other"] {
            let producer = format!("p {connection}");
            jms.produce(&producer, connection, "topic://chat", false);
            jms.send_text(&producer, connection, connection);
        }
        assert_eq!(jms.receive_text("k"), "other");
        jms.nothing_comes("k");
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_producer_with_a_window_is_acknowledged_and_never_stalls() {
    on_both(|jms, url| {
        jms.connect_with(json!({"as": "c", "url": url, "window": 8192}), "auto");
        jms.consume("k", "c", "queue://windowed");
        jms.produce("p", "c", "queue://windowed", false);
        jms.send_many("p", "c", 0, 300);
        jms.receive_run("k", 0, 300);
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_message_that_expired_while_it_waited_is_not_delivered() {
    on_both(|jms, url| {
        jms.connect("c", url, "auto");
        jms.call(json!({
            "op": "producer", "as": "short", "on": "c.s", "to": "queue://milk",
            "time_to_live_ms": 1
        }));
        jms.call(json!({
            "op": "producer", "as": "long", "on": "c.s", "to": "queue://milk",
            "time_to_live_ms": 3_600_000
        }));
        jms.send_text("short", "c", "sour");
        // A wait for time is the promise here: the message must be older than its life.
        jms.consume("idle", "c", "queue://idle");
        jms.nothing_comes("idle");
        jms.send_text("long", "c", "fresh");
        jms.consume("k", "c", "queue://milk");
        let message = jms.receive("k");
        assert_eq!(message["body"], "fresh");
        let life = |field: &str| message[field].as_i64().expect("milliseconds");
        assert_eq!(life("expiration") - life("timestamp"), 3_600_000);
        jms.nothing_comes("k");
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_slow_client_in_another_process_does_not_hold_up_others() {
    on_both(|jms, url| {
        let mut stopped = Jms::start();
        stopped.connect("c", url, "auto");
        stopped.consume("k", "c", "topic://feed");
        stopped.freeze();
        jms.connect("c", url, "auto");
        jms.consume("k", "c", "topic://feed");
        jms.produce("p", "c", "topic://feed", false);
        jms.send_many("p", "c", 0, 2_000);
        jms.receive_run("k", 0, 2_000);
        stopped.thaw();
        stopped.receive_run("k", 0, 2_000);
    });
}

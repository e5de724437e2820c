//! A durable subscription keeps what was published while its client was away, as on ActiveMQ.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use serde_json::{Value, json};
use support::{Jms, on_both};

const AWAY: &str = "away";

/// A connection with the client id `id`, by the same name.
fn client(jms: &mut Jms, url: &str, id: &str, ack: &str) {
    jms.connect_with(json!({"as": id, "url": url, "client_id": id}), ack);
}

/// A producer `p` of persistent messages to `topic`, on a connection `sender`.
fn sender(jms: &mut Jms, url: &str, topic: &str) {
    jms.connect("sender", url, "auto");
    jms.produce("p", "sender", topic, true);
}

/// Makes the subscription `news` of the client `away`, and leaves.
fn subscribe_and_leave(jms: &mut Jms, url: &str, topic: &str) {
    client(jms, url, AWAY, "auto");
    jms.subscribe("k", AWAY, "news", topic);
    jms.close(AWAY);
}

fn bodies(jms: &mut Jms, consumer: &str, count: u32) -> Vec<Value> {
    let facts = |message: Value| json!([message["body"], message["redelivered"]]);
    (0..count).map(|_| facts(jms.receive(consumer))).collect()
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn what_was_published_meanwhile_comes_once_and_in_order() {
    on_both(|jms, url| {
        let topic = "topic://durable.order";
        subscribe_and_leave(jms, url, topic);
        sender(jms, url, topic);
        jms.send_many("p", "sender", 0, 500);
        client(jms, url, AWAY, "auto");
        jms.subscribe("k", AWAY, "news", topic);
        jms.receive_run("k", 0, 500);
        // Now that it is there, it goes on; and who goes again misses nothing.
        jms.send_many("p", "sender", 500, 50);
        jms.receive_run("k", 500, 50);
        jms.close("k");
        jms.send_many("p", "sender", 550, 50);
        jms.subscribe("k", AWAY, "news", topic);
        jms.receive_run("k", 550, 50);
        jms.nothing_comes("k");
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn what_was_not_acknowledged_returns_marked_and_ahead_of_the_rest() {
    on_both(|jms, url| {
        let topic = "topic://durable.acks";
        subscribe_and_leave(jms, url, topic);
        sender(jms, url, topic);
        for number in 0..6 {
            jms.send_text("p", "sender", &number.to_string());
        }
        client(jms, url, AWAY, "client");
        jms.subscribe("k", AWAY, "news", topic);
        bodies(jms, "k", 2);
        jms.acknowledge("k");
        bodies(jms, "k", 2);
        jms.close(AWAY);
        jms.send_text("p", "sender", "6");
        client(jms, url, AWAY, "individual");
        jms.subscribe("k2", AWAY, "news", topic);
        let seen = bodies(jms, "k2", 5);
        assert_eq!(seen[0], json!(["2", true]));
        jms.call(json!({"op": "acknowledge", "on": "k2", "index": 1}));
        jms.close(AWAY);
        client(jms, url, AWAY, "auto");
        jms.subscribe("k3", AWAY, "news", topic);
        let rest = bodies(jms, "k3", 4);
        jms.nothing_comes("k3");
        let order = |seen: &[Value]| seen.iter().map(|m| m[0].clone()).collect::<Vec<_>>();
        assert_eq!(order(&rest), ["2", "4", "5", "6"]);
        (order(&seen), rest)
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn it_has_one_consumer_at_a_time_and_ends_only_without_one() {
    on_both(|jms, url| {
        let topic = "topic://durable.one";
        client(jms, url, AWAY, "auto");
        let unknown =
            jms.refused(json!({"op": "unsubscribe", "on": "away.s", "subscription": "x"}));
        jms.subscribe("k", AWAY, "news", topic);
        jms.call(json!({"op": "session", "as": "other.s", "on": AWAY, "ack": "auto"}));
        let second = jms.refused(json!({
            "op": "durable", "as": "k2", "on": "other.s", "from": topic, "subscription": "news"
        }));
        let used =
            jms.refused(json!({"op": "unsubscribe", "on": "away.s", "subscription": "news"}));
        // Another client, and another name, are other subscriptions.
        client(jms, url, "other", "auto");
        jms.subscribe("k3", "other", "news", topic);
        jms.subscribe("k4", "other", "more", topic);
        sender(jms, url, topic);
        jms.send_text("p", "sender", "to all");
        for consumer in ["k", "k3", "k4"] {
            assert_eq!(jms.receive_text(consumer), "to all");
            jms.nothing_comes(consumer);
        }
        jms.close("k");
        jms.send_text("p", "sender", "lost with the subscription");
        jms.unsubscribe(AWAY, "news");
        jms.subscribe("k5", AWAY, "news", topic);
        jms.send_text("p", "sender", "of the new one");
        assert_eq!(jms.receive_text("k5"), "of the new one");
        vec![unknown, second, used]
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn another_selector_or_topic_begins_anew() {
    on_both(|jms, url| {
        let (one, other) = ("topic://durable.first", "topic://durable.second");
        client(jms, url, AWAY, "auto");
        let call = |from: &str, selector: &str| {
            json!({
                "op": "durable", "as": "k", "on": "away.s", "from": from,
                "subscription": "news", "selector": selector
            })
        };
        let send = |jms: &mut Jms, producer: &str, body: &str, colour: &str| {
            jms.call(json!({
                "op": "send", "on": producer, "session": "sender.s", "body": body,
                "properties": {"colour": colour}
            }));
        };
        sender(jms, url, one);
        jms.produce("p2", "sender", other, true);
        jms.call(call(one, "colour = 'red'"));
        jms.close("k");
        send(jms, "p", "kept", "red");
        send(jms, "p", "not wanted", "blue");
        jms.call(call(one, "colour = 'red'"));
        assert_eq!(jms.receive_text("k"), "kept");
        jms.close("k");
        send(jms, "p", "forgotten", "red");
        jms.call(call(one, "colour = 'blue'"));
        send(jms, "p", "blue", "blue");
        assert_eq!(jms.receive_text("k"), "blue");
        jms.close("k");
        send(jms, "p", "forgotten too", "blue");
        jms.call(call(other, "colour = 'blue'"));
        send(jms, "p", "not of this topic", "blue");
        send(jms, "p2", "second", "blue");
        assert_eq!(jms.receive_text("k"), "second");
        jms.nothing_comes("k");
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn no_local_and_patterns_hold_for_durable_subscriptions_too() {
    on_both(|jms, url| {
        client(jms, url, AWAY, "auto");
        jms.call(json!({
            "op": "durable", "as": "k", "on": "away.s", "from": "topic://durable.pattern.>",
            "subscription": "news", "no_local": true
        }));
        sender(jms, url, "topic://durable.pattern.a");
        jms.produce("p2", "sender", "topic://durable.pattern.b.c", true);
        jms.produce("own", AWAY, "topic://durable.pattern.a", true);
        jms.send_text("own", AWAY, "its own");
        jms.send_text("p", "sender", "a");
        jms.close("k");
        jms.send_text("p2", "sender", "b");
        jms.call(json!({
            "op": "durable", "as": "k", "on": "away.s", "from": "topic://durable.pattern.>",
            "subscription": "news", "no_local": true
        }));
        let mut seen: Vec<Value> = (0..2).map(|_| jms.receive("k")["body"].clone()).collect();
        seen.sort_by_key(Value::to_string);
        jms.nothing_comes("k");
        assert_eq!(seen, ["a", "b"]);
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn what_its_client_refuses_for_good_becomes_a_dead_letter() {
    on_both(|jms, url| {
        let topic = "topic://durable.poison";
        subscribe_and_leave(jms, url, topic);
        sender(jms, url, topic);
        jms.send_text("p", "sender", "poison");
        jms.send_text("p", "sender", "good");
        client(jms, url, AWAY, "client");
        jms.subscribe("k", AWAY, "news", topic);
        // The client gives up after six redeliveries.
        for _ in 0..7 {
            assert_eq!(jms.receive_text("k"), "poison");
            jms.call(json!({"op": "recover", "on": "away.s"}));
        }
        assert_eq!(jms.receive_text("k"), "good");
        jms.acknowledge("k");
        jms.connect("undertaker", url, "auto");
        jms.consume("dead", "undertaker", "queue://ActiveMQ.DLQ");
        assert_eq!(jms.receive_text("dead"), "poison");
        jms.nothing_comes("dead");
    });
}

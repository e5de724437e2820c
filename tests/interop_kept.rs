//! What a JMS client has committed, prepared or subscribed to outlives a broker that is killed, as with
//! ActiveMQ and its journal.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::{Jms, Subject, on_both_keeping};

/// Kills a broker and starts it again.
fn crash(broker: &mut Subject) {
    broker.kill();
    broker.restart();
}

fn fill(jms: &mut Jms, url: &str, to: &str, count: u32) {
    jms.connect("filler", url, "auto");
    jms.produce("filling", "filler", to, true);
    for number in 0..count {
        jms.send_text("filling", "filler", &number.to_string());
    }
    jms.close("filler");
}

fn end(jms: &mut Jms, connection: &str, how: &str) {
    jms.call(json!({"op": how, "on": format!("{connection}.s")}));
}

/// The bodies of what a consumer gets.
fn bodies(jms: &mut Jms, consumer: &str) -> Vec<Value> {
    let mut bodies = Vec::new();
    loop {
        let message = jms.receive_within(consumer, Duration::from_millis(700));
        if message.is_null() {
            return bodies;
        }
        bodies.push(message["body"].clone());
    }
}

/// What is left in a queue, for a client that comes later and leaves it as it is.
fn left(jms: &mut Jms, url: &str, queue: &str) -> Vec<Value> {
    jms.connect("later", url, "client");
    jms.consume("lk", "later", queue);
    let bodies = bodies(jms, "lk");
    jms.close("later");
    bodies
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn transacted_sessions_are_kept_whole_or_not_at_all() {
    on_both_keeping(|jms, broker| {
        let url = broker.url().to_owned();
        fill(jms, &url, "queue://work", 4);
        let mut seen = Vec::new();
        for how in ["rollback", "commit", "nothing"] {
            let mut victim = Jms::start();
            victim.connect("c", &url, "transacted");
            victim.consume("k", "c", "queue://work");
            victim.produce("p", "c", "queue://done", true);
            for _ in 0..2 {
                victim.receive("k");
            }
            victim.send_text("p", "c", how);
            if how != "nothing" {
                end(&mut victim, "c", how);
            }
            crash(broker);
            victim.crash();
            seen.push((left(jms, &url, "queue://work"), left(jms, &url, "queue://done")));
        }
        seen
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn durable_subscribers_miss_nothing_and_get_nothing_again() {
    on_both_keeping(|jms, broker| {
        let url = broker.url().to_owned();
        let client = |jms: &mut Jms, id: &str, ack: &str| {
            jms.connect_with(json!({"as": id, "url": url, "client_id": id}), ack);
        };
        for id in ["one", "two"] {
            client(jms, id, "auto");
            jms.subscribe(id, id, "news", "topic://news");
            jms.close(id);
        }
        fill(jms, &url, "topic://news", 5);
        crash(broker);
        let mut victim = Jms::start();
        client(&mut victim, "one", "transacted");
        victim.subscribe("k", "one", "news", "topic://news");
        let mut seen = vec![json!(victim.receive_text("k")), json!(victim.receive_text("k"))];
        end(&mut victim, "one", "commit");
        seen.push(json!(victim.receive_text("k")));
        crash(broker);
        victim.crash();
        for id in ["one", "two"] {
            client(jms, id, "auto");
            jms.subscribe(id, id, "news", "topic://news");
            seen.extend(bodies(jms, id));
            jms.close(id);
        }
        seen
    });
}

fn step(jms: &mut Jms, connection: &str, step: &str, xid: &str) -> Value {
    let session = format!("{connection}.s");
    jms.call(json!({"op": "xa", "on": session, "step": step, "xid": xid}))
}

fn done(jms: &mut Jms, connection: &str, what: &str, xid: &str) {
    assert_eq!(step(jms, connection, what, xid), "done", "{what} {xid}");
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn two_resources_that_are_prepared_are_decided_after_the_broker_was_killed() {
    on_both_keeping(|jms, broker| {
        let url = broker.url().to_owned();
        fill(jms, &url, "queue://work", 3);
        let mut seen = Vec::new();
        for (how, xids) in [("rollback", ["a1", "a2"]), ("commit", ["b1", "b2"])] {
            // What one receives the other one sends on.
            let mut victim = Jms::start();
            for (connection, xid) in ["one", "two"].into_iter().zip(xids) {
                victim.call(json!({"op": "xa_connect", "as": connection, "url": url}));
                done(&mut victim, connection, "start", xid);
            }
            victim.consume("k", "one", "queue://work");
            let body = victim.receive_text("k");
            victim.produce("p", "two", "queue://work.out", true);
            victim.send_text("p", "two", &body);
            for (connection, xid) in ["one", "two"].into_iter().zip(xids) {
                done(&mut victim, connection, "end", xid);
                assert_eq!(step(&mut victim, connection, "prepare", xid), 0);
            }
            crash(broker);
            victim.crash();
            jms.call(json!({"op": "xa_connect", "as": "r", "url": url}));
            seen.push(step(jms, "r", "recover", ""));
            seen.push(json!(left(jms, &url, "queue://work.out")));
            for xid in xids {
                done(jms, "r", how, xid);
            }
            crash(broker);
            jms.call(json!({"op": "xa_connect", "as": "s", "url": url}));
            seen.push(step(jms, "s", "recover", ""));
            seen.push(json!(left(jms, &url, "queue://work.out")));
            seen.push(json!(left(jms, &url, "queue://work")));
        }
        seen
    });
}

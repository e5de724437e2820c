//! Transacted sessions and XA of a JMS client do at this broker what they do at ActiveMQ.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::{Jms, Kind, PATIENCE, Subject, on_both, subjects, until};

/// Sends the texts "0", "1", … to `queue` from a connection of its own.
fn fill(jms: &mut Jms, url: &str, queue: &str, count: u32) {
    jms.connect("filler", url, "auto");
    jms.produce("filling", "filler", queue, true);
    for number in 0..count {
        jms.send_text("filling", "filler", &number.to_string());
    }
    jms.close("filler");
}

/// Body, redelivered flag and delivery count of the next `count` messages.
fn deliveries(jms: &mut Jms, consumer: &str, count: u32) -> Vec<Value> {
    let facts = |message: Value| {
        json!([message["body"], message["redelivered"], message["delivery_count"]])
    };
    (0..count).map(|_| facts(jms.receive(consumer))).collect()
}

fn commit(jms: &mut Jms, connection: &str) {
    jms.call(json!({"op": "commit", "on": format!("{connection}.s")}));
}

fn roll_back(jms: &mut Jms, connection: &str) {
    jms.call(json!({"op": "rollback", "on": format!("{connection}.s")}));
}

/// What is left in a queue, for a client that comes later.
fn left(jms: &mut Jms, url: &str, queue: &str) -> Vec<Value> {
    jms.connect("later", url, "auto");
    jms.consume("lk", "later", queue);
    let mut left = Vec::new();
    loop {
        let message = jms.receive_within("lk", Duration::from_millis(500));
        if message.is_null() {
            break;
        }
        left.push(json!([message["body"], message["redelivered"], message["delivery_count"]]));
    }
    jms.close("later");
    left
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_commit_shows_all_and_a_rollback_nothing() {
    on_both(|jms, url| {
        jms.connect("reader", url, "auto");
        jms.consume("a", "reader", "queue://a");
        jms.consume("b", "reader", "queue://b");
        jms.consume("t", "reader", "topic://t");
        jms.connect("c", url, "transacted");
        for (name, to) in [("pa", "queue://a"), ("pb", "queue://b"), ("pt", "topic://t")] {
            jms.produce(name, "c", to, true);
        }
        for end in [roll_back, commit] {
            for producer in ["pa", "pb", "pt"] {
                jms.send_text(producer, "c", "one");
                jms.send_text(producer, "c", "two");
            }
            jms.nothing_comes("a");
            jms.nothing_comes("t");
            end(jms, "c");
        }
        for consumer in ["a", "b", "t"] {
            assert_eq!(jms.receive_text(consumer), "one");
            assert_eq!(jms.receive_text(consumer), "two");
            jms.nothing_comes(consumer);
        }
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn what_was_received_in_a_rollback_comes_again_and_counts() {
    on_both(|jms, url| {
        fill(jms, url, "queue://work", 5);
        jms.connect("c", url, "transacted");
        jms.consume("k", "c", "queue://work");
        jms.produce("p", "c", "queue://done", true);
        let first = deliveries(jms, "k", 3);
        jms.send_text("p", "c", "never");
        roll_back(jms, "c");
        let again = deliveries(jms, "k", 3);
        roll_back(jms, "c");
        let third = deliveries(jms, "k", 2);
        jms.send_text("p", "c", "once");
        commit(jms, "c");
        deliveries(jms, "k", 1);
        jms.close("c");
        let rest = left(jms, url, "queue://work");
        assert_eq!(left(jms, url, "queue://done"), [json!(["once", false, 1])]);
        assert_eq!(rest.len(), 3);
        // How a client counts what it delivered more than once is told by its last word only.
        let bodies: Vec<Value> = rest.iter().map(|one| json!([one[0], one[1]])).collect();
        (first, again, third, bodies)
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_client_that_crashes_in_a_transaction_has_done_nothing() {
    on_both(|jms, url| {
        fill(jms, url, "queue://work", 3);
        let mut victim = Jms::start();
        victim.connect("c", url, "transacted");
        victim.consume("k", "c", "queue://work");
        victim.produce("p", "c", "queue://done", true);
        deliveries(&mut victim, "k", 2);
        victim.send_text("p", "c", "never");
        victim.crash();
        let mut rest = Vec::new();
        until("the broker notices", PATIENCE, || {
            rest.extend(left(jms, url, "queue://work"));
            (rest.len() == 3).then_some(())
        });
        assert_eq!(left(jms, url, "queue://done"), [] as [Value; 0]);
        let bodies: Vec<Value> = rest.iter().map(|one| one[0].clone()).collect();
        bodies
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn large_transactions_flow_beyond_the_window() {
    on_both(|jms, url| {
        jms.connect_with(json!({"as": "c", "url": url, "prefetch": 10}), "transacted");
        jms.produce("p", "c", "queue://large", true);
        jms.send_many("p", "c", 0, 2000);
        commit(jms, "c");
        jms.consume("k", "c", "queue://large");
        jms.receive_run("k", 0, 1000);
        commit(jms, "c");
        jms.receive_run("k", 1000, 1000);
        roll_back(jms, "c");
        jms.close("c");
        jms.connect("d", url, "auto");
        jms.consume("k", "d", "queue://large");
        let seen = jms.receive_many("k", 1000, Duration::from_secs(10));
        json!([seen["received"], seen["first"], seen["last"], seen["duplicates"]])
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn durable_subscribers_and_wildcards_take_part() {
    on_both(|jms, url| {
        jms.connect_with(json!({"as": "c", "url": url, "client_id": "clerk"}), "transacted");
        jms.subscribe("d", "c", "news", "topic://news");
        jms.consume("w", "c", "queue://part.*");
        jms.connect("f", url, "auto");
        for (name, to) in
            [("pt", "topic://news"), ("px", "queue://part.x"), ("py", "queue://part.y")]
        {
            jms.produce(name, "f", to, true);
            jms.send_text(name, "f", to);
        }
        let round = |jms: &mut Jms| {
            let durable = deliveries(jms, "d", 1);
            let mut parts = deliveries(jms, "w", 2);
            parts.sort_by_key(ToString::to_string);
            (durable, parts)
        };
        let first = round(jms);
        roll_back(jms, "c");
        let second = round(jms);
        commit(jms, "c");
        jms.nothing_comes("d");
        jms.close("c");
        assert_eq!(left(jms, url, "queue://part.x"), [] as [Value; 0]);
        (first, second)
    });
}

fn step(jms: &mut Jms, connection: &str, step: &str, xid: &str) -> Value {
    let session = format!("{connection}.s");
    jms.call(json!({"op": "xa", "on": session, "step": step, "xid": xid}))
}

fn done(jms: &mut Jms, connection: &str, what: &str, xid: &str) {
    assert_eq!(step(jms, connection, what, xid), "done", "{what} {xid}");
}

/// Two resources on two connections: what one receives the other one sends on.
fn move_one(jms: &mut Jms, url: &str, xids: [&str; 2], queue: &str) {
    for (connection, xid) in ["one", "two"].into_iter().zip(xids) {
        jms.call(json!({"op": "xa_connect", "as": connection, "url": url}));
        done(jms, connection, "start", xid);
    }
    jms.consume("k", "one", queue);
    let body = jms.receive_text("k");
    jms.produce("p", "two", &format!("{queue}.out"), true);
    jms.send_text("p", "two", &body);
    done(jms, "one", "end", xids[0]);
    done(jms, "two", "end", xids[1]);
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn two_resources_commit_and_roll_back_together() {
    on_both(|jms, url| {
        fill(jms, url, "queue://work", 2);
        let mut seen = Vec::new();
        for (how, xids) in [("rollback", ["a1", "a2"]), ("commit", ["b1", "b2"])] {
            move_one(jms, url, xids, "queue://work");
            for (connection, xid) in ["one", "two"].into_iter().zip(xids) {
                assert_eq!(step(jms, connection, "prepare", xid), 0);
            }
            seen.push(step(jms, "one", "recover", ""));
            for (connection, xid) in ["one", "two"].into_iter().zip(xids) {
                done(jms, connection, how, xid);
            }
            seen.push(step(jms, "one", "recover", ""));
            jms.close("one");
            jms.close("two");
            let out = left(jms, url, "queue://work.out");
            seen.push(json!(out));
        }
        let rest: Vec<Value> =
            left(jms, url, "queue://work").iter().map(|one| one[0].clone()).collect();
        assert_eq!(rest, [json!("1")]);
        seen
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn branches_in_the_wrong_phase_are_refused_with_the_same_codes() {
    on_both(|jms, url| {
        fill(jms, url, "queue://work", 1);
        move_one(jms, url, ["x1", "x2"], "queue://work");
        let mut seen = Vec::new();
        for (what, xid) in [("commit", "x1"), ("commit", "unknown"), ("rollback", "unknown")] {
            seen.push(json!([what, step(jms, "one", what, xid)]));
        }
        done(jms, "two", "commit_one_phase", "x2");
        // Nothing was done in this one.
        done(jms, "two", "start", "x3");
        done(jms, "two", "end", "x3");
        seen.push(step(jms, "two", "prepare", "x3"));
        done(jms, "one", "rollback", "x1");
        assert_eq!(left(jms, url, "queue://work.out").len(), 1);
        seen
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_prepared_branch_outlives_its_client_and_is_recovered_by_another() {
    for kind in subjects() {
        let broker = Subject::named(kind, "single").start();
        let mut jms = Jms::start();
        fill(&mut jms, broker.url(), "queue://work", 2);
        let mut victim = Jms::start();
        move_one(&mut victim, broker.url(), ["p1", "p2"], "queue://work");
        for (connection, xid) in [("one", "p1"), ("two", "p2")] {
            assert_eq!(step(&mut victim, connection, "prepare", xid), 0);
        }
        victim.crash();
        jms.call(json!({"op": "xa_connect", "as": "r", "url": broker.url()}));
        assert_eq!(step(&mut jms, "r", "recover", ""), json!(["p1", "p2"]));
        done(&mut jms, "r", "commit", "p1");
        done(&mut jms, "r", "commit", "p2");
        assert_eq!(step(&mut jms, "r", "recover", ""), json!([]));
        assert_eq!(left(&mut jms, broker.url(), "queue://work.out")[0][0], "0");
        if kind == Kind::Ferry {
            // ActiveMQ gives it out again while the branch is prepared and its client is gone.
            let rest = left(&mut jms, broker.url(), "queue://work");
            assert_eq!(rest.len(), 1);
            assert_eq!(rest[0][0], "1");
        }
    }
}

//! Requests and replies over temporary destinations, who may use those, and the exceptions by which
//! a JMS client learns that something is not allowed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use serde_json::json;
use support::{Jms, on_both};

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn every_request_gets_its_reply_over_a_temporary_queue_or_topic() {
    on_both(|jms, url| {
        jms.connect("server", url, "auto");
        jms.call(json!({
            "op": "respond", "on": "server.s", "connection": "server", "from": "queue://service"
        }));
        for kind in ["temporary_queue", "temporary_topic"] {
            jms.connect(kind, url, "auto");
            let session = format!("{kind}.s");
            let replies = format!("replies {kind}");
            jms.call(json!({"op": kind, "as": replies, "on": session}));
            jms.consume("k", kind, &replies);
            jms.produce("p", kind, "queue://service", false);
            for number in 0..50 {
                let body = format!("question {number}");
                let id = jms.call(json!({
                    "op": "send", "on": "p", "session": session, "body": body, "reply_to": replies
                }));
                let reply = jms.receive("k");
                assert_eq!(reply["body"], body);
                assert_eq!(reply["correlation_id"], id);
            }
        }
        assert_eq!(jms.exceptions("server"), Vec::<String>::new());
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_temporary_queue_can_be_replied_to_by_clients_that_came_later() {
    on_both(|jms, url| {
        jms.connect("client", url, "auto");
        jms.call(json!({"op": "temporary_queue", "as": "replies", "on": "client.s"}));
        jms.consume("k", "client", "replies");
        // The later client learns of the temporary queue from advisories that are replayed to it.
        jms.connect("late", url, "auto");
        jms.call(json!({"op": "producer", "as": "p", "on": "late.s"}));
        jms.call(json!({
            "op": "send", "on": "p", "session": "late.s", "to": "replies", "body": "hello"
        }));
        assert_eq!(jms.receive_text("k"), "hello");
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_deleted_temporary_queue_takes_no_more_messages() {
    on_both(|jms, url| {
        jms.connect("owner", url, "auto");
        jms.call(json!({"op": "temporary_queue", "as": "t", "on": "owner.s"}));
        jms.consume("k", "owner", "t");
        let in_use = jms.refused(json!({"op": "delete_temporary", "on": "t"}));
        jms.close("k");
        jms.call(json!({"op": "delete_temporary", "on": "t"}));
        jms.connect("other", url, "auto");
        jms.call(json!({"op": "producer", "as": "p", "on": "other.s"}));
        let deleted = jms.refused(
            json!({"op": "send", "on": "p", "session": "other.s", "to": "t", "body": "too late"}),
        );
        assert_eq!(deleted, "javax.jms.InvalidDestinationException");
        (in_use, deleted)
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_temporary_queue_goes_with_its_connection() {
    on_both(|jms, url| {
        jms.connect("owner", url, "auto");
        jms.call(json!({"op": "temporary_queue", "as": "t", "on": "owner.s"}));
        jms.connect("other", url, "auto");
        jms.call(json!({"op": "producer", "as": "p", "on": "other.s"}));
        let send =
            json!({"op": "send", "on": "p", "session": "other.s", "to": "t", "body": "hello"});
        jms.call(send.clone());
        jms.close("owner");
        // The advisory of the removal travels beside the close, so it is waited for.
        support::until("the queue is gone for the other client", support::PATIENCE, || {
            let refusal = jms.attempt(send.clone()).err()?;
            assert_eq!(refusal.class, "javax.jms.InvalidDestinationException");
            Some(())
        });
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_foreign_temporary_queue_cannot_be_consumed() {
    on_both(|jms, url| {
        jms.connect("owner", url, "auto");
        jms.call(json!({"op": "temporary_queue", "as": "t", "on": "owner.s"}));
        jms.connect("other", url, "auto");
        let refusal =
            jms.refused(json!({"op": "consumer", "as": "k", "on": "other.s", "from": "t"}));
        assert_eq!(refusal, "javax.jms.InvalidDestinationException");
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_client_id_belongs_to_one_connection_at_a_time() {
    on_both(|jms, url| {
        let connect = |name: &str| json!({"as": name, "url": url, "client_id": "clerk"});
        jms.connect_with(connect("first"), "auto");
        let mut second = connect("second");
        second["op"] = json!("connect");
        assert_eq!(jms.refused(second), "javax.jms.InvalidClientIDException");
        // The first connection is as good as before, and its id is free once it has gone.
        jms.consume("k", "first", "queue://still");
        jms.produce("p", "first", "queue://still", true);
        jms.send_text("p", "first", "here");
        assert_eq!(jms.receive_text("k"), "here");
        jms.close("first");
        jms.connect_with(connect("third"), "auto");
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn the_id_of_a_crashed_client_is_free_again() {
    on_both(|jms, url| {
        let mut victim = Jms::start();
        victim.connect_with(json!({"as": "c", "url": url, "client_id": "clerk"}), "auto");
        victim.crash();
        let mut again = json!({"as": "c", "url": url, "client_id": "clerk"});
        again["op"] = json!("connect");
        support::until("the broker forgets the crashed client", support::PATIENCE, || {
            jms.attempt(again.clone()).ok()
        });
    });
}

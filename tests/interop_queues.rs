//! What an unmodified JMS client does with queues beside sending and receiving: browsing, asking for
//! one message at a time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use support::{Jms, Kind, PATIENCE, Subject, on_both, subjects};

fn send_texts(jms: &mut Jms, to: &str, bodies: &[&str]) {
    let producer = format!("p {to}");
    jms.produce(&producer, "c", to, true);
    for body in bodies {
        jms.send_text(&producer, "c", body);
    }
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_browser_sees_all_in_order_and_takes_nothing() {
    on_both(|jms, url| {
        for ack in ["auto", "client", "dups_ok"] {
            let queue = format!("queue://shelf.{ack}");
            jms.connect("c", url, ack);
            assert_eq!(jms.browse("c", &queue), Vec::<String>::new());
            let bodies: Vec<String> = (0..25).map(|number| format!("book {number}")).collect();
            send_texts(jms, &queue, &bodies.iter().map(String::as_str).collect::<Vec<_>>());
            jms.connect_with(json!({"as": "narrow", "url": url, "prefetch": 3}), ack);
            jms.connect_with(json!({"as": "pulling", "url": url, "prefetch": 0}), ack);
            for connection in ["c", "narrow", "pulling", "c"] {
                assert_eq!(jms.browse(connection, &queue), bodies, "{ack}, {connection}");
            }
            jms.consume("k", "c", &queue);
            for body in &bodies {
                let message = jms.receive("k");
                assert_eq!(
                    (&message["body"], &message["redelivered"]),
                    (&json!(body), &json!(false))
                );
            }
            if ack == "client" {
                jms.acknowledge("k");
            }
            jms.close("c");
            jms.close("narrow");
            jms.close("pulling");
        }
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_browser_sees_what_a_consumer_holds_and_not_what_it_has_settled() {
    on_both(|jms, url| {
        jms.connect("c", url, "client");
        send_texts(jms, "queue://desk", &["one", "two", "three"]);
        jms.connect("taker", url, "client");
        jms.consume("k", "taker", "queue://desk");
        assert_eq!(jms.receive_text("k"), "one");
        let held = jms.browse("c", "queue://desk");
        jms.acknowledge("k");
        // The acknowledgement needs no answer: its effect is waited for.
        support::until("the first is gone", PATIENCE, || {
            (jms.browse("c", "queue://desk") == ["two", "three"]).then_some(())
        });
        held
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_browser_with_a_selector_sees_what_it_selects() {
    on_both(|jms, url| {
        jms.connect("c", url, "auto");
        jms.produce("p", "c", "queue://drawer", false);
        for number in 0..6 {
            jms.call(json!({
                "op": "send", "on": "p", "session": "c.s", "body": format!("{number}"),
                "properties": {"number": {"int": number}}
            }));
        }
        jms.call(json!({
            "op": "browser", "as": "b", "on": "c.s", "from": "queue://drawer",
            "selector": "number > 1 AND number <> 4"
        }));
        let first = jms.call(json!({"op": "browse", "on": "b", "count": 1}));
        let rest = jms.call(json!({"op": "browse", "on": "b"}));
        assert_eq!((first, rest), (json!(["2"]), json!(["3", "5"])));
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_consumer_without_a_window_gets_one_message_for_each_call() {
    on_both(|jms, url| {
        jms.connect("c", url, "auto");
        for ack in ["auto", "client", "dups_ok"] {
            let (connection, queue) = (format!("puller {ack}"), format!("queue://counter.{ack}"));
            let url = format!("{url}?jms.prefetchPolicy.all=0");
            jms.connect(&connection, &url, ack);
            jms.consume("k", &connection, &queue);
            assert!(jms.receive_now("k").is_null(), "{ack}: nothing is there");
            assert!(jms.receive_within("k", Duration::from_millis(50)).is_null(), "{ack}");
            send_texts(jms, &queue, &["1", "2", "3", "4"]);
            assert_eq!(jms.receive_now("k")["body"], "1", "{ack}: without waiting");
            // What it did not ask for is for others.
            jms.consume("other", "c", &queue);
            assert_eq!(jms.receive_text("other"), "2");
            jms.close("other");
            assert_eq!(jms.receive_text("k"), "3", "{ack}: within a time");
            let for_ever = json!({"op": "receive", "on": "k", "timeout_ms": 0});
            assert_eq!(jms.call(for_ever.clone())["body"], "4", "{ack}: for ever");
            let mut waiting = for_ever;
            waiting["background"] = json!("waiting");
            jms.call(waiting);
            send_texts(jms, &queue, &["5"]);
            assert_eq!(jms.join("waiting", PATIENCE).unwrap()["body"], "5", "{ack}");
            assert!(jms.receive_now("k").is_null(), "{ack}: all gone");
            jms.close(&connection);
        }
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn what_was_pulled_and_not_settled_is_delivered_again() {
    on_both(|jms, url| {
        jms.connect("c", url, "auto");
        send_texts(jms, "queue://till", &["1", "2"]);
        jms.connect_with(json!({"as": "puller", "url": url, "prefetch": 0}), "client");
        jms.consume("k", "puller", "queue://till");
        let mut seen = Vec::new();
        for number in ["1", "2"] {
            let message = jms.receive("k");
            assert_eq!(message["body"], number);
            seen.push(message["redelivered"].clone());
        }
        jms.call(json!({"op": "recover", "on": "puller.s"}));
        for number in ["1", "2"] {
            let message = jms.receive("k");
            assert_eq!(message["body"], number);
            seen.push(message["redelivered"].clone());
        }
        jms.close("puller");
        jms.consume("next", "c", "queue://till");
        for number in ["1", "2"] {
            let message = jms.receive("next");
            assert_eq!(message["body"], number);
            seen.push(message["redelivered"].clone());
            seen.push(message["delivery_count"].clone());
        }
        seen
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_topic_is_pulled_message_by_message() {
    on_both(|jms, url| {
        jms.connect_with(json!({"as": "puller", "url": url, "prefetch": 0}), "auto");
        jms.consume("k", "puller", "topic://ticks");
        assert!(jms.receive_now("k").is_null());
        jms.connect("c", url, "auto");
        send_texts(jms, "topic://ticks", &["1", "2"]);
        assert_eq!(jms.receive_text("k"), "1");
        assert_eq!(jms.receive_text("k"), "2");
        jms.nothing_comes("k");
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn who_waits_for_a_message_still_gets_it_from_the_next_broker() {
    for kind in subjects() {
        let mut broker = Subject::named(kind, "single").start();
        let mut jms = Jms::start();
        let url = format!(
            "failover:({})?initialReconnectDelay=50&maxReconnectDelay=50&jms.prefetchPolicy.all=0",
            broker.url()
        );
        jms.connect("c", &url, "auto");
        jms.consume("k", "c", "queue://steady");
        jms.produce("p", "c", "queue://steady", true);
        jms.call(json!({
            "op": "receive", "on": "k", "timeout_ms": 0, "background": "waiting"
        }));
        broker.kill();
        broker.restart();
        jms.send_text("p", "c", "at last");
        let got = jms.join("waiting", PATIENCE);
        assert_eq!(got.unwrap_or_else(|error| panic!("{kind:?}: {error:?}"))["body"], "at last");
        assert!(kind != Kind::Ferry || jms.receive_now("k").is_null());
    }
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_wildcard_or_a_list_reads_several_queues_in_every_mode() {
    on_both(|jms, url| {
        for (at, ack) in ["auto", "client", "dups_ok", "individual"].into_iter().enumerate() {
            let branch = |name: &str| format!("queue://shop{at}.{name}");
            jms.connect("c", url, "auto");
            send_texts(jms, &branch("north"), &["n1"]);
            jms.connect("reader", url, ack);
            jms.consume("all", "reader", &format!("queue://shop{at}.>"));
            // A queue that comes later, too.
            send_texts(jms, &branch("south.harbour"), &["s1", "s2"]);
            let mut seen = BTreeSet::new();
            for _ in 0..3 {
                let message = jms.receive("all");
                if ack == "individual" {
                    jms.acknowledge("all");
                }
                let text = |field: &str| message[field].as_str().unwrap().to_owned();
                seen.insert((text("destination"), text("body")));
            }
            let expected = [("north", "n1"), ("south.harbour", "s1"), ("south.harbour", "s2")];
            let expected = expected.map(|(name, body)| (branch(name), body.to_owned()));
            assert_eq!(seen, BTreeSet::from(expected), "{ack}");
            if ack == "client" {
                jms.acknowledge("all");
            }
            jms.close("reader");
            // All was settled, each at its queue: only what comes now is there.
            let list = format!("shop{at}.north,shop{at}.south.harbour");
            jms.consume("list", "c", &format!("queue://{list}"));
            send_texts(jms, &branch("north"), &["n2"]);
            assert_eq!(jms.receive_text("list"), "n2", "{ack}");
            send_texts(jms, &branch("south.harbour"), &["s3"]);
            assert_eq!(jms.receive_text("list"), "s3", "{ack}");
            jms.nothing_comes("list");
            jms.close("c");
        }
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_consumer_of_several_queues_has_one_window() {
    on_both(|jms, url| {
        jms.connect_with(json!({"as": "narrow", "url": url, "prefetch": 4}), "client");
        jms.consume("k", "narrow", "queue://many.*");
        jms.connect("c", url, "auto");
        for name in ["a", "b", "c"] {
            send_texts(jms, &format!("queue://many.{name}"), &["1", "2", "3", "4"]);
        }
        // It receives nothing yet, so it holds its window: the rest is for others.
        let mut left = 0;
        jms.consume("others", "c", "queue://many.a,many.b,many.c");
        while !jms.receive_within("others", Duration::from_millis(500)).is_null() {
            left += 1;
        }
        assert_eq!(left, 8);
        for _ in 0..4 {
            jms.receive("k");
        }
        jms.acknowledge("k");
        jms.nothing_comes("k");
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_message_to_a_list_comes_to_each_of_its_members() {
    on_both(|jms, url| {
        jms.connect("c", url, "auto");
        let members = ["queue://list.a", "queue://list.b", "topic://list.c"];
        for member in members {
            jms.consume(member, "c", member);
        }
        // The destination of a producer, and that of a message.
        let list = "queue://list.a,list.b,topic://list.c";
        send_texts(jms, list, &["one"]);
        jms.call(json!({"op": "producer", "as": "any", "on": "c.s"}));
        jms.call(json!({
            "op": "send", "on": "any", "session": "c.s", "to": list, "body": "two"
        }));
        for member in members {
            for body in ["one", "two"] {
                let message = jms.receive(member);
                assert_eq!(
                    (&message["body"], &message["destination"]),
                    (&json!(body), &json!(member))
                );
            }
            jms.nothing_comes(member);
        }
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_virtual_topic_feeds_its_queues() {
    on_both(|jms, url| {
        jms.connect("c", url, "auto");
        let topic = "topic://VirtualTopic.news";
        send_texts(jms, topic, &["too early"]);
        jms.consume("plain", "c", topic);
        for consumer in ["a", "b", "a again"] {
            let name = &consumer[..1];
            jms.consume(consumer, "c", &format!("queue://Consumer.{name}.VirtualTopic.news"));
        }
        jms.consume("all", "c", "queue://Consumer.c.VirtualTopic.>");
        send_texts(jms, topic, &["1", "2"]);
        let mut seen = Vec::new();
        for (consumer, count) in [("plain", 2), ("b", 2), ("a", 1), ("a again", 1), ("all", 2)] {
            for _ in 0..count {
                let message = jms.receive(consumer);
                seen.push((consumer, message["body"].clone(), message["destination"].clone()));
            }
            jms.nothing_comes(consumer);
        }
        // While nobody is there, the queue is.
        jms.close("b");
        send_texts(jms, topic, &["3"]);
        jms.consume("b", "c", "queue://Consumer.b.VirtualTopic.news");
        assert_eq!(jms.receive_text("b"), "3");
        seen
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn an_exclusive_consumer_has_its_queue_for_itself() {
    on_both(|jms, url| {
        jms.connect("c", url, "auto");
        jms.consume("other", "c", "queue://vault");
        let exclusive = "queue://vault?consumer.exclusive=true";
        for name in ["first", "second"] {
            jms.connect(name, url, "auto");
            jms.consume(&format!("k {name}"), name, exclusive);
        }
        send_texts(jms, "queue://vault", &["1", "2", "3"]);
        for body in ["1", "2", "3"] {
            assert_eq!(jms.receive_text("k first"), body);
        }
        jms.nothing_comes("other");
        jms.close("first");
        send_texts(jms, "queue://vault", &["4", "5"]);
        for body in ["4", "5"] {
            assert_eq!(jms.receive_text("k second"), body);
        }
        jms.close("second");
        send_texts(jms, "queue://vault", &["6"]);
        assert_eq!(jms.receive_text("other"), "6");
    });
}

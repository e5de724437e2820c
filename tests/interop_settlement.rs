//! A message is settled as the mode of the JMS session says, and what was not settled returns: in
//! order, marked as redelivered, with a count.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use serde_json::{Value, json};
use support::{Jms, on_both};

/// Sends `count` texts "0", "1", … to `queue` from a connection of its own.
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

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn with_automatic_acknowledgement_what_was_received_is_gone_and_the_rest_returns() {
    on_both(|jms, url| {
        fill(jms, url, "queue://auto", 4);
        jms.connect("first", url, "auto");
        jms.consume("k1", "first", "queue://auto");
        assert_eq!(deliveries(jms, "k1", 1), [json!(["0", false, 1])]);
        jms.close("first");
        jms.connect("second", url, "auto");
        jms.consume("k2", "second", "queue://auto");
        let rest = deliveries(jms, "k2", 3);
        jms.nothing_comes("k2");
        rest
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_client_acknowledgement_covers_all_that_the_session_received() {
    on_both(|jms, url| {
        fill(jms, url, "queue://client", 5);
        jms.connect("first", url, "client");
        jms.consume("k1", "first", "queue://client");
        deliveries(jms, "k1", 3);
        jms.acknowledge("k1");
        deliveries(jms, "k1", 1);
        jms.close("first");
        jms.connect("second", url, "auto");
        jms.consume("k2", "second", "queue://client");
        let rest = deliveries(jms, "k2", 2);
        assert_eq!(rest[0], json!(["3", true, 2]));
        jms.nothing_comes("k2");
        rest
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn client_acknowledgement_beyond_the_window_keeps_messages_flowing() {
    on_both(|jms, url| {
        fill(jms, url, "queue://beyond", 20);
        jms.connect_with(json!({"as": "c", "url": url, "prefetch": 4}), "client");
        jms.consume("k", "c", "queue://beyond");
        // Six unsettled messages with a window of four: the client widens it with delivered acks.
        deliveries(jms, "k", 6);
        jms.acknowledge("k");
        deliveries(jms, "k", 14);
        jms.acknowledge("k");
        jms.nothing_comes("k");
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn an_individual_acknowledgement_covers_one_message() {
    on_both(|jms, url| {
        fill(jms, url, "queue://single", 4);
        jms.connect("first", url, "individual");
        jms.consume("k1", "first", "queue://single");
        deliveries(jms, "k1", 4);
        for index in [1, 2] {
            jms.call(json!({"op": "acknowledge", "on": "k1", "index": index}));
        }
        jms.close("first");
        jms.connect("second", url, "auto");
        jms.consume("k2", "second", "queue://single");
        let rest = deliveries(jms, "k2", 2);
        assert_eq!(rest, [json!(["0", true, 2]), json!(["3", true, 2])]);
        jms.nothing_comes("k2");
        rest
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn lazy_acknowledgements_settle_ranges_and_the_rest_at_the_close() {
    on_both(|jms, url| {
        jms.connect_with(json!({"as": "dups", "url": url, "prefetch": 4}), "dups_ok");
        jms.connect_with(
            json!({"as": "lazy", "url": url, "prefetch": 4, "optimize_acknowledge": true}),
            "auto",
        );
        for (connection, address) in
            [("dups", "queue://dups"), ("dups", "topic://dups"), ("lazy", "queue://lazy")]
        {
            let consumer = format!("k {address}");
            jms.consume(&consumer, connection, address);
            let producer = format!("p {address}");
            jms.produce(&producer, connection, address, false);
            jms.send_many(&producer, connection, 0, 50);
            jms.receive_run(&consumer, 0, 50);
        }
        jms.close("dups");
        jms.close("lazy");
        jms.connect("after", url, "auto");
        for queue in ["queue://dups", "queue://lazy"] {
            jms.consume(queue, "after", queue);
            jms.nothing_comes(queue);
        }
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn recover_delivers_again_what_was_not_acknowledged() {
    on_both(|jms, url| {
        fill(jms, url, "queue://again", 3);
        jms.connect("c", url, "client");
        jms.consume("k", "c", "queue://again");
        let first = deliveries(jms, "k", 2);
        jms.call(json!({"op": "recover", "on": "c.s"}));
        let second = deliveries(jms, "k", 3);
        assert_eq!(first, [json!(["0", false, 1]), json!(["1", false, 1])]);
        assert_eq!(second[0], json!(["0", true, 2]));
        jms.acknowledge("k");
        jms.close("c");
        jms.connect("after", url, "auto");
        jms.consume("k2", "after", "queue://again");
        jms.nothing_comes("k2");
        (first, second)
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn closing_a_consumer_returns_its_messages_and_counts_only_those_that_it_had_seen() {
    on_both(|jms, url| {
        fill(jms, url, "queue://returned", 4);
        jms.connect("c", url, "client");
        jms.consume("k1", "c", "queue://returned");
        deliveries(jms, "k1", 2);
        jms.close("k1");
        jms.consume("k2", "c", "queue://returned");
        let again = deliveries(jms, "k2", 4);
        assert_eq!(again[1], json!(["1", true, 2]), "seen, so counted");
        assert_eq!(again[2], json!(["2", false, 1]), "prefetched only");
        again
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_client_that_crashes_gives_back_what_it_had_not_acknowledged() {
    on_both(|jms, url| {
        fill(jms, url, "queue://crash", 6);
        let mut victim = Jms::start();
        victim.connect("c", url, "individual");
        victim.consume("k", "c", "queue://crash");
        deliveries(&mut victim, "k", 3);
        victim.acknowledge("k");
        // The acknowledgement has no response; a round trip behind it shows that it has arrived.
        victim.call(json!({"op": "temporary_queue", "as": "t", "on": "c.s"}));
        victim.crash();
        jms.connect("c", url, "auto");
        jms.consume("k", "c", "queue://crash");
        let rest = deliveries(jms, "k", 5);
        assert_eq!(rest[0], json!(["0", true, 2]));
        jms.nothing_comes("k");
        rest
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn what_returns_goes_ahead_of_what_waited() {
    on_both(|jms, url| {
        fill(jms, url, "queue://ahead", 10);
        jms.connect_with(json!({"as": "first", "url": url, "prefetch": 3}), "client");
        jms.consume("k1", "first", "queue://ahead");
        deliveries(jms, "k1", 1);
        jms.close("first");
        jms.connect("second", url, "auto");
        jms.consume("k2", "second", "queue://ahead");
        let all = deliveries(jms, "k2", 10);
        let order: Vec<&str> = all.iter().filter_map(|delivery| delivery[0].as_str()).collect();
        assert_eq!(order, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
        all
    });
}

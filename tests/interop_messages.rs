//! Every kind of JMS message arrives with its body, its headers and its typed properties unchanged.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use serde_json::{Value, json};
use support::{Jms, on_both};

/// Sends one message as `call` describes it and returns what arrives, without what differs from run
/// to run.
fn round_trip(jms: &mut Jms, mut call: Value) -> Value {
    let sending = call.as_object_mut().expect("an object");
    sending.extend([
        ("op".to_owned(), json!("send")),
        ("on".to_owned(), json!("p")),
        ("session".to_owned(), json!("c.s")),
    ]);
    let id = jms.call(call);
    let mut message = jms.receive("k");
    assert_eq!(message["id"], id);
    let fields = message.as_object_mut().expect("an object");
    fields.retain(|key, _| key != "id" && key != "timestamp");
    message
}

fn connected(jms: &mut Jms, url: &str, options: Value) {
    let mut call = json!({"as": "c", "url": url});
    let object = call.as_object_mut().expect("an object");
    object.extend(options.as_object().expect("an object").clone());
    jms.connect_with(call, "auto");
    jms.consume("k", "c", "queue://parcels");
    jms.produce("p", "c", "queue://parcels", false);
}

fn every_kind() -> Vec<Value> {
    let long_text = "ferry ".repeat(2_000);
    vec![
        json!({"kind": "text", "body": "hé \u{0} \u{1F6A2}"}),
        json!({"kind": "text", "body": ""}),
        json!({"kind": "text", "body": null}),
        json!({"kind": "text", "body": long_text}),
        json!({"kind": "bytes", "body": [0, 127, 128, 255]}),
        json!({"kind": "bytes", "body": []}),
        json!({"kind": "map", "body": {
            "b": {"boolean": true}, "bytes": {"bytes": [1, 2]}, "c": {"char": "ø"},
            "d": {"double": 0.1}, "l": {"long": i64::MIN}, "text": "x"
        }}),
        json!({"kind": "map", "body": {}}),
        json!({"kind": "stream", "body": [
            {"byte": -1}, {"short": -2}, {"int": -3}, {"long": -4}, {"float": 0.5}, "end"
        ]}),
        json!({"kind": "object", "body": "serialised"}),
        json!({"kind": "empty"}),
    ]
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn every_kind_of_body_arrives_as_it_was_sent() {
    on_both(|jms, url| {
        connected(jms, url, json!({}));
        let mut arrived = Vec::new();
        for sent in every_kind() {
            let message = round_trip(jms, sent.clone());
            assert_eq!(message["kind"], sent["kind"]);
            if sent["kind"] != "empty" {
                assert_eq!(message["body"], sent["body"]);
            }
            arrived.push(message);
        }
        arrived
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn compressed_bodies_arrive_as_they_were_sent() {
    on_both(|jms, url| {
        connected(jms, url, json!({"compress": true}));
        let mut arrived = Vec::new();
        for sent in every_kind() {
            let message = round_trip(jms, sent.clone());
            if sent["kind"] != "empty" {
                assert_eq!(message["body"], sent["body"]);
            }
            arrived.push(message);
        }
        arrived
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn properties_keep_their_types() {
    on_both(|jms, url| {
        connected(jms, url, json!({}));
        let properties = json!({
            "a_boolean": {"boolean": false}, "a_byte": {"byte": 1}, "a_short": {"short": 2},
            "an_int": {"int": 3}, "a_long": {"long": 4}, "a_float": {"float": 0.25},
            "a_double": {"double": 1e300}, "a_text": "größer", "a_long_text": "y".repeat(10_000)
        });
        let message = round_trip(jms, json!({"properties": properties.clone()}));
        assert_eq!(message["properties"], properties);
        message
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn headers_arrive_as_they_were_set() {
    on_both(|jms, url| {
        connected(jms, url, json!({}));
        jms.call(json!({"op": "temporary_queue", "as": "replies", "on": "c.s"}));
        let mut arrived = Vec::new();
        for (priority, persistent) in [(0, false), (4, true), (9, true)] {
            jms.call(json!({
                "op": "producer", "as": "p", "on": "c.s", "to": "queue://parcels",
                "priority": priority, "persistent": persistent
            }));
            let mut message = round_trip(
                jms,
                json!({"correlation_id": "order 7", "jms_type": "order", "reply_to": "replies"}),
            );
            assert_eq!(message["priority"], priority);
            assert_eq!(message["persistent"], persistent);
            assert_eq!(message["correlation_id"], "order 7");
            assert_eq!(message["jms_type"], "order");
            assert_eq!(message["destination"], "queue://parcels");
            let reply_to = message["reply_to"].take();
            assert!(reply_to.as_str().is_some_and(|name| name.starts_with("temp-queue://ID:")));
            arrived.push(message);
        }
        arrived
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn every_encoding_that_a_client_may_ask_for_works() {
    on_both(|jms, url| {
        let mut arrived = Vec::new();
        for (number, options) in [
            "wireFormat.tightEncodingEnabled=false",
            "wireFormat.cacheEnabled=false",
            "wireFormat.tightEncodingEnabled=false&wireFormat.cacheEnabled=false",
            "wireFormat.stackTraceEnabled=true",
            "wireFormat.cacheSize=4096",
            "wireFormat.version=11",
            "wireFormat.version=9",
            "wireFormat.version=6",
            "wireFormat.version=5",
            "wireFormat.version=3",
            "wireFormat.version=2",
            "wireFormat.version=1",
            "wireFormat.maxInactivityDuration=0",
            "tcpNoDelay=false",
        ]
        .into_iter()
        .enumerate()
        {
            let connection = format!("c{number}");
            let queue = format!("queue://encoded.{number}");
            jms.connect(&connection, &format!("{url}?{options}"), "auto");
            jms.consume("k", &connection, &queue);
            jms.produce("p", &connection, &queue, true);
            jms.send_text("p", &connection, options);
            let message = jms.receive("k");
            assert_eq!(message["body"], options);
            assert_eq!(jms.exceptions(&connection), Vec::<String>::new());
            arrived.push(json!([message["redelivered"], message["delivery_count"]]));
        }
        arrived
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_message_crosses_between_clients_of_different_encodings() {
    on_both(|jms, url| {
        let encodings = [
            "wireFormat.version=12",
            "wireFormat.version=9&wireFormat.tightEncodingEnabled=false",
            "wireFormat.version=3&wireFormat.cacheEnabled=false",
        ];
        for (number, options) in encodings.into_iter().enumerate() {
            let connection = format!("c{number}");
            jms.connect(&connection, &format!("{url}?{options}"), "auto");
            jms.consume(&format!("k{number}"), &connection, "topic://mixed");
            jms.produce(&format!("p{number}"), &connection, "topic://mixed", false);
        }
        let mut seen = Vec::new();
        for from in 0..encodings.len() {
            let call = json!({
                "op": "send", "on": format!("p{from}"), "session": format!("c{from}.s"),
                "kind": "map", "body": {"from": {"long": from}}, "properties": {"of": {"int": 3}}
            });
            jms.call(call);
            for to in 0..encodings.len() {
                let message = jms.receive(&format!("k{to}"));
                assert_eq!(message["body"]["from"], json!({"long": from}));
                seen.push(message["properties"].clone());
            }
        }
        seen
    });
}

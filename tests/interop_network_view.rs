//! In a mixed network ActiveMQ's brokers are seen for what they are, and bridges to and from them
//! work although they are told more than they know.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use ferrymq_client::AckMode;
use serde_json::Value;
use support::{
    ActiveMq, Ferry, Native, PATIENCE, Process, ferrymq_command, free_port, text, until,
};

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn an_activemq_broker_is_named_with_its_version_and_not_asked() {
    let port = free_port();
    let old = ActiveMq::named("old").connect(&format!("tcp://127.0.0.1:{port}")).start();
    let uri = format!("static:({})?initialReconnectDelay=50&maxReconnectDelay=50", old.url());
    let new = Ferry::named("new").port(port).admin().network(&uri).start();
    let map = until("both bridges are up", PATIENCE, || {
        let arguments = ["status", "--network", "--json", "--admin", &new.admin()];
        let ended = Process::spawn("ferrymq status", ferrymq_command(&arguments)).ended();
        let map: Value = serde_json::from_str(&ended.stdout.join("\n")).expect("JSON");
        let here = until("it answers", PATIENCE, || {
            Some(support::get(&new.admin(), "/api/v1/network").json())
        });
        let live = map["links"][0]["link"]["state"] == "live";
        (live && !here["bridged_from"].as_array().unwrap().is_empty()).then_some(map)
    });
    let brokers = map["brokers"].as_array().unwrap();
    assert_eq!(brokers.len(), 2, "{map}");
    let seen = &brokers[1];
    assert_eq!(seen["broker"]["name"], "old", "{seen}");
    assert!(seen["product"].as_str().unwrap().starts_with("ActiveMQ 5."), "{seen}");
    assert_eq!((&seen["seen"], &seen["broker"]["admin"]), (&"not_asked".into(), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
async fn a_message_by_way_of_activemq_keeps_the_names_of_its_way_and_loses_the_times() {
    let end = Ferry::named("end").admin().start();
    let middle = ActiveMq::named("middle").connect(end.url()).flag("--ttl", "-1").start();
    let uri = format!("static:({})?initialReconnectDelay=50&maxReconnectDelay=50", middle.url());
    let start = Ferry::named("start").network(&uri).start();
    let (sender, receiver) =
        (Native::connect(start.url()).await, Native::with_mode(end.url(), AckMode::Client).await);
    let consumer = receiver.consumer("queue://far").await;
    sender.send_numbers("queue://far", 0, 1).await;
    assert_eq!(text(&consumer).await, "0");
    let answer = support::get(&end.admin(), "/api/v1/explain?queue=far").json();
    let message = &answer["message"];
    let path = message["path"].as_array().unwrap();
    assert!(path.len() == 2 && path[0].as_str().unwrap().starts_with("ID:start"), "{message}");
    assert_eq!(message["path_unix_ms"], serde_json::json!([null, null]), "{message}");
}

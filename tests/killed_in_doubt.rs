//! Brokers as processes: what a broker that is killed (`kill -9`) may have handed on is held for the
//! far broker that may have it, shown meanwhile, and settled when that can be asked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::path::PathBuf;
use std::time::Duration;

use ferrymq_client::{
    AckMode, ConnectOptions, Connection, Consumer, ConsumerOptions, ProducerOptions,
};
use ferrymq_openwire::destination::Destination;
use serde_json::Value;
use support::{Ferry, FerrySetup, PATIENCE, Proxy, ferrymq_command, free_port, get, until};

const MESSAGES: u32 = 10;

fn orders() -> Destination {
    Destination::queue("orders")
}

fn keeping(name: &str) -> FerrySetup {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("killed-in-doubt-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let folder = folder.to_str().unwrap();
    Ferry::named(name).admin().configure(&format!("[broker]\ndata_dir = \"{folder}\""))
}

async fn consumer(connection: &Connection) -> Consumer {
    let session = connection.session(AckMode::Auto);
    session.consumer(ConsumerOptions::new(orders())).await.unwrap()
}

async fn connect(broker: &Ferry) -> Connection {
    Connection::connect(broker.url(), ConnectOptions::system()).await.unwrap()
}

fn api(broker: &Ferry, path: &str) -> Value {
    get(&broker.admin(), path).json()
}

/// Waits until so many messages of a broker are in doubt.
fn in_doubt(broker: &Ferry, messages: u32) {
    until(&format!("{messages} are in doubt"), PATIENCE, || {
        (api(broker, "/api/v1/broker")["in_doubt"] == messages).then_some(())
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_killed_brokers_messages_go_to_one_end_only() {
    let far = keeping("far").port(free_port()).start();
    let proxy = Proxy::to(far.port());
    let list = format!("static:({})?initialReconnectDelay=50&maxReconnectDelay=100", proxy.url());
    let mut near = keeping("near").port(free_port()).network(&list).start();

    let reading = connect(&far).await;
    let reader = consumer(&reading).await;
    let writing = connect(&near).await;
    let options = ProducerOptions::to(orders()).persistent(true);
    let producer = writing.session(AckMode::Auto).producer(options).await.unwrap();
    producer.send("0").await.unwrap();
    assert!(reader.receive_within(PATIENCE).await.unwrap().is_some(), "the link is up");
    tokio::task::block_in_place(|| in_doubt(&near, 0));

    // The far broker has them, and nobody hears of it.
    proxy.go_mute();
    for number in 1..=MESSAGES {
        producer.send(number.to_string()).await.unwrap();
    }
    for number in 1..=MESSAGES {
        let delivery = reader.receive_within(PATIENCE).await.unwrap().expect("it crosses");
        assert_eq!(delivery.text().unwrap().unwrap(), number.to_string());
    }
    reading.close().await.unwrap();
    tokio::task::block_in_place(|| {
        proxy.go_down();
        in_doubt(&near, MESSAGES);
        // Of which link, too.
        let links = api(&near, "/api/v1/links");
        assert_eq!(links["links"][0]["in_doubt"], MESSAGES, "{links}");
        let metrics = get(&near.admin(), "/metrics").body;
        let line = |name: &str| metrics.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(line("ferrymq_link_in_doubt_messages{").ends_with(" 10"), "{metrics}");
        assert!(line("ferrymq_messages_in_doubt ").ends_with(" 10"), "{metrics}");
        let status = ferrymq_command(&["status", "--admin", &near.admin()]).output().unwrap();
        let status = String::from_utf8_lossy(&status.stdout).into_owned();
        assert!(status.contains("IN DOUBT"), "{status}");
        // What the far broker keeps so as to take none twice.
        assert!(api(&far, "/api/v1/broker")["audit_bytes"].as_u64().unwrap() > 0);

        near.process.kill();
        near.restart();
        in_doubt(&near, MESSAGES);
    });
    let local = connect(&near).await;
    let local = consumer(&local).await;
    let early = local.receive_within(Duration::from_millis(500)).await.unwrap();
    assert!(early.is_none(), "nobody else gets what may be there");

    // Nobody wants them there any more, and yet all is settled at once.
    tokio::task::block_in_place(|| {
        proxy.hear_again();
        proxy.come_up();
        in_doubt(&near, 0);
        let queue = api(&near, "/api/v1/destinations")["destinations"][0].clone();
        assert_eq!((&queue["waiting"], &queue["name"]), (&Value::from(0), &Value::from("orders")));
    });
    let late = local.receive_within(Duration::from_millis(500)).await.unwrap();
    assert!(late.is_none(), "they were consumed there");
}

//! Peers of every version of the protocol understand each other: messages and advisories are
//! written anew for each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod wire;

use ferrymq::config::Limits;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::BrokerId;
use ferrymq_openwire::message::MessageFields;
use ferrymq_openwire::properties::{Properties, Value};
use wire::{Wire, broker};

async fn speaking(node: &ferrymq::node::Node, version: u8, encoding: &str) -> Wire {
    let options = format!("?wireFormat.version={version}{encoding}");
    let mut wire = Wire::dial(node, &options).await;
    wire.open(&format!("v{version}{}", encoding.len())).await.unwrap();
    wire
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_of_any_version_reaches_peers_of_all_others() {
    let node = broker(Limits::default()).await;
    let topic = Destination::topic("all");
    let plain = "&wireFormat.tightEncodingEnabled=false&wireFormat.cacheEnabled=false";
    let mut peers = Vec::new();
    for version in 1..=12 {
        for encoding in ["", plain] {
            let mut peer = speaking(&node, version, encoding).await;
            peer.consume(1, &topic, 1000).await;
            peers.push((version, peer));
        }
    }
    let mut properties = Properties::default();
    properties.insert("colour", Value::String("blue".into()));
    for from in 0..peers.len() {
        let (version, sender) = &mut peers[from];
        let fields = MessageFields {
            marshalled_properties: Some(properties.encode()),
            reply_to: Some(Destination::queue("answers")),
            correlation_id: Some("c".into()),
            group_id: Some("g".into()),
            persistent: true,
            broker_path: Some(vec![Some(BrokerId::new("far"))]),
            ..sender.message(&topic, i64::try_from(from).unwrap(), 5000)
        };
        let version = *version;
        let sent = sender.submit(&fields);
        sender.answer(sent).await.unwrap();
        for (reader, peer) in &mut peers {
            let dispatch = peer.dispatch().await;
            let what = format!("version {version} to {reader}");
            assert_eq!(wire::number_of(&dispatch), i64::try_from(from).unwrap(), "{what}");
            let message = dispatch.message.as_ref().unwrap();
            let properties = message.properties().unwrap();
            assert_eq!(properties.get("colour"), Some(&Value::String("blue".into())), "{what}");
            assert_eq!(message.reply_to(), Some(Destination::queue("answers")), "{what}");
            assert_eq!(message.destination(), Some(topic.clone()), "{what}");
            assert_eq!(message.correlation_id(), Some("c".into()), "{what}");
            assert_eq!(message.broker_path(), [BrokerId::new("far")], "{what}");
            assert!(message.persistent(), "{what}");
            peer.settle(&dispatch);
        }
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn advisories_and_failures_are_understood_by_old_peers() {
    let node = broker(Limits::default()).await;
    let mut watchers = Vec::new();
    for version in 1..=12 {
        let mut peer = speaking(&node, version, "").await;
        peer.consume(1, &Destination::topic("ActiveMQ.Advisory.Consumer.>"), 1000).await;
        watchers.push(peer);
    }
    let mut newcomer = Wire::opened(&node, "newcomer").await;
    newcomer.consume(1, &Destination::queue("q"), 5).await;
    for (watcher, version) in watchers.iter_mut().zip(1..) {
        let dispatch = watcher.dispatch().await;
        let told = dispatch.message.unwrap().data_structure();
        let Some(Command::ConsumerInfo(told)) = told else { panic!("version {version}: {told:?}") };
        assert_eq!(told.destination, Some(Destination::queue("q")), "version {version}");
        assert_eq!(told.prefetch_size, 5, "version {version}");
        let refused = watcher.consumer(9, &Destination::queue(""), 5);
        assert!(watcher.ask(refused.into()).await.is_err(), "version {version}");
    }
    node.stop().await;
}

/// Before version 5 a consumer that closes cannot say what it delivered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_consumer_of_an_old_version_leaves_counts_as_delivered() {
    let node = broker(Limits::default()).await;
    let queue = Destination::queue("q");
    for (version, redeliveries) in [(4, 1), (5, 0)] {
        let mut peer = speaking(&node, version, "").await;
        peer.consume(1, &queue, 10).await;
        peer.send(&queue, 1, 2048);
        assert_eq!(peer.number().await, (1, 0));
        peer.tell(Wire::remove(Command::ConsumerId(peer.consumer_id(1)), -1));
        peer.consume(2, &queue, 10).await;
        let again = peer.dispatch().await;
        assert_eq!(again.redelivery_counter, redeliveries, "version {version}");
        peer.settle(&again);
        // Answered when the settlement has been read.
        peer.ask(Wire::remove(Command::ConsumerId(peer.consumer_id(2)), -1)).await.unwrap();
    }
    node.stop().await;
}

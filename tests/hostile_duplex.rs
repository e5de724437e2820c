//! Peers that ask for a bridge back and do not play by the rules harm only themselves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod wire;

use std::time::Duration;

use ferrymq::config::Limits;
use ferrymq::node::Node;
use ferrymq_network::config::NetworkConnectorConfig;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{BrokerInfo, ConnectionInfo, ConsumerInfo, Response};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::BrokerId;
use ferrymq_transport::dial::{Binder, Listener};
use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::tcp::Tcp;
use wire::{PATIENCE, Wire, broker, limited, networked_broker, until};

/// Within this a link that is over leaves the way to the next one free.
const SOON: Duration = Duration::from_secs(8);

fn asking(id: Option<&str>, properties: &str) -> Command {
    Command::BrokerInfo(Box::new(BrokerInfo {
        broker_id: id.map(BrokerId::new),
        broker_name: Some("peer".into()),
        duplex_connection: true,
        network_connection: true,
        network_properties: Some(properties.into()),
        ..BrokerInfo::default()
    }))
}

async fn opened(node: &Node, id: Option<&str>, properties: &str) -> (Wire, i32) {
    let mut wire = Wire::dial(node, "").await;
    wire.tell(asking(id, properties));
    let info = Wire::connection_info("peer-bridge");
    let number = wire.request(Command::ConnectionInfo(Box::new(info)));
    (wire, number)
}

/// The opening of the bridge back, which comes as from a client: how it logs in.
async fn bridge_back(wire: &mut Wire) -> ConnectionInfo {
    wire.want("the bridge back", |command| match command {
        Command::ConnectionInfo(info) => Some((**info).clone()),
        _ => None,
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_are_none_are_refused_by_name() {
    let node = broker(Limits::default()).await;
    for (id, properties, reason) in [
        (Some("ID:p"), "name=NC\nmessageTTL=soon", "messageTTL is not a number"),
        (Some("ID:p"), "name=NC\nstaticBridge=perhaps", "staticBridge is not true or false"),
        (Some("ID:p"), "name=\\u12", "four hexadecimal digits"),
        (None, "name=NC", "a broker with an id"),
    ] {
        let (mut wire, number) = opened(&node, id, properties).await;
        let refused = wire.answer(number).await.unwrap_err();
        let told = refused.message.unwrap().to_string();
        assert!(told.contains(reason), "{told}");
        wire.ended().await;
    }
    assert!(node.watch().links().is_empty());
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_of_the_peer_comes_back_and_no_window_is_beyond_measure() {
    let node = broker(Limits::default()).await;
    let properties = "name=NC\nduplex=true\nuserName=u\npassword=p\nprefetchSize=2000000000";
    let (mut wire, number) = opened(&node, Some("ID:p"), properties).await;
    wire.answer(number).await.unwrap();
    let info = bridge_back(&mut wire).await;
    assert_eq!((info.user_name, info.password), (None, None));
    let listener: ConsumerInfo = wire
        .want("the listener", |command| match command {
            Command::ConsumerInfo(info) => Some((**info).clone()),
            _ => None,
        })
        .await;
    assert_eq!(listener.prefetch_size, 32_766);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_never_answers_the_bridge_back_is_left() {
    let node = broker(Limits::default()).await;
    let (mut wire, number) = opened(&node, Some("ID:p"), "name=NC\nlinkTimeout=300").await;
    wire.answer(number).await.unwrap();
    bridge_back(&mut wire).await;
    until("it is shown", || node.watch().links().pop()).await;
    wire.ended().await;
    until("it is gone", || node.watch().links().is_empty().then_some(())).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_nobody_asked_for_and_a_second_introduction_change_nothing_for_others() {
    let node = broker(Limits::default()).await;
    let (mut wire, number) = opened(&node, Some("ID:p"), "name=NC").await;
    wire.answer(number).await.unwrap();
    for correlation_id in -50_000..50_000 {
        wire.tell(Command::Response(Response { correlation_id, ..Response::default() }));
    }
    wire.tell(asking(Some("ID:other"), "name=NC"));
    let refused = wire.failure().await.message.unwrap().to_string();
    assert!(refused.contains("a second BrokerInfo"), "{refused}");
    wire.ended().await;
    let mut client = Wire::opened(&node, "client").await;
    let queue = Destination::queue("q");
    client.consume(1, &queue, 10).await;
    client.send(&queue, 7, 0);
    assert_eq!(client.number().await.0, 7);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_that_ask_and_go_leave_nothing_behind() {
    let node = broker(Limits::default()).await;
    for number in 0..100 {
        let id = format!("ID:p{}", number % 3);
        let (mut wire, request) = opened(&node, Some(&id), "name=NC").await;
        if number % 2 == 0 {
            let _ = tokio::time::timeout(Duration::from_millis(20), wire.answer(request)).await;
        }
        wire.crash();
    }
    until("all are gone", || {
        let watch = node.watch();
        (watch.links().is_empty() && watch.connections().is_empty()).then_some(())
    })
    .await;
    node.stop().await;
}

/// A broker that dials `listener` for a duplex link.
async fn dialling() -> (Node, Box<dyn Listener>) {
    let listener = Tcp.bind(&Endpoint::tcp("127.0.0.1", 0)).await.unwrap();
    let port = listener.endpoint().port;
    let uri = format!("static:(tcp://127.0.0.1:{port})?initialReconnectDelay=50");
    let mut connector = NetworkConnectorConfig::new("NC", &uri.parse().unwrap()).unwrap();
    connector.duplex = true;
    // No silence ends a link here.
    connector.link_timeout = Duration::from_secs(600);
    (networked_broker(limited("queue://full", 20 * 1024), connector).await, listener)
}

/// The dialled end of such a link, after it has sent more for a full queue than is read without
/// room. A FerryMQ broker does not; one of another make may.
async fn unread(listener: &mut dyn Listener) -> Wire {
    let mut wire = Wire::accepted(listener, PATIENCE).await.expect("the broker dials");
    wire.tell(Command::BrokerInfo(Box::new(BrokerInfo {
        broker_id: Some(BrokerId::new("ID:p")),
        broker_name: Some("peer".into()),
        ..BrokerInfo::default()
    })));
    wire.open("peer-bridge").await.unwrap();
    let full = Destination::queue("full");
    for number in 0..480 {
        wire.send(&full, number, 64 * 1024);
    }
    until("all is on its way", || (wire.outbox.pending() == 0).then_some(())).await;
    wire
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_breaks_while_it_is_not_read_is_dialled_again() {
    let (node, mut listener) = dialling().await;
    unread(&mut *listener).await.crash();
    let again = Wire::accepted(&mut *listener, SOON).await;
    assert!(again.is_some(), "the broker does not dial again");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_not_read_does_not_hold_up_a_stop() {
    for crash in [false, true] {
        let (node, mut listener) = dialling().await;
        let peer = unread(&mut *listener).await;
        if crash {
            peer.crash();
        }
        let stopped = tokio::time::timeout(SOON, node.stop()).await;
        assert!(stopped.is_ok(), "it takes too long; after a crash: {crash}");
    }
}

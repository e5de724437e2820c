//! A question crosses a bridge by one way, and the news of the place for its answer by another: a
//! server that is quicker than the news can answer all the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod simulated;
mod support;
mod wire;

use std::time::Duration;

use ferrymq::config::Limits;
use ferrymq::node::Node;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{BrokerInfo, DestinationInfo};
use ferrymq_openwire::destination::{Destination, DestinationKind};
use ferrymq_openwire::ids::BrokerId;
use ferrymq_openwire::message::MessageFields;
use ferrymq_transport::simulated::LinkConditions;
use simulated::{Simulation, run};
use support::{Ferry, Proxy, free_port};
use wire::{Wire, broker, number_of};

fn service() -> Destination {
    Destination::queue("service")
}

/// Where a client of another broker wants its answers.
fn place() -> Destination {
    Destination::new(DestinationKind::TempQueue, "ID:client:1")
}

/// A question that has come by way of these brokers.
fn question(from: &Wire, number: i64, path: &[&BrokerId]) -> MessageFields {
    MessageFields {
        reply_to: Some(place()),
        broker_path: Some(path.iter().map(|broker| Some((*broker).clone())).collect()),
        ..from.message(&service(), number, 0)
    }
}

fn answer(from: &Wire, number: i64) -> MessageFields {
    MessageFields { persistent: true, ..from.message(&place(), number, 0) }
}

/// The end of another broker's bridge.
async fn bridge(node: &Node) -> Wire {
    let mut wire = Wire::pipe(node);
    wire.tell(Command::BrokerInfo(Box::new(BrokerInfo {
        broker_id: Some(BrokerId::new("far")),
        broker_name: Some("far".into()),
        network_connection: true,
        ..BrokerInfo::default()
    })));
    wire.open("bridge").await.unwrap();
    wire
}

/// A server that has been asked.
async fn asked(node: &Node, bridge: &mut Wire, path: &[&BrokerId]) -> Wire {
    let mut server = Wire::pipe(node);
    server.open("server").await.unwrap();
    server.consume(1, &service(), 10).await;
    let question = question(bridge, 1, path);
    let sent = bridge.submit(&question);
    bridge.answer(sent).await.unwrap();
    let dispatch = server.dispatch().await;
    server.settle(&dispatch);
    server
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_waits_for_the_news_of_its_place_and_crosses_then() {
    let port = free_port();
    let back = Proxy::to(port);
    back.go_down();
    let to = |url: &str| format!("static:({url})?initialReconnectDelay=50&maxReconnectDelay=50");
    let b = Ferry::named("b").network(&to(&back.url())).start();
    let a = Ferry::named("a").port(port).network(&to(b.url())).start();
    let mut client = Wire::opened_at(a.url(), "client").await;
    let replies = Destination::new(DestinationKind::TempQueue, "client:1");
    let make = DestinationInfo { destination: Some(replies.clone()), ..Default::default() };
    client.ask(make.into()).await.unwrap();
    client.consume(1, &replies, 10).await;
    let mut server = Wire::opened_at(b.url(), "server").await;
    server.consume(1, &service(), 10).await;
    let question =
        MessageFields { reply_to: Some(replies.clone()), ..client.message(&service(), 1, 0) };
    client.submit(&question);
    assert_eq!(number_of(&server.dispatch().await), 1);
    let answer = server.message(&replies, 2, 0);
    let answered = server.submit(&answer);
    server.answer(answered).await.unwrap();
    client.nothing_comes().await;
    back.come_up();
    assert_eq!(client.number().await, (2, 0));
}

/// JMS clients answer nowhere that they were not told of, so this cannot wait for the news.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_place_is_told_of_once_and_belongs_to_whoever_brings_the_news() {
    let node = broker(Limits::default()).await;
    let far = BrokerId::new("far");
    let mut bridge = bridge(&node).await;
    let mut server = Wire::pipe(&node);
    server.open("server").await.unwrap();
    server.consume(1, &Destination::topic("ActiveMQ.Advisory.TempQueue"), 10).await;
    server.consume(2, &service(), 10).await;
    let asked = question(&bridge, 1, &[&far]);
    bridge.submit(&asked);
    let told = server.dispatch().await.message.unwrap().data_structure();
    let Some(Command::DestinationInfo(told)) = told else { panic!("{told:?}") };
    assert_eq!((told.destination, told.operation_type), (Some(place()), 0));
    assert_eq!(told.broker_path, Some(vec![Some(far)]), "bridges do not take it back there");
    server.number().await;
    let early = answer(&server, 2);
    let sent = server.submit(&early);
    server.answer(sent).await.unwrap();
    // Nobody else may have what waits there, or end it.
    let thief = server.consumer(3, &place(), 10);
    assert!(server.ask(thief.into()).await.is_err());
    let change = |operation_type| DestinationInfo {
        destination: Some(place()),
        operation_type,
        timeout: i64::from(operation_type),
        ..DestinationInfo::default()
    };
    assert!(server.ask(change(1).into()).await.is_err());
    bridge.ask(change(0).into()).await.unwrap();
    bridge.consume(1, &place(), 10).await;
    assert_eq!(bridge.number().await, (2, 0));
    server.nothing_comes().await;
    bridge.ask(change(1).into()).await.unwrap();
    let told = server.dispatch().await.message.unwrap().data_structure();
    let Some(Command::DestinationInfo(told)) = told else { panic!("{told:?}") };
    assert_eq!((told.destination, told.operation_type), (Some(place()), 1));
    node.stop().await;
}

#[test]
fn what_nobody_ever_hears_of_becomes_a_dead_letter() {
    run(async {
        let simulation = Simulation::new(1, LinkConditions::default());
        let node = simulation.broker("b", &[], Limits::default()).await;
        let far = BrokerId::new("far");
        let mut bridge = bridge(&node).await;
        let mut server = asked(&node, &mut bridge, &[&far]).await;
        let early = answer(&server, 2);
        let sent = server.submit(&early);
        server.answer(sent).await.unwrap();
        tokio::time::sleep(Duration::from_secs(60)).await;
        let late = answer(&server, 3);
        let sent = server.submit(&late);
        let refused = server.answer(sent).await.unwrap_err();
        assert!(refused.message.unwrap().to_string().contains("does not exist"));
        let mut undertaker = Wire::pipe(&node);
        undertaker.open("undertaker").await.unwrap();
        undertaker.consume(1, &Destination::queue("ActiveMQ.DLQ"), 10).await;
        let letter = undertaker.dispatch().await;
        assert_eq!(number_of(&letter), 2);
        assert_eq!(letter.message.unwrap().original_destination(), Some(place()));
        undertaker.nothing_comes().await;
        assert!(node.status().destinations.iter().all(|one| one.address != place()));
        node.stop().await;
    });
}

/// It would have to be known here: its client has gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn none_is_made_for_a_question_that_comes_back() {
    let node = broker(Limits::default()).await;
    let own = node.watch().broker().identity.id.clone();
    let mut bridge = bridge(&node).await;
    let mut server = asked(&node, &mut bridge, &[&own, &BrokerId::new("far")]).await;
    let answer = answer(&server, 2);
    let sent = server.submit(&answer);
    assert!(server.answer(sent).await.is_err());
    node.stop().await;
}

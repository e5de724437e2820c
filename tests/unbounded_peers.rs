//! Nothing that a peer can ask for grows without bound: destinations, names, members, advisories
//! that it leaves unsettled.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod wire;

use ferrymq::config::Limits;
use ferrymq_openwire::commands::{ConsumerInfo, DestinationInfo, ProducerInfo};
use ferrymq_openwire::destination::{Destination, DestinationKind};
use ferrymq_openwire::ids::{BrokerId, ConsumerId, ProducerId, SessionId};
use tokio::time::{Duration, Instant, timeout};
use wire::{Wire, broker, until};

/// Far more than any of these takes, far less than going through everything for each would.
const QUICK: Duration = Duration::from_secs(20);

async fn is_refused(peer: &mut Wire, command: impl Into<ferrymq_openwire::command::Command>) {
    let refused = peer.ask(command.into()).await.unwrap_err();
    let class = refused.class_name.unwrap().to_string();
    assert!(class.starts_with("javax.jms."), "{class}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_of_destinations_end_somewhere() {
    let node = broker(Limits::default()).await;
    let mut peer = Wire::opened(&node, "peer").await;
    let named = |name: String| DestinationInfo {
        destination: Some(Destination::queue(name)),
        ..DestinationInfo::default()
    };
    is_refused(&mut peer, named("x".repeat(60_000))).await;
    let long = peer_consumer(&peer, 1, "x".repeat(60_000));
    is_refused(&mut peer, long).await;
    // Many long ones are too much together, and then short ones, too: until one is removed.
    let mut made = 0;
    while peer.ask(named(format!("{made:08000}")).into()).await.is_ok() {
        made += 1;
        assert!(made < 20_000, "160 MB of names");
    }
    is_refused(&mut peer, named("y".repeat(7000))).await;
    let remove = DestinationInfo { operation_type: 1, ..named(format!("{:08000}", 0)) };
    peer.ask(remove.into()).await.unwrap();
    peer.ask(named("y".repeat(7000)).into()).await.unwrap();
    node.stop().await;
}

fn peer_consumer(peer: &Wire, number: i64, name: String) -> ConsumerInfo {
    peer.consumer(number, &Destination::queue(name), 10)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn composites_of_many_members_cost_little() {
    let node = broker(Limits::default()).await;
    let mut peer = Wire::opened(&node, "peer").await;
    let composite = |name: String| Destination::topic(name);
    let commas = peer.consumer(1, &composite(",".repeat(65_535)), 10);
    is_refused(&mut peer, commas).await;
    let many: Vec<String> = (0..10_000).map(|number| number.to_string()).collect();
    let many = peer.consumer(1, &composite(many.join(",")), 10);
    is_refused(&mut peer, many).await;
    // Repeated ones count once, and each message comes once.
    let started = Instant::now();
    for number in 0..5_000 {
        let topic = composite(format!("some.topic.{number}"));
        peer.ask(DestinationInfo { destination: Some(topic), ..Default::default() }.into())
            .await
            .unwrap();
    }
    let repeated = ">,some.>,some.*.7,some.topic.7,>,".repeat(1800);
    peer.consume(1, &composite(format!("{repeated}>")), 10).await;
    let topic = composite("some.topic.7".to_owned());
    peer.send(&topic, 1, 2048);
    assert_eq!(peer.number().await.0, 1);
    peer.nothing_comes().await;
    assert!(started.elapsed() < QUICK, "{:?}", started.elapsed());
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn descriptions_of_consumers_and_producers_end_somewhere() {
    let node = broker(Limits::default()).await;
    let mut peer = Wire::opened(&node, "peer").await;
    let session = SessionId::new(&peer.connection, 1);
    let hop = Some(BrokerId::new("b".repeat(60_000)));
    let mut kept = 0;
    loop {
        let info = ConsumerInfo {
            broker_path: Some(vec![hop.clone(); 100]),
            ..peer_consumer(&peer, kept, "q".to_owned())
        };
        if peer.ask(info.into()).await.is_err() {
            break;
        }
        kept += 1;
        assert!(kept < 100, "600 MB of paths");
    }
    assert!(kept > 5, "{kept}");
    // What is closed is given back.
    for number in 0..kept {
        let id = ConsumerId::new(&session, number);
        peer.tell(Wire::remove(id.into(), -1));
    }
    peer.consume(1, &Destination::queue("q"), 10).await;
    let long = ferrymq_openwire::ids::ConnectionId::new("p".repeat(60_000));
    let long = SessionId::new(&long, 1);
    let mut kept = 0;
    loop {
        let id = Some(ProducerId::new(&long, kept));
        if peer.ask(ProducerInfo { producer_id: id, ..Default::default() }.into()).await.is_err() {
            break;
        }
        kept += 1;
        assert!(kept < 5_000, "300 MB of names");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_settles_no_advisories_is_let_go() {
    let node = broker(Limits::default()).await;
    for (number, topic) in
        ["ActiveMQ.Advisory.Consumer.>", ">", "plain,ActiveMQ.Advisory.Consumer.Queue.q"]
            .into_iter()
            .enumerate()
    {
        // Its window takes any number, so nothing ever waits.
        let mut listener = Wire::opened(&node, &format!("listener-{number}")).await;
        listener.consume(1, &Destination::topic(topic), i32::MAX).await;
        let mut busy = Wire::pipe(&node);
        busy.open("busy").await.unwrap();
        let listening = tokio::spawn(async move { listener.ended().await });
        let queue = Destination::queue("q");
        for round in 0..200 {
            for consumer in 0..200 {
                busy.tell(busy.consumer(consumer, &queue, 1).into());
                busy.tell(Wire::remove(busy.consumer_id(consumer).into(), -1));
            }
            // Waits until the broker is here.
            busy.consume(1000 + round, &queue, 1).await;
        }
        timeout(QUICK, listening).await.expect("it is let go").unwrap();
        busy.crash();
        until("all are gone", || (node.status().connections == 0).then_some(())).await;
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_listener_is_told_of_more_than_it_may_leave_unsettled() {
    const CONSUMERS: i64 = 70_000;
    let node = broker(Limits::default()).await;
    let queue = Destination::queue("q");
    for half in 0..2 {
        let mut crowd = Wire::pipe(&node);
        crowd.open(&format!("crowd-{half}")).await.unwrap();
        for number in 0..CONSUMERS / 2 {
            crowd.tell(crowd.consumer(number, &queue, 1).into());
        }
        crowd.consume(CONSUMERS, &Destination::queue("other"), 1).await;
        // It lives on, unread.
        tokio::spawn(async move { crowd.ended().await });
    }
    let mut listener = Wire::opened(&node, "listener").await;
    let advisories = Destination::topic("ActiveMQ.Advisory.Consumer.>");
    listener.consume(1, &advisories, 1000).await;
    for _ in 0..CONSUMERS + 2 {
        let dispatch = listener.dispatch().await;
        listener.settle(&dispatch);
    }
    listener.nothing_comes().await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_temporary_queues_are_made_and_go_quickly() {
    let node = broker(Limits::default()).await;
    let started = Instant::now();
    let mut peers = Vec::new();
    for owner in 0..10 {
        let name = format!("owner-{owner}");
        let mut peer = Wire::opened(&node, &name).await;
        let mut last = 0;
        for number in 0..3_000 {
            let address = Destination::new(DestinationKind::TempQueue, format!("{name}:{number}"));
            let info = DestinationInfo { destination: Some(address), ..Default::default() };
            last = peer.request(info.into());
        }
        peer.answer(last).await.unwrap();
        peers.push(peer);
    }
    drop(peers);
    until("all are gone", || node.status().destinations.is_empty().then_some(())).await;
    assert!(started.elapsed() < QUICK, "{:?}", started.elapsed());
    node.stop().await;
}

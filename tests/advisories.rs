//! Every listener learns of every consumer and every temporary destination exactly once, in order,
//! whatever comes and goes meanwhile.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod wire;

use std::collections::BTreeMap;

use ferrymq::config::Limits;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{ConsumerInfo, DestinationInfo};
use ferrymq_openwire::destination::{Destination, DestinationKind};
use ferrymq_openwire::ids::BrokerId;
use ferrymq_openwire::properties::Value;
use wire::{Wire, broker, until};

/// What a listener believes to live, from what it was told.
#[derive(Default)]
struct Belief {
    consumers: BTreeMap<String, Destination>,
}

impl Belief {
    /// Takes the next advisory; returns its `consumerCount`.
    async fn learn(&mut self, listener: &mut Wire) -> i32 {
        let dispatch = listener.dispatch().await;
        listener.settle(&dispatch);
        let message = dispatch.message.unwrap();
        match message.data_structure() {
            Some(Command::ConsumerInfo(info)) => {
                let id = info.consumer_id.unwrap().to_string();
                let twice = self.consumers.insert(id.clone(), info.destination.unwrap());
                assert!(twice.is_none(), "told twice of {id}");
            }
            Some(Command::RemoveInfo(info)) => {
                let Some(Command::ConsumerId(id)) = info.object_id.as_deref() else {
                    panic!("{info:?}")
                };
                let known = self.consumers.remove(&id.to_string());
                assert!(known.is_some(), "told of the end of {id}, which never was");
            }
            other => panic!("{other:?}"),
        }
        let properties = message.properties().unwrap();
        match properties.get("consumerCount") {
            Some(Value::Int(count)) => *count,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listeners_that_come_amid_churn_all_end_with_the_truth() {
    let node = broker(Limits::default()).await;
    let mut churn = tokio::task::JoinSet::new();
    for peer in 0..4 {
        let mut peer = Wire::opened(&node, &format!("churn-{peer}")).await;
        churn.spawn(async move {
            for round in 0..150 {
                let queue = Destination::queue(format!("q{}", round % 3));
                peer.consume(round, &queue, 10).await;
                if round % 5 != 0 {
                    let id = peer.consumer_id(round).into();
                    peer.ask(Wire::remove(id, -1)).await.unwrap();
                }
            }
            peer
        });
    }
    let mut listeners = Vec::new();
    for number in 0..8 {
        let mut listener = Wire::opened(&node, &format!("listener-{number}")).await;
        // The topics by wildcards and by name, overlapping: one copy of each advisory.
        let topics = "ActiveMQ.Advisory.Consumer.>,ActiveMQ.Advisory.Consumer.Queue.*,\
                      ActiveMQ.Advisory.Consumer.Queue.q1";
        let topics = if number % 2 == 0 { "ActiveMQ.Advisory.Consumer.>" } else { topics };
        listener.consume(1, &Destination::topic(topics), 7).await;
        listeners.push(listener);
    }
    let mut alive = Vec::new();
    while let Some(peer) = churn.join_next().await {
        alive.push(peer.unwrap());
    }
    let mut last = Wire::opened(&node, "last").await;
    last.consume(1, &Destination::queue("last"), 10).await;
    for listener in &mut listeners {
        let mut belief = Belief::default();
        while !belief.consumers.values().any(|at| *at == Destination::queue("last")) {
            belief.learn(listener).await;
        }
        assert_eq!(belief.consumers.len(), 4 * 30 + 1);
        listener.nothing_comes().await;
    }
    // A connection that is lost takes its consumers with it, one by one.
    let mut belief = Belief::default();
    let mut watcher = Wire::opened(&node, "watcher").await;
    watcher.consume(1, &Destination::topic("ActiveMQ.Advisory.Consumer.Queue.q0"), 7).await;
    let mut count = 0;
    while count < 40 {
        count = count.max(i32::try_from(belief.consumers.len()).unwrap());
        assert_eq!(belief.learn(&mut watcher).await, 40, "as many as there are");
        count += 1;
    }
    drop(alive);
    for left in (0..40).rev() {
        assert_eq!(belief.learn(&mut watcher).await, left);
    }
    assert!(belief.consumers.is_empty());
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_advisory_carries_the_path_and_the_filter_of_a_bridges_consumer() {
    let node = broker(Limits::default()).await;
    let mut listener = Wire::opened(&node, "listener").await;
    listener.consume(1, &Destination::topic("ActiveMQ.Advisory.Consumer.>"), 100).await;
    let mut bridge = Wire::opened(&node, "bridge").await;
    let path = vec![Some(BrokerId::new("far")), Some(BrokerId::new("farther"))];
    let info = ConsumerInfo {
        broker_path: Some(path.clone()),
        network_subscription: true,
        priority: -5,
        ..bridge.consumer(1, &Destination::queue("q"), 10)
    };
    bridge.ask(info.into()).await.unwrap();
    let told = listener.dispatch().await.message.unwrap().data_structure();
    let Some(Command::ConsumerInfo(told)) = told else { panic!("{told:?}") };
    assert_eq!(told.broker_path, Some(path));
    assert!(told.network_subscription);
    assert_eq!(told.priority, -5);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn temporary_destinations_are_told_once_while_they_come_and_go() {
    const EACH: usize = 100;
    let node = broker(Limits::default()).await;
    let mut owners = tokio::task::JoinSet::new();
    for owner in 0..4 {
        let name = format!("owner-{owner}");
        let mut peer = Wire::opened(&node, &name).await;
        owners.spawn(async move {
            for number in 0..EACH {
                let kind = DestinationKind::TempQueue;
                let address = Destination::new(kind, format!("{name}:{number}"));
                let change = |operation_type| DestinationInfo {
                    destination: Some(address.clone()),
                    operation_type,
                    ..DestinationInfo::default()
                };
                peer.ask(change(0).into()).await.unwrap();
                if number % 2 == 0 {
                    peer.ask(change(1).into()).await.unwrap();
                }
            }
            // The rest goes with its connection.
            drop(peer);
        });
    }
    let mut listeners = Vec::new();
    for number in 0..4 {
        let mut listener = Wire::opened(&node, &format!("listener-{number}")).await;
        let topics = "ActiveMQ.Advisory.TempQueue,ActiveMQ.Advisory.TempTopic";
        listener.consume(1, &Destination::topic(topics), 10).await;
        listeners.push(listener);
    }
    while let Some(owner) = owners.join_next().await {
        owner.unwrap();
    }
    until("the owners are gone", || (node.status().connections == 4).then_some(())).await;
    let mut end = Wire::opened(&node, "end").await;
    let address = Destination::new(DestinationKind::TempQueue, "end:1");
    let info = DestinationInfo { destination: Some(address.clone()), ..Default::default() };
    end.ask(info.into()).await.unwrap();
    for listener in &mut listeners {
        let mut living = BTreeMap::new();
        loop {
            let dispatch = listener.dispatch().await;
            listener.settle(&dispatch);
            let told = dispatch.message.unwrap().data_structure();
            let Some(Command::DestinationInfo(told)) = told else { panic!("{told:?}") };
            let name = told.destination.unwrap();
            if name == address {
                break;
            }
            if told.operation_type == 0 {
                assert!(living.insert(name, ()).is_none());
            } else {
                assert!(living.remove(&name).is_some());
            }
        }
        assert!(living.is_empty(), "never told of the end of {living:?}");
        listener.nothing_comes().await;
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn destinations_are_told_once_while_they_come_and_go() {
    let node = broker(Limits::default()).await;
    let named = |name: String, operation_type| DestinationInfo {
        destination: Some(Destination::queue(name)),
        operation_type,
        ..DestinationInfo::default()
    };
    let mut makers = tokio::task::JoinSet::new();
    for maker in 0..4 {
        let mut peer = Wire::opened(&node, &format!("maker-{maker}")).await;
        makers.spawn(async move {
            for number in 0..200 {
                // All make the same ones.
                peer.ask(named(format!("q{number}"), 0).into()).await.unwrap();
            }
            peer
        });
    }
    let mut listeners = Vec::new();
    for number in 0..4 {
        let mut listener = Wire::opened(&node, &format!("listener-{number}")).await;
        listener.consume(1, &Destination::topic("ActiveMQ.Advisory.Queue"), 10).await;
        listeners.push(listener);
    }
    let mut maker = None;
    while let Some(peer) = makers.join_next().await {
        maker = Some(peer.unwrap());
    }
    let mut maker = maker.unwrap();
    maker.ask(named("q7".to_owned(), 1).into()).await.unwrap();
    for listener in &mut listeners {
        let mut living = BTreeMap::new();
        loop {
            let dispatch = listener.dispatch().await;
            listener.settle(&dispatch);
            let told = dispatch.message.unwrap().data_structure();
            let Some(Command::DestinationInfo(told)) = told else { panic!("{told:?}") };
            let name = told.destination.unwrap();
            if told.operation_type == 1 {
                assert_eq!(name, Destination::queue("q7"));
                break;
            }
            assert!(living.insert(name.clone(), ()).is_none(), "told twice of {name}");
        }
        assert_eq!(living.len(), 200);
        listener.nothing_comes().await;
    }
    node.stop().await;
}

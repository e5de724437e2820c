//! A durable subscription keeps its messages while nobody is there, within the broker's limits, and
//! others learn what it does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod simulated;
mod wire;

use ferrymq::config::{DeadLetterSettings, DestinationPolicy, Limits};
use ferrymq::node::Node;
use ferrymq::routing::DurableSnapshot;
use ferrymq_network::destination_pattern::DestinationPattern;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{ConsumerInfo, MessageAck, RemoveSubscriptionInfo};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::MessageId;
use ferrymq_openwire::message::MessageFields;
use ferrymq_transport::simulated::LinkConditions;
use simulated::{Simulation, run};
use wire::{Wire, broker, limited, number_of, until};

const POISON: i8 = 1;
const STANDARD: i8 = 2;
const INDIVIDUAL: i8 = 4;

fn topic() -> Destination {
    Destination::topic("news")
}

/// Makes the subscription `name` of the client `id`, and leaves.
async fn subscribed(node: &Node, id: &str, name: &str) {
    let mut wire = Wire::opened(node, id).await;
    wire.subscribe(1, name, &topic(), 100).await;
    let before = node.status().connections;
    wire.crash();
    until("it is gone", || (node.status().connections < before).then_some(())).await;
}

fn seen(node: &Node) -> Vec<DurableSnapshot> {
    node.watch().durable_subscriptions()
}

/// Sends a message and waits until it is taken.
async fn publish(wire: &mut Wire, fields: &MessageFields) {
    let number = wire.submit(fields);
    wire.answer(number).await.unwrap();
}

async fn publish_numbers(wire: &mut Wire, numbers: std::ops::Range<i64>) {
    for number in numbers {
        publish(wire, &wire.message(&topic(), number, 2_000)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_several_counts_once_and_goes_with_the_last() {
    let node = broker(Limits::default()).await;
    for id in ["one", "two", "three"] {
        subscribed(&node, id, "news").await;
    }
    let mut sender = Wire::opened(&node, "sender").await;
    publish_numbers(&mut sender, 0..10).await;
    let used = node.status().memory;
    assert!((20_000..40_000).contains(&used), "ten messages of 2 kB take {used} bytes");
    assert_eq!(seen(&node).iter().map(|one| one.waiting).collect::<Vec<_>>(), [10; 3]);
    let mut one = Wire::opened(&node, "one").await;
    one.subscribe(1, "news", &topic(), 100).await;
    assert_eq!(one.numbers(10).await, (0..10).collect::<Vec<_>>());
    let mut ack = one.ack(1, STANDARD, 0, 9, 10);
    let ids = sender.ack(1, STANDARD, 0, 9, 10);
    (ack.first_message_id, ack.last_message_id) = (ids.first_message_id, ids.last_message_id);
    one.ask(ack.into()).await.unwrap();
    assert_eq!(node.status().memory, used, "two others hold them still");
    for id in ["two", "three"] {
        Wire::opened(&node, id).await.unsubscribe("news").await.unwrap();
    }
    assert_eq!(node.status().memory, 0);
    assert_eq!(seen(&node).len(), 1);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_waits_while_nobody_takes_what_is_kept() {
    let node = broker(limited("topic://news", 10_000)).await;
    subscribed(&node, "away", "news").await;
    let mut sender = Wire::opened(&node, "sender").await;
    let answers: Vec<i32> =
        (0..20).map(|number| sender.submit(&sender.message(&topic(), number, 2_000))).collect();
    sender.answer(answers[0]).await.unwrap();
    let waiting = until("it is full", || {
        let waiting = seen(&node)[0].waiting;
        (node.status().memory >= 10_000).then_some(waiting)
    })
    .await;
    assert!(waiting <= 6, "{waiting} messages of 2 kB in 10 kB");
    let mut away = Wire::opened(&node, "away").await;
    away.subscribe(1, "news", &topic(), 2).await;
    for expected in 0..20 {
        let dispatch = away.dispatch().await;
        assert_eq!(wire::number_of(&dispatch), expected);
        away.settle(&dispatch);
    }
    sender.answer(answers[19]).await.unwrap();
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_gives_back_what_it_had_with_a_mark() {
    let node = broker(Limits::default()).await;
    subscribed(&node, "away", "news").await;
    let mut sender = Wire::opened(&node, "sender").await;
    publish_numbers(&mut sender, 0..5).await;
    let mut away = Wire::opened(&node, "away").await;
    away.subscribe(1, "news", &topic(), 3).await;
    let mut dispatches = Vec::new();
    for _ in 0..3 {
        dispatches.push(away.dispatch().await);
    }
    let mut one = away.ack(1, INDIVIDUAL, 0, 0, 1);
    one.last_message_id = dispatches[1].message.as_ref().unwrap().message_id();
    one.first_message_id = None;
    away.ask(one.into()).await.unwrap();
    away.crash();
    until("it is offline", || seen(&node)[0].consumer.is_none().then_some(())).await;
    let mut again = Wire::opened(&node, "away").await;
    again.subscribe(1, "news", &topic(), 100).await;
    let mut came = Vec::new();
    for _ in 0..4 {
        came.push(again.number().await);
    }
    assert_eq!(came, [(0, 1), (2, 1), (3, 1), (4, 0)]);
    again.nothing_comes().await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_listens_learns_of_consumers_and_of_the_subscriptions_end() {
    let node = broker(Limits::default()).await;
    let mut listener = Wire::opened(&node, "listener").await;
    listener.consume(1, &Destination::topic("ActiveMQ.Advisory.Consumer.>"), 100).await;
    let mut away = Wire::opened(&node, "away").await;
    away.subscribe(1, "news", &topic(), 10).await;
    let Some(Command::ConsumerInfo(info)) = advisory(&mut listener).await else { panic!() };
    assert_eq!(info.client_id, Some("away".into()));
    assert_eq!(info.subscription_name, Some("news".into()));
    away.ask(Wire::remove(away.consumer_id(1).into(), -1)).await.unwrap();
    let Some(Command::RemoveInfo(_)) = advisory(&mut listener).await else { panic!() };
    let other = Destination::topic("other");
    away.subscribe(2, "news", &other, 10).await;
    // Nothing is wanted of the former topic any more.
    let Some(Command::RemoveSubscriptionInfo(told)) = advisory(&mut listener).await else {
        panic!()
    };
    assert_eq!(named(&told), ("away".to_owned(), "news".to_owned()));
    let Some(Command::ConsumerInfo(info)) = advisory(&mut listener).await else { panic!() };
    assert_eq!(info.destination, Some(other));
    let refused = away.unsubscribe("news").await.unwrap_err();
    assert_eq!(refused.class_name.unwrap(), "javax.jms.JMSException");
    away.ask(Wire::remove(away.consumer_id(2).into(), -1)).await.unwrap();
    let Some(Command::RemoveInfo(_)) = advisory(&mut listener).await else { panic!() };
    away.unsubscribe("news").await.unwrap();
    let Some(Command::RemoveSubscriptionInfo(told)) = advisory(&mut listener).await else {
        panic!()
    };
    assert_eq!(named(&told), ("away".to_owned(), "news".to_owned()));
    let refused = away.unsubscribe("news").await.unwrap_err();
    assert_eq!(refused.class_name.unwrap(), "javax.jms.InvalidDestinationException");
    node.stop().await;
}

async fn advisory(listener: &mut Wire) -> Option<Command> {
    let dispatch = listener.dispatch().await;
    listener.settle(&dispatch);
    dispatch.message.unwrap().data_structure()
}

fn named(info: &RemoveSubscriptionInfo) -> (String, String) {
    let text = |text: &Option<ferrymq_openwire::text::Text>| text.as_ref().unwrap().to_string();
    (text(&info.client_id), text(&info.subscription_name))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_with_durable_subscriptions_stays_and_advisories_are_not_kept() {
    let node = broker(Limits::default()).await;
    subscribed(&node, "away", "news").await;
    let mut peer = Wire::opened(&node, "peer").await;
    let removal = ferrymq_openwire::commands::DestinationInfo {
        destination: Some(topic()),
        operation_type: 1,
        timeout: 1,
        ..Default::default()
    };
    peer.ask(removal.into()).await.unwrap_err();
    publish_numbers(&mut peer, 0..1).await;
    assert_eq!(seen(&node)[0].waiting, 1);
    let durable = |name: &str| ConsumerInfo {
        subscription_name: Some("x".into()),
        ..peer.consumer(1, &Destination::topic(name), 10)
    };
    let (advisories, everything) = (durable("ActiveMQ.Advisory.Consumer.>"), durable(">"));
    let refused = peer.ask(advisories.into()).await.unwrap_err();
    assert_eq!(refused.class_name.unwrap(), "javax.jms.InvalidDestinationException");
    // Who wants everything gets messages, and nothing that no account would bound.
    peer.ask(everything.into()).await.unwrap();
    let mut other = Wire::opened(&node, "other").await;
    other.consume(1, &Destination::queue("q"), 1).await;
    publish_numbers(&mut other, 0..1).await;
    assert_eq!(peer.number().await, (0, 0));
    peer.nothing_comes().await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_several_topics_keeps_what_is_sent_to_each() {
    let node = broker(Limits::default()).await;
    let several = Destination::topic("news,weather.>");
    let places = ["news", "weather.north", "sports", "weather.south"].map(Destination::topic);
    let mut away = Wire::opened(&node, "client").await;
    away.subscribe(1, "several", &several, 100).await;
    away.crash();
    until("it is away", || seen(&node)[0].consumer.is_none().then_some(())).await;
    let mut sender = Wire::opened(&node, "sender").await;
    for (number, place) in (0..).zip(places.iter().cycle().take(8)) {
        let message = sender.message(place, number, 0);
        publish(&mut sender, &message).await;
    }
    let mut back = Wire::opened(&node, "client").await;
    back.subscribe(1, "several", &several, 100).await;
    for number in [0, 1, 3, 4, 5, 7] {
        let dispatch = back.dispatch().await;
        assert_eq!(number_of(&dispatch), number);
        let from = places[usize::try_from(number).unwrap() % places.len()].clone();
        assert_eq!(dispatch.message.as_ref().unwrap().destination(), Some(from));
        back.settle(&dispatch);
    }
    back.nothing_comes().await;
    // It is one subscription, and ends as one.
    back.ask(Wire::remove(Command::ConsumerId(back.consumer_id(1)), -1)).await.unwrap();
    back.unsubscribe("several").await.unwrap();
    assert!(seen(&node).is_empty());
    assert_eq!(node.status().memory, 0);
    node.stop().await;
}

#[test]
fn what_expires_while_nobody_is_there_becomes_a_dead_letter() {
    run(async {
        let simulation = Simulation::new(1, LinkConditions::default());
        let node = simulation.broker("b", &[], Limits::default()).await;
        let mut away = Wire::pipe(&node);
        away.open("client").await.unwrap();
        away.subscribe(1, "news", &topic(), 100).await;
        away.crash();
        until("it is away", || seen(&node)[0].consumer.is_none().then_some(())).await;
        let mut sender = Wire::pipe(&node);
        sender.open("sender").await.unwrap();
        let soon = simulation.now() + 5_000;
        for (number, expiration) in [(1, soon), (2, 0)] {
            let fields = MessageFields {
                expiration,
                persistent: true,
                ..sender.message(&topic(), number, 0)
            };
            publish(&mut sender, &fields).await;
        }
        assert_eq!(seen(&node)[0].waiting, 2);
        tokio::time::sleep(std::time::Duration::from_secs(60)).await;
        assert_eq!(seen(&node)[0].waiting, 1);
        let dead = Destination::queue("ActiveMQ.DLQ");
        sender.consume(1, &dead, 10).await;
        assert_eq!(sender.number().await.0, 1);
        let mut back = Wire::pipe(&node);
        back.open("client").await.unwrap();
        back.subscribe(1, "news", &topic(), 100).await;
        assert_eq!(back.number().await.0, 2);
        back.nothing_comes().await;
        node.stop().await;
    });
}

/// Policies of topics whose dead letters are audited, or not (ActiveMQ's `enableAudit` of a dead letter
/// strategy).
fn audited(enable_audit: Option<bool>) -> Limits {
    let dead_letter = DeadLetterSettings { enable_audit, ..DeadLetterSettings::default() };
    let pattern = DestinationPattern::parse("topic://>").unwrap();
    let policy = DestinationPolicy { dead_letter, ..DestinationPolicy::new(pattern) };
    Limits { policies: vec![policy], ..Limits::default() }
}

/// However many keep a message, it is there once while they do, and once when it is dead.
#[test]
fn what_expires_for_many_has_one_dead_letter_and_is_counted_for_each() {
    for (enable_audit, letters) in [(None, 3), (Some(true), 3), (Some(false), 15)] {
        run(async move {
            let simulation = Simulation::new(1, LinkConditions::default());
            let node = simulation.broker("b", &[], audited(enable_audit)).await;
            for number in 0..5 {
                let mut away = Wire::pipe(&node);
                away.open(&format!("client-{number}")).await.unwrap();
                away.subscribe(1, "news", &topic(), 100).await;
                away.crash();
            }
            let away = || seen(&node).iter().all(|one| one.consumer.is_none()).then_some(());
            until("all are away", away).await;
            let mut sender = Wire::pipe(&node);
            sender.open("sender").await.unwrap();
            let expiration = simulation.now() + 5_000;
            let queue = Destination::queue("between");
            for number in 1..=3 {
                let fields = sender.message(&topic(), number, 2_000);
                publish(&mut sender, &MessageFields { expiration, persistent: true, ..fields })
                    .await;
                let between = sender.message(&queue, number, 0);
                publish(&mut sender, &between).await;
            }
            tokio::time::sleep(std::time::Duration::from_secs(60)).await;
            assert!(seen(&node).iter().all(|one| one.waiting == 0));
            sender.consume(1, &Destination::queue("ActiveMQ.DLQ"), 100).await;
            let mut dead = sender.numbers(letters).await;
            dead.sort_unstable();
            dead.dedup();
            assert_eq!(dead, [1, 2, 3]);
            sender.nothing_comes().await;
            let totals = node.watch().broker().totals;
            assert_eq!((totals.expired, totals.dead), (15, 0));
            node.stop().await;
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_many_refuse_has_one_dead_letter() {
    let node = broker(Limits::default()).await;
    let mut readers = Vec::new();
    for id in ["one", "two", "three"] {
        let mut reader = Wire::opened(&node, id).await;
        reader.subscribe(1, "news", &topic(), 100).await;
        readers.push(reader);
    }
    let mut sender = Wire::opened(&node, "sender").await;
    for number in 1..=4 {
        let fields = sender.message(&topic(), number, 0);
        publish(&mut sender, &MessageFields { persistent: true, ..fields }).await;
    }
    for reader in &mut readers {
        assert_eq!(reader.numbers(4).await, [1, 2, 3, 4]);
        // The third is taken.
        for number in [1, 2, 4] {
            let poison = reader.ack(1, POISON, number, number, 1);
            let poison = MessageAck {
                first_message_id: Some(MessageId::new(sender.producer(), number)),
                last_message_id: Some(MessageId::new(sender.producer(), number)),
                ..poison
            };
            reader.ask(poison.into()).await.unwrap();
        }
    }
    sender.consume(1, &Destination::queue("ActiveMQ.DLQ"), 100).await;
    assert_eq!(sender.numbers(3).await, [1, 2, 4]);
    sender.nothing_comes().await;
    assert_eq!((node.watch().broker().totals.expired, node.watch().broker().totals.dead), (0, 9));
    node.stop().await;
}

//! What a bridge brings a second time is recognised, answered as if it were new, and dropped; what
//! comes back by right is not mistaken for it, and what cannot be known is taken.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod wire;

use ferrymq::config::{AuditPolicy, DestinationPolicy, Limits};
use ferrymq::node::Node;
use ferrymq_network::config::NetworkConnectorConfig;
use ferrymq_network::destination_pattern::DestinationPattern;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{BrokerInfo, ConsumerInfo, MessageAck, NetworkBridgeFilter};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::{BrokerId, ConnectionId, MessageId, ProducerId, SessionId};
use ferrymq_openwire::message::MessageFields;
use wire::{PATIENCE, Wire, broker, networked_broker, until};

/// A peer that a broker's bridge would be.
async fn bridge(node: &Node, id: &str) -> Wire {
    let mut peer = Wire::dial(node, "").await;
    peer.tell(Command::BrokerInfo(Box::new(BrokerInfo {
        broker_id: Some(BrokerId::new("far")),
        broker_name: Some("far".into()),
        network_connection: true,
        ..BrokerInfo::default()
    })));
    peer.open(id).await.unwrap();
    peer
}

/// A message of somebody far away: his `number`th, over these brokers.
fn from_afar(bridge: &Wire, to: &Destination, number: i64, path: &[&BrokerId]) -> MessageFields {
    let session = SessionId::new(&ConnectionId::new("far-away"), 1);
    MessageFields {
        message_id: Some(MessageId::new(ProducerId::new(&session, 1), number)),
        broker_path: Some(path.iter().map(|broker| Some((*broker).clone())).collect()),
        ..bridge.message(to, number, 2048)
    }
}

async fn deliver(bridge: &mut Wire, message: &MessageFields) {
    let sent = bridge.submit(message);
    bridge.answer(sent).await.expect("every copy is answered");
}

/// What was counted at the destination: copies dropped, and taken in doubt.
fn counted(node: &Node, address: &Destination) -> (u64, u64) {
    let all = node.status().destinations;
    let found = all.iter().find(|one| one.address == *address).expect("it lives");
    (found.duplicates, found.doubtful)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_copy_is_answered_and_dropped_whichever_way_and_link_it_comes() {
    let node = broker(Limits::default()).await;
    let (far, other) = (BrokerId::new("far"), BrokerId::new("other"));
    for address in [Destination::queue("q"), Destination::topic("t")] {
        let mut consumer = Wire::opened(&node, &format!("consumer of {address}")).await;
        consumer.consume(1, &address, 100).await;
        let mut first = bridge(&node, &format!("first to {address}")).await;
        let message = from_afar(&first, &address, 1, &[&far]);
        deliver(&mut first, &message).await;
        deliver(&mut first, &message).await;
        // Its answer was lost with the link: over another one it comes again.
        first.crash();
        let mut second = bridge(&node, &format!("second to {address}")).await;
        let again = MessageFields { producer_id: Some(second.producer()), ..message };
        deliver(&mut second, &again).await;
        let detour = from_afar(&second, &address, 1, &[&far, &other]);
        deliver(&mut second, &detour).await;
        let next = from_afar(&second, &address, 2, &[&far]);
        deliver(&mut second, &next).await;
        assert_eq!(consumer.numbers(2).await, [1, 2], "{address}");
        consumer.nothing_comes().await;
        assert_eq!(counted(&node, &address), (3, 0), "{address}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_this_broker_sent_on_may_return_and_only_its_copies_are_dropped() {
    let node = broker(Limits::default()).await;
    let own = node.watch().broker().identity.id;
    let far = BrokerId::new("far");
    let queue = Destination::queue("q");
    let mut consumer = Wire::opened(&node, "consumer").await;
    consumer.consume(1, &queue, 100).await;
    let mut bridge = bridge(&node, "bridge").await;
    let returns: [&[&BrokerId]; 3] =
        [&[&far], &[&far, &own, &far], &[&far, &own, &far, &own, &far]];
    for path in returns {
        for _ in 0..2 {
            let message = from_afar(&bridge, &queue, 1, path);
            deliver(&mut bridge, &message).await;
        }
        assert_eq!(consumer.numbers(1).await, [1]);
    }
    consumer.nothing_comes().await;
    assert_eq!(counted(&node, &queue), (3, 0));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_copies_that_took_different_ways_one_goes_on() {
    let node = broker(Limits::default()).await;
    let (far, other) = (BrokerId::new("far"), BrokerId::new("other"));
    let queue = Destination::queue("q");
    let mut onward = bridge(&node, "onward").await;
    let demand = ConsumerInfo {
        network_subscription: true,
        additional_predicate: Some(NetworkBridgeFilter {
            network_broker_id: Some(BrokerId::new("next")),
            message_ttl: -1,
            consumer_ttl: -1,
            ..NetworkBridgeFilter::default()
        }),
        ..onward.consumer(1, &queue, 100)
    };
    onward.ask(demand.into()).await.unwrap();
    let mut bridge = bridge(&node, "bridge").await;
    let times = Some(vec![Some(BrokerId::new("0@17"))]);
    let message = MessageFields { cluster: times, ..from_afar(&bridge, &queue, 1, &[&far]) };
    deliver(&mut bridge, &message).await;
    let gone = onward.dispatch().await;
    onward.settle(&gone);
    // Sent again, because the answer was lost: it went on already.
    deliver(&mut bridge, &message).await;
    // The first one may have met this one on its way, and have been dropped for it.
    let detour = from_afar(&bridge, &queue, 1, &[&far, &other]);
    deliver(&mut bridge, &detour).await;
    let taken = onward.dispatch().await.message.unwrap();
    assert_eq!(taken.broker_path(), [far, other]);
    onward.nothing_comes().await;
    assert_eq!(counted(&node, &queue), (1, 1));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_old_to_be_known_is_taken_and_counted() {
    let policy = DestinationPolicy {
        audit: AuditPolicy { max_queue_audit_depth: Some(64), ..AuditPolicy::default() },
        ..DestinationPolicy::new(DestinationPattern::parse("queue://>").unwrap())
    };
    let node = broker(Limits { policies: vec![policy], ..Limits::default() }).await;
    let (queue, far) = (Destination::queue("q"), BrokerId::new("far"));
    let mut consumer = Wire::opened(&node, "consumer").await;
    consumer.consume(1, &queue, 100).await;
    let mut bridge = bridge(&node, "bridge").await;
    for number in [1_000, 1, 1_000] {
        let message = from_afar(&bridge, &queue, number, &[&far]);
        deliver(&mut bridge, &message).await;
    }
    assert_eq!(consumer.numbers(2).await, [1_000, 1]);
    consumer.nothing_comes().await;
    assert_eq!(counted(&node, &queue), (1, 1));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destination_without_an_audit_takes_what_comes_and_clients_are_never_audited() {
    let policy = DestinationPolicy {
        audit: AuditPolicy { enable_audit: Some(false), ..AuditPolicy::default() },
        ..DestinationPolicy::new(DestinationPattern::parse("queue://plain").unwrap())
    };
    let node = broker(Limits { policies: vec![policy], ..Limits::default() }).await;
    let (plain, audited) = (Destination::queue("plain"), Destination::queue("audited"));
    let far = BrokerId::new("far");
    let mut bridge = bridge(&node, "bridge").await;
    let mut client = Wire::opened(&node, "client").await;
    for _ in 0..2 {
        let message = from_afar(&bridge, &plain, 1, &[&far]);
        deliver(&mut bridge, &message).await;
        let message = from_afar(&client, &audited, 1, &[&far]);
        deliver(&mut client, &message).await;
    }
    for queue in [&plain, &audited] {
        let found = until("both are there", || {
            node.status().destinations.into_iter().find(|one| one.address == *queue)
        })
        .await;
        assert_eq!((found.waiting, found.duplicates), (2, 0), "{queue}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_of_one_message_are_not_copies_of_each_other() {
    const POISON: i8 = 1;
    let far = broker(Limits::default()).await;
    let uri = format!("static:(tcp://127.0.0.1:{})", far.listening()[0].port);
    let connector = NetworkConnectorConfig::new("NC", &uri.parse().unwrap()).unwrap();
    let near = networked_broker(Limits::default(), connector).await;
    let dead = Destination::queue("ActiveMQ.DLQ");
    let mut undertaker = Wire::opened(&far, "undertaker").await;
    undertaker.consume(1, &dead, 10).await;

    let mut peer = Wire::opened(&near, "peer").await;
    let queues =
        ["A", "B"].map(|name| Destination::queue(format!("Consumer.{name}.VirtualTopic.news")));
    for (number, queue) in (1..).zip(&queues) {
        peer.consume(number, queue, 10).await;
    }
    let fields = MessageFields {
        persistent: true,
        ..peer.message(&Destination::topic("VirtualTopic.news"), 7, 2048)
    };
    let sent = peer.submit(&fields);
    peer.answer(sent).await.unwrap();
    for _ in &queues {
        let copy = peer.dispatch().await;
        let refused = MessageAck { consumer_id: copy.consumer_id, ..peer.ack(1, POISON, 7, 7, 1) };
        peer.ask(refused.into()).await.unwrap();
    }
    let mut died_at = Vec::new();
    for _ in &queues {
        let letter = undertaker.dispatch().await;
        let message = letter.message.as_ref().unwrap();
        assert_eq!(message.message_id().unwrap().to_string(), "ID:peer:1:1:7");
        died_at.extend(message.original_destination());
        undertaker.settle(&letter);
    }
    died_at.sort();
    assert_eq!(died_at, queues);
    assert_eq!(counted(&far, &dead), (0, 0));
    tokio::time::timeout(PATIENCE, near.stop()).await.unwrap();
    far.stop().await;
}

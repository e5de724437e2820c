//! What a broker sees of the client is what it would see of a JMS client.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod fake_broker;

use ferrymq_client::{AckMode, Connection, ConsumerOptions, OutgoingMessage};
use ferrymq_openwire::command::Command;
use ferrymq_openwire::destination::Destination;

use fake_broker::{brief, connected, options, unconnected};

#[tokio::test]
async fn a_connection_introduces_itself_and_waits_to_be_accepted() {
    let (link, mut broker) = unconnected();
    let connecting = tokio::spawn(Connection::over(link, options().credentials("ann", "secret")));
    let first = broker.next().await;
    let Command::ConnectionInfo(info) = &first else { panic!("{first:?}") };
    assert_eq!((info.command_id, info.response_required), (1, true));
    assert_eq!(info.connection_id.as_ref().unwrap().to_string(), "ID:test-1-1-1:1");
    assert_eq!(info.client_id.as_ref().unwrap(), &"ID:test-1-1-1:1");
    assert_eq!(info.user_name.as_ref().unwrap(), &"ann");
    assert_eq!(info.password.as_ref().unwrap(), &"secret");
    assert!(info.manageable && info.client_master);
    assert!(!connecting.is_finished());
    broker.respond(&first);
    connecting.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_whole_conversation_has_the_recorded_order() {
    let (connection, mut broker) = connected().await;
    let queue = Destination::queue("Q");
    let client = tokio::spawn(async move {
        let session = connection.session(AckMode::Auto);
        let consumer = session.consumer(&queue).await.unwrap();
        let producer = session.producer(&queue).await.unwrap();
        producer.send("kept").await.unwrap();
        producer.send(OutgoingMessage::text("fleeting").persistent(false)).await.unwrap();
        let delivery = consumer.receive().await.unwrap().unwrap();
        assert_eq!(delivery.text().unwrap().as_deref(), Some("kept"));
        consumer.close();
        producer.close();
        drop((consumer, producer, session));
        connection.close().await.unwrap();
    });
    let mut seen = Vec::new();
    let mut consumer_id = None;
    while let Some(command) = broker.try_next().await {
        broker.respond(&command);
        seen.push(brief(&command));
        match &command {
            Command::ConsumerInfo(info) => consumer_id = info.consumer_id.clone(),
            Command::Message(message) if message.persistent() => {
                let mut message = message.as_ref().clone();
                message.set_broker_sequence_id(8);
                broker.dispatch_message(consumer_id.as_ref().unwrap(), message);
            }
            _ => {}
        }
    }
    client.await.unwrap();
    // The acknowledgement may pass the second send, or not: two tasks of the client.
    assert_eq!(
        seen,
        [
            "2SessionInfo",
            "3ConsumerInfo queue://Q prefetch 1000 rr",
            "4ProducerInfo rr",
            "5Message 1 persistent=true rr",
            "6Message 2 persistent=false",
            "7MessageAck type 2 1..1 count 1",
            "8RemoveInfo ConsumerId last 8",
            "9RemoveInfo ProducerId last -2",
            "10RemoveInfo SessionId last -1",
            "11RemoveInfo ConnectionId last -1 rr",
            "12ShutdownInfo",
        ]
    );
}

#[tokio::test]
async fn a_topic_is_prefetched_as_far_as_jms_clients_do() {
    let (connection, mut broker) = connected().await;
    let session = connection.session(AckMode::Auto);
    let opening = tokio::spawn(async move { session.consumer(Destination::topic("T")).await });
    broker.serve().await;
    assert_eq!(brief(&broker.serve().await), "3ConsumerInfo topic://T prefetch 32767 rr");
    opening.await.unwrap().unwrap();
}

#[tokio::test]
async fn closing_with_open_consumers_tells_what_each_saw() {
    let (connection, mut broker) = connected().await;
    let queue = Destination::queue("Q");
    let session = connection.session(AckMode::Client);
    let (first, second) = {
        let opening = {
            let (session, queue) = (session.clone(), queue.clone());
            tokio::spawn(async move {
                let first = session.consumer(&queue).await.unwrap();
                let second = session.consumer(&queue).await.unwrap();
                (first, second)
            })
        };
        broker.serve_until("ConsumerInfo").await;
        broker.serve_until("ConsumerInfo").await;
        opening.await.unwrap()
    };
    broker.dispatch(first.id(), &queue, 1..=3);
    first.receive().await.unwrap().unwrap();
    first.receive().await.unwrap().unwrap();
    let closing = tokio::spawn({
        let connection = connection.clone();
        async move { connection.close().await }
    });
    let mut seen = Vec::new();
    while let Some(command) = broker.try_next().await {
        broker.respond(&command);
        seen.push(brief(&command));
    }
    closing.await.unwrap().unwrap();
    assert_eq!(
        seen,
        [
            "5RemoveInfo ConsumerId last 102",
            "6RemoveInfo ConsumerId last -1",
            "7RemoveInfo ConnectionId last -1 rr",
            "8ShutdownInfo",
        ]
    );
    assert!(first.receive().await.unwrap().is_none(), "a closed consumer has no more");
    drop(second);
}

#[tokio::test]
async fn a_dropped_consumer_and_connection_take_their_leave() {
    let (connection, mut broker) = connected().await;
    let session = connection.session(AckMode::Auto);
    let opening = tokio::spawn(async move { session.consumer(Destination::queue("Q")).await });
    broker.serve_until("ConsumerInfo").await;
    let consumer = opening.await.unwrap().unwrap();
    drop(connection);
    // The consumer keeps its connection alive.
    broker.dispatch(consumer.id(), &Destination::queue("Q"), [1]);
    assert!(consumer.receive().await.unwrap().is_some());
    drop(consumer);
    let mut seen = Vec::new();
    while let Some(command) = broker.try_next().await {
        seen.push(brief(&command));
    }
    assert_eq!(
        seen,
        [
            "4MessageAck type 2 1..1 count 1",
            "5RemoveInfo ConsumerId last 101",
            "6RemoveInfo SessionId last -1",
            "7RemoveInfo ConnectionId last -1",
            "8ShutdownInfo",
        ]
    );
}

#[tokio::test]
async fn a_consumer_asks_for_what_its_options_say() {
    let (connection, mut broker) = connected().await;
    let session = connection.session(AckMode::Auto);
    let options = ConsumerOptions {
        no_local: true,
        exclusive: true,
        priority: 7,
        ..ConsumerOptions::new(Destination::topic("T")).prefetch(5).selector("x = 1")
    };
    let opening = tokio::spawn(async move { session.consumer(options).await });
    let command = broker.serve_until("ConsumerInfo").await;
    opening.await.unwrap().unwrap();
    let Command::ConsumerInfo(info) = command else { panic!("{command:?}") };
    assert_eq!(info.selector.unwrap(), "x = 1");
    assert_eq!((info.prefetch_size, info.priority), (5, 7));
    assert!(info.no_local && info.exclusive && info.dispatch_async && !info.retroactive);
}

#[tokio::test]
async fn a_prefetch_of_nothing_is_refused_before_the_broker_sees_it() {
    let (connection, _broker) = connected().await;
    let session = connection.session(AckMode::Auto);
    let options = ConsumerOptions::new(Destination::queue("Q")).prefetch(0);
    let error = session.consumer(options).await.unwrap_err();
    assert!(error.to_string().contains("prefetch"), "{error}");
}

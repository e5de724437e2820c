//! A refusal reaches who asked, with the broker's words; the end of a link reaches everyone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod fake_broker;

use std::time::Duration;

use ferrymq_client::error::{ConnectError, OpenError, ReceiveError, SendError};
use ferrymq_client::{
    AckMode, ConnectOptions, Connection, OutgoingMessage, ProducerOptions, Requester,
};
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{ProducerAck, ShutdownInfo};
use ferrymq_openwire::destination::Destination;

use fake_broker::{brief, connected, options, unconnected};

fn queue() -> Destination {
    Destination::queue("Q")
}

#[tokio::test]
async fn a_refused_connection_says_why() {
    let (link, mut broker) = unconnected();
    let connecting = tokio::spawn(Connection::over(link, options()));
    let info = broker.next().await;
    broker.refuse(&info, "javax.jms.InvalidClientIDException", "already connected from x");
    let error = connecting.await.unwrap().unwrap_err();
    let ConnectError::Refused { exception, .. } = &error else { panic!("{error:?}") };
    assert_eq!(exception.class, "javax.jms.InvalidClientIDException");
    assert_eq!(exception.short_class(), "InvalidClientIDException");
    assert!(error.to_string().contains("already connected from x"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_never_accepts_is_given_up() {
    let (link, _broker) = unconnected();
    let error = Connection::over(link, options()).await.unwrap_err();
    assert!(matches!(error, ConnectError::TimedOut { .. }), "{error}");
}

#[tokio::test]
async fn nobody_listens_there() {
    // Port 1 of this host: refused at once.
    let error = Connection::connect("tcp://127.0.0.1:1", ConnectOptions::system()).await;
    let error = error.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable(_)), "{error}");
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
}

#[tokio::test]
async fn a_refused_consumer_producer_and_message_say_why() {
    let (connection, mut broker) = connected().await;
    let session = connection.session(AckMode::Auto);
    broker.serve_until("SessionInfo").await;

    let asking = tokio::spawn({
        let session = session.clone();
        async move { session.consumer(queue()).await.map(drop) }
    });
    let info = broker.next().await;
    broker.refuse(&info, "javax.jms.InvalidSelectorException", "nonsense");
    let error = asking.await.unwrap().unwrap_err();
    assert!(matches!(&error, OpenError::Refused { exception, .. }
        if exception.class == "javax.jms.InvalidSelectorException" && exception.message == "nonsense"));
    assert!(error.to_string().contains("queue://Q"), "{error}");

    let asking = tokio::spawn({
        let session = session.clone();
        async move { session.producer(queue()).await }
    });
    // Nothing was removed that never was.
    let info = broker.next().await;
    assert_eq!(brief(&info), "4ProducerInfo rr");
    broker.respond(&info);
    let producer = asking.await.unwrap().unwrap();

    let sending = tokio::spawn(async move { producer.send("too much").await });
    let message = broker.next().await;
    broker.refuse(&message, "javax.jms.ResourceAllocationException", "full");
    let error = sending.await.unwrap().unwrap_err();
    assert!(matches!(&error, SendError::Refused { exception, .. } if exception.message == "full"));
}

#[tokio::test]
async fn failures_that_nobody_waits_for_are_kept() {
    let (connection, broker) = connected().await;
    let waiting = tokio::spawn({
        let connection = connection.clone();
        async move { connection.next_error().await }
    });
    broker.complain("javax.jms.JMSException", "no such ack");
    let error = waiting.await.unwrap().unwrap();
    assert_eq!(
        (error.class.as_str(), error.message.as_str()),
        ("javax.jms.JMSException", "no such ack")
    );
    for number in 0..100 {
        broker.complain("X", &number.to_string());
    }
    broker.push(Command::ShutdownInfo(ShutdownInfo::default()));
    while connection.lost().is_none() {
        tokio::task::yield_now().await;
    }
    let kept = connection.take_errors();
    assert_eq!(kept.len(), 64, "as many as are kept");
    assert_eq!(kept.last().unwrap().message, "99", "the newest");
    let lost = connection.next_error().await.unwrap_err();
    assert!(lost.to_string().contains("shut down"), "{lost}");
}

#[tokio::test]
async fn a_cut_link_reaches_everyone_who_waits() {
    let (connection, mut broker) = connected().await;
    let session = connection.session(AckMode::Auto);
    let opening = tokio::spawn({
        let (connection, session) = (connection.clone(), session.clone());
        async move {
            let consumer = session.consumer(queue()).await.unwrap();
            let producer = session.producer(queue()).await.unwrap();
            let options = ProducerOptions::to(queue()).window(1);
            let windowed = session.producer(options).await.unwrap();
            let requester = Requester::open(&connection, queue()).await.unwrap();
            (consumer, producer, windowed, requester)
        }
    });
    // Two of its own, and the requester's.
    for _ in 0..3 {
        broker.serve_until("ProducerInfo").await;
    }
    let (consumer, producer, windowed, requester) = opening.await.unwrap();

    let receiving = tokio::spawn(async move { consumer.receive().await.map(drop) });
    let sending = tokio::spawn(async move { producer.send("kept").await });
    let squeezing = tokio::spawn(async move {
        // The first overfills the window; the second waits for room.
        loop {
            if let Err(error) = windowed.send_async("wide").await {
                break error;
            }
        }
    });
    let asking =
        tokio::spawn(async move { requester.request("well?", Duration::from_secs(3600)).await });
    let minding = tokio::spawn({
        let connection = connection.clone();
        async move { connection.next_error().await }
    });
    for _ in 0..3 {
        let message = broker.next().await;
        assert!(matches!(message, Command::Message(_)), "{message:?}");
    }
    assert!(!receiving.is_finished() && !sending.is_finished() && !squeezing.is_finished());
    broker.cut();

    assert!(matches!(receiving.await.unwrap(), Err(ReceiveError::Lost { .. })));
    assert!(matches!(sending.await.unwrap(), Err(SendError::Lost { .. })));
    assert!(matches!(squeezing.await.unwrap(), SendError::Lost { .. }));
    let unanswered = asking.await.unwrap().unwrap_err();
    assert!(unanswered.to_string().contains("connection lost"), "{unanswered}");
    assert!(minding.await.unwrap().is_err());
    assert!(connection.lost().is_some());

    let late = connection.session(AckMode::Auto).consumer(queue()).await;
    assert!(matches!(late, Err(OpenError::Lost { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_request_timeout_gives_up_and_a_late_answer_harms_nobody() {
    let (link, mut broker) = unconnected();
    let limit = Duration::from_secs(5);
    let options = ConnectOptions { request_timeout: Some(limit), ..options() };
    let connecting = tokio::spawn(Connection::over(link, options));
    broker.serve().await;
    let connection = connecting.await.unwrap().unwrap();
    let session = connection.session(AckMode::Auto);
    broker.serve_until("SessionInfo").await;
    let error = session.producer(queue()).await.unwrap_err();
    assert!(matches!(error, OpenError::TimedOut { waited, .. } if waited == limit), "{error}");
    let late = broker.next().await;
    broker.respond(&late);
    let again = tokio::spawn(async move { session.producer(queue()).await });
    broker.serve_until("RemoveInfo").await;
    broker.serve_until("ProducerInfo").await;
    again.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_windowed_producer_waits_for_the_brokers_room() {
    let (connection, mut broker) = connected().await;
    let session = connection.session(AckMode::Auto);
    let opening = tokio::spawn({
        let session = session.clone();
        async move { session.producer(ProducerOptions::to(queue()).window(1500)).await }
    });
    let Command::ProducerInfo(info) = broker.serve_until("ProducerInfo").await else { panic!() };
    assert_eq!(info.window_size, 1500);
    let producer = opening.await.unwrap().unwrap();
    let message = || OutgoingMessage::bytes(vec![0; 100]).property("n", 1);
    let sending = tokio::spawn(async move {
        for _ in 0..3 {
            producer.send_async(message()).await.unwrap();
        }
        producer
    });
    let mut size = 0;
    for _ in 0..2 {
        let Command::Message(message) = broker.next().await else { panic!("not a message") };
        assert!(!message.response_required);
        size = i32::try_from(message.size()).unwrap();
    }
    tokio::task::yield_now().await;
    assert!(!sending.is_finished(), "two messages of {size} overfill the window");
    broker.push(Command::ProducerAck(ProducerAck {
        producer_id: info.producer_id,
        size,
        ..ProducerAck::default()
    }));
    sending.await.unwrap();
}

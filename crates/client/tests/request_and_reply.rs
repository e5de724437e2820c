//! Replies find their requests, however many are in flight and in whatever order they come.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod fake_broker;

use std::sync::Arc;
use std::time::Duration;

use ferrymq_client::error::ReplyError;
use ferrymq_client::{Connection, Requester};
use ferrymq_openwire::command::Command;
use ferrymq_openwire::destination::{Destination, DestinationKind};
use ferrymq_openwire::ids::ConsumerId;
use ferrymq_openwire::message::Message;

use fake_broker::{FakeBroker, brief, connected};

const LONG: Duration = Duration::from_secs(3600);

async fn open() -> (Connection, Arc<Requester>, ConsumerId, FakeBroker) {
    let (connection, mut broker) = connected().await;
    let opening = tokio::spawn({
        let connection = connection.clone();
        async move { Requester::open(&connection, Destination::queue("ask")).await }
    });
    let Command::DestinationInfo(info) = broker.serve().await else { panic!("no queue") };
    assert_eq!(info.operation_type, 0);
    let destination = info.destination.unwrap();
    assert_eq!(destination.kind(), DestinationKind::TempQueue);
    assert_eq!(destination.name(), &format!("{}:1", connection.id()).as_str());
    let Command::ConsumerInfo(info) = broker.serve_until("ConsumerInfo").await else { panic!() };
    assert_eq!(info.destination, Some(destination));
    broker.serve_until("ProducerInfo").await;
    let requester = Arc::new(opening.await.unwrap().unwrap());
    (connection, requester, info.consumer_id.unwrap(), broker)
}

fn ask(
    requester: &Arc<Requester>,
    question: &str,
    timeout: Duration,
) -> tokio::task::JoinHandle<Result<String, ReplyError>> {
    let (requester, question) = (Arc::clone(requester), question.to_owned());
    tokio::spawn(async move {
        let reply = requester.request(question, timeout).await?;
        Ok(reply.text().unwrap().unwrap())
    })
}

/// The reply that echoes a request.
fn echo(request: &Message) -> Message {
    let mut fields = request.to_fields().unwrap();
    fields.destination = request.reply_to();
    fields.reply_to = None;
    Message::from_fields(&fields).unwrap()
}

async fn request(broker: &mut FakeBroker) -> Arc<Message> {
    match broker.next().await {
        Command::Message(message) => message,
        other => panic!("not a request: {other:?}"),
    }
}

#[tokio::test]
async fn replies_in_any_order_find_their_requests() {
    let (_connection, requester, consumer, mut broker) = open().await;
    let asked: Vec<_> = (0..50).map(|n| ask(&requester, &format!("question {n}"), LONG)).collect();
    let mut requests = Vec::new();
    for _ in 0..50 {
        let request = request(&mut broker).await;
        assert!(!request.persistent());
        assert_eq!(request.reply_to().as_ref(), Some(requester.reply_queue()));
        requests.push(request);
    }
    for request in requests.iter().rev() {
        broker.dispatch_message(&consumer, echo(request));
    }
    for (number, reply) in asked.into_iter().enumerate() {
        assert_eq!(reply.await.unwrap().unwrap(), format!("question {number}"));
    }
    // Replies are settled as they come, in ranges.
    let mut settled = 0;
    while settled < 50 {
        let Command::MessageAck(ack) = broker.next().await else { panic!("not an ack") };
        assert_eq!(ack.ack_type, 2);
        settled += ack.message_count;
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_reply_times_out_alone() {
    let (_connection, requester, consumer, mut broker) = open().await;
    let lost = ask(&requester, "lost", Duration::from_secs(1));
    let unanswered = request(&mut broker).await;
    let patient = ask(&requester, "patient", LONG);
    let answered = request(&mut broker).await;
    let error = lost.await.unwrap().unwrap_err();
    assert!(matches!(error, ReplyError::TimedOut { .. }), "{error}");
    assert!(error.to_string().contains("queue://ask"), "{error}");
    // Too late for one, in time for the other.
    broker.dispatch_message(&consumer, echo(&unanswered));
    broker.dispatch_message(&consumer, echo(&answered));
    assert_eq!(patient.await.unwrap().unwrap(), "patient");
}

#[tokio::test]
async fn closing_deletes_the_queue() {
    let (_connection, requester, _consumer, mut broker) = open().await;
    let requester = Arc::into_inner(requester).unwrap();
    let closing = tokio::spawn(requester.close());
    assert_eq!(brief(&broker.serve().await), "6RemoveInfo ConsumerId last -1");
    broker.serve_until("RemoveInfo").await;
    let Command::DestinationInfo(info) = broker.serve().await else { panic!("no deletion") };
    assert_eq!((info.operation_type, info.response_required), (1, true));
    closing.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_closed_connection_ends_requests_in_flight() {
    let (connection, requester, _consumer, mut broker) = open().await;
    let waiting = ask(&requester, "well?", LONG);
    request(&mut broker).await;
    let closing = tokio::spawn(async move { connection.close().await });
    let error = waiting.await.unwrap().unwrap_err();
    assert!(matches!(error, ReplyError::Lost { .. }), "{error}");
    while let Some(command) = broker.try_next().await {
        broker.respond(&command);
    }
    closing.await.unwrap().unwrap();
}

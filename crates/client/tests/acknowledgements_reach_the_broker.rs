//! What the application settles, gives back or leaves open, the broker learns in that order.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod fake_broker;

use std::time::Duration;

use ferrymq_client::{AckMode, Consumer, ConsumerOptions, RedeliveryPolicy, Session};
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::ConsumerControl;
use ferrymq_openwire::destination::Destination;

use fake_broker::{FakeBroker, brief, connected};

async fn open(mode: AckMode, options: ConsumerOptions) -> (Session, Consumer, FakeBroker) {
    let (connection, mut broker) = connected().await;
    let session = connection.session(mode);
    let opening = tokio::spawn({
        let session = session.clone();
        async move { session.consumer(options).await }
    });
    broker.serve_until("ConsumerInfo").await;
    (session, opening.await.unwrap().unwrap(), broker)
}

fn queue() -> Destination {
    Destination::queue("Q")
}

#[tokio::test]
async fn acknowledging_one_settles_the_whole_session_in_client_mode() {
    let (session, first, mut broker) = open(AckMode::Client, queue().into()).await;
    let opening = tokio::spawn({
        let session = session.clone();
        async move { session.consumer(queue()).await }
    });
    broker.serve_until("ConsumerInfo").await;
    let second = opening.await.unwrap().unwrap();
    broker.dispatch(first.id(), &queue(), 1..=2);
    broker.dispatch(second.id(), &queue(), 3..=5);
    first.receive().await.unwrap().unwrap();
    first.receive().await.unwrap().unwrap();
    let last = second.receive().await.unwrap().unwrap();
    last.ack().unwrap();
    assert_eq!(brief(&broker.next().await), "5MessageAck type 2 1..2 count 2");
    assert_eq!(brief(&broker.next().await), "6MessageAck type 2 3..3 count 1");
}

#[tokio::test]
async fn one_alone_is_settled_in_individual_mode() {
    let (_session, consumer, mut broker) = open(AckMode::Individual, queue().into()).await;
    broker.dispatch(consumer.id(), &queue(), 1..=3);
    let mut deliveries = Vec::new();
    while deliveries.len() < 3 {
        consumer.receive_many(10, &mut deliveries).await.unwrap();
    }
    deliveries[1].ack().unwrap();
    deliveries[1].ack().unwrap();
    deliveries[0].ack().unwrap();
    assert_eq!(brief(&broker.next().await), "4MessageAck type 4 -..2 count 1");
    assert_eq!(brief(&broker.next().await), "5MessageAck type 4 -..1 count 1");
}

#[tokio::test(start_paused = true)]
async fn recovered_messages_come_again_after_a_rest_and_are_marked() {
    let delay = Duration::from_secs(1);
    let policy = RedeliveryPolicy { delay, ..RedeliveryPolicy::default() };
    let options = ConsumerOptions::new(queue()).redelivery(policy);
    let (session, consumer, mut broker) = open(AckMode::Client, options).await;
    broker.dispatch(consumer.id(), &queue(), 1..=2);
    assert!(!consumer.receive().await.unwrap().unwrap().redelivered());
    session.recover().unwrap();
    assert_eq!(brief(&broker.next().await), "4MessageAck type 3 1..1 count 1");
    let before = tokio::time::Instant::now();
    assert!(consumer.receive_within(delay / 2).await.unwrap().is_none(), "it rests");
    let again = consumer.receive().await.unwrap().unwrap();
    assert_eq!(before.elapsed(), delay);
    assert_eq!(again.message_id().unwrap().producer_sequence_id, 1);
    assert_eq!(again.redeliveries(), 1);
    let next = consumer.receive().await.unwrap().unwrap();
    assert_eq!((next.message_id().unwrap().producer_sequence_id, next.redelivered()), (2, false));
}

#[tokio::test(start_paused = true)]
async fn receiving_within_a_time_ends_with_the_time() {
    let (_session, consumer, broker) = open(AckMode::Auto, queue().into()).await;
    let limit = Duration::from_secs(3);
    let before = tokio::time::Instant::now();
    assert!(consumer.receive_within(limit).await.unwrap().is_none());
    assert_eq!(before.elapsed(), limit);
    broker.dispatch(consumer.id(), &queue(), [1]);
    assert!(consumer.receive_within(limit).await.unwrap().is_some());
}

#[tokio::test]
async fn two_who_wait_both_get_one() {
    let (_session, consumer, broker) = open(AckMode::Auto, queue().into()).await;
    let (one, other, ()) = tokio::join!(consumer.receive(), consumer.receive(), async {
        tokio::task::yield_now().await;
        broker.dispatch(consumer.id(), &queue(), 1..=2);
    });
    let number =
        |delivery: ferrymq_client::Delivery| delivery.message_id().unwrap().producer_sequence_id;
    let mut numbers = [number(one.unwrap().unwrap()), number(other.unwrap().unwrap())];
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2]);
}

#[tokio::test]
async fn a_broker_may_close_a_consumer_or_change_its_window() {
    let (_session, consumer, broker) =
        open(AckMode::Client, ConsumerOptions::new(queue()).prefetch(100)).await;
    let control = ConsumerControl {
        consumer_id: Some(consumer.id().clone()),
        prefetch: 2,
        ..ConsumerControl::default()
    };
    broker.push(Command::ConsumerControl(control.clone()));
    let mut broker = broker;
    broker.dispatch(consumer.id(), &queue(), [1]);
    consumer.receive().await.unwrap().unwrap();
    assert_eq!(brief(&broker.next().await), "4MessageAck type 0 1..1 count 1", "half of 2 is 1");

    broker.push(Command::ConsumerControl(ConsumerControl { close: true, ..control }));
    let error = consumer.receive().await.unwrap_err();
    assert!(error.to_string().contains("the broker closed"), "{error}");
}

#[tokio::test]
async fn a_broker_that_overruns_the_window_loses_the_client() {
    let (_session, consumer, broker) =
        open(AckMode::Auto, ConsumerOptions::new(queue()).prefetch(2)).await;
    broker.dispatch(consumer.id(), &queue(), 1..=3);
    let error = loop {
        match consumer.receive().await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains("more than the 2 messages"), "{error}");
}

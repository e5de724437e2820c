//! What a broker does not take does not pile up in the client.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod fake_broker;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use ferrymq_client::{AckMode, OutgoingMessage, Producer, ProducerOptions};
use ferrymq_openwire::command::Command;
use ferrymq_openwire::destination::Destination;
use tokio::task::yield_now;

use fake_broker::{FakeBroker, connected};

async fn producer() -> (Producer, FakeBroker) {
    let (connection, mut broker) = connected().await;
    let options = ProducerOptions::to(Destination::queue("Q")).persistent(false);
    let session = connection.session(AckMode::Auto);
    let opening = tokio::spawn(async move { session.producer(options).await });
    broker.serve_until("ProducerInfo").await;
    (opening.await.unwrap().unwrap(), broker)
}

#[tokio::test]
async fn a_producer_waits_while_the_link_takes_nothing_and_goes_on_when_it_does() {
    for (size, most) in [(100, 4200), (4 << 20, 4)] {
        let (producer, mut broker) = producer().await;
        let sent = Arc::new(AtomicUsize::new(0));
        let sending = tokio::spawn({
            let sent = Arc::clone(&sent);
            async move {
                let content = Bytes::from(vec![0; size]);
                for _ in 0..most * 2 {
                    producer.send(OutgoingMessage::bytes(content.clone())).await.unwrap();
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        let mut before = usize::MAX;
        while before != sent.load(Ordering::Relaxed) {
            before = sent.load(Ordering::Relaxed);
            yield_now().await;
            yield_now().await;
        }
        assert!(before > 0 && before <= most, "{before} messages of {size} bytes wait");
        assert!(!sending.is_finished());
        for _ in 0..most * 2 {
            assert!(matches!(broker.next().await, Command::Message(_)));
        }
        sending.await.unwrap();
    }
}

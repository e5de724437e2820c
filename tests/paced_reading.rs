//! While threads rest and acknowledgements lie unread for a while, nothing is lost and nothing stays.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ferrymq::config::Limits;
use ferrymq_openwire::destination::Destination;
use ferrymq_transport::pace::Pace;
use tokio::task::JoinHandle;
use wire::{Wire, number_of, paced_broker, until};

/// Makes it look as if much arrived that nobody waits for, until it is told to end.
struct Stream {
    end: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Stream {
    fn start(pace: &Pace) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let (pace, ended) = (pace.clone(), Arc::clone(&end));
        let thread = tokio::task::spawn_blocking(move || {
            while !ended.load(Ordering::Relaxed) {
                pace.arrived(1_000, false);
                pace.rest();
            }
        });
        Self { end, thread }
    }

    async fn end(self) {
        self.end.store(true, Ordering::Relaxed);
        self.thread.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledgements_that_lie_unread_are_read_in_time() {
    const MESSAGES: i64 = 12_000;
    let pace = Pace::default();
    let node = paced_broker(Limits::default(), pace.clone()).await;
    let stream = Stream::start(&pace);
    until("a stream", || pace.is_stream().then_some(())).await;
    let queue = Destination::queue("q");
    let mut consumer = Wire::opened(&node, "consumer").await;
    consumer.consume(1, &queue, 10_000).await;
    let mut producer = Wire::opened(&node, "producer").await;
    for number in 1..=MESSAGES {
        producer.send(&queue, number, 64);
    }
    // More than the window holds, so that the rest comes only for what was acknowledged.
    for number in 1..=MESSAGES {
        let dispatch = consumer.dispatch().await;
        assert_eq!(number_of(&dispatch), number);
        consumer.settle(&dispatch);
    }
    until("all is settled", || (node.status().memory == 0).then_some(())).await;
    stream.end().await;
    node.stop().await;
}

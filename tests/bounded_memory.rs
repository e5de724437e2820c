//! A broker holds what it may hold and no more: whoever sends more waits, nothing is dropped, and
//! others go on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use ferrymq_client::{Consumer, ConsumerOptions, OutgoingMessage, Producer};
use support::{
    Ferry, FerrySetup, Native, PATIENCE, destination, nothing_comes, numbers, until_steady,
};

const BODY: usize = 10_000;
/// How many such messages a test sends: 40 MB, ten times what its broker may hold.
const MESSAGES: u32 = 4_000;
/// What a broker that may hold 4 MiB may take: that, what connections buffer, and the process.
const MOST_RESIDENT_KB: u64 = 30_000;
/// What a bridge may have waiting there beside that, so that its link is always read.
const MOST_OF_BRIDGE_KB: u64 = 20_000;

fn small(name: &str) -> FerrySetup {
    Ferry::named(name).configure("[system_usage]\nmemory_limit = \"4MiB\"")
}

/// A message that starts with its number.
fn numbered(number: u32) -> OutgoingMessage {
    OutgoingMessage::text(format!("{number:<BODY$}"))
}

/// Sends all messages, each confirmed before the next.
async fn send_all(producer: Producer) {
    for number in 0..MESSAGES {
        producer.send(numbered(number)).await.expect("a broker that takes it in the end");
    }
}

/// Receives all messages and demands that they are in order.
async fn receive_all(consumer: &Consumer) {
    for expected in 0..MESSAGES {
        let delivery = consumer.receive_within(PATIENCE).await.expect("a living consumer");
        let text = delivery.expect("a message").text().expect("a body").expect("a text");
        assert_eq!(text.trim_end(), expected.to_string());
    }
}

/// Waits until the broker takes no more: its memory stands still.
fn stalls(broker: &Ferry) {
    until_steady("the broker is full", || broker.process.status_number("VmRSS"));
}

fn stays_below(most: u64, broker: &Ferry) {
    let resident = broker.process.status_number("VmHWM");
    assert!(resident < most, "it took {resident} kB");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_waits_while_its_queue_is_full_and_nothing_is_lost() {
    let broker = small("full").start();
    let (sender, receiver) =
        (Native::connect(broker.url()).await, Native::connect(broker.url()).await);
    let sending = tokio::spawn(send_all(sender.producer("queue://full").await));
    stalls(&broker);
    assert!(!sending.is_finished(), "40 MB went into a broker of 4 MiB");
    let consumer = receiver.consumer("queue://full").await;
    receive_all(&consumer).await;
    sending.await.expect("all were taken");
    stays_below(MOST_RESIDENT_KB, &broker);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_does_not_hold_up_another_that_has_room_of_its_own() {
    let limits = "[[destination_policy]]\nmatch = \"queue://full\"\nmemory_limit = \"1MiB\"";
    let broker = Ferry::named("two").configure(limits).start();
    let client = Native::connect(broker.url()).await;
    let full = client.producer("queue://full").await;
    let mut waiting = Vec::new();
    for number in 0..200 {
        waiting.push(full.submit(numbered(number)).await.expect("a way out"));
    }
    // The same connection, while a hundred of its messages wait.
    let consumer = client.consumer("queue://open").await;
    client.send_numbers("queue://open", 0, 100).await;
    assert_eq!(numbers(&consumer, 100).await, (0..100).collect::<Vec<_>>());
    let drain = client.consumer("queue://full").await;
    for _ in 0..200 {
        drain.receive_within(PATIENCE).await.expect("a living consumer").expect("a message");
    }
    for receipt in waiting {
        receipt.confirmed().await.expect("it was taken in the end");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_beyond_a_bridge_does_not_hold_up_the_others_of_the_link() {
    let limits = "[[destination_policy]]\nmatch = \"queue://full\"\nmemory_limit = \"1MiB\"";
    let b = Ferry::named("b").configure(limits).start();
    let a = Ferry::named("a").network(&format!("static:({})", b.url())).start();
    let (at_a, at_b) = (Native::connect(a.url()).await, Native::connect(b.url()).await);
    // It was fast, so that the bridge's window is wide, and stops.
    let stops = at_b.consumer("queue://full").await;
    let sending = tokio::spawn(send_all(at_a.producer("queue://full").await));
    for _ in 0..2_000 {
        stops.receive_within(PATIENCE).await.expect("a living consumer").expect("a message");
    }
    sending.await.expect("what does not cross stays at a");
    stalls(&b);
    let open = at_b.consumer("queue://open").await;
    let start = tokio::time::Instant::now();
    at_a.send_numbers("queue://open", 0, 3_000).await;
    assert_eq!(numbers(&open, 3_000).await, (0..3_000).collect::<Vec<_>>());
    println!("3000 messages beside a full queue: {:?}", start.elapsed());
    for _ in 2_000..MESSAGES {
        stops.receive_within(PATIENCE).await.expect("a living consumer").expect("a message");
    }
    nothing_comes(&stops).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_that_never_reads_holds_up_its_topic_until_it_goes() {
    let broker = small("slow").start();
    let (sender, slow, quick) = (
        Native::connect(broker.url()).await,
        Native::connect(broker.url()).await,
        Native::connect(broker.url()).await,
    );
    // It takes one message and acknowledges nothing more.
    let options = ConsumerOptions::new(destination("topic://feed")).prefetch(1);
    let deaf = slow.session.consumer(options).await.expect("a consumer");
    let consumer = quick.consumer("topic://feed").await;
    let sending = tokio::spawn(send_all(sender.producer("topic://feed").await));
    stalls(&broker);
    assert!(!sending.is_finished(), "40 MB wait for one subscriber in a broker of 4 MiB");
    deaf.close();
    receive_all(&consumer).await;
    sending.await.expect("all were taken");
    stays_below(MOST_RESIDENT_KB, &broker);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_broker_beyond_a_bridge_leaves_messages_where_they_are() {
    let b = small("b").start();
    let uri = format!("static:({})?initialReconnectDelay=50&maxReconnectDelay=50", b.url());
    let a = Ferry::named("a").network(&uri).start();
    let (at_a, at_b) = (Native::connect(a.url()).await, Native::connect(b.url()).await);
    // Demand, from a consumer that takes one message and settles nothing.
    let holder = Native::with_mode(b.url(), ferrymq_client::AckMode::Client).await;
    let options = ConsumerOptions::new(destination("queue://far")).prefetch(1);
    let held = holder.session.consumer(options).await.expect("a consumer");
    send_all(at_a.producer("queue://far").await).await;
    stalls(&b);
    stays_below(MOST_RESIDENT_KB + MOST_OF_BRIDGE_KB, &b);
    // When there is room again, what waited at a follows by itself.
    let consumer = at_b.consumer("queue://far").await;
    holder.connection.close().await.expect("an orderly end");
    drop(held);
    let mut seen: Vec<u32> = Vec::new();
    while seen.len() < MESSAGES as usize {
        let delivery = consumer.receive_within(PATIENCE).await.expect("a living consumer");
        let text = delivery.expect("a message").text().expect("a body").expect("a text");
        seen.push(text.trim_end().parse().expect("a number"));
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..MESSAGES).collect::<Vec<_>>());
    nothing_comes(&consumer).await;
    stays_below(MOST_RESIDENT_KB + MOST_OF_BRIDGE_KB, &b);
}

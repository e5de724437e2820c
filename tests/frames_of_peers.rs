//! A message that is larger than the frames of a link or of a consumer ends neither: it goes to the
//! dead letters or to others, and all else goes on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::time::Duration;

use ferrymq_client::{Consumer, ConsumerOptions, OutgoingMessage};
use serde_json::Value;
use support::{
    Ferry, FerrySetup, Native, PATIENCE, destination, get, nothing_comes, numbers, text,
    text_within, until,
};

const LARGEST: usize = 10_000;
const DEAD: &str = "queue://ActiveMQ.DLQ";

fn connector(url: &str, more: &str) -> String {
    format!(
        "[[network_connector]]\nname = \"line\"\n\
         uri = \"static:({url})?initialReconnectDelay=50&maxReconnectDelay=50\"\n{more}\n"
    )
}

fn broker(name: &str) -> FerrySetup {
    Ferry::named(name).admin()
}

fn limited(url: &str) -> String {
    format!("{url}?wireFormat.maxFrameSize={LARGEST}")
}

fn large() -> String {
    "x".repeat(5 * LARGEST)
}

/// Sends texts; each is on the broker when this returns.
async fn send(client: &Native, to: &str, texts: &[String]) {
    let producer = client.producer(to).await;
    for text in texts {
        producer.send(OutgoingMessage::text(text.clone())).await.expect("a confirmation");
    }
}

async fn sizes(consumer: &Consumer, count: usize) -> Vec<usize> {
    let mut sizes = Vec::new();
    for _ in 0..count {
        sizes.push(text(consumer).await.len());
    }
    sizes
}

fn link(broker: &Ferry) -> Value {
    get(&broker.admin(), "/api/v1/links").json()["links"][0].clone()
}

fn counts(broker: &Ferry) -> Value {
    get(&broker.admin(), "/api/v1/broker").json()["messages"].clone()
}

fn refused(broker: &Ferry) -> u64 {
    link(broker)["refused_by_reason"]["too_large"].as_u64().unwrap_or(0)
}

/// What a consumer of dead letters at `near` and one of the queue at `far` get of messages of all
/// sizes about the largest frame.
async fn all_sizes_cross_or_die(near: &Native, far: &Native, queue: &str) {
    let there = far.consumer(queue).await;
    send(near, queue, &["now it is bridged".to_owned()]).await;
    text(&there).await;
    let sent: Vec<usize> =
        (LARGEST - 500..LARGEST - 100).step_by(9).chain([5 * LARGEST, 1, 2, 3]).collect();
    let texts: Vec<String> = sent.iter().map(|size| "x".repeat(*size)).collect();
    send(near, queue, &texts).await;
    let mut got = Vec::new();
    while got.last() != Some(&3) {
        got.push(text(&there).await.len());
    }
    let dead = near.consumer(DEAD).await;
    let buried = sizes(&dead, sent.len() - got.len()).await;
    assert!(got.len() > 10 && buried.len() > 10, "{got:?} {buried:?}");
    let both: Vec<usize> = [got, buried].concat();
    let mut sorted = both.clone();
    sorted.sort_unstable();
    let mut expected = sent.clone();
    expected.sort_unstable();
    assert_eq!(sorted, expected, "each once");
    nothing_comes(&dead).await;
    nothing_comes(&there).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_frame_of_a_link_takes_dies_at_home_and_the_link_lives() {
    let b = broker("b").start();
    let a = broker("a").configure(&connector(&limited(b.url()), "")).start();
    let (near, far) = (Native::connect(a.url()).await, Native::connect(b.url()).await);
    all_sizes_cross_or_die(&near, &far, "queue://n.q").await;
    // Neither a topic's nor one that is not persistent.
    let news = far.consumer("topic://n.t").await;
    let producer = near.producer("topic://n.t").await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while text_within(&news, Duration::from_millis(100)).await.is_none() {
        assert!(tokio::time::Instant::now() < deadline, "the topic is not bridged");
        producer.send(OutgoingMessage::text("is it bridged?").persistent(false)).await.unwrap();
    }
    let before = refused(&a);
    for text in [large(), "small".to_owned()] {
        producer.send(OutgoingMessage::text(text).persistent(false)).await.unwrap();
    }
    while text(&news).await != "small" {}
    assert_eq!(refused(&a), before + 1);
    let dead = refused(&a);
    let link = link(&a);
    assert!(dead > 10, "{link}");
    assert_eq!((&link["refused"], &link["given_up"]), (&dead.into(), &dead.into()), "{link}");
    assert_eq!(link["state"], "live");
    assert!(link["last_error"].as_str().unwrap().contains("maxFrameSize"), "{link}");
    assert!(
        !a.process.stdout().iter().chain(&a.process.stderr()).any(|l| l.contains("bridge down"))
    );
    assert_eq!(counts(&b)["dead_lettered"], 0);
    // Whoever asks about a dead letter is told.
    let explained = get(&a.admin(), "/api/v1/explain?queue=n.q").json();
    assert_eq!(explained["message"], Value::Null, "nothing waits: {explained}");
    let _there = far.consumer("queue://n.q").await;
    send(&near, "queue://n.q", &[large()]).await;
    until("it is dead", PATIENCE, || {
        let explained = get(&a.admin(), "/api/v1/explain?queue=ActiveMQ.DLQ").json();
        let because = explained["message"]["dead_because"].as_str()?.to_owned();
        because.contains("it cannot cross: with what a bridge adds").then_some(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn so_it_is_in_both_directions_of_a_duplex_link() {
    let b = broker("b").start();
    let a = broker("a").configure(&connector(&limited(b.url()), "duplex = true")).start();
    let (at_a, at_b) = (Native::connect(a.url()).await, Native::connect(b.url()).await);
    all_sizes_cross_or_die(&at_a, &at_b, "queue://there").await;
    all_sizes_cross_or_die(&at_b, &at_a, "queue://back").await;
    assert!(refused(&a) > 10 && refused(&b) > 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_gives_a_consumer_what_its_frames_take_and_others_the_rest() {
    let alone = broker("alone").start();
    let client = Native::connect(alone.url()).await;
    let small = Native::connect(&limited(alone.url())).await;
    let consumer = small.consumer("queue://f").await;
    send(&client, "queue://f", &[large()]).await;
    client.send_numbers("queue://f", 0, 3).await;
    assert_eq!(numbers(&consumer, 3).await, [0, 1, 2]);
    let answer = get(&alone.admin(), "/api/v1/explain?queue=f").json();
    let considered = &answer["considered"][0];
    assert_eq!(considered["verdict"], "too_large", "{answer}");
    let reason = considered["reason"].as_str().unwrap();
    assert!(reason.contains("larger than this consumer's frames") && reason.contains("10000"));
    assert!(considered["would_move_it"].as_str().unwrap().contains("maxFrameSize"));
    let other = client.consumer("queue://f").await;
    assert_eq!(text(&other).await.len(), large().len());
    other.close();
    // One that comes after it does: of the first, the log tells.
    send(&client, "queue://f", &[large()]).await;
    client.send_numbers("queue://f", 3, 1).await;
    assert_eq!(numbers(&consumer, 1).await, [3]);
    let told = || {
        let lines = alone.process.stderr().into_iter().chain(alone.process.stdout());
        lines.filter(|line| line.contains("larger than the frames of a consumer")).count()
    };
    assert_eq!(told(), 1);
    nothing_comes(&consumer).await;
    let connections = get(&alone.admin(), "/api/v1/connections").json();
    assert_eq!(connections["total"], 2, "nobody was cut off: {connections}");
}

/// Whatever its size is to a byte: a consumer is never cut off, and gets all that it can take.
#[tokio::test(flavor = "multi_thread")]
async fn the_bytes_of_a_dispatch_count() {
    let alone = broker("alone").start();
    let client = Native::connect(alone.url()).await;
    let small = Native::connect(&limited(alone.url())).await;
    let one = small.consumer("queue://a.queue").await;
    let several = small.consumer("queue://many.>,queue://other").await;
    let topic = small.consumer("topic://a.topic").await;
    for (to, consumer) in
        [("queue://a.queue", one), ("queue://many.first", several), ("topic://a.topic", topic)]
    {
        let texts: Vec<String> =
            (LARGEST - 400..LARGEST).map(|size| "x".repeat(size)).chain(["end".into()]).collect();
        send(&client, to, &texts).await;
        let mut got = Vec::new();
        while got.last() != Some(&3) {
            got.push(text(&consumer).await.len());
        }
        got.pop();
        let expected: Vec<usize> = (LARGEST - 400..).take(got.len()).collect();
        assert_eq!(got, expected, "all up to the largest");
        assert!((1..400).contains(&got.len()), "{}", got.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_counts_what_a_consumer_loses_and_buries_what_a_durable_subscription_does() {
    let alone = broker("alone").start();
    let client = Native::connect(alone.url()).await;
    let small = Native::connect(&limited(alone.url())).await;
    let plain = small.consumer("topic://t").await;
    send(&client, "topic://t", &[large()]).await;
    client.send_numbers("topic://t", 0, 1).await;
    assert_eq!(numbers(&plain, 1).await, [0]);
    assert_eq!(counts(&alone)["too_large"], 1);
    plain.close();

    let durable = |url: String| async move {
        let options = ferrymq_client::ConnectOptions::system().client_id("someone");
        let connection = ferrymq_client::Connection::connect(&url, options).await.unwrap();
        let session = connection.session(ferrymq_client::AckMode::Auto);
        let options = ConsumerOptions::new(destination("topic://t")).durable("news");
        let consumer = session.consumer(options).await.unwrap();
        (connection, session, consumer)
    };
    // While it is there, and what it finds when it comes back.
    let (connection, session, consumer) = durable(limited(alone.url())).await;
    send(&client, "topic://t", &[large()]).await;
    client.send_numbers("topic://t", 1, 1).await;
    assert_eq!(numbers(&consumer, 1).await, [1]);
    drop((consumer, session));
    connection.close().await.unwrap();
    send(&client, "topic://t", &[large()]).await;
    client.send_numbers("topic://t", 2, 1).await;
    let (connection, _session, consumer) = durable(limited(alone.url())).await;
    assert_eq!(numbers(&consumer, 1).await, [2]);
    let dead = client.consumer(DEAD).await;
    for _ in 0..2 {
        let letter = dead.receive_within(PATIENCE).await.unwrap().expect("a dead letter");
        let cause = letter.properties().unwrap();
        let cause = format!("{:?}", cause.get("dlqDeliveryFailureCause"));
        assert!(cause.contains("maxFrameSize"), "{cause}");
    }
    assert_eq!(counts(&alone)["dead_lettered"], 2);
    nothing_comes(&dead).await;
    connection.close().await.unwrap();
}

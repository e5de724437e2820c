//! What is published to a virtual topic also goes to the queues that are named after it, once to
//! each, across bridges too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use ferrymq_client::Consumer;
use support::{Ferry, Native, PATIENCE, free_port, nothing_comes, numbers, text_within};

const TOPIC: &str = "topic://VirtualTopic.X";
const QUEUE: &str = "queue://Consumer.a.VirtualTopic.X";
/// Numbers from here on are questions whether demand has crossed.
const QUESTIONS: u32 = 1_000_000;

fn to(url: &str) -> String {
    format!("static:({url})?initialReconnectDelay=50&maxReconnectDelay=200")
}

/// Two brokers, each with a connector to the other.
fn pair() -> (Ferry, Ferry) {
    let port = free_port();
    let a = Ferry::named("a").network(&to(&format!("tcp://127.0.0.1:{port}"))).start();
    let b = Ferry::named("b").port(port).network(&to(a.url())).start();
    (a, b)
}

/// Sends questions to the topic until one has come to each of the consumers: their demand has
/// crossed.
async fn demand_crosses(from: &Native, consumers: &[&Consumer]) {
    let mut asked = 0;
    for consumer in consumers {
        for _ in 0..300 {
            from.send_numbers(TOPIC, QUESTIONS + asked, 1).await;
            asked += 1;
            if text_within(consumer, Duration::from_millis(100)).await.is_some() {
                break;
            }
        }
    }
}

/// The next numbers that are no questions: this many, each once.
async fn answers(consumer: &Consumer, count: usize) -> BTreeSet<u32> {
    let mut seen = BTreeSet::new();
    while seen.len() < count {
        let text = text_within(consumer, PATIENCE).await.expect("a message");
        let number: u32 = text.parse().expect("a number");
        assert!(number >= QUESTIONS || seen.insert(number), "{number} came twice");
    }
    seen
}

async fn no_answer_comes(consumer: &Consumer) {
    while let Some(text) = text_within(consumer, Duration::from_millis(300)).await {
        assert!(text.parse::<u32>().expect("a number") >= QUESTIONS, "{text} came");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_queue_gets_all_and_its_consumers_share_them() {
    let broker = Ferry::named("one").start();
    let client = Native::connect(broker.url()).await;
    let plain = client.consumer(TOPIC).await;
    let b = client.consumer("queue://Consumer.b.VirtualTopic.X").await;
    let (one, two) = (client.consumer(QUEUE).await, client.consumer(QUEUE).await);
    let elsewhere = client.consumer("queue://Consumer.b.VirtualTopic.Y").await;
    client.send_numbers(TOPIC, 0, 20).await;
    assert_eq!(numbers(&plain, 20).await, (0..20).collect::<Vec<_>>());
    assert_eq!(numbers(&b, 20).await, (0..20).collect::<Vec<_>>());
    let mut shared = numbers(&one, 10).await;
    shared.extend(numbers(&two, 10).await);
    shared.sort_unstable();
    assert_eq!(shared, (0..20).collect::<Vec<_>>());
    nothing_comes(&elsewhere).await;
    // The queue goes on while nobody is there.
    b.close();
    client.send_numbers(TOPIC, 20, 5).await;
    let b = client.consumer("queue://Consumer.b.VirtualTopic.X").await;
    assert_eq!(numbers(&b, 5).await, (20..25).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_queue_may_stand_for_several_topics() {
    let broker = Ferry::named("one").start();
    let client = Native::connect(broker.url()).await;
    client.send_numbers(TOPIC, 0, 1).await;
    let all = client.consumer("queue://Consumer.a.VirtualTopic.>").await;
    client.send_numbers(TOPIC, 1, 1).await;
    client.send_numbers("topic://VirtualTopic.Y.Z", 2, 1).await;
    client.send_numbers("topic://Other", 3, 1).await;
    assert_eq!(numbers(&all, 2).await, [1, 2]);
    nothing_comes(&all).await;
    all.close();
    client.send_numbers(TOPIC, 4, 1).await;
    let all = client.consumer("queue://Consumer.a.VirtualTopic.>").await;
    assert_eq!(numbers(&all, 1).await, [4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_rules_are_configurable() {
    let broker = Ferry::named("one")
        .configure(
            "[[virtual_topic]]\nname = \"news.>\"\nprefix = \"for.*.\"\npostfix = \".copies\"\n\
             [[virtual_topic]]\nname = \"prices.*\"\nselector_aware = true",
        )
        .start();
    let client = Native::connect(broker.url()).await;
    let news = client.consumer("queue://for.me.news.x.copies").await;
    client.send_numbers("topic://news.x", 0, 1).await;
    assert_eq!(numbers(&news, 1).await, [0]);
    // The default is gone.
    let none = client.consumer(QUEUE).await;
    client.send_numbers(TOPIC, 0, 1).await;
    nothing_comes(&none).await;
    // A queue of selecting consumers gets what one of them selects.
    let options =
        ferrymq_client::ConsumerOptions::new(support::destination("queue://Consumer.a.prices.tin"));
    let never = client.session.consumer(options.selector("FALSE")).await.expect("a consumer");
    client.send_numbers("topic://prices.tin", 0, 1).await;
    let rest = client.consumer("queue://Consumer.a.prices.tin").await;
    client.send_numbers("topic://prices.tin", 1, 1).await;
    assert_eq!(numbers(&rest, 1).await, [1]);
    nothing_comes(&never).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn they_can_be_turned_off() {
    let off = "[broker]\nuse_virtual_topics = false";
    let broker = Ferry::named("one").configure(off).start();
    let client = Native::connect(broker.url()).await;
    let none = client.consumer(QUEUE).await;
    client.send_numbers(TOPIC, 0, 1).await;
    nothing_comes(&none).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_far_brokers_queue_gets_what_is_published_here_once() {
    let (a, b) = pair();
    let (at_a, at_b) = (Native::connect(a.url()).await, Native::connect(b.url()).await);
    let far = at_b.consumer(QUEUE).await;
    demand_crosses(&at_a, &[&far]).await;
    at_a.send_numbers(TOPIC, 0, 200).await;
    assert_eq!(answers(&far, 200).await, (0..200).collect());
    // Also where the topic itself crosses, and each broker copies it.
    let plain = at_b.consumer(TOPIC).await;
    demand_crosses(&at_a, &[&plain]).await;
    at_a.send_numbers(TOPIC, 1000, 200).await;
    assert_eq!(answers(&plain, 200).await, (1000..1200).collect());
    assert_eq!(answers(&far, 200).await, (1000..1200).collect());
    no_answer_comes(&far).await;
    no_answer_comes(&plain).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wildcard_of_virtual_topics_crosses() {
    let (a, b) = pair();
    let (at_a, at_b) = (Native::connect(a.url()).await, Native::connect(b.url()).await);
    let far = at_b.consumer("queue://Consumer.a.VirtualTopic.>").await;
    demand_crosses(&at_a, &[&far]).await;
    at_a.send_numbers(TOPIC, 0, 50).await;
    at_a.send_numbers("topic://VirtualTopic.Y", 50, 50).await;
    assert_eq!(answers(&far, 100).await, (0..100).collect());
    no_answer_comes(&far).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn consumers_of_several_queues_are_demand_for_each() {
    let (a, b) = pair();
    let (at_a, at_b) = (Native::connect(a.url()).await, Native::connect(b.url()).await);
    at_a.send_numbers("queue://many.one", 0, 20).await;
    let all = at_b.consumer("queue://many.*").await;
    assert_eq!(numbers(&all, 20).await, (0..20).collect::<Vec<_>>());
    at_a.send_numbers("queue://many.two", 20, 20).await;
    assert_eq!(numbers(&all, 20).await, (20..40).collect::<Vec<_>>());
    at_a.send_numbers("queue://listed.two,queue://other", 40, 20).await;
    let list = at_b.consumer("queue://listed.one,listed.two").await;
    assert_eq!(numbers(&list, 20).await, (40..60).collect::<Vec<_>>());
    nothing_comes(&all).await;
    nothing_comes(&list).await;
}

/// A plain consumer beyond the bridge makes the topic cross; the queue's only consumer is here, and
/// its demand makes a queue of that name there.
#[tokio::test(flavor = "multi_thread")]
async fn what_crosses_for_others_does_not_come_back_to_the_queue() {
    let (a, b) = pair();
    let (at_a, at_b) = (Native::connect(a.url()).await, Native::connect(b.url()).await);
    let queue = at_a.consumer(QUEUE).await;
    let topic = at_b.consumer(TOPIC).await;
    demand_crosses(&at_a, &[&topic]).await;
    // The queue's demand is known at b, too.
    at_b.send_numbers(QUEUE, 0, 1).await;
    assert_eq!(answers(&queue, 1).await.len(), 1);
    at_a.send_numbers(TOPIC, 1, 20).await;
    assert_eq!(answers(&queue, 20).await, (1..21).collect());
    assert_eq!(answers(&topic, 20).await, (1..21).collect());
    no_answer_comes(&queue).await;
}

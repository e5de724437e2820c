//! What is larger than the frames of an ActiveMQ broker dies where it is; the link to that broker lives.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use ferrymq_client::OutgoingMessage;
use support::{ActiveMq, Ferry, Native, PATIENCE, get, nothing_comes, text, text_within};

const LARGEST: usize = 10_000;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
async fn what_activemq_would_not_read_is_not_sent_in_either_direction_of_a_link() {
    for duplex in [false, true] {
        let b = ActiveMq::named("b").flag("--max-frame", &LARGEST.to_string()).start();
        let connector = format!(
            "[[network_connector]]\nname = \"line\"\nduplex = {duplex}\n\
             uri = \"static:({})?initialReconnectDelay=50&maxReconnectDelay=50\"\n",
            b.url()
        );
        let a = Ferry::named("a").admin().configure(&connector).start();
        let near = Native::connect(a.url()).await;
        // ActiveMQ sends its consumers what it would not read; this one does.
        let lenient = format!("{}?wireFormat.maxFrameSizeEnabled=false", b.url());
        let far = Native::connect(&lenient).await;
        let there = far.consumer("queue://n.q").await;
        let producer = near.producer("queue://n.q").await;
        // About the largest frame, byte by byte, and far above.
        let sizes = (LARGEST - 500..LARGEST - 100).step_by(7).chain([5 * LARGEST, 1]);
        let mut sent = 0;
        for size in sizes {
            producer.send(OutgoingMessage::text("x".repeat(size))).await.unwrap();
            sent += 1;
        }
        let mut crossed = 0;
        while text(&there).await.len() > 1 {
            crossed += 1;
        }
        let dead = near.consumer("queue://ActiveMQ.DLQ").await;
        let mut buried = 0;
        while crossed + 1 + buried < sent {
            text_within(&dead, PATIENCE).await.expect("a dead letter");
            buried += 1;
        }
        assert!(crossed > 5 && buried > 5, "{crossed} crossed, {buried} did not");
        nothing_comes(&dead).await;
        nothing_comes(&there).await;
        let link = get(&a.admin(), "/api/v1/links").json()["links"][0].clone();
        assert_eq!(link["refused_by_reason"]["too_large"], buried, "{link}");
        let lines = a.process.stdout().into_iter().chain(a.process.stderr());
        assert_eq!(lines.filter(|line| line.contains("bridge down")).count(), 0);
        // ActiveMQ's client minds the limit itself, so that nothing larger is ever on its way back.
        if duplex {
            let back = near.consumer("queue://n.back").await;
            let producer = far.producer("queue://n.back").await;
            producer.send(OutgoingMessage::text("back")).await.unwrap();
            assert_eq!(text(&back).await, "back");
        }
    }
}

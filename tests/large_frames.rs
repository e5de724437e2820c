//! Who sends a frame that is larger than was agreed on is told so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use ferrymq_client::OutgoingMessage;
use ferrymq_client::error::SendError;
use support::{Ferry, Native, Process, ferrymq_command, numbers};

const LARGEST: u64 = 10_000;

fn broker() -> Ferry {
    Ferry::named("small").listener_options(&format!("wireFormat.maxFrameSize={LARGEST}")).start()
}

fn large() -> OutgoingMessage {
    OutgoingMessage::text("x".repeat(20_000))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_does_not_send_what_its_broker_would_not_take() {
    let broker = broker();
    for url in [broker.url().to_owned(), format!("failover:({})", broker.url())] {
        let native = Native::connect(&url).await;
        let producer = native.producer("queue://q").await;
        for message in [large(), large().persistent(false)] {
            match producer.send(message).await {
                Err(SendError::TooLarge { size, largest, .. }) => {
                    assert!(size > 20_000 && largest == LARGEST, "{size} {largest}");
                }
                other => panic!("{other:?}"),
            }
        }
        // Nothing else has changed.
        native.send_numbers("queue://q", 7, 1).await;
        let consumer = native.consumer("queue://q").await;
        assert_eq!(numbers(&consumer, 1).await, [7]);
    }
    let mut send = Process::spawn(
        "ferrymq send",
        ferrymq_command(&["send", "q", &"x".repeat(20_000), "--url", broker.url()]),
    );
    send.close_stdin();
    let sent = send.ended();
    assert_eq!(sent.code(), Some(1));
    assert!(sent.stderr.join("\n").contains("maxFrameSize"), "{:?}", sent.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_it_all_the_same_is_told_before_it_is_let_go() {
    let broker = broker();
    let careless = format!("{}?wireFormat.maxFrameSizeEnabled=false", broker.url());
    let native = Native::connect(&careless).await;
    let producer = native.producer("queue://q").await;
    let failed = producer.send(OutgoingMessage::text("x".repeat(3_000_000))).await;
    assert!(matches!(failed, Err(SendError::Lost { .. })), "{failed:?}");
    let told = native.connection.take_errors();
    let told: Vec<String> = told.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("10000") && told[0].contains("maxFrameSize"), "{told:?}");
}

//! A queue of two million messages takes little memory, is there at once after a start, drains
//! completely and in order, and gives the disk back.
//!
//! `FERRYMQ_BACKLOG` sets how many messages it is tried with.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::path::PathBuf;
use std::time::Duration;

use ferrymq_client::OutgoingMessage;
use support::{Ferry, FerrySetup, Native, PATIENCE, until};
use tokio::time::Instant;

const QUEUE: &str = "queue://backlog";
const BODY: usize = 1024;
/// How many messages are on their way to the broker at a time.
const AHEAD: usize = 4096;
/// What the broker may take beside what it takes when it is idle.
const MOST_OVER_IDLE_KB: u64 = 64 * 1024;
/// In how long a broker must be there again, its process and this test's part included.
const START: Duration = Duration::from_millis(1500);
/// How many segments may be left when all is consumed.
const SEGMENTS: usize = 5;

fn keeping(folder: &str) -> FerrySetup {
    Ferry::named("backlog").configure(&format!("[broker]\ndata_dir = \"{folder}\""))
}

fn segments(folder: &str) -> usize {
    let files = std::fs::read_dir(folder).unwrap();
    let names = files.map(|file| file.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().ends_with(".segment")).count()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "two million messages: --release, 3 GB of disk and a minute"]
async fn two_million_messages_are_no_burden() {
    let count: u32 =
        std::env::var("FERRYMQ_BACKLOG").ok().and_then(|n| n.parse().ok()).unwrap_or(2_000_000);
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("long_backlog");
    let _ = std::fs::remove_dir_all(&folder);
    let folder = folder.to_str().unwrap();

    let broker = keeping(folder).start();
    let idle = broker.process.status_number("VmRSS");
    let sender = Native::connect(broker.url()).await;
    let producer = sender.producer(QUEUE).await;
    let began = Instant::now();
    let mut receipts = std::collections::VecDeque::new();
    for number in 0..count {
        let message = OutgoingMessage::text(format!("{number:<BODY$}"));
        receipts.push_back(producer.submit(message).await.expect("a way out"));
        if receipts.len() >= AHEAD {
            receipts.pop_front().unwrap().confirmed().await.expect("a confirmation");
        }
    }
    for receipt in receipts {
        receipt.confirmed().await.expect("a confirmation");
    }
    let over = broker.process.status_number("VmRSS") - idle;
    println!("{count} kept in {:?}; {over} kB over {idle} kB", began.elapsed());
    assert!(over <= MOST_OVER_IDLE_KB, "{over} kB over idle");
    broker.terminate();

    let began = Instant::now();
    let broker = keeping(folder).start();
    let started = began.elapsed();
    let over = broker.process.status_number("VmRSS").saturating_sub(idle);
    println!("there again in {started:?}; {over} kB over {idle} kB");
    assert!(started <= START, "{started:?}");
    assert!(over <= MOST_OVER_IDLE_KB, "{over} kB over idle");

    let receiver = Native::connect(broker.url()).await;
    let consumer = receiver.consumer(QUEUE).await;
    let began = Instant::now();
    for expected in 0..count {
        let delivery = consumer.receive_within(PATIENCE).await.expect("a living consumer");
        let text = delivery.expect("a message").text().expect("a body").expect("a text");
        assert_eq!(text.trim_end(), expected.to_string());
    }
    let over = broker.process.status_number("VmHWM").saturating_sub(idle);
    println!("drained in {:?}; at most {over} kB over {idle} kB", began.elapsed());
    until("the disk is given back", PATIENCE, || (segments(folder) <= SEGMENTS).then_some(()));
    broker.terminate();
}

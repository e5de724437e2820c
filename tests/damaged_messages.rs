//! A message that is damaged on disk is set aside, and holds up nobody.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::path::{Path, PathBuf};

use ferrymq_client::OutgoingMessage;
use support::{Ferry, Native, PATIENCE, Process, ferrymq_command, get, until};

const COUNT: u32 = 400;
/// Those whose bodies are damaged: one alone, and two that are neighbours. All are in the first file.
const DAMAGED: [u32; 3] = [50, 90, 91];

/// Changes a byte in the body of a message.
fn damage(folder: &Path, number: u32) {
    let mark = format!("message number {number:06}");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let Ok(mut bytes) = std::fs::read(&path) else { continue };
        if let Some(at) = bytes.windows(mark.len()).position(|found| found == mark.as_bytes()) {
            bytes[at] ^= 1;
            return std::fs::write(&path, bytes).unwrap();
        }
    }
    panic!("{number} is nowhere on disk");
}

fn damaged(broker: &Ferry) -> u64 {
    let answer = get(&broker.admin(), "/api/v1/destinations").json();
    let all = answer["destinations"].as_array().unwrap();
    let queue = all.iter().find(|one| one["address"] == "queue://orders").unwrap();
    queue["damaged"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_is_set_aside_named_and_released_and_the_rest_goes_on() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("damaged_messages");
    let _ = std::fs::remove_dir_all(&folder);
    let mut broker = Ferry::named("damaged")
        .admin()
        .configure(&format!("[broker]\ndata_dir = \"{}\"", folder.display()))
        .configure("[store]\nsync = \"never\"\nsegment_size = \"2MiB\"")
        .configure("[[destination_policy]]\nmatch = \"queue://orders\"\nmemory_limit = \"64KiB\"")
        .start();
    let sender = Native::connect(broker.url()).await;
    let producer = sender.producer("queue://orders").await;
    let mut receipts = Vec::new();
    for number in 0..COUNT {
        let text = format!("message number {number:06} {:16000}", "");
        receipts.push(producer.submit(OutgoingMessage::text(text)).await.expect("a way out"));
    }
    for receipt in receipts {
        receipt.confirmed().await.expect("a confirmation");
    }
    broker.process.kill();
    DAMAGED.iter().for_each(|number| damage(&folder, *number));
    broker.restart();

    let receiver = Native::connect(broker.url()).await;
    let consumer = receiver.consumer("queue://orders").await;
    for expected in (0..COUNT).filter(|number| !DAMAGED.contains(number)) {
        let delivery = consumer.receive_within(PATIENCE).await.expect("a living consumer");
        let delivery = delivery.unwrap_or_else(|| panic!("no message {expected}"));
        let text = delivery.text().expect("a body").expect("a text");
        assert_eq!(text.trim_end(), format!("message number {expected:06}"));
    }
    support::nothing_comes(&consumer).await;
    assert_eq!(damaged(&broker), 3);
    let metric = "\nferrymq_destination_damaged_messages{destination=\"queue://orders\"} 3\n";
    assert!(get(&broker.admin(), "/metrics").body.contains(metric));
    let told = broker.process.stderr();
    let told = told.iter().filter(|line| {
        line.contains("is set aside") && line.contains(".segment is damaged at offset")
    });
    assert_eq!(told.count(), 3, "each is named once");

    // They are there until somebody lets them go, also after a restart.
    drop(consumer);
    broker.process.kill();
    broker.restart();
    let receiver = Native::connect(broker.url()).await;
    support::nothing_comes(&receiver.consumer("queue://orders").await).await;
    until("they are found again", PATIENCE, || (damaged(&broker) == 3).then_some(()));
    let arguments = ["purge", "queue://orders", "--damaged", "--admin", &broker.admin()];
    let ended = Process::spawn("ferrymq purge", ferrymq_command(&arguments)).ended();
    assert_eq!(ended.stdout, ["dropped 3 damaged of queue://orders"], "{ended:?}");
    assert_eq!(damaged(&broker), 0);
    broker.process.kill();
    broker.restart();
    let receiver = Native::connect(broker.url()).await;
    support::nothing_comes(&receiver.consumer("queue://orders").await).await;
    assert_eq!(damaged(&broker), 0);
}

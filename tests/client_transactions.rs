//! A transacted session of the Rust client does all or nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;
mod wire;

use ferrymq::config::Limits;
use ferrymq::node::Node;
use ferrymq_client::error::CommitError;
use ferrymq_client::{AckMode, OutgoingMessage};
use support::{Native, destination, nothing_comes, text};
use wire::broker;

async fn connect(node: &Node, mode: AckMode) -> Native {
    let url = format!("tcp://127.0.0.1:{}", node.listening()[0].port);
    Native::with_mode(&url, mode).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_and_received_happens_at_the_commit() {
    let node = broker(Limits::default()).await;
    let plain = connect(&node, AckMode::Auto).await;
    plain.send_numbers("queue://in", 1, 3).await;
    let out = plain.consumer("queue://out").await;
    let peer = connect(&node, AckMode::Transacted).await;
    // Nothing to commit.
    peer.session.commit().await.unwrap();
    let (from, to) = (peer.consumer("queue://in").await, peer.producer("queue://out").await);
    for round in 0..2 {
        assert_eq!(text(&from).await, "1");
        assert_eq!(text(&from).await, "2");
        to.send(OutgoingMessage::text(format!("round {round}"))).await.unwrap();
        nothing_comes(&out).await;
        if round == 0 {
            peer.session.rollback().await.unwrap();
        }
    }
    peer.session.commit().await.unwrap();
    assert_eq!(text(&out).await, "round 1");
    nothing_comes(&out).await;
    assert_eq!(text(&from).await, "3");
    peer.connection.close().await.unwrap();
    let rest = plain.consumer("queue://in").await;
    let left = rest.receive().await.unwrap().unwrap();
    assert_eq!(left.text().unwrap().unwrap(), "3");
    assert_eq!(left.redeliveries(), 1);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_fails_says_so_and_gives_back_what_was_received() {
    let node = broker(Limits { memory: 64 * 1024, ..Limits::default() }).await;
    let plain = connect(&node, AckMode::Auto).await;
    plain.send_numbers("queue://in", 1, 2).await;
    let peer = connect(&node, AckMode::Transacted).await;
    let (from, to) = (peer.consumer("queue://in").await, peer.producer("queue://out").await);
    assert_eq!(text(&from).await, "1");
    for _ in 0..40 {
        to.send(OutgoingMessage::text("x".repeat(1024))).await.unwrap();
    }
    let Err(CommitError::RolledBack(why)) = peer.session.commit().await else { panic!("no") };
    assert_eq!(why.short_class(), "TransactionRolledBackException");
    // It comes first, and can be settled.
    assert_eq!(text(&from).await, "1");
    assert_eq!(text(&from).await, "2");
    to.send("fits").await.unwrap();
    peer.session.commit().await.unwrap();
    let out = plain.consumer("queue://out").await;
    assert_eq!(text(&out).await, "fits");
    nothing_comes(&out).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_is_dropped_has_done_nothing() {
    let node = broker(Limits::default()).await;
    let plain = connect(&node, AckMode::Auto).await;
    let out = plain.consumer("queue://out").await;
    let peer = connect(&node, AckMode::Auto).await;
    let session = peer.connection.session(AckMode::Transacted);
    let producer = session.producer(&destination("queue://out")).await.unwrap();
    producer.send("never").await.unwrap();
    drop((producer, session));
    peer.send_numbers("queue://out", 7, 1).await;
    assert_eq!(text(&out).await, "7");
    nothing_comes(&out).await;
    assert_eq!(node.status().memory, 0);
    node.stop().await;
}

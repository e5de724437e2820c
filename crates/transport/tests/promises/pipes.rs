//! A pipe is a link like any other, within the process.

use ferrymq_transport::link::{LinkError, Receiver};
use ferrymq_transport::pipe::pipe;

use super::links::*;

#[tokio::test]
async fn commands_cross_both_ways_in_order() {
    let (left, right) = pipe("london", "bridge");
    assert_eq!((left.peer.local.as_str(), left.peer.remote.as_str()), ("london", "bridge"));
    assert_eq!((right.peer.local.as_str(), right.peer.remote.as_str()), ("bridge", "london"));
    assert!(left.negotiated.is_none());
    let (mut left, mut right) = (Running::new(left), Running::new(right));
    left.outbox.push_all(&mut (0..1000).map(numbered).collect());
    right.outbox.push(numbered(-1));
    assert_eq!(ids(&right.receive(1000).await), (0..1000).collect::<Vec<_>>());
    assert_eq!(ids(&left.receive(1).await), [-1]);
}

#[tokio::test]
async fn a_call_brings_at_most_256_commands() {
    let (left, right) = pipe("a", "b");
    left.outbox.push_all(&mut (0..600).map(numbered).collect());
    let mut right = Running::new(right);
    let mut sizes = Vec::new();
    for _ in 0..3 {
        let mut batch = Vec::new();
        right.receiver.receive(&mut batch).await.unwrap();
        sizes.push(batch.len());
    }
    assert_eq!(sizes, [Receiver::LARGEST_BATCH, Receiver::LARGEST_BATCH, 88]);
    assert_eq!(left.outbox.pending(), 0);
}

#[tokio::test]
async fn a_dropped_end_is_noticed_after_what_it_had_sent() {
    let (left, right) = pipe("a", "b");
    left.outbox.push_all(&mut (0..300).map(numbered).collect());
    drop(left);
    let mut right = Running::new(right);
    assert!(!right.outbox.push(numbered(1)), "nobody would receive it");
    assert_eq!(ids(&right.receive(300).await), (0..300).collect::<Vec<_>>());
    assert!(matches!(right.failure().await, LinkError::Closed));
    right.pump.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_waiting_end_is_woken_when_the_other_is_dropped() {
    let (left, right) = pipe("a", "b");
    let mut right = Running::new(right);
    let waiting = tokio::spawn(async move { right.failure().await });
    tokio::task::yield_now().await;
    drop(left);
    assert!(matches!(waiting.await.unwrap(), LinkError::Closed));
}

#[tokio::test]
async fn closing_one_direction_leaves_the_other() {
    let (left, right) = pipe("a", "b");
    let (mut left, mut right) = (Running::new(left), Running::new(right));
    left.outbox.push(numbered(1));
    left.outbox.close();
    left.pump.await.unwrap().unwrap();
    assert_eq!(ids(&right.receive(1).await), [1]);
    assert!(matches!(right.failure().await, LinkError::Closed));
    assert!(right.outbox.push(numbered(2)));
    let mut batch = Vec::new();
    left.receiver.receive(&mut batch).await.unwrap();
    assert_eq!(ids(&batch), [2]);
}

#[tokio::test]
async fn aborting_ends_both_ends() {
    let (left, right) = pipe("a", "b");
    let (mut left, mut right) = (Running::new(left), Running::new(right));
    left.outbox.push(numbered(1));
    left.outbox.abort();
    assert!(matches!(left.failure().await, LinkError::Aborted));
    assert!(matches!(right.failure().await, LinkError::Closed));
}

#[tokio::test]
async fn producers_wait_for_the_other_end_to_receive() {
    let (left, right) = pipe("a", "b");
    let mut right = Running::new(right);
    left.outbox.push_all(&mut (0..500).map(numbered).collect());
    let outbox = left.outbox.clone();
    let waiting = tokio::spawn(async move { outbox.drained_below(100).await });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    right.receive(500).await;
    waiting.await.unwrap();
}

//! An outbox never blocks, keeps order, and lets producers wait for room.

use std::time::Duration;

use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::MessageDispatch;
use ferrymq_openwire::negotiate::WireFormatOptions;
use ferrymq_transport::link::{Link, LinkError};
use tokio::time::{Instant, timeout};

use super::links::*;

#[tokio::test]
async fn closing_sends_what_is_queued_and_ends_only_that_direction() {
    let (mut left, mut right) = running_pair().await;
    left.outbox.push_all(&mut (0..5000).map(numbered).collect());
    left.outbox.close();
    assert!(!left.outbox.push(numbered(-1)));
    assert!(!left.outbox.push_all(&mut vec![numbered(-1)]));
    assert_eq!(ids(&right.receive(5000).await), (0..5000).collect::<Vec<_>>());
    assert!(matches!(right.failure().await, LinkError::Closed));
    left.pump.await.unwrap().unwrap();
    assert_eq!(left.outbox.pending(), 0);
    right.outbox.push(numbered(7));
    let mut batch = Vec::new();
    left.receiver.receive(&mut batch).await.unwrap();
    assert_eq!(ids(&batch), [7]);
}

#[tokio::test]
async fn aborting_ends_both_directions_at_once() {
    let (mut left, mut right) = running_pair().await;
    left.outbox.abort();
    assert!(matches!(left.failure().await, LinkError::Aborted));
    left.pump.await.unwrap().unwrap();
    assert!(matches!(right.failure().await, LinkError::Closed));
}

#[tokio::test]
async fn a_link_whose_pump_is_gone_accepts_nothing() {
    let (left, _right) = linked(WireFormatOptions::default(), WireFormatOptions::default()).await;
    let Link { mut receiver, outbox, pump, .. } = left;
    outbox.push(numbered(1));
    drop(pump);
    assert!(!outbox.push(numbered(2)));
    assert_eq!(outbox.pending(), 0);
    assert!(matches!(receiver.receive(&mut Vec::new()).await, Err(LinkError::Aborted)));
}

#[tokio::test]
async fn dropping_the_receiver_still_sends_what_is_queued() {
    let (left, mut right) = running_pair().await;
    left.outbox.push_all(&mut (0..100).map(numbered).collect());
    drop(left.receiver);
    assert!(!left.outbox.push(numbered(-1)));
    assert_eq!(ids(&right.receive(100).await), (0..100).collect::<Vec<_>>());
    left.pump.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_cannot_hold_a_closing_link() {
    let (_peer, link) = RawPeer::of_link(WireFormatOptions::default()).await;
    let Running { receiver, outbox, pump } = Running::new(link);
    outbox.push_all(&mut (0..100).map(|id| sized(id, 30_000)).collect());
    drop(receiver);
    let started = Instant::now();
    let error = pump.await.unwrap().unwrap_err();
    assert!(matches!(error, LinkError::Stalled { .. }), "{error}");
    assert_eq!(started.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn producers_can_wait_for_room() {
    const LIMIT: usize = 100;
    let (left, mut right) = running_pair().await;
    let outbox = left.outbox.clone();
    let producer = tokio::spawn(async move {
        let mut most = 0;
        for id in 0..20_000 {
            outbox.drained_below(LIMIT).await;
            assert!(outbox.push(sized(id, 1_000)));
            most = most.max(outbox.pending());
        }
        most
    });
    assert_eq!(ids(&right.receive(20_000).await), (0..20_000).collect::<Vec<_>>());
    let most = producer.await.unwrap();
    assert!(most <= LIMIT, "{most} were pending");
}

#[tokio::test(start_paused = true)]
async fn without_progress_there_is_no_room_until_the_outbox_closes() {
    let (_peer, link) = RawPeer::of_link(WireFormatOptions::default()).await;
    let running = Running::new(link);
    running.outbox.push_all(&mut (0..100).map(|id| sized(id, 30_000)).collect());
    let waited = timeout(Duration::from_secs(5), running.outbox.drained_below(50)).await;
    assert!(waited.is_err(), "the peer has read nothing");
    assert!(running.outbox.pending() >= 50, "what a pump holds is pending, too");
    let outbox = running.outbox.clone();
    let waiting = tokio::spawn(async move { outbox.drained_below(50).await });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    running.outbox.close();
    waiting.await.unwrap();
}

#[tokio::test]
async fn many_producers_keep_each_ones_order() {
    let (left, mut right) = running_pair().await;
    let producers: Vec<_> = (0..8)
        .map(|producer| {
            let outbox = left.outbox.clone();
            tokio::spawn(async move {
                for number in 0..500 {
                    outbox.push(numbered(producer * 1000 + number));
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let received = ids(&right.receive(4000).await);
    for producer in producers {
        producer.await.unwrap();
    }
    for producer in 0..8 {
        let of_one: Vec<i32> = received
            .iter()
            .copied()
            .filter(|id| id / 1000 == producer)
            .map(|id| id % 1000)
            .collect();
        assert_eq!(of_one, (0..500).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn a_push_wakes_whoever_rests() {
    let never = WireFormatOptions {
        max_inactivity_duration: Duration::ZERO,
        ..WireFormatOptions::default()
    };
    let (left, right) = linked(never.clone(), never).await;
    let (piped, far) = ferrymq_transport::pipe::pipe("a", "b");
    for (near, far) in [(left, right), (piped, far)] {
        let (near, mut far) = (Running::new(near), Running::new(far));
        for id in 0..3 {
            let (pushed, received) = tokio::join!(
                async {
                    // Everybody has come to rest by now.
                    tokio::time::sleep(Duration::from_secs(60)).await;
                    near.outbox.push(numbered(id))
                },
                timeout(Duration::from_secs(61), far.receive(1))
            );
            assert!(pushed);
            assert_eq!(ids(&received.expect("the command never left")), [id]);
        }
    }
}

#[tokio::test]
async fn dispatches_are_counted_as_they_are_queued_and_other_commands_are_not() {
    let (left, _right) = ferrymq_transport::pipe::pipe("left", "right");
    let dispatch = || Command::MessageDispatch(MessageDispatch::default());
    left.outbox.push(dispatch());
    left.outbox.push(numbered(1));
    left.outbox.push_all(&mut vec![numbered(2), dispatch(), dispatch()]);
    assert_eq!(left.outbox.dispatches(), 3);
    left.outbox.close();
    left.outbox.push(dispatch());
    left.outbox.push_all(&mut vec![dispatch()]);
    assert_eq!(left.outbox.dispatches(), 3);
}

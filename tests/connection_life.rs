//! A connection's life: it opens once, it is told what fails and lives on, it may come again over
//! another link, and it ends when it says so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod wire;

use ferrymq::config::Limits;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{
    ConsumerControl, ConsumerInfo, ControlCommand, DestinationInfo, ProducerInfo, SessionInfo,
};
use ferrymq_openwire::destination::{Destination, DestinationKind};
use ferrymq_openwire::ids::{ConnectionId, ProducerId, SessionId};
use ferrymq_openwire::throwable::Throwable;
use wire::{Wire, broker, limited, number_of, until};

fn class(throwable: &Throwable) -> String {
    throwable.class_name.as_ref().unwrap().to_string()
}

fn text(throwable: &Throwable) -> String {
    throwable.message.as_ref().unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_client_reads_why_though_it_was_still_sending() {
    let node = broker(Limits::default()).await;
    let _holder = Wire::opened(&node, "taken").await;
    for _ in 0..20 {
        let mut second = Wire::dial(&node, "").await;
        let mut info = Wire::connection_info("other");
        info.client_id = Some("taken".into());
        let asked = second.request(info.into());
        let session_id = Some(SessionId::new(&second.connection, 1));
        for _ in 0..20_000 {
            // The broker may have closed its direction already.
            let session = SessionInfo { session_id: session_id.clone(), ..SessionInfo::default() };
            second.outbox.push(session.into());
        }
        let refused = second.answer(asked).await.unwrap_err();
        assert_eq!(class(&refused), "javax.jms.InvalidClientIDException");
        assert!(text(&refused).contains("already connected from"), "{refused:?}");
        second.ended().await;
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_comes_again_takes_over_what_it_has() {
    let node = broker(Limits::default()).await;
    let (queue, other) = (Destination::queue("q"), Destination::queue("other"));
    let reply = Destination::new(DestinationKind::TempQueue, "again:1");
    let declare =
        || DestinationInfo { destination: Some(reply.clone()), ..DestinationInfo::default() };
    let mut watcher = Wire::opened(&node, "watcher").await;
    watcher.consume(1, &Destination::topic("ActiveMQ.Advisory.Consumer.Queue.q"), 1000).await;
    let mut sender = Wire::opened(&node, "sender").await;
    let mut former: Option<Wire> = None;
    for round in 0..40 {
        // All at once, as a client that fails over does; what the former link leaves behind takes
        // its time to be cleared.
        let mut next = Wire::dial(&node, "").await;
        next.connection = ConnectionId::new("again");
        next.request(Wire::connection_info("again").into());
        next.tell(SessionInfo { session_id: Some(next.session()), ..Default::default() }.into());
        next.request(next.consumer(1, &queue, 10).into());
        next.request(declare().into());
        let mut last = next.request(next.consumer(2, &reply, 10).into());
        for number in 0..300 {
            last = next.request(next.consumer(10 + number, &other, 10).into());
        }
        next.answer(last).await.unwrap();
        if let Some(mut former) = former.take() {
            former.ended().await;
        }
        // Both live, and belong to the new link.
        sender.send(&queue, round, 2048);
        sender.send(&reply, round, 2048);
        let got = [next.dispatch().await, next.dispatch().await];
        for dispatch in &got {
            assert_eq!(wire::number_of(dispatch), round);
            next.settle(dispatch);
        }
        // Answered when both settlements have been read.
        next.ask(Wire::connection_info("again").into()).await.unwrap();
        // Who listens learns of the former's end before the new one's beginning.
        let mut told = Vec::new();
        for _ in 0..if round == 0 { 1 } else { 2 } {
            let dispatch = watcher.dispatch().await;
            let advisory = dispatch.message.clone().unwrap();
            told.push(matches!(advisory.data_structure(), Some(Command::ConsumerInfo(_))));
            watcher.settle(&dispatch);
        }
        assert_eq!(told.last(), Some(&true), "round {round}: {told:?}");
        former = Some(next);
    }
    drop(former);
    until("the connection ends", || (node.status().connections == 2).then_some(())).await;
    let left = node.status().destinations;
    assert!(!left.iter().any(|found| found.address == reply), "a temporary queue outlived all");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opening_twice_is_opening_once() {
    let node = broker(Limits::default()).await;
    let mut peer = Wire::opened(&node, "twice").await;
    peer.ask(Wire::connection_info("twice").into()).await.unwrap();
    assert_eq!(node.status().connections, 1);
    let refused = peer.ask(Wire::connection_info("another").into()).await.unwrap_err();
    assert!(text(&refused).contains("second connection"), "{refused:?}");
    peer.ended().await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_its_end_a_connection_may_only_be_opened_again() {
    let node = broker(Limits::default()).await;
    let mut peer = Wire::opened(&node, "peer").await;
    let end = || {
        Wire::remove(
            Command::ConnectionId(Wire::connection_info("peer").connection_id.unwrap()),
            -1,
        )
    };
    peer.ask(end()).await.unwrap();
    assert_eq!(node.status().connections, 0);
    peer.open("peer").await.unwrap();
    peer.ask(end()).await.unwrap();
    peer.send(&Destination::queue("q"), 1, 2048);
    peer.ended().await;
    assert_eq!(node.status().memory, 0);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_is_told_and_the_connection_goes_on() {
    let node = broker(Limits::default()).await;
    let mut peer = Wire::opened(&node, "peer").await;
    let queue = Destination::queue("q");
    let stranger = ProducerId::new(&SessionId::new(&peer.connection, 7), 1);
    let producer =
        || ProducerInfo { producer_id: Some(stranger.clone()), ..ProducerInfo::default() };
    let refused = peer.ask(producer().into()).await.unwrap_err();
    assert_eq!(class(&refused), "java.lang.IllegalStateException");
    peer.tell(producer().into());
    assert_eq!(class(&peer.failure().await), "java.lang.IllegalStateException");

    let nameless = ConsumerInfo { destination: Some(queue.clone()), ..ConsumerInfo::default() };
    assert!(peer.ask(nameless.into()).await.is_err());
    let aimless = ConsumerInfo { destination: None, ..peer.consumer(1, &queue, 10) };
    assert!(peer.ask(aimless.into()).await.is_err());
    let foreign = Destination::new(DestinationKind::TempQueue, "somebody:1");
    let foreign = peer.consumer(1, &foreign, 10);
    let refused = peer.ask(foreign.into()).await.unwrap_err();
    assert!(text(&refused).contains("does not exist"), "{refused:?}");
    let wild = peer.message(&Destination::queue("a.>"), 1, 2048);
    let wild = peer.submit(&wild);
    assert_eq!(
        class(&peer.answer(wild).await.unwrap_err()),
        "javax.jms.InvalidDestinationException"
    );
    let unknown = peer.consumer_id(77);
    peer.tell(Wire::remove(Command::ConsumerId(unknown), -1));
    assert_eq!(class(&peer.failure().await), "java.lang.IllegalStateException");

    peer.consume(1, &queue, 10).await;
    peer.tell(peer.ack(1, 2, 1, 1, 1).into());
    assert!(text(&peer.failure().await).contains("unmatched acknowledge"));
    peer.send(&queue, 1, 2048);
    let dispatch = peer.dispatch().await;
    peer.tell(peer.ack(1, 2, 1, 1, 5).into());
    assert!(text(&peer.failure().await).contains("expected 5"));
    peer.settle(&dispatch);
    until("it is settled", || (node.status().memory == 0).then_some(())).await;
    // An answer quotes what it is about, but not at any length.
    let long = peer.message(&Destination::queue(format!("{}*", "*.".repeat(20_000))), 1, 2048);
    let long = peer.submit(&long);
    assert!(text(&peer.answer(long).await.unwrap_err()).len() < 2000);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_windows_are_windows() {
    let node = broker(Limits::default()).await;
    let mut peer = Wire::opened(&node, "peer").await;
    let (narrow, wide) = (Destination::queue("narrow"), Destination::queue("wide"));
    peer.consume(1, &narrow, -5).await;
    peer.consume(2, &wide, i32::MAX).await;
    for number in 0..2000 {
        peer.send(&wide, number, 2048);
    }
    assert_eq!(peer.numbers(2000).await, (0..2000).collect::<Vec<_>>());
    for number in 0..3 {
        peer.send(&narrow, number, 2048);
    }
    for number in 0..3 {
        let dispatch = peer.dispatch().await;
        assert_eq!(wire::number_of(&dispatch), number);
        peer.nothing_comes().await;
        peer.settle(&dispatch);
    }
    node.stop().await;
}

/// A Java client that failed over declares its consumers with a prefetch of 0 and then gives each
/// its real one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_failed_over_takes_up_its_consumers() {
    let node = broker(Limits::default()).await;
    let (queue, topic) = (Destination::queue("q"), Destination::topic("t"));
    let mut sender = Wire::opened(&node, "sender").await;
    sender.send(&queue, 1, 2048);
    let mut peer = Wire::dial(&node, "").await;
    let mut info = Wire::connection_info("again");
    info.failover_reconnect = true;
    peer.ask(info.into()).await.unwrap();
    peer.connection = ConnectionId::new("again");
    peer.tell(SessionInfo { session_id: Some(peer.session()), ..SessionInfo::default() }.into());
    peer.consume(1, &queue, 0).await;
    peer.consume(2, &topic, 0).await;
    sender.send(&topic, 2, 2048);
    peer.nothing_comes().await;
    for number in [1, 2] {
        peer.tell(Command::ConsumerControl(ConsumerControl {
            consumer_id: Some(peer.consumer_id(number)),
            prefetch: 10,
            ..ConsumerControl::default()
        }));
        assert_eq!(peer.number().await.0, number);
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_only_asks_is_held_up_however_wide_its_windows_are() {
    let node = broker(Limits::default()).await;
    // It reads nothing: its end of the pipe is never taken from.
    let mut peer = Wire::pipe(&node);
    peer.open("deaf").await.unwrap();
    peer.consume(1, &Destination::queue("q"), i32::MAX).await;
    let question = |number| ControlCommand {
        command_id: number,
        response_required: true,
        ..ControlCommand::default()
    };
    let asked = 200_000;
    for number in 0..asked {
        peer.outbox.push(question(number).into());
    }
    let (mut before, mut still) = (usize::MAX, 0);
    let left = until("it is read no more", || {
        let now = peer.outbox.pending();
        still = if std::mem::replace(&mut before, now) == now { still + 1 } else { 0 };
        (still == 50).then_some(now)
    })
    .await;
    assert!(left > 100_000, "all but {left} were answered to a peer that does not read");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_follows_a_connections_end_changes_nothing() {
    const ROOM: u64 = 10 * 2048;
    let node = broker(limited("queue://full", ROOM)).await;
    let full = Destination::queue("full");
    let mut sender = Wire::opened(&node, "sender").await;
    for number in 0..30 {
        sender.send(&full, number, 2048);
    }
    let closing =
        sender.request(Wire::remove(Command::ConnectionId(sender.connection.clone()), -1));
    // What a client's other threads had begun to say.
    sender.send(&full, 30, 2048);
    let late = sender.message(&full, 31, 2048);
    let late = sender.submit(&late);
    assert!(text(&sender.answer(late).await.unwrap_err()).contains("closed"));
    let mut receiver = Wire::opened(&node, "receiver").await;
    receiver.consume(1, &full, 100).await;
    for number in 0..30 {
        let dispatch = receiver.dispatch().await;
        assert_eq!(number_of(&dispatch), number);
        receiver.settle(&dispatch);
    }
    sender.answer(closing).await.unwrap();
    receiver.nothing_comes().await;
    node.stop().await;
}

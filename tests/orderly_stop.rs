//! A node stops within seconds whatever its peers do, tells them, and leaves nothing running.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;
mod wire;

use std::time::Duration;

use ferrymq::config::Limits;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::destination::Destination;
use support::{Ferry, RawPeer, WIRE_FORMAT_INFO};
use tokio::time::{Instant, timeout};
use wire::{Wire, broker, limited, until};

/// A deaf peer has two seconds to take its last words; the rest is for a busy machine.
const SOON: Duration = Duration::from_secs(8);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_are_told_and_deaf_ones_do_not_delay_it() {
    let node = broker(limited("queue://full", 2048)).await;
    let queue = Destination::queue("q");
    let mut listening = Wire::opened(&node, "listening").await;
    listening.consume(1, &queue, 10).await;
    // One that reads nothing of the megabytes that it asked for, as its pump is never read from.
    let mut deaf = Wire::opened(&node, "deaf").await;
    deaf.consume(1, &Destination::topic("t"), i32::MAX).await;
    let mut sender = Wire::opened(&node, "sender").await;
    for number in 0..5_000 {
        sender.send(&Destination::topic("t"), number, 10_000);
    }
    // One whose messages wait, and so many that it is not read any more.
    let mut waiting = Wire::opened(&node, "waiting").await;
    for number in 0..5_000 {
        waiting.send(&Destination::queue("full"), number, 2048);
    }
    // Some who are in the middle of opening.
    let port = node.listening()[0].port;
    let half_open: Vec<RawPeer> = (0..20)
        .map(|number| {
            let mut peer = RawPeer::connect(port);
            peer.send(&WIRE_FORMAT_INFO[..number % WIRE_FORMAT_INFO.len()]);
            peer
        })
        .collect();
    until("messages wait", || (node.status().memory > 1_000_000).then_some(())).await;
    let started = Instant::now();
    let tasks = tokio::runtime::Handle::current().metrics();
    timeout(SOON, node.stop()).await.expect("it stops");
    listening
        .want("a farewell", |command| matches!(command, Command::ShutdownInfo(_)).then_some(()))
        .await;
    listening.ended().await;
    assert!(started.elapsed() < SOON);
    drop((half_open, listening, deaf, sender, waiting));
    until("no task is left", || (tasks.num_alive_tasks() == 0).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_under_load_stops_with_exit_code_0() {
    let broker = Ferry::named("loaded").start();
    let mut peers = tokio::task::JoinSet::new();
    let at_work = std::sync::Arc::new(tokio::sync::Barrier::new(5));
    for number in 0..4 {
        let url = broker.url().to_owned();
        let at_work = std::sync::Arc::clone(&at_work);
        peers.spawn(async move {
            let client = support::Native::connect(&url).await;
            let queue = format!("queue://load-{}", number % 2);
            let options =
                ferrymq_client::ProducerOptions::to(support::destination(&queue)).persistent(false);
            let producer = client.session.producer(options).await.unwrap();
            let _consumer = client.consumer(&queue).await;
            at_work.wait().await;
            // Until the broker has gone.
            while producer
                .send(ferrymq_client::OutgoingMessage::text("x".repeat(1000)))
                .await
                .is_ok()
            {}
        });
    }
    let loaded = support::Native::connect(broker.url()).await;
    let consumer = loaded.consumer("queue://load-0").await;
    at_work.wait().await;
    support::text(&consumer).await;
    let started = Instant::now();
    let ended = tokio::task::spawn_blocking(move || broker.terminate()).await.unwrap();
    assert_eq!(ended.code(), Some(0), "{:?}", ended.stderr);
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    while let Some(peer) = timeout(SOON, peers.join_next()).await.expect("peers notice") {
        peer.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_node_stops_at_once() {
    let node = broker(Limits::default()).await;
    let mut peer = Wire::opened(&node, "peer").await;
    let started = Instant::now();
    node.stop().await;
    peer.ended().await;
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

/// Each of many connectors is in the middle of something with a peer that never answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connectors_stop_together() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("static:(tcp://{})", silent.local_addr().unwrap());
    let mut setup = Ferry::named("many");
    for number in 0..20 {
        setup = setup
            .configure(&format!("[[network_connector]]\nname = \"n{number}\"\nuri = \"{uri}\"\n"));
    }
    let broker = setup.start();
    let half_open: Vec<_> = (0..20).map(|_| silent.accept().unwrap()).collect();
    let started = Instant::now();
    assert_eq!(broker.terminate().code(), Some(0));
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    drop(half_open);
}

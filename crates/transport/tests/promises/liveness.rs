//! A dead peer is noticed, a quiet one is not taken for dead.

use std::time::Duration;

use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::KeepAliveInfo;
use ferrymq_openwire::format::WireFormat;
use ferrymq_openwire::negotiate::WireFormatOptions;
use ferrymq_transport::dial::Binder;
use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::handshake::{connect, handshake};
use ferrymq_transport::link::LinkError;
use ferrymq_transport::simulated::SimulatedNetwork;
use tokio::time::{Instant, sleep, timeout};

use super::links::*;

const HOUR: Duration = Duration::from_secs(3600);

/// Links from "a" to "b" over a simulated network.
async fn simulated_pair(network: &SimulatedNetwork) -> (Running, Running) {
    let (a, b) = (network.host("a"), network.host("b"));
    let mut listener = b.bind(&Endpoint::tcp("b", 61616)).await.unwrap();
    let accepted = tokio::spawn(async move {
        let stream = listener.accept().await.unwrap();
        handshake(stream, &WireFormatOptions::default(), DEADLINE).await.unwrap()
    });
    let dialed = connect(&a, &Endpoint::tcp("b", 61616)).await.unwrap();
    (Running::new(dialed), Running::new(accepted.await.unwrap()))
}

#[tokio::test(start_paused = true)]
async fn keep_alives_keep_an_idle_link_alive() {
    let network = SimulatedNetwork::new(1);
    let (mut a, mut b) = simulated_pair(&network).await;
    let quiet = timeout(HOUR, async {
        tokio::select! { error = a.failure() => error, error = b.failure() => error }
    });
    assert!(quiet.await.is_err(), "a link failed although both ends live");
    a.outbox.push(numbered(7));
    assert_eq!(ids(&b.receive(1).await), [7]);
}

#[tokio::test(start_paused = true)]
async fn a_black_hole_is_noticed_within_twice_the_limit() {
    for silent_after in [0, 5, 15, 29, 100, 1234] {
        let network = SimulatedNetwork::new(1);
        let (mut a, mut b) = simulated_pair(&network).await;
        // Nobody may fail before, so both are watched meanwhile.
        let watched = timeout(Duration::from_secs(silent_after), async {
            tokio::select! { error = a.failure() => error, error = b.failure() => error }
        });
        assert!(watched.await.is_err());
        network.black_hole("a", "b");
        let silent_since = Instant::now();
        let (a_error, b_error) = tokio::join!(a.failure(), b.failure());
        let noticed = silent_since.elapsed();
        assert!(matches!(a_error, LinkError::Inactive { .. }), "{a_error}");
        assert!(matches!(b_error, LinkError::Inactive { .. }), "{b_error}");
        let limits = Duration::from_secs(20)..=Duration::from_secs(60);
        assert!(
            limits.contains(&noticed),
            "silent after {silent_after} s: noticed after {noticed:?}"
        );
        // The pumps end too, although nothing tells them but the receivers.
        assert!(timeout(DEADLINE, a.pump).await.is_ok());
        assert!(!a.outbox.push(numbered(1)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_is_stuck_is_freed_with_its_link() {
    let network = SimulatedNetwork::new(1);
    let (mut a, _b) = simulated_pair(&network).await;
    network.black_hole("a", "b");
    // More than any buffer underway.
    a.outbox.push_all(&mut (0..200).map(|id| sized(id, 32_000)).collect());
    assert!(matches!(a.failure().await, LinkError::Inactive { .. }));
    assert!(timeout(DEADLINE, a.pump).await.is_ok());
    assert_eq!(a.outbox.pending(), 0);
}

#[tokio::test(start_paused = true)]
async fn any_byte_is_a_sign_of_life() {
    let (mut peer, link) = RawPeer::of_link(WireFormatOptions::default()).await;
    let mut running = Running::new(link);
    let frame = encoded(&[sized(1, 100)], WireFormat::loose(12));
    // One frame that takes half an hour: a byte every 20 s, no command before the last.
    let drip = tokio::spawn(async move {
        for byte in frame {
            sleep(Duration::from_secs(20)).await;
            peer.write(&[byte]).await;
        }
        peer
    });
    assert_eq!(ids(&running.receive(1).await), [1]);
    // Then it says nothing more.
    let _peer = drip.await.unwrap();
    let silent_since = Instant::now();
    assert!(matches!(running.failure().await, LinkError::Inactive { .. }));
    assert!(silent_since.elapsed() <= Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn keep_alives_come_every_third_of_the_limit_and_only_when_idle() {
    let (mut peer, link) = RawPeer::of_link(WireFormatOptions::default()).await;
    let running = Running::new(link);
    let started = Instant::now();
    // The first look, after the initial delay, sees the WireFormatInfo.
    for seconds in [20, 30, 40] {
        let Command::KeepAliveInfo(keep_alive) = peer.read_command().await else { panic!() };
        assert_eq!(keep_alive, KeepAliveInfo { command_id: 0, response_required: false });
        assert_eq!(started.elapsed().as_secs(), seconds);
    }
    for id in 0..10 {
        running.outbox.push(numbered(id));
        assert_eq!(ids(&[peer.read_command().await]), [id], "a busy link sends no keep-alive");
        sleep(Duration::from_secs(6)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_limit_nobody_is_dead_and_nothing_is_sent() {
    let options = WireFormatOptions {
        max_inactivity_duration: Duration::ZERO,
        ..WireFormatOptions::default()
    };
    let (mut peer, link) = RawPeer::of_link(options).await;
    let mut running = Running::new(link);
    let quiet = timeout(HOUR, async {
        tokio::select! {
            error = running.failure() => error.to_string(),
            command = peer.read_command() => format!("{command:?}"),
        }
    });
    assert!(quiet.await.is_err());
}

#[tokio::test]
async fn a_keep_alive_is_answered_when_asked_and_never_shown() {
    let (mut peer, link) = RawPeer::of_link(WireFormatOptions::default()).await;
    let mut running = Running::new(link);
    let ask = |response_required| {
        Command::KeepAliveInfo(KeepAliveInfo { command_id: 9, response_required })
    };
    peer.send(&[ask(false), numbered(1), ask(true), numbered(2)]).await;
    assert_eq!(ids(&running.receive(2).await), [1, 2]);
    let answer = peer.read_command().await;
    assert_eq!(answer, KeepAliveInfo::default().into());
    // One answer to one question: what comes next is something else.
    running.outbox.push(numbered(3));
    assert_eq!(ids(&[peer.read_command().await]), [3]);
}

#[tokio::test]
async fn questions_that_nobody_reads_the_answers_to_do_not_pile_up() {
    let (mut peer, link) = RawPeer::of_link(WireFormatOptions::default()).await;
    let ferrymq_transport::link::Link { mut receiver, outbox, pump: _kept, .. } = link;
    let ask = Command::KeepAliveInfo(KeepAliveInfo { command_id: 9, response_required: true });
    let asking = tokio::spawn(async move {
        for _ in 0..100 {
            peer.send(&vec![ask.clone(); 100]).await;
        }
        peer.send(&[numbered(1)]).await;
        peer
    });
    let mut batch = Vec::new();
    receiver.receive(&mut batch).await.unwrap();
    assert_eq!(ids(&batch), [1]);
    assert!(outbox.pending() <= 64, "{} answers are waiting", outbox.pending());
    asking.await.unwrap();
}

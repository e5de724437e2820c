//! Peers that connect and say nothing, or claim much, cost little and are put out in time.

use std::time::Duration;

use bytes::BytesMut;
use ferrymq_openwire::format::WireFormat;
use ferrymq_openwire::negotiate::WireFormatOptions;
use ferrymq_transport::dial::{Binder, Dialer};
use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::handshake::{HandshakeError, connect, handshake};
use ferrymq_transport::link::LinkError;
use ferrymq_transport::simulated::SimulatedNetwork;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::links::*;

#[tokio::test(start_paused = true)]
async fn a_thousand_silent_peers_do_not_delay_one_that_speaks() {
    let network = SimulatedNetwork::new(1);
    let (a, b) = (network.host("a"), network.host("b"));
    let mut listener = b.bind(&"tcp://b:61616?backlog=2000".parse().unwrap()).await.unwrap();
    let endpoint = Endpoint::tcp("b", 61616);
    let mut silent = Vec::new();
    for number in 0..1000 {
        let mut stream = a.dial(&endpoint).await.unwrap();
        // Some of them begin to speak.
        stream.writer.write_all(&b"\0\0\0\x0e\x01ActiveMQ"[..number % 10]).await.unwrap();
        silent.push(stream);
    }
    let server = tokio::spawn(async move {
        let mut shaking = JoinSet::new();
        for _ in 0..1001 {
            let stream = listener.accept().await.unwrap();
            shaking.spawn(async move {
                handshake(stream, &WireFormatOptions::default(), DEADLINE).await
            });
        }
        shaking.join_all().await
    });
    let started = Instant::now();
    let speaking = connect(&a, &endpoint).await.unwrap();
    assert!(started.elapsed() < Duration::from_millis(100));
    let results = server.await.unwrap();
    assert!(started.elapsed() <= DEADLINE + Duration::from_secs(1));
    let timed_out = results
        .iter()
        .filter(|result| matches!(result, Err(HandshakeError::TimedOut { .. })))
        .count();
    assert_eq!(timed_out, 1000);
    drop((speaking, silent));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_falls_silent_after_the_handshake_is_put_out() {
    let (peer, link) = RawPeer::of_link(WireFormatOptions::default()).await;
    let mut running = Running::new(link);
    let started = Instant::now();
    assert!(matches!(running.failure().await, LinkError::Inactive { .. }));
    assert!(started.elapsed() <= Duration::from_secs(60));
    drop(peer);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_claims_a_large_frame_and_stops_is_put_out() {
    let (mut peer, link) = RawPeer::of_link(WireFormatOptions::default()).await;
    let mut running = Running::new(link);
    peer.write(b"\x06\0\0\0\x18").await;
    let started = Instant::now();
    assert!(matches!(running.failure().await, LinkError::Inactive { .. }));
    assert!(started.elapsed() <= Duration::from_secs(60));
}

/// Claims are cheap: what a peer makes this end allocate is in proportion to what it sent. The
/// claimed 100 MB for each of them would be 100 GB.
#[tokio::test]
async fn a_thousand_claims_of_100_mb_cost_next_to_nothing() {
    let mut peers = Vec::new();
    let before = claimed_bytes();
    for _ in 0..1000 {
        let (mut peer, link) = RawPeer::of_link(WireFormatOptions::default()).await;
        let mut running = Running::new(link);
        peer.write(b"\x05\xf5\xe0\xff\x18").await;
        let mut batch = Vec::new();
        tokio::select! {
            biased;
            result = running.receiver.receive(&mut batch) => panic!("{result:?}"),
            () = tokio::task::yield_now() => {}
        }
        peers.push((peer, running));
    }
    let claimed = claimed_bytes().saturating_sub(before);
    assert!(claimed < 2 << 30, "{claimed} bytes of address space");
    // They still work: one of them ends its claim as garbage.
    let (peer, running) = peers.last_mut().unwrap();
    peer.duplex.shutdown().await.unwrap();
    assert!(matches!(running.failure().await, LinkError::Truncated { received: 5 }));
}

/// Address space of this process, used or not; 0 where the system does not tell.
fn claimed_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap_or_default();
    let kib = line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default();
    kib * 1024
}

#[tokio::test(start_paused = true)]
async fn an_endless_prelude_of_nothing_is_refused() {
    let (left, mut right) = tokio::io::duplex(64 * 1024);
    let writer = tokio::spawn(async move {
        // Null frames are legal and mean nothing.
        let nothing = BytesMut::from(&b"\0\0\0\x01\0".repeat(1000)[..]);
        while right.write_all(&nothing).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let error = handshake(stream(left), &WireFormatOptions::default(), DEADLINE).await.unwrap_err();
    assert!(matches!(error, HandshakeError::NotOpenWire { .. }), "{error}");
    writer.await.unwrap();
}

#[tokio::test]
async fn a_first_frame_of_another_kind_is_refused() {
    let (left, mut right) = tokio::io::duplex(64 * 1024);
    let frame = encoded(&[numbered(1)], WireFormat::loose(12));
    right.write_all(&frame).await.unwrap();
    let error = handshake(stream(left), &WireFormatOptions::default(), DEADLINE).await.unwrap_err();
    assert!(matches!(error, HandshakeError::NotOpenWire { .. }), "{error}");
}

//! Two ends agree, and strangers are told apart quickly.

use std::time::Duration;

use ferrymq_openwire::command::Command;
use ferrymq_openwire::format::WireFormat;
use ferrymq_openwire::negotiate::WireFormatOptions;
use ferrymq_transport::handshake::{HandshakeError, handshake};
use tokio::io::{AsyncWriteExt, duplex};
use tokio::time::Instant;

use super::links::*;

#[tokio::test]
async fn both_ends_come_to_the_same_agreement() {
    let left = WireFormatOptions {
        version: 9,
        max_inactivity_duration: Duration::from_secs(60),
        max_inactivity_duration_initial_delay: Duration::from_secs(3),
        cache_enabled: true,
        tight_encoding_enabled: true,
        ..WireFormatOptions::default()
    };
    let right = WireFormatOptions {
        cache_enabled: true,
        cache_size: 200,
        tight_encoding_enabled: true,
        ..WireFormatOptions::default()
    };
    let (left, right) = linked(left, right).await;
    let (ours, theirs) = (left.negotiated.as_ref().unwrap(), right.negotiated.as_ref().unwrap());
    assert_eq!(ours.format, theirs.format);
    assert_eq!((ours.format.version, ours.format.cache_size), (9, Some(200)));
    assert!(ours.format.tight);
    assert_eq!(ours.read_timeout, Some(Duration::from_secs(30)));
    assert_eq!(theirs.keep_alive, Some(Duration::from_secs(10)));
    assert_eq!(theirs.initial_delay, Duration::from_secs(3));

    let (left, mut right) = (Running::new(left), Running::new(right));
    left.outbox.push_all(&mut (1..=1000).map(numbered).collect());
    assert_eq!(ids(&right.receive(1000).await), (1..=1000).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_follows_the_first_frame_is_not_lost() {
    let (left, right) = duplex(64 * 1024);
    let mut peer = RawPeer { duplex: right };
    let options = WireFormatOptions::default();
    let mut bytes = encoded(&[Command::WireFormatInfo(options.to_info())], WireFormat::default());
    bytes.extend_from_slice(&encoded(&[numbered(1), numbered(2)], WireFormat::loose(12)));
    peer.write(&bytes).await;
    let link = handshake(stream(left), &options, DEADLINE).await.unwrap();
    assert_eq!(ids(&Running::new(link).receive(2).await), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn the_first_frame_may_come_byte_by_byte() {
    let (left, right) = duplex(64 * 1024);
    let mut peer = RawPeer { duplex: right };
    let options = WireFormatOptions::default();
    let info = encoded(&[Command::WireFormatInfo(options.to_info())], WireFormat::default());
    let shaken = tokio::spawn(async move { handshake(stream(left), &options, DEADLINE).await });
    for byte in info {
        peer.write(&[byte]).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(shaken.await.unwrap().is_ok());
}

async fn failure(sent: &[u8], close: bool) -> (HandshakeError, Duration) {
    let (left, mut right) = duplex(64 * 1024);
    right.write_all(sent).await.unwrap();
    if close {
        right.shutdown().await.unwrap();
    }
    let started = Instant::now();
    let error = handshake(stream(left), &WireFormatOptions::default(), DEADLINE).await.unwrap_err();
    drop(right);
    (error, started.elapsed())
}

#[tokio::test(start_paused = true)]
async fn strangers_are_recognised_at_once() {
    for (sent, seen) in [
        (&b"GET / HTTP/1.1\r\n"[..], "HTTP"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "TLS"),
        (b"CONNECT\naccept-version:1.2\n\n\0", "STOMP"),
        (b"AMQP\0\x01\0\0", "AMQP"),
        (b"\x10\x10\0\x04MQTT\x04", "MQTT"),
        (b"\xff\xff\xff\xff", "\\xff\\xff"),
        (b"\0\0\0\x0e\x02ActiveMQ\0\0\0\x0c\0", "\\x02ActiveMQ"),
        (b"\0\0\0\x0e\x01ActiveMX\0\0\0\x0c\0", "ActiveMX"),
    ] {
        let (error, waited) = failure(sent, false).await;
        assert!(matches!(error, HandshakeError::NotOpenWire { .. }), "{error}");
        assert!(error.to_string().contains(seen), "{error}");
        assert_eq!(waited, Duration::ZERO, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_frame_that_claims_too_much_is_refused_at_once() {
    let (error, waited) = failure(b"\x00\x10\0\0\x01ActiveMQ\0\0\0\x0c\0", false).await;
    assert!(matches!(error, HandshakeError::Decode(_)), "{error}");
    assert!(error.to_string().contains("1048576") && error.to_string().contains("4096"), "{error}");
    assert_eq!(waited, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_says_nothing_or_not_enough_has_a_deadline() {
    for sent in [&b""[..], b"\0\0", b"\0\0\0\x0e\x01Active"] {
        let (error, waited) = failure(sent, false).await;
        let HandshakeError::TimedOut { received, .. } = error else { panic!("{error}") };
        assert_eq!((received, waited), (sent.len(), DEADLINE));
    }
}

#[tokio::test]
async fn a_peer_that_leaves_is_not_waited_for() {
    let (error, _) = failure(b"\0\0\0", true).await;
    assert!(matches!(error, HandshakeError::Closed { received: 3 }), "{error}");
}

#[tokio::test]
async fn a_version_that_is_too_old_is_refused() {
    let old = WireFormatOptions { version: 3, ..WireFormatOptions::default() };
    let choosy = WireFormatOptions { minimum_version: 6, ..WireFormatOptions::default() };
    let (left, right) = streams(64 * 1024);
    let (left, _right) =
        tokio::join!(handshake(left, &choosy, DEADLINE), handshake(right, &old, DEADLINE));
    let error = left.unwrap_err();
    assert!(matches!(error, HandshakeError::Negotiation(_)), "{error}");
}

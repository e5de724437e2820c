//! A peer that breaks the rules loses its own connection, with one log line; others go on, and the
//! broker's memory stays bounded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::time::Duration;

use support::{BROKER_INFO, Ferry, PATIENCE, RawPeer, WIRE_FORMAT_INFO, until};

/// A frame whose size is true.
fn frame(payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).expect("a small frame");
    [&size.to_be_bytes(), payload].concat()
}

/// A peer that keeps to the rules gets its answers.
fn an_honest_peer_is_served(broker: &Ferry) {
    let mut peer = RawPeer::negotiated(broker.port());
    let second = peer.frame().expect("a second frame");
    assert_eq!(second.first(), Some(&BROKER_INFO));
}

/// Sends `bytes` on a connection of its own and demands that this connection, and only it, ends
/// with one line in the log.
fn is_cut_off(broker: &Ferry, what: &str, mut peer: RawPeer, bytes: &[u8]) {
    let mut bystander = RawPeer::negotiated(broker.port());
    let address = peer.local_address();
    peer.send(bytes);
    assert!(peer.is_cut_off(PATIENCE), "{what}: the connection stays open");
    broker.process.log_line(&format!("{what}, from {address}"), |line| line.contains(&address));
    an_honest_peer_is_served(broker);
    let about_it = broker.process.stderr().iter().filter(|line| line.contains(&address)).count();
    assert_eq!(about_it, 1, "{what}: one line in the log");
    assert!(bystander.is_open(), "{what}: another connection is still there");
}

#[test]
fn a_peer_that_does_not_speak_openwire_is_cut_off() {
    let broker = Ferry::named("guarded").start();
    let first_frames: [(&str, Vec<u8>); 7] = [
        ("another protocol", b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n".to_vec()),
        ("noise", (0..4096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()),
        ("a wrong magic", frame(b"\x01ActiveMX\x00\x00\x00\x0c\x00")),
        ("a first frame that is no WireFormatInfo", frame(&[10, 0, 0, 0, 0, 0])),
        ("a huge first frame", [&[0x05, 0xf5, 0xe1, 0x01, 1][..], &[0; 1000]].concat()),
        ("a negative size", vec![0xff, 0xff, 0xff, 0xff, 1, 2, 3]),
        (
            "options that claim more bytes than there are",
            frame(b"\x01ActiveMQ\x00\x00\x00\x0c\x01\x7f\xff\xff\xff\x00\x00\x00\x09"),
        ),
    ];
    for (what, bytes) in first_frames {
        is_cut_off(&broker, what, RawPeer::connect(broker.port()), &bytes);
    }
}

#[test]
fn a_peer_that_sends_a_bad_frame_is_cut_off() {
    let broker = Ferry::named("guarded").start();
    let bad_frames: [(&str, Vec<u8>); 8] = [
        ("an unknown type", frame(&[13, 0, 0, 0, 1, 1])),
        ("a type that no peer may send", frame(&[54, 0, 0])),
        ("a command that ends too early", frame(&[3, 0, 0, 0, 1, 1, 1])),
        ("a command with bytes left over", frame(&[10, 0, 0, 0, 1, 0, 7, 7, 7])),
        (
            "a text longer than its frame",
            frame(&[3, 0, 0, 0, 1, 1, 1, 120, 1, 0xff, 0xff, b'I', b'D']),
        ),
        (
            "a list longer than its frame",
            frame(&[2, 0, 0, 0, 1, 0, 0, 0, 1, 0x7f, 0xff, 0, 0, 0, 0]),
        ),
        ("a negative size", vec![0x80, 0, 0, 0, 10, 0, 0, 0, 1, 0]),
        ("a second first frame", WIRE_FORMAT_INFO.to_vec()),
    ];
    for (number, (what, bytes)) in bad_frames.into_iter().enumerate() {
        is_cut_off(&broker, what, RawPeer::negotiated(broker.port()), &bytes);
        let opened = RawPeer::opened(broker.port(), &format!("ID:bad:{number}"));
        is_cut_off(&broker, &format!("{what}, once opened"), opened, &bytes);
    }
}

#[test]
fn a_frame_above_the_limit_is_refused_by_its_size_alone() {
    let broker = Ferry::named("guarded").listener_options("wireFormat.maxFrameSize=100000").start();
    let before = broker.process.status_number("VmRSS");
    for size in [100_001_u32, 0x0100_0000, 0x7fff_ffff] {
        let head = [&size.to_be_bytes()[..], &[24, 0, 0, 0, 1, 1]].concat();
        let what = format!("a frame of {size} bytes");
        is_cut_off(&broker, &what, RawPeer::negotiated(broker.port()), &head);
    }
    let grown = broker.process.status_number("VmRSS").saturating_sub(before);
    assert!(grown < 8_000, "the claims alone cost {grown} kB");
}

#[test]
fn commands_nested_without_end_are_refused() {
    let broker = Ferry::named("guarded").start();
    // RemoveInfo { object_id: RemoveInfo { object_id: … } }, as deep as one frame allows.
    let level = [12, 0, 0, 0, 1, 0, 1];
    let nested: Vec<u8> = level.iter().copied().cycle().take(level.len() * 20_000).collect();
    is_cut_off(&broker, "nesting", RawPeer::opened(broker.port(), "ID:deep"), &frame(&nested));
}

#[test]
fn a_frame_that_arrives_byte_by_byte_is_understood() {
    let broker = Ferry::named("patient").start();
    let mut peer = RawPeer::connect(broker.port());
    for byte in WIRE_FORMAT_INFO {
        peer.send(&[*byte]);
    }
    assert_eq!(peer.frame().and_then(|frame| frame.first().copied()), Some(1));
    assert_eq!(peer.frame().and_then(|frame| frame.first().copied()), Some(BROKER_INFO));
}

#[test]
fn a_thousand_half_open_connections_cost_little_and_end() {
    let broker = Ferry::named("crowded").start();
    an_honest_peer_is_served(&broker);
    let before = broker.process.status_number("VmRSS");
    let mut crowd: Vec<RawPeer> = Vec::new();
    for number in 0..1_000 {
        let mut peer = RawPeer::connect(broker.port());
        // Some say nothing, some stop in the middle of the first frame.
        peer.send(&WIRE_FORMAT_INFO[..number % WIRE_FORMAT_INFO.len()]);
        crowd.push(peer);
    }
    an_honest_peer_is_served(&broker);
    let grown = broker.process.status_number("VmRSS").saturating_sub(before);
    assert!(grown < 20_000, "a thousand half-open connections cost {grown} kB");
    // They are cut off without being asked, so that they cannot stay for ever.
    let last = crowd.last_mut().expect("a crowd");
    assert!(last.is_cut_off(2 * PATIENCE), "a half-open connection stays for ever");
    drop(crowd);
    an_honest_peer_is_served(&broker);
}

#[test]
fn a_peer_that_asks_and_never_reads_cannot_fill_the_memory() {
    let mut broker = Ferry::named("unread").start();
    let mut peer = RawPeer::opened(broker.port(), "ID:deaf");
    an_honest_peer_is_served(&broker);
    let before = broker.process.status_number("VmRSS");
    // Each KeepAliveInfo asks for one in return.
    let questions: Vec<u8> = frame(&[10, 0, 0, 0, 1, 1]).repeat(10_000);
    peer.write_timeout(Duration::from_secs(2));
    for _ in 0..500 {
        if !peer.try_send(&questions) {
            break;
        }
    }
    let grown = broker.process.status_number("VmRSS").saturating_sub(before);
    assert!(grown < 40_000, "unread answers cost {grown} kB");
    an_honest_peer_is_served(&broker);
    assert!(broker.process.is_running());
}

#[test]
fn connections_that_come_and_go_leave_nothing_behind() {
    let broker = Ferry::named("busy").start();
    let round = || {
        for _ in 0..200 {
            an_honest_peer_is_served(&broker);
        }
        broker.process.status_number("VmRSS")
    };
    round();
    let before = round();
    for _ in 0..8 {
        round();
    }
    until("memory is as it was", PATIENCE, || {
        (broker.process.status_number("VmRSS") < before + 3_000).then_some(())
    });
}

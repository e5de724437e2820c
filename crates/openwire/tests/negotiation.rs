//! Two peers come to the same agreement, whatever either says, and a peer that says nonsense is
//! refused with a reason.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ferrymq_openwire::codec::{Decoder, Encoder};
use ferrymq_openwire::commands::{Magic, ProducerInfo, WireFormatInfo};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::format::WireFormat;
use ferrymq_openwire::negotiate::{NegotiationError, WireFormatOptions};
use ferrymq_openwire::properties::{Properties, Value};

/// What `activemq-client` 5.17.2 says by default.
fn java() -> WireFormatOptions {
    WireFormatOptions {
        stack_trace_enabled: true,
        cache_enabled: true,
        tight_encoding_enabled: true,
        max_frame_size: i64::MAX as u64,
        host: Some("broker.example".into()),
        ..WireFormatOptions::default()
    }
}

fn info(version: i32, properties: &Properties) -> WireFormatInfo {
    WireFormatInfo {
        version,
        marshalled_properties: Some(properties.encode()),
        ..WireFormatInfo::default()
    }
}

#[test]
fn ferrymq_and_a_java_client_agree_on_plain_bytes() {
    let agreed = WireFormatOptions::default().negotiate(&java().to_info()).unwrap();
    let expected = WireFormat { max_frame_size: 100 << 20, ..WireFormat::loose(12) };
    assert_eq!(agreed.format, expected);
    assert!(agreed.tcp_no_delay);
    assert_eq!(agreed.read_timeout, Some(Duration::from_secs(30)));
    assert_eq!(agreed.keep_alive, Some(Duration::from_secs(10)));
    assert_eq!(agreed.initial_delay, Duration::from_secs(10));
    assert_eq!(agreed.host, Some("broker.example".into()));
    assert_eq!(agreed.provider, Some("FerryMQ".into()));
    let mirrored = java().negotiate(&WireFormatOptions::default().to_info()).unwrap();
    assert_eq!(mirrored.format, agreed.format);
}

#[test]
fn two_java_peers_agree_on_everything() {
    let agreed = java().negotiate(&java().to_info()).unwrap().format;
    assert!(agreed.tight && agreed.stack_trace && agreed.size_prefix);
    assert_eq!(agreed.cache_size, Some(1024));
    let no_prefix = WireFormatOptions { size_prefix_disabled: true, ..java() };
    assert!(no_prefix.negotiate(&java().to_info()).unwrap().format.size_prefix);
    assert!(!no_prefix.negotiate(&no_prefix.to_info()).unwrap().format.size_prefix);
}

#[test]
fn the_first_frame_reads_the_same_before_any_agreement() {
    let mut wire = BytesMut::new();
    Encoder::new(WireFormat::default()).encode(&java().to_info().into(), &mut wire).unwrap();
    assert_eq!(&wire[4..13], b"\x01ActiveMQ");
    let decoded = Decoder::new(WireFormat::loose(12)).decode(&mut wire).unwrap();
    assert_eq!(decoded, Some(java().to_info().into()));
}

#[test]
fn the_older_version_wins() {
    let version = |own: u8, peer: i32| {
        let options = WireFormatOptions { version: own, ..WireFormatOptions::default() };
        options.negotiate(&info(peer, &Properties::new())).unwrap().format.version
    };
    assert_eq!(version(12, 12), 12);
    assert_eq!(version(12, 9), 9);
    assert_eq!(version(6, 12), 6);
    assert_eq!(version(12, 13), 12);
    assert_eq!(version(12, 300), 12);
    assert_eq!(version(12, i32::MAX), 12);
    assert_eq!(version(12, 0), 12); // no opinion
    assert_eq!(version(12, -1), 12);
    assert_eq!(version(200, 200), 12);
}

#[test]
fn a_peer_that_says_nothing_gets_the_least() {
    let bare = WireFormatInfo { version: 12, ..WireFormatInfo::default() };
    let agreed = java().negotiate(&bare).unwrap();
    let expected = WireFormat { max_frame_size: i64::MAX as u64, ..WireFormat::loose(12) };
    assert_eq!(agreed.format, expected);
    assert_eq!(agreed.read_timeout, None);
    assert_eq!(agreed.keep_alive, None);
    assert!(!agreed.tcp_no_delay);
}

#[test]
fn the_smaller_limit_wins_if_there_is_one() {
    let max = |own: u64, enabled: bool, peer: i64| {
        let options = WireFormatOptions {
            max_frame_size: own,
            max_frame_size_enabled: enabled,
            ..WireFormatOptions::default()
        };
        let properties = [("MaxFrameSize", peer)].into_iter().collect();
        options.negotiate(&info(12, &properties)).unwrap().format.max_frame_size
    };
    assert_eq!(max(100, true, 200), 100);
    assert_eq!(max(200, true, 100), 100);
    assert_eq!(max(200, true, 0), 200);
    assert_eq!(max(200, true, -5), 200);
    assert_eq!(max(0, true, 100), 100);
    assert_eq!(max(0, true, 0), u64::MAX);
    assert_eq!(max(100, false, 200), u64::MAX);
}

#[test]
fn the_shorter_silence_wins() {
    let silence = |own: u64, peer: i64| {
        let options = WireFormatOptions {
            max_inactivity_duration: Duration::from_millis(own),
            ..WireFormatOptions::default()
        };
        let properties = [("MaxInactivityDuration", peer)].into_iter().collect();
        let agreed = options.negotiate(&info(12, &properties)).unwrap();
        (agreed.read_timeout.map(|d| d.as_millis()), agreed.keep_alive.map(|d| d.as_millis()))
    };
    assert_eq!(silence(30_000, 9_000), (Some(9_000), Some(3_000)));
    assert_eq!(silence(3_000, 9_000), (Some(3_000), Some(1_000)));
    assert_eq!(silence(30_000, 0), (None, None));
    assert_eq!(silence(30_000, -1), (None, None));
    assert_eq!(silence(0, 30_000), (None, None));
    assert_eq!(silence(2, 30_000), (Some(2), Some(2)));
}

#[test]
fn a_cache_of_any_size_is_lived_with() {
    for size in [i32::MIN, -1, 0, 1, 2, 50, 99, 100, 101, 1024, 16_383, 40_000, i32::MAX] {
        let properties: Properties =
            [("CacheEnabled", Value::Bool(true)), ("CacheSize", Value::Int(size))]
                .into_iter()
                .collect();
        let own = WireFormatOptions { cache_size: 20_000, ..java() };
        let format = own.negotiate(&info(12, &properties)).unwrap().format;
        let slots = format.cache_size.unwrap();
        assert_eq!(slots, if (1..=16_383).contains(&size) { size as u16 } else { 16_383 });

        let (mut encoder, mut decoder) = (Encoder::new(format), Decoder::new(format));
        let mut wire = BytesMut::new();
        for k in 0..500 {
            let destination = Some(Destination::queue(format!("Q{}", k % 211)));
            let command = ProducerInfo { destination, ..ProducerInfo::default() }.into();
            encoder.encode(&command, &mut wire).unwrap();
            assert_eq!(decoder.decode(&mut wire), Ok(Some(command)), "size {size}, frame {k}");
        }
    }
}

#[test]
fn nonsense_is_refused() {
    let own = WireFormatOptions { minimum_version: 6, ..java() };
    let refused = |info: &WireFormatInfo| own.negotiate(info).unwrap_err();
    let with =
        |name: &str, value: Value| refused(&info(12, &[(name, value)].into_iter().collect()));

    let http = WireFormatInfo { magic: Magic(*b"GET / HT"), ..java().to_info() };
    assert_eq!(refused(&http), NegotiationError::BadMagic { magic: *b"GET / HT" });
    assert_eq!(
        refused(&info(5, &Properties::new())),
        NegotiationError::TooOld { version: 5, minimum: 6 },
    );
    for (name, value) in [
        ("CacheEnabled", Value::from("true")),
        ("CacheSize", Value::Long(7)),
        ("MaxFrameSize", Value::Int(7)),
        ("MaxInactivityDuration", Value::Int(7)),
        ("Anything", Value::List(vec![])),
        ("Anything", Value::Map(Properties::new())),
    ] {
        let name = name.to_owned();
        assert_eq!(with(&name, value), NegotiationError::WrongType { name });
    }
    for value in [Value::from("x".repeat(513)), Bytes::from(vec![0; 513]).into()] {
        let name = "Host".to_owned();
        assert_eq!(with("Host", value), NegotiationError::PropertyTooLong { name });
    }
    let long_name = with(&"n".repeat(513), Value::Null);
    assert_eq!(long_name, NegotiationError::PropertyTooLong { name: "n".repeat(64) });
    let many: Properties = (0..65).map(|k| (format!("p{k}"), k)).collect();
    assert_eq!(refused(&info(12, &many)), NegotiationError::TooManyProperties);
    let garbage = WireFormatInfo {
        marshalled_properties: Some(Bytes::from_static(&[0, 0, 0, 9, 1])),
        ..java().to_info()
    };
    assert!(matches!(refused(&garbage), NegotiationError::Properties(_)));
}

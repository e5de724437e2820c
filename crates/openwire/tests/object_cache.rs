//! The object cache: what a peer has been sent once it is sent by number, nulls too, and a peer
//! that numbers wrongly is refused.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use bytes::{BufMut, Bytes, BytesMut};
use ferrymq_openwire::codec::{Decoder, Encoder};
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::*;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::error::DecodeError;
use ferrymq_openwire::format::WireFormat;
use ferrymq_openwire::ids::*;

fn cached(tight: bool, size: u16) -> WireFormat {
    WireFormat { tight, cache_size: Some(size), ..WireFormat::loose(12) }
}

fn encode(encoder: &mut Encoder, command: &Command) -> BytesMut {
    let mut wire = BytesMut::new();
    encoder.encode(command, &mut wire).unwrap();
    wire
}

fn producer(destination: Option<Destination>) -> Command {
    ProducerInfo { destination, ..ProducerInfo::default() }.into()
}

#[test]
fn what_was_sent_once_is_sent_by_number() {
    for tight in [false, true] {
        let mut encoder = Encoder::new(cached(tight, 1024));
        let mut decoder = Decoder::new(cached(tight, 1024));
        let command = producer(Some(Destination::queue("a.rather.long.name")));
        let mut first = encode(&mut encoder, &command);
        let mut second = encode(&mut encoder, &command);
        assert!(second.len() + 18 < first.len());
        assert_eq!(decoder.decode(&mut first), Ok(Some(command.clone())));
        assert_eq!(decoder.decode(&mut second), Ok(Some(command)));
    }
}

#[test]
fn null_is_numbered_too() {
    let mut encoder = Encoder::new(cached(false, 1024));
    let (first, second) =
        (encode(&mut encoder, &producer(None)), encode(&mut encoder, &producer(None)));
    // Head, then producerId: new, number 0, null. The destination is the same null.
    assert_eq!(&first[10..17], [1, 0, 0, 0, 0, 0, 0]);
    assert_eq!(&second[10..16], [0, 0, 0, 0, 0, 0]);
    let mut decoder = Decoder::new(cached(false, 1024));
    for mut wire in [first, second] {
        assert_eq!(decoder.decode(&mut wire), Ok(Some(producer(None))));
    }
}

#[test]
fn one_text_in_two_types_is_two_objects() {
    let mut encoder = Encoder::new(cached(false, 1024));
    let mut decoder = Decoder::new(cached(false, 1024));
    let queue = producer(Some(Destination::queue("A")));
    let topic = producer(Some(Destination::topic("A")));
    let empty = producer(Some(Destination::queue("")));
    for command in [&queue, &topic, &empty, &queue, &topic, &empty] {
        let mut wire = encode(&mut encoder, command);
        assert_eq!(decoder.decode(&mut wire).as_ref(), Ok(&Some(command.clone())));
    }
}

#[test]
fn more_new_objects_in_a_frame_than_the_cache_holds_are_sent_in_full() {
    for tight in [false, true] {
        for size in [110, 128, 200] {
            let consumer = |k: i64| {
                let session = SessionId::new(&ConnectionId::new("c"), k);
                Some(ConsumerInfo {
                    consumer_id: Some(ConsumerId::new(&session, k)),
                    destination: Some(Destination::queue(format!("Q{k}"))),
                    ..ConsumerInfo::default()
                })
            };
            let frame = |first: i64| {
                let subscription_infos = Some((first..first + 150).map(consumer).collect());
                Command::from(BrokerSubscriptionInfo {
                    subscription_infos,
                    ..BrokerSubscriptionInfo::default()
                })
            };
            let mut encoder = Encoder::new(cached(tight, size));
            let mut decoder = Decoder::new(cached(tight, size));
            for first in [0, 100, 50, 0, 1000, 0] {
                let mut wire = encode(&mut encoder, &frame(first));
                assert_eq!(decoder.decode(&mut wire), Ok(Some(frame(first))), "{tight} {size}");
            }
        }
    }
}

/// A loose session info whose cached identifier is these bytes.
fn session_info(id: &[u8]) -> BytesMut {
    let mut frame = BytesMut::new();
    frame.put_u32(6 + id.len() as u32);
    frame.put_slice(&[4, 0, 0, 0, 1, 0]);
    frame.put_slice(id);
    frame
}

#[test]
fn wrong_numbers_are_refused() {
    let decode = |frames: &[&[u8]]| {
        let mut decoder = Decoder::new(cached(false, 200));
        let mut last = Ok(None);
        for id in frames {
            last = decoder.decode(&mut session_info(id));
        }
        last
    };
    let new = |index: i16| {
        let mut id = vec![1];
        id.extend(index.to_be_bytes());
        id.extend([1, 121, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
        id
    };
    let reference = |index: i16| {
        let mut id = vec![0];
        id.extend(index.to_be_bytes());
        id
    };
    let session = SessionInfo {
        command_id: 1,
        session_id: Some(SessionId { connection_id: None, value: 7 }),
        ..SessionInfo::default()
    };
    let expected = Ok(Some(session.into()));
    assert_eq!(decode(&[&new(199)]), expected);
    assert_eq!(decode(&[&new(199), &reference(199)]), expected);
    assert_eq!(decode(&[&new(-1)]), expected);
    for index in [200, i16::MAX, -2, i16::MIN] {
        let refused = Err(DecodeError::CacheIndex { index, size: 200 });
        assert_eq!(decode(&[&new(index)]), refused);
        assert_eq!(decode(&[&reference(index)]), refused);
    }
    let unset = Err(DecodeError::CacheReference { index: 7, expected: "SessionId" });
    assert_eq!(decode(&[&reference(7)]), unset);
    assert_eq!(
        decode(&[&new(-1), &reference(-1)]),
        Err(DecodeError::CacheIndex { index: -1, size: 200 })
    );

    // A producer info that makes number 3 a destination: a queue without a name.
    let mut decoder = Decoder::new(cached(false, 200));
    let mut frame = BytesMut::from(
        &b"\0\0\0\x16\x06\0\0\0\x01\0\x01\0\x02\0\x01\0\x03\x01\x64\0\0\0\0\0\0\0"[..],
    );
    decoder.decode(&mut frame).unwrap();
    let wrong = Err(DecodeError::CacheReference { index: 3, expected: "SessionId" });
    assert_eq!(decoder.decode(&mut session_info(&reference(3))), wrong);
}

#[test]
fn a_peer_cannot_keep_more_in_the_cache_than_is_sensible() {
    let mut decoder = Decoder::new(cached(false, 0));
    let mut encoder = Encoder::new(WireFormat::loose(12));
    let xid = XaTransactionId {
        format_id: 1,
        global_transaction_id: Some(Bytes::from(vec![7; 1 << 20])),
        branch_qualifier: None,
    };
    let plain = encode(&mut encoder, &Command::from(xid));
    let mut refused = None;
    for index in 0..100i16 {
        // A transaction info: connection null in slot 16000, the transaction in the next slot.
        let mut frame = BytesMut::new();
        frame.put_u32(0);
        frame.put_slice(&[7, 0, 0, 0, 1, 0, 1]);
        frame.put_i16(16_000);
        frame.put_slice(&[0, 1]);
        frame.put_i16(index);
        frame.put_u8(1);
        frame.put_slice(&plain[4..]);
        frame.put_u8(0);
        let size = (frame.len() as u32 - 4).to_be_bytes();
        frame[..4].copy_from_slice(&size);
        if let Err(error) = decoder.decode(&mut frame) {
            refused = Some((index, error));
            break;
        }
    }
    assert_eq!(refused, Some((16, DecodeError::CacheTooLarge { max: 16 << 20 })));
}

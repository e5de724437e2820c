//! Whether a message fits into a peer's frames is known before it is sent.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::sync::Arc;

use bytes::BytesMut;
use ferrymq_openwire::codec::Encoder;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::MessageDispatch;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::format::WireFormat;
use ferrymq_openwire::frame_limit::FrameLimit;
use ferrymq_openwire::ids::{BrokerId, ConnectionId, ConsumerId, MessageId, ProducerId, SessionId};
use ferrymq_openwire::message::{Message, MessageFields, WireForm};
use ferrymq_openwire::negotiate::WireFormatOptions;

const MOST: u64 = 4_000;

fn session() -> SessionId {
    SessionId::new(&ConnectionId::new("ID:somewhere-1234"), 1)
}

fn message(version: u8, content: usize) -> Message {
    let producer = ProducerId::new(&session(), 1);
    let fields = MessageFields {
        destination: Some(Destination::queue("a.queue.of.some.name")),
        message_id: Some(MessageId::new(producer.clone(), 7)),
        producer_id: Some(producer),
        broker_path: Some(vec![Some(BrokerId::new("ID:one")), Some(BrokerId::new("ID:two"))]),
        content: Some(vec![0; content].into()),
        ..MessageFields::default()
    };
    Message::in_form(&fields, WireForm { version, stack_trace: false }).unwrap()
}

fn limit(version: u8, tight: bool, cache: bool) -> (FrameLimit, WireFormat) {
    let options = WireFormatOptions {
        version,
        tight_encoding_enabled: tight,
        cache_enabled: cache,
        max_frame_size: MOST,
        ..WireFormatOptions::default()
    };
    let agreed = options.negotiate(&options.to_info()).unwrap();
    let format = WireFormat { max_frame_size: u64::MAX, size_prefix: false, ..agreed.format };
    assert_eq!((format.tight, format.cache_size.is_some()), (tight, cache));
    (agreed.peer_takes.unwrap(), format)
}

fn written(command: &Command, format: WireFormat) -> u64 {
    let mut frame = BytesMut::new();
    Encoder::new(format).encode(command, &mut frame).unwrap();
    frame.len() as u64
}

#[test]
fn no_encoding_of_what_fits_is_larger_than_the_limit() {
    let consumer = ConsumerId::new(&session(), 3);
    for (tight, cache) in [(false, false), (false, true), (true, false), (true, true)] {
        for (of, to) in [(12, 12), (1, 12), (5, 12), (12, 5), (12, 1), (5, 9)] {
            let (limit, format) = limit(to, tight, cache);
            let plain = !tight && !cache;
            let mut fits = [0, 0];
            for content in 3_000..4_000 {
                let message = Arc::new(message(of, content));
                let alone = written(&Command::Message(Arc::clone(&message)), format);
                let dispatch = Command::MessageDispatch(MessageDispatch {
                    consumer_id: Some(consumer.clone()),
                    destination: message.destination(),
                    message: Some(Arc::clone(&message)),
                    ..MessageDispatch::default()
                });
                let within = limit.for_dispatch_to(&consumer);
                for (at, (limit, bytes)) in
                    [(limit, alone), (within, written(&dispatch, format))].iter().enumerate()
                {
                    let told = limit.bytes(&message);
                    assert!(*bytes <= told && told <= bytes + 32, "{bytes} {told} {format:?}");
                    assert!(!plain || told == *bytes, "{bytes} {told} {format:?}");
                    assert_eq!(limit.takes(&message), told <= MOST);
                    fits[at] += usize::from(told <= MOST);
                }
            }
            assert!(fits.iter().all(|fit| (1..1_000).contains(fit)), "{fits:?} {format:?}");
        }
    }
}

/// What a side enforces on what it reads says nothing about what its peer takes.
#[test]
fn the_limit_is_that_of_the_peer() {
    let options = |most, enabled| WireFormatOptions {
        max_frame_size: most,
        max_frame_size_enabled: enabled,
        ..WireFormatOptions::default()
    };
    let takes = |own: WireFormatOptions, peer: WireFormatOptions| {
        own.negotiate(&peer.to_info()).unwrap().peer_takes.map(|limit| limit.most())
    };
    assert_eq!(takes(options(100, true), options(200, true)), Some(100));
    assert_eq!(takes(options(200, true), options(100, true)), Some(100));
    assert_eq!(takes(options(200, false), options(100, true)), Some(100));
    assert_eq!(takes(options(200, true), options(100, false)), None);
    assert_eq!(takes(options(0, true), options(0, true)), None);
}

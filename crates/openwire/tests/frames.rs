//! Frames arrive in pieces of any size, and a frame that is not right ends the connection with a
//! reason, before anything is reserved for it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::sync::{Arc, LazyLock};

use bytes::{BufMut, Bytes, BytesMut};
use ferrymq_openwire::codec::{Decoder, Encoder};
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::*;
use ferrymq_openwire::error::{DecodeError, EncodeError};
use ferrymq_openwire::format::{WireForm, WireFormat};
use ferrymq_openwire::ids::BrokerId;
use ferrymq_openwire::message::{Message, MessageFields, MessageKind};
use ferrymq_openwire::text::MalformedText;
use ferrymq_openwire::throwable::Throwable;
use proptest::prelude::*;

#[path = "support/json.rs"]
#[allow(dead_code)]
mod json;
#[path = "support/recorded.rs"]
#[allow(dead_code)]
mod recorded;

/// The recorded frames of one encoding of version 12, one after the other, and what they hold.
struct Run {
    format: WireFormat,
    bytes: Vec<u8>,
    commands: Vec<Command>,
}

static RUNS: LazyLock<Vec<Run>> = LazyLock::new(|| {
    let golden = recorded::golden();
    let run = |tight: bool, size_prefix: bool| {
        let format = WireFormat { tight, size_prefix, ..WireFormat::loose(12) };
        let own = WireFormat { size_prefix: true, ..format };
        let frames =
            golden.iter().filter(|frame| frame.format == own && frame.name != "null_command");
        let (mut bytes, mut commands) = (BytesMut::new(), Vec::new());
        for frame in frames {
            let mut buffer = BytesMut::from(&frame.bytes[..]);
            let command = Decoder::new(own).decode(&mut buffer).unwrap().unwrap();
            Encoder::new(format).encode(&command, &mut bytes).unwrap();
            commands.push(command);
        }
        assert!(commands.len() > 90);
        Run { format, bytes: bytes.to_vec(), commands }
    };
    vec![run(false, true), run(true, true), run(false, false), run(true, false)]
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 24 } else { 400 }))]

    #[test]
    fn frames_arrive_in_pieces(
        run in 0..4usize,
        sizes in prop::collection::vec(1..400usize, 1..20),
    ) {
        let run = &RUNS[run];
        let mut decoder = Decoder::new(run.format);
        let (mut buffer, mut commands) = (BytesMut::new(), Vec::new());
        let mut rest = &run.bytes[..];
        let mut sizes = sizes.iter().cycle();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
            rest = after;
            buffer.extend_from_slice(piece);
            while let Some(command) = decoder.decode(&mut buffer).unwrap() {
                commands.push(command);
            }
        }
        prop_assert!(buffer.is_empty());
        prop_assert!(commands == run.commands);
    }
}

#[test]
fn frames_arrive_byte_by_byte() {
    for run in RUNS.iter() {
        let mut decoder = Decoder::new(run.format);
        let (mut buffer, mut commands) = (BytesMut::new(), Vec::new());
        for &byte in &run.bytes {
            buffer.put_u8(byte);
            commands.extend(decoder.decode(&mut buffer).unwrap());
        }
        assert!(commands == run.commands);
    }
}

fn decode(format: WireFormat, bytes: &[u8]) -> Result<Option<Command>, DecodeError> {
    Decoder::new(format).decode(&mut BytesMut::from(bytes))
}

/// A loose frame of version 12 with this type and these fields.
fn decode_loose(type_id: u8, fields: &[u8]) -> Result<Option<Command>, DecodeError> {
    let mut frame = BytesMut::new();
    frame.put_u32(fields.len() as u32 + 1);
    frame.put_u8(type_id);
    frame.put_slice(fields);
    decode(WireFormat::loose(12), &frame)
}

#[test]
fn a_frame_over_the_limit_is_refused_by_its_size_alone() {
    let format = WireFormat { max_frame_size: 1000, ..WireFormat::loose(12) };
    let mut buffer = BytesMut::from(&1001u32.to_be_bytes()[..]);
    let before = buffer.capacity();
    let refused = Decoder::new(format).decode(&mut buffer);
    assert_eq!(refused, Err(DecodeError::FrameTooLarge { size: 1001, max: 1000 }));
    assert_eq!(buffer.capacity(), before);

    let mut decoder = Decoder::new(format);
    assert_eq!(decoder.decode(&mut BytesMut::from(&1000u32.to_be_bytes()[..])), Ok(None));
    decoder.set_max_frame_size(999);
    let refused = decoder.decode(&mut BytesMut::from(&1000u32.to_be_bytes()[..]));
    assert_eq!(refused, Err(DecodeError::FrameTooLarge { size: 1000, max: 999 }));
}

#[test]
fn an_announced_frame_reserves_little() {
    let mut buffer = BytesMut::from(&(1u32 << 30).to_be_bytes()[..]);
    assert_eq!(Decoder::new(WireFormat::loose(12)).decode(&mut buffer), Ok(None));
    assert!(buffer.capacity() < 256 << 10, "{}", buffer.capacity());
}

#[test]
fn a_frame_without_size_prefix_is_bounded_too() {
    let format = WireFormat { size_prefix: false, max_frame_size: 1000, ..WireFormat::loose(12) };
    let mut decoder = Decoder::new(format);
    // A partial command with a gigabyte of data.
    let mut buffer = BytesMut::from(&b"\x3C\0\0\0\x01\x01\x40\0\0\0"[..]);
    let refused = decoder.decode(&mut buffer);
    assert!(matches!(refused, Err(DecodeError::FrameTooLarge { max: 1000, .. })), "{refused:?}");
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    let loose = WireFormat::loose(12);
    assert_eq!(decode(loose, &[0xFF; 4]), Err(DecodeError::NegativeSize { size: -1 }));
    assert!(matches!(decode(loose, &[0; 4]), Err(DecodeError::Truncated { .. })));
    // A keep-alive that ends too early, and one with something behind.
    assert!(matches!(decode_loose(10, &[0; 4]), Err(DecodeError::Truncated { .. })));
    assert_eq!(decode_loose(10, &[0; 7]), Err(DecodeError::Trailing { type_id: 10, bytes: 2 }));
}

#[test]
fn null_frames_are_skipped() {
    let mut buffer =
        BytesMut::from(&b"\0\0\0\x01\0\0\0\0\x01\0\0\0\0\x06\x0A\0\0\0\x05\x01\0\0"[..]);
    let mut decoder = Decoder::new(WireFormat::loose(12));
    let keep_alive = KeepAliveInfo { command_id: 5, response_required: true };
    assert_eq!(decoder.decode(&mut buffer), Ok(Some(keep_alive.into())));
    assert_eq!(&buffer[..], b"\0\0");
    let tight = WireFormat { tight: true, ..WireFormat::loose(12) };
    assert_eq!(decode(tight, b"\0\0\0\x01\0"), Ok(None));
    assert_eq!(decode_loose(0, &[0]), Err(DecodeError::UnknownType { type_id: 0, version: 12 }),);
}

#[test]
fn what_stands_in_the_wrong_place_is_refused() {
    // A session with a connection's identifier.
    let wrong = decode_loose(4, &[0, 0, 0, 1, 0, 1, 120, 0]);
    assert_eq!(wrong, Err(DecodeError::UnexpectedType { type_id: 120, expected: "SessionId" }),);
    // A message's destination, likewise: the scan checks as much as a full decode.
    let wrong = decode_loose(28, &[0, 0, 0, 1, 0, 0, 1, 120, 0]);
    let expected = DecodeError::UnexpectedType { type_id: 120, expected: "ActiveMQDestination" };
    assert_eq!(wrong, Err(expected));
    // A text of four-byte UTF-8 in a message's group.
    let wrong =
        decode_loose(23, &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 4, 0xF0, 0x9F, 0x98, 0x80]);
    assert_eq!(wrong, Err(DecodeError::Text(MalformedText { offset: 0 })));
}

#[test]
fn lengths_that_lie_are_refused() {
    for (length, negative) in [(i32::MAX, false), (-1, true), (i32::MIN, true), (5, false)] {
        let mut fields = vec![0, 0, 0, 1, 1];
        fields.extend(length.to_be_bytes());
        fields.extend([1, 2, 3, 4]);
        let refused = decode_loose(60, &fields).unwrap_err();
        match refused {
            DecodeError::NegativeLength { .. } => assert!(negative),
            DecodeError::Truncated { .. } => assert!(!negative),
            other => panic!("{other}"),
        }
    }
    // Arrays: more elements than bytes, or than flags.
    let refused = decode_loose(33, &[0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 0x7F, 0xFF, 0, 0]);
    assert!(matches!(refused, Err(DecodeError::Truncated { .. })));
    let tight = WireFormat { tight: true, ..WireFormat::loose(12) };
    let refused = decode(tight, &[0, 0, 0, 13, 33, 1, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0x7F, 0xFF]);
    assert_eq!(refused, Err(DecodeError::TooManyElements { count: 32_767, available: 6 }));
}

#[test]
fn a_tight_frame_uses_its_booleans_up() {
    let tight = WireFormat { tight: true, ..WireFormat::loose(12) };
    let keep_alive = |booleans: &[u8]| {
        let mut frame = vec![0, 0, 0, 6 + booleans.len() as u8, 10, booleans.len() as u8];
        frame.extend(booleans);
        frame.extend([0; 4]);
        decode(tight, &frame)
    };
    assert!(keep_alive(&[1]).is_ok());
    assert_eq!(keep_alive(&[]), Err(DecodeError::BooleansExhausted { available: 0 }));
    assert_eq!(keep_alive(&[1, 0]), Err(DecodeError::Trailing { type_id: 10, bytes: 1 }));
}

#[test]
fn an_embedded_frame_is_refused() {
    let tight = WireFormat { tight: true, ..WireFormat::loose(12) };
    let dispatch = MessageDispatch {
        message: Some(Arc::new(Message::from_fields(&MessageFields::default()).unwrap())),
        ..MessageDispatch::default()
    };
    let mut wire = BytesMut::new();
    Encoder::new(tight).encode(&dispatch.into(), &mut wire).unwrap();
    // Bits: response, no consumer, no destination, a message, and that it is not embedded.
    assert_eq!(wire[6] & 0b1_1111, 0b0_1000);
    wire[6] |= 0b1_0000;
    assert_eq!(decode(tight, &wire), Err(DecodeError::EmbeddedFrame { type_id: 23 }));
}

/// A response that holds a response that holds …
fn nested_responses(depth: usize) -> Command {
    let mut command = Command::from(KeepAliveInfo::default());
    for _ in 0..depth {
        command = DataResponse { data: Some(Box::new(command)), ..DataResponse::default() }.into();
    }
    command
}

#[test]
fn depth_is_bounded() {
    for tight in [false, true] {
        let format = WireFormat { tight, stack_trace: true, ..WireFormat::loose(12) };
        let round = |command: &Command| {
            let mut wire = BytesMut::new();
            Encoder::new(format).encode(command, &mut wire).map_err(|e| e.to_string())?;
            decode(format, &wire).map_err(|e| e.to_string())
        };
        let deep = nested_responses(32);
        assert_eq!(round(&deep), Ok(Some(deep)));
        let too_deep = round(&nested_responses(33)).unwrap_err();
        assert_eq!(too_deep, "structures are nested more than 32 deep");
        let far_too_deep = round(&nested_responses(5000)).unwrap_err();
        assert_eq!(far_too_deep, "structures are nested more than 32 deep");

        let mut thrown = Throwable::default();
        for _ in 0..40 {
            thrown = Throwable { cause: Some(Box::new(thrown)), ..Throwable::default() };
        }
        let response =
            ExceptionResponse { exception: Some(thrown), ..ExceptionResponse::default() };
        assert_eq!(round(&response.into()), Err("structures are nested more than 32 deep".into()));
    }
}

#[test]
fn a_message_that_came_in_can_be_dispatched() {
    // As deep as a message may be.
    let fields =
        |data| MessageFields { data_structure: Some(Box::new(data)), ..MessageFields::default() };
    let message = Message::from_fields(&fields(nested_responses(30))).unwrap();
    let mut wire = BytesMut::new();
    let mut encoder = Encoder::new(WireFormat::loose(12));
    encoder.encode(&message.clone().into(), &mut wire).unwrap();
    let Ok(Some(Command::Message(message))) = decode(WireFormat::loose(12), &wire) else {
        panic!()
    };
    let dispatch = MessageDispatch { message: Some(message), ..MessageDispatch::default() };
    wire.clear();
    encoder.encode(&dispatch.clone().into(), &mut wire).unwrap();
    assert_eq!(decode(WireFormat::loose(12), &wire), Ok(Some(dispatch.into())));
    assert!(Message::from_fields(&fields(nested_responses(31))).is_err());
}

#[test]
fn a_small_frame_does_not_unfold_to_much() {
    let nulls = |count| {
        let data = Some(vec![None; count]);
        let command = Command::from(DataArrayResponse { data, ..DataArrayResponse::default() });
        let tight = WireFormat { tight: true, ..WireFormat::loose(12) };
        let mut wire = BytesMut::new();
        Encoder::new(tight).encode(&command, &mut wire).unwrap();
        assert!(decode(tight, &wire).is_err() || decode(tight, &wire) == Ok(Some(command)));
        decode(tight, &wire)
    };
    assert!(nulls(600).is_ok());
    assert!(matches!(nulls(32_000), Err(DecodeError::Unfolds { .. })));
}

#[test]
fn what_a_message_carries_is_bounded_when_it_comes_in_and_not_when_it_goes_out() {
    let loose = WireFormat::loose(12);
    let (mut accepted, mut refused) = (0, 0);
    for lists in 1..20 {
        // Lists of nulls in a list: a byte each here, much more when they are decoded.
        let list = || {
            let data = Some(vec![None; 30_000]);
            Some(DataArrayResponse { data, ..DataArrayResponse::default() }.into())
        };
        let lists = (0..lists).map(|_| list()).collect();
        let outer = DataArrayResponse { data: Some(lists), ..DataArrayResponse::default() };
        let fields = MessageFields {
            content: Some(Bytes::from(vec![0; 100_000])),
            data_structure: Some(Box::new(outer.into())),
            ..MessageFields::default()
        };
        let mut wire = BytesMut::new();
        let message = Message::from_fields(&fields).unwrap();
        Encoder::new(loose).encode(&message.into(), &mut wire).unwrap();
        match decode(loose, &wire) {
            Ok(Some(command)) => {
                accepted += 1;
                let Command::Message(message) = &command else { panic!() };
                assert!(message.data_structure().is_some());
                for format in [WireFormat { tight: true, ..loose }, WireFormat::loose(3)] {
                    Encoder::new(format).encode(&command, &mut BytesMut::new()).unwrap();
                }
            }
            Err(DecodeError::Unfolds { .. }) => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(accepted > 0 && refused > 0, "{accepted} accepted, {refused} refused");
}

#[test]
fn a_command_that_cannot_be_written_leaves_nothing_behind() {
    let long = "x".repeat(65_536);
    let too_long = Command::from(BrokerId::new(long.as_str()));
    let almost = Command::from(BrokerId::new(&long[..32_767]));
    let blob = MessageFields { kind: MessageKind::Blob, ..MessageFields::default() };
    let blob = Command::from(Message::from_fields(&blob).unwrap());
    let many = DataArrayResponse { data: Some(vec![None; 32_768]), ..DataArrayResponse::default() };
    let token = Some(Bytes::from(vec![0; 2000]));
    let large = Command::from(ConnectionControl { token, ..ConnectionControl::default() });
    let loose = WireFormat::loose(12);
    let tight = WireFormat { tight: true, max_frame_size: 1000, ..loose };

    let refused = |command: &Command, format| {
        let mut out = BytesMut::from(&b"before"[..]);
        let result = Encoder::new(format).encode(command, &mut out);
        assert!(out.starts_with(b"before"));
        assert_eq!(out.len() == 6, result.is_err());
        result.err()
    };
    let string = |length, max| Some(EncodeError::StringTooLong { length, max });
    assert_eq!(refused(&too_long, loose), string(65_536, 65_535));
    assert_eq!(refused(&almost, loose), None);
    assert_eq!(refused(&almost, tight), string(32_767, 32_766));
    assert_eq!(refused(&many.into(), loose), Some(EncodeError::TooManyElements { length: 32_768 }));
    let missing = EncodeError::NotInVersion { structure: "ActiveMQBlobMessage", version: 2 };
    assert_eq!(refused(&blob, WireFormat::loose(2)), Some(missing));
    let missing = EncodeError::NotInVersion { structure: "MessagePull", version: 1 };
    assert_eq!(refused(&MessagePull::default().into(), WireFormat::loose(1)), Some(missing));
    // As in ActiveMQ, the sender minds the limit in the tight encoding only.
    assert!(matches!(refused(&large, tight), Some(EncodeError::FrameTooLarge { max: 1000, .. })));
    assert_eq!(refused(&large, WireFormat { max_frame_size: 1000, ..loose }), None);
}

#[test]
fn numbers_are_set_on_commands_only() {
    let fields = MessageFields::default();
    let mut message = Command::from(Message::in_form(&fields, WireForm::default()).unwrap());
    assert!(message.set_head(7, true));
    assert_eq!((message.command_id(), message.response_required()), (Some(7), true));
    let mut info = Command::from(ConsumerInfo::default());
    assert!(info.set_head(-1, true));
    assert_eq!((info.command_id(), info.response_required()), (Some(-1), true));
    let mut id = Command::from(BrokerId::default());
    assert!(!id.set_head(1, true));
    assert_eq!((id.command_id(), id.response_required()), (None, false));
}

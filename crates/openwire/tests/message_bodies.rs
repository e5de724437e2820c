//! Contents of messages of every kind read back as they were written, plain and compressed, ours
//! and a Java client's, and a small content does not inflate without bound.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use bytes::{BufMut, Bytes, BytesMut};
use ferrymq_openwire::body::{self, BodyError};
use ferrymq_openwire::codec::Decoder;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::message::{Message, MessageFields, MessageKind};
use ferrymq_openwire::properties::{Properties, PropertyError, Value};
use ferrymq_openwire::text::Text;
use proptest::prelude::*;

#[path = "support/json.rs"]
#[allow(dead_code)]
mod json;
#[path = "support/recorded.rs"]
#[allow(dead_code)]
mod recorded;

fn message(kind: MessageKind, content: Option<Bytes>, compressed: bool) -> Message {
    let fields = MessageFields { kind, content, compressed, ..MessageFields::default() };
    Message::from_fields(&fields).unwrap()
}

/// The message with this content, plain and compressed.
fn both(kind: MessageKind, content: Bytes) -> [Message; 2] {
    let compressed = body::compressed_content(kind, &content);
    [message(kind, Some(content), false), message(kind, Some(compressed), true)]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i8>().prop_map(Value::Byte),
        any::<u16>().prop_map(Value::Char),
        any::<i16>().prop_map(Value::Short),
        any::<i32>().prop_map(Value::Int),
        any::<i64>().prop_map(Value::Long),
        any::<f64>().prop_map(Value::Double),
        any::<f32>().prop_map(Value::Float),
        prop::collection::vec(any::<u16>(), 0..20)
            .prop_map(|units| Value::String(Text::from_utf16(&units))),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| Value::Bytes(bytes.into())),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::List),
            entries(inner).prop_map(Value::Map),
        ]
    })
}

fn entries(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Properties> {
    let name = prop::collection::vec(any::<char>(), 0..8).prop_map(String::from_iter);
    prop::collection::vec((name, value), 0..6).prop_map(Properties::from_iter)
}

proptest! {
    #[test]
    fn properties_read_back(properties in entries(value())) {
        let bytes = properties.encode();
        let decoded = Properties::decode(&bytes).unwrap();
        // By bytes, since NaN is not equal to itself.
        prop_assert_eq!(decoded.encode(), bytes);
        prop_assert_eq!(format!("{decoded:?}"), format!("{properties:?}"));
    }

    #[test]
    fn maps_and_streams_read_back(
        map in entries(value()),
        values in prop::collection::vec(value(), 0..6),
    ) {
        for message in both(MessageKind::Map, body::map_content(&map)) {
            prop_assert_eq!(body::map_body(&message).unwrap().encode(), map.encode());
        }
        for message in both(MessageKind::Stream, body::stream_content(&values)) {
            let read = body::stream_body(&message).unwrap();
            prop_assert_eq!(format!("{read:?}"), format!("{values:?}"));
        }
    }

    #[test]
    fn texts_and_bytes_read_back(
        units in prop::collection::vec(any::<u16>(), 0..300),
        bytes in prop::collection::vec(any::<u8>(), 0..3000),
    ) {
        let text = Text::from_utf16(&units);
        for message in both(MessageKind::Text, body::text_content(text.clone())) {
            prop_assert_eq!(body::text(&message).unwrap(), Some(text.clone()));
            let lossy = String::from_utf16_lossy(&units);
            prop_assert_eq!(body::text_body(&message).unwrap(), Some(lossy));
        }
        for kind in [MessageKind::Bytes, MessageKind::Object] {
            for message in both(kind, bytes.clone().into()) {
                prop_assert_eq!(body::bytes_body(&message).unwrap(), bytes.clone());
            }
        }
    }

    #[test]
    fn damaged_properties_end_in_an_error_or_in_properties(
        properties in entries(value()),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = properties.encode().to_vec();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(read) = Properties::decode(&bytes) {
            prop_assert!(Properties::decode(&read.encode()).is_ok());
        }
    }
}

/// The recorded message of this name.
fn golden(name: &str) -> Message {
    let frame = recorded::golden().into_iter().rfind(|frame| frame.name == name).unwrap();
    let mut bytes = BytesMut::from(&frame.bytes[..]);
    match Decoder::new(frame.format).decode(&mut bytes).unwrap() {
        Some(Command::Message(message)) => (*message).clone(),
        other => panic!("{name} is {other:?}"),
    }
}

#[test]
fn what_java_compressed_is_read() {
    let text = body::text_body(&golden("TextMessage_compressed")).unwrap().unwrap();
    assert_eq!(text, "abc".repeat(40));
    // Java deflated its whole buffer of 1028 bytes for these 300.
    let bytes = body::bytes_body(&golden("BytesMessage_compressed")).unwrap();
    assert_eq!(bytes, vec![0; 300]);
    let map = body::map_body(&golden("MapMessage_compressed")).unwrap();
    assert_eq!(map, [("k", "v".repeat(100))].into_iter().collect());
    let values = body::stream_body(&golden("StreamMessage_compressed")).unwrap();
    let expected = [
        Value::Bool(false),
        Value::Byte(1),
        Value::Short(2),
        Value::Char(0x71),
        Value::Int(3),
        Value::Long(4),
        Value::Float(1.0),
        Value::Double(2.0),
        Value::from("café € 😀 end"),
        Value::Null,
        Value::Bytes(Bytes::from_static(&[7, 8])),
    ];
    assert_eq!(values, expected);
    let object = body::bytes_body(&golden("ObjectMessage_compressed")).unwrap();
    assert!(object.starts_with(b"\xAC\xED\x00\x05"));
    assert_eq!(body::text_body(&golden("TextMessage_null")).unwrap(), None);
    assert_eq!(body::map_body(&golden("MapMessage_empty")).unwrap(), Properties::new());
    let big = golden("ActiveMQMessage_bigStringProp").properties().unwrap();
    assert!(
        big.iter().any(|(_, value)| matches!(value, Value::String(s) if s.as_bytes().len() > 8000))
    );
    assert!(golden("ActiveMQMessage_noProps_emptyMap").properties().unwrap().is_empty());
}

#[test]
fn no_content_is_an_empty_body() {
    for compressed in [false, true] {
        for content in [None, Some(Bytes::new())] {
            let of = |kind| message(kind, content.clone(), compressed);
            assert_eq!(body::text_body(&of(MessageKind::Text)), Ok(None));
            assert_eq!(body::bytes_body(&of(MessageKind::Bytes)), Ok(Bytes::new()));
            assert_eq!(body::map_body(&of(MessageKind::Map)), Ok(Properties::new()));
            assert_eq!(body::stream_body(&of(MessageKind::Stream)), Ok(vec![]));
        }
    }
    let empty = message(MessageKind::Text, Some(Bytes::from_static(&[0; 4])), false);
    assert_eq!(body::text_body(&empty), Ok(Some(String::new())));
    let null = message(MessageKind::Text, Some(Bytes::from_static(&[0xFF; 4])), false);
    assert_eq!(body::text_body(&null), Ok(None));
}

/// A compressed bytes message that claims a length of its own.
fn claiming(length: i32, inflated: &[u8]) -> Message {
    let honest = body::compressed_content(MessageKind::Bytes, inflated);
    let mut content = BytesMut::new();
    content.put_i32(length);
    content.put_slice(&honest[4..]);
    message(MessageKind::Bytes, Some(content.freeze()), true)
}

#[test]
fn bytes_that_inflate_to_more_than_they_claim_are_cut_there() {
    let mut padded = b"four".to_vec();
    padded.resize(512, 0);
    assert_eq!(body::bytes_body(&claiming(4, &padded)), Ok(Bytes::from_static(b"four")));
    assert_eq!(body::bytes_body(&claiming(0, &padded)), Ok(Bytes::new()));
    let short = BodyError::TooShort { claimed: 513, found: 512 };
    assert_eq!(body::bytes_body(&claiming(513, &padded)), Err(short));
    let large = BodyError::TooLarge { max: body::MAX_INFLATED };
    assert_eq!(body::bytes_body(&claiming(i32::MAX, &padded)), Err(large));
    assert!(body::bytes_body(&claiming(-1, &padded)).is_err());
}

#[test]
fn a_bomb_is_refused() {
    let zeros = vec![0; body::MAX_INFLATED + 1];
    let bomb = body::compressed_content(MessageKind::Object, &zeros);
    assert!(bomb.len() < zeros.len() / 500);
    for kind in [MessageKind::Object, MessageKind::Text, MessageKind::Map, MessageKind::Stream] {
        let message = message(kind, Some(bomb.clone()), true);
        let refused = Err(BodyError::TooLarge { max: body::MAX_INFLATED });
        assert_eq!(body::inflated(&message), refused);
    }
    let all_but_one = body::compressed_content(MessageKind::Object, &zeros[1..]);
    let inflated = message(MessageKind::Object, Some(all_but_one), true);
    assert_eq!(body::inflated(&inflated).unwrap().len(), body::MAX_INFLATED);
}

#[test]
fn damaged_content_is_refused() {
    let garbage = message(MessageKind::Text, Some(Bytes::from_static(b"no zlib")), true);
    assert!(matches!(body::text_body(&garbage), Err(BodyError::Deflate { .. })));
    let text = message(MessageKind::Text, Some(Bytes::from_static(b"\0\0\0\x09short")), false);
    assert!(matches!(body::text_body(&text), Err(BodyError::Malformed(_))));
    let more = message(MessageKind::Text, Some(Bytes::from_static(b"\0\0\0\x01ab")), false);
    let trailing = BodyError::Malformed(PropertyError::Trailing { bytes: 1 });
    assert_eq!(body::text_body(&more), Err(trailing));
    let wrong = BodyError::WrongKind { wanted: MessageKind::Map, found: MessageKind::Text };
    assert_eq!(body::map_body(&more), Err(wrong));
    let stream = message(MessageKind::Stream, Some(Bytes::from_static(b"\x05\0\0")), false);
    assert!(matches!(body::stream_body(&stream), Err(BodyError::Malformed(_))));
}

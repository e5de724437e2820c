//! Any bytes as properties, and as the content of messages of every kind.
#![no_main]

use bytes::Bytes;
use ferrymq_openwire::body;
use ferrymq_openwire::message::{Message, MessageFields, MessageKind};
use ferrymq_openwire::properties::{Properties, scalars};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Ok(properties) = Properties::decode(input) {
        let mut seen = 0;
        scalars(input, |_, _| seen += 1).expect("what can be decoded can be walked over");
        assert_eq!(seen, properties.len());
        let bytes = properties.encode();
        let again = Properties::decode(&bytes).expect("what was encoded can be decoded");
        assert_eq!(again.encode(), bytes);
    }
    for type_id in 23..=29 {
        for compressed in [false, true] {
            let fields = MessageFields {
                kind: MessageKind::of_type(type_id).expect("a message type"),
                content: Some(Bytes::copy_from_slice(input)),
                compressed,
                ..MessageFields::default()
            };
            let message = Message::from_fields(&fields).expect("any content can be encoded");
            let _ = (body::text(&message), body::bytes_body(&message));
            let _ = (body::map_body(&message), body::stream_body(&message));
        }
    }
});

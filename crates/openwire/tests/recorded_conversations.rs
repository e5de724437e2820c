//! Conversations of real JMS clients with a real broker: both ends' negotiation is understood as
//! they understood it, and every frame decodes and encodes again to the same bytes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::BytesMut;
use ferrymq_openwire::codec::{Decoder, Encoder};
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::WireFormatInfo;
use ferrymq_openwire::format::WireFormat;
use ferrymq_openwire::negotiate::WireFormatOptions;
use ferrymq_openwire::properties::{Properties, Value};

#[path = "support/json.rs"]
#[allow(dead_code)]
mod json;
#[path = "support/recorded.rs"]
#[allow(dead_code)]
mod recorded;

use json::Json;

/// The options that a peer must have had to say this.
fn options(info: &WireFormatInfo) -> WireFormatOptions {
    let properties = Properties::decode(info.marshalled_properties.as_deref().unwrap()).unwrap();
    let flag = |name| properties.get(name) == Some(&Value::Bool(true));
    let long = |name| match properties.get(name) {
        Some(Value::Long(value)) => u64::try_from(*value).unwrap(),
        other => panic!("{name} is {other:?}"),
    };
    let Some(Value::Int(cache_size)) = properties.get("CacheSize") else { panic!("no CacheSize") };
    WireFormatOptions {
        version: u8::try_from(info.version).unwrap(),
        stack_trace_enabled: flag("StackTraceEnabled"),
        tcp_no_delay: flag("TcpNoDelayEnabled"),
        cache_enabled: flag("CacheEnabled"),
        cache_size: u16::try_from(*cache_size).unwrap(),
        tight_encoding_enabled: flag("TightEncodingEnabled"),
        size_prefix_disabled: flag("SizePrefixDisabled"),
        max_inactivity_duration: Duration::from_millis(long("MaxInactivityDuration")),
        max_inactivity_duration_initial_delay: Duration::from_millis(long(
            "MaxInactivityDurationInitalDelay",
        )),
        max_frame_size: long("MaxFrameSize"),
        ..WireFormatOptions::default()
    }
}

/// One direction of a connection.
struct Direction {
    decoder: Decoder,
    encoder: Encoder,
    info: Option<WireFormatInfo>,
}

impl Direction {
    fn new(format: WireFormat) -> Self {
        Self { decoder: Decoder::new(format), encoder: Encoder::new(format), info: None }
    }
}

#[test]
fn every_recorded_conversation_decodes_and_encodes_again() {
    let mut connections: BTreeMap<String, [Direction; 2]> = BTreeMap::new();
    let mut frames = 0;
    for line in include_str!("data/session.jsonl").lines() {
        let line = Json::parse(line).unwrap();
        let Some(hex) = line.get("hex") else { continue }; // a note
        let text = |name| line.get(name).and_then(Json::as_string).unwrap();
        let conn = line.get("conn").and_then(Json::as_integer).unwrap();
        let key = format!("{} {conn}", text("conversation"));
        let before = WireFormat::default();
        let directions = connections
            .entry(key.clone())
            .or_insert_with(|| [Direction::new(before), Direction::new(before)]);
        let direction = &mut directions[usize::from(text("dir") == "B->C")];

        let bytes = recorded::unhex(&hex.as_string().unwrap()).unwrap();
        let mut buffer = BytesMut::from(&bytes[..]);
        let command = direction.decoder.decode(&mut buffer).unwrap().unwrap();
        assert!(buffer.is_empty(), "{key}");
        let mut again = BytesMut::new();
        direction.encoder.encode(&command, &mut again).unwrap();
        assert_eq!(recorded::hex(&again), recorded::hex(&bytes), "{key}");
        frames += 1;

        if let Command::WireFormatInfo(info) = command {
            direction.info = Some(info);
            if let [Some(client), Some(broker)] = [&directions[0].info, &directions[1].info] {
                let agreed = options(client).negotiate(broker).unwrap();
                let mirrored = options(broker).negotiate(client).unwrap();
                assert_eq!(agreed.format, mirrored.format, "{key}");
                assert_eq!(agreed.read_timeout, mirrored.read_timeout, "{key}");
                *directions = [Direction::new(agreed.format), Direction::new(agreed.format)];
            }
        }
    }
    assert_eq!(frames, 783);
    assert!(connections.len() >= 26);
}

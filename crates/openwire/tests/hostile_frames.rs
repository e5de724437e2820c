//! Recorded frames, damaged in a million ways: decoding ends, in an error or in a command, without
//! a panic, a hang, or memory out of proportion to the frame; and what it ends in can be used like
//! any other command.
//!
//! A release run tries 1,000,000 frames, a debug run fewer. One test alone stands here, since what
//! is allocated is counted for the whole process.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::alloc::System;

use bytes::BytesMut;
use fastrand::Rng;
use ferrymq_openwire::body;
use ferrymq_openwire::codec::{Decoder, Encoder};
use ferrymq_openwire::command::Command;
use ferrymq_openwire::describe::describe;
use ferrymq_openwire::format::WireFormat;
use ferrymq_openwire::ids::{BrokerId, ConnectionId, ProducerId, SessionId};
use ferrymq_openwire::message::Message;
use ferrymq_openwire::negotiate::WireFormatOptions;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[path = "support/json.rs"]
#[allow(dead_code)]
mod json;
#[path = "support/recorded.rs"]
#[allow(dead_code)]
mod recorded;

use recorded::Recorded;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const CASES: u64 = if cfg!(debug_assertions) { 40_000 } else { 1_000_000 };

/// What decoding may allocate in all, whatever the frame says: a floor, and this many times its
/// size. Most of the floor is never used: see `MOST_STAY_BELOW`.
const ALLOCATION_FLOOR: usize = 80 << 10;
const ALLOCATION_FACTOR: usize = 64;

/// Nearly every frame stays far below: within this many times its size and a little.
const MOST_STAY_BELOW: usize = 8;

#[test]
fn damaged_frames_end_in_an_error_or_in_a_command() {
    let golden = recorded::golden();
    let mut rng = Rng::with_seed(0x0FE2_2B1E);
    let (mut decoded, mut refused, mut above) = (0u64, 0u64, 0u64);
    for case in 0..CASES {
        let original = &golden[rng.usize(..golden.len())];
        let mut frame = original.bytes.clone();
        damage(&mut frame, &golden, &mut rng);
        let format = format(original, &mut rng);
        let (mut decoder, mut buffer) =
            (primed(original, format, &golden), BytesMut::from(&frame[..]));

        let region = Region::new(ALLOCATOR);
        let result = decoder.decode(&mut buffer);
        let allocated = region.change().bytes_allocated;

        let limit = ALLOCATION_FLOOR + ALLOCATION_FACTOR * frame.len();
        assert!(
            allocated <= limit,
            "case {case}: {} bytes took {allocated}: {} {}",
            frame.len(),
            original.title(),
            recorded::hex(&frame),
        );
        above += u64::from(allocated > 4096 + MOST_STAY_BELOW * frame.len());
        match result {
            Ok(Some(command)) => {
                decoded += 1;
                use_it(&command, format);
            }
            Ok(None) => {}
            Err(_) => refused += 1,
        }
    }
    // The damage is neither too light nor too heavy to tell anything.
    assert!(decoded > CASES / 20, "only {decoded} of {CASES} decoded");
    assert!(refused > CASES / 5, "only {refused} of {CASES} were refused");
    assert!(above < CASES / 1000, "{above} of {CASES} took much memory");
}

/// A decoder that has seen what came before this frame on its connection.
fn primed(original: &Recorded, format: WireFormat, golden: &[Recorded]) -> Decoder {
    let mut decoder = Decoder::new(format);
    let Some((stream, seq)) = &original.stream else { return decoder };
    let before = golden.iter().filter(|frame| {
        frame.stream.as_ref().is_some_and(|(s, n)| s == stream && n < seq && *n < 4)
    });
    for frame in before {
        // A decoder of another format may refuse them, which is as good a start as any.
        let _ = decoder.decode(&mut BytesMut::from(&frame.bytes[..]));
    }
    decoder
}

/// Mostly the frame's own format, sometimes another.
fn format(original: &Recorded, rng: &mut Rng) -> WireFormat {
    let own = WireFormat { max_frame_size: 1 << 20, ..original.format };
    match rng.u32(..8) {
        0 => WireFormat {
            version: rng.u8(1..=12),
            tight: rng.bool(),
            cache_size: rng.bool().then(|| rng.u16(..200)),
            stack_trace: rng.bool(),
            ..own
        },
        1 => WireFormat { size_prefix: !own.size_prefix, ..own },
        _ => own,
    }
}

fn damage(frame: &mut Vec<u8>, golden: &[Recorded], rng: &mut Rng) {
    for _ in 0..=rng.u32(..4) {
        if frame.len() < 6 {
            return;
        }
        // Mostly behind the size: a wrong size alone is soon found out.
        let start = if rng.u32(..20) == 0 { 0 } else { 4 };
        let at = rng.usize(start..frame.len());
        match rng.u32(..8) {
            0 => frame[at] ^= 1 << rng.u32(..8),
            1 => frame[at] = rng.u8(..),
            2 => frame[at] = [0, 1, 0x7F, 0x80, 0xC0, 0xFF][rng.usize(..6)],
            3 => {
                // A length that lies.
                let lie = [0i32, 1, 0xFF, 0x7FFF, 0x8000, 0xFFFF, i32::MAX, -1, i32::MIN];
                let lie = lie[rng.usize(..lie.len())].to_be_bytes();
                let width = if rng.bool() { 4 } else { 2 };
                for (place, byte) in frame[at..].iter_mut().zip(&lie[4 - width..]) {
                    *place = *byte;
                }
            }
            4 => {
                let end = rng.usize(at..=frame.len());
                frame.drain(at..end.min(at + 32));
            }
            5 => {
                let bytes: Vec<u8> = (0..rng.usize(1..40)).map(|_| rng.u8(..)).collect();
                frame.splice(at..at, bytes);
            }
            6 => {
                // A piece of another frame.
                let other = &golden[rng.usize(..golden.len())].bytes;
                let from = rng.usize(..other.len());
                let to = rng.usize(from..=other.len()).min(from + 64);
                frame.splice(at..at, other[from..to].iter().copied());
            }
            _ => {
                // A type byte where one may stand.
                frame[at] = rng.u8(1..125);
            }
        }
    }
    if rng.u32(..10) > 0 && frame.len() >= 4 {
        let size = (frame.len() as u32 - 4).to_be_bytes();
        frame[..4].copy_from_slice(&size);
    }
}

/// Does with a command whatever a broker may do with it.
fn use_it(command: &Command, format: WireFormat) {
    describe(command, format.form()).unwrap();
    let mut wire = BytesMut::new();
    Encoder::new(format).encode(command, &mut wire).unwrap();
    let again = Decoder::new(format).decode(&mut wire).unwrap();
    assert_eq!(again.as_ref(), Some(command));
    assert!(wire.is_empty());

    let message = match command {
        Command::Message(message) => Some(message),
        Command::MessageDispatch(dispatch) => dispatch.message.as_ref(),
        _ => None,
    };
    if let Some(message) = message {
        use_message(message);
    }
    if let Command::WireFormatInfo(info) = command {
        let _ = WireFormatOptions::default().negotiate(info);
    }
}

fn use_message(message: &Message) {
    let fields = message.to_fields().unwrap();
    assert_eq!(message.destination(), fields.destination);
    assert_eq!(message.message_id(), fields.message_id);
    assert_eq!(message.content(), fields.content.as_deref());
    assert_eq!(message.correlation_id(), fields.correlation_id);
    assert_eq!(message.target_consumer_id(), fields.target_consumer_id);
    assert_eq!(message.broker_path_len(), fields.broker_path.map_or(0, |path| path.len()));
    if let Some(id) = &fields.message_id {
        assert!(message.has_id(id));
    }
    if let Some(destination) = &fields.destination {
        assert!(message.destination_is(destination));
    }
    let _ = (message.properties(), body::inflated(message), body::map_body(message));
    let _ = (body::text_body(message), body::stream_body(message));

    let producer = ProducerId::new(&SessionId::new(&ConnectionId::new("bridge"), 1), 2);
    let onward = message.forwarded(&producer, &BrokerId::new("via"));
    assert_eq!(onward.producer_id(), Some(producer));
    assert!(onward.broker_path_contains(&BrokerId::new("via")));
    let mut changed = message.clone();
    changed.set_broker_sequence_id(1);
    changed.set_redelivery_counter(2);
    changed.set_broker_in_time(3);
    changed.set_broker_out_time(4);
    changed.to_fields().unwrap();
}

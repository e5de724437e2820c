//! Frames that ActiveMQ's own marshallers wrote: each decodes to the values that it was made from,
//! and encodes again to the same bytes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[path = "support/json.rs"]
#[allow(dead_code)]
mod json;
#[path = "support/recorded.rs"]
#[allow(dead_code)]
mod recorded;

use recorded::{Streams, golden};

#[test]
fn every_golden_frame_decodes_to_its_values_and_encodes_to_its_bytes() {
    let mut streams = Streams::default();
    let golden = golden();
    assert_eq!(golden.len(), 3314);
    let differences: Vec<String> = golden
        .iter()
        .filter_map(|frame| {
            let difference = streams.check(frame).err()?;
            Some(format!("{}: {difference}", frame.title()))
        })
        .collect();
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn a_changed_value_is_found() {
    let mut frame = golden().into_iter().find(|frame| frame.name == "SessionInfo").unwrap();
    let last = frame.bytes.len() - 1;
    frame.bytes[last] ^= 1;
    let difference = Streams::default().check(&frame).unwrap_err();
    assert!(difference.starts_with("fields.sessionId.value.long: recorded"), "{difference}");
}

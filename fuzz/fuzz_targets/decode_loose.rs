//! Any bytes, loosely decoded, in the version that the first byte names. What decodes is encoded
//! again, and must decode to the same.
#![no_main]

use bytes::BytesMut;
use ferrymq_openwire::codec::{Decoder, Encoder};
use ferrymq_openwire::command::Command;
use ferrymq_openwire::format::WireFormat;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&choice, frames)) = input.split_first() else { return };
    let format = WireFormat {
        stack_trace: choice & 0x80 != 0,
        size_prefix: choice & 0x40 == 0,
        max_frame_size: 1 << 20,
        ..WireFormat::loose(choice % 12 + 1)
    };
    let (mut decoder, mut encoder) = (Decoder::new(format), Encoder::new(format));
    let mut buffer = BytesMut::from(frames);
    while let Ok(Some(command)) = decoder.decode(&mut buffer) {
        let mut wire = BytesMut::new();
        encoder.encode(&command, &mut wire).expect("what was decoded can be encoded");
        let again = Decoder::new(format).decode(&mut wire);
        assert_eq!(again.as_ref(), Ok(&Some(command.clone())));
        if let Command::Message(message) = &command {
            message.to_fields().expect("what was scanned can be decoded");
            let _ = message.properties();
        }
    }
});

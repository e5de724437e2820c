//! Any bytes, decoded from the tight encoding with the object cache on. The commands that come out
//! are encoded on a connection of the same format, and must arrive there.
#![no_main]

use bytes::BytesMut;
use ferrymq_openwire::codec::{Decoder, Encoder};
use ferrymq_openwire::format::WireFormat;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&choice, frames)) = input.split_first() else { return };
    let format = WireFormat {
        tight: true,
        cache_size: Some(u16::from(choice)),
        stack_trace: choice & 0x80 != 0,
        max_frame_size: 1 << 20,
        ..WireFormat::loose(choice % 12 + 1)
    };
    let (mut decoder, mut encoder) = (Decoder::new(format), Encoder::new(format));
    let mut far_decoder = Decoder::new(format);
    let mut buffer = BytesMut::from(frames);
    while let Ok(Some(command)) = decoder.decode(&mut buffer) {
        let mut wire = BytesMut::new();
        // A frame can grow when it is written without the sender's numbers, beyond a limit; then
        // the connection is over.
        if encoder.encode(&command, &mut wire).is_err() {
            return;
        }
        assert_eq!(far_decoder.decode(&mut wire), Ok(Some(command)));
    }
});

//! Commands as a store keeps them.

use bytes::{Bytes, BytesMut};
use ferrymq_openwire::codec::{Decoder, Encoder};
use ferrymq_openwire::command::Command;
use ferrymq_openwire::error::{DecodeError, EncodeError};
use ferrymq_openwire::format::WireFormat;

/// The version of the wire format that they are kept in.
const KEPT_VERSION: u8 = 12;

/// A command in the bytes that are kept of it.
pub(super) fn encode(command: &Command) -> Result<Bytes, EncodeError> {
    let mut kept = BytesMut::new();
    Encoder::new(WireFormat::loose(KEPT_VERSION)).encode(command, &mut kept)?;
    Ok(kept.freeze())
}

/// The commands in such bytes, one after the other.
pub(super) fn decode_all(kept: &[u8]) -> Result<Vec<Command>, DecodeError> {
    let mut kept = BytesMut::from(kept);
    let mut commands = Vec::new();
    while !kept.is_empty() {
        let needed = kept.len().saturating_add(1);
        let decoded = Decoder::new(WireFormat::loose(KEPT_VERSION)).decode(&mut kept)?;
        let cut = DecodeError::Truncated { needed, available: kept.len() };
        commands.push(decoded.ok_or(cut)?);
    }
    Ok(commands)
}

/// The command in such bytes; none if there are too few of them.
pub(super) fn decode(kept: &[u8]) -> Result<Option<Command>, DecodeError> {
    Decoder::new(WireFormat::loose(KEPT_VERSION)).decode(&mut BytesMut::from(kept))
}

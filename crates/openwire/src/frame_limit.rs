//! What fits into the frames that a peer takes.

use std::sync::Arc;

use bytes::BytesMut;

use crate::codec::Encoder;
use crate::command::Command;
use crate::commands::MessageDispatch;
use crate::format::WireFormat;
use crate::ids::ConsumerId;
use crate::message::Message;

/// The largest frame that a peer takes, and how frames for it are written.
///
/// A peer ends the connection on which a larger one comes, so whoever sends messages that others
/// wrote asks first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLimit {
    /// How frames are written.
    format: WireFormat,
    /// In bytes after the size prefix.
    most: u64,
    /// Bytes of a dispatch without its message and its destination; none: the message goes alone.
    dispatch: Option<u64>,
}

impl FrameLimit {
    /// Frames of this format, of up to `most` bytes after the size prefix.
    pub(crate) fn new(format: WireFormat, most: u64) -> Self {
        Self { format: WireFormat { max_frame_size: u64::MAX, ..format }, most, dispatch: None }
    }

    /// The largest frame, in bytes after its size prefix.
    pub fn most(&self) -> u64 {
        self.most
    }

    /// The limit for messages that are dispatched to a consumer. The destination of each is taken to
    /// be the one that the message bears.
    pub fn for_dispatch_to(&self, consumer: &ConsumerId) -> Self {
        let dispatch =
            MessageDispatch { consumer_id: Some(consumer.clone()), ..MessageDispatch::default() };
        let bytes = self.measured(&Command::MessageDispatch(dispatch));
        Self { dispatch: Some(bytes.unwrap_or(u64::MAX)), ..*self }
    }

    /// Whether a frame that carries this message is taken.
    #[inline]
    pub fn takes(&self, message: &Message) -> bool {
        // Mostly far below it.
        self.bytes_at_most(message) <= self.most || self.bytes(message) <= self.most
    }

    /// Bytes of a frame that carries this message, after the size prefix; of some encodings an upper
    /// bound that is too high by few bytes.
    pub fn bytes(&self, message: &Message) -> u64 {
        let around = self.dispatch.map_or(0, |dispatch| {
            // Without its destination it says that there is none.
            dispatch.saturating_add(message.destination_bytes() as u64).saturating_sub(1)
        });
        let own = if self.is_plain() && message.reads_as(self.format.form()) {
            Some(message.frame_len() as u64)
        } else {
            self.measured(&Command::Message(Arc::new(message.clone())))
        };
        // What cannot be written fits nowhere.
        own.map_or(u64::MAX, |own| own.saturating_add(around))
    }

    /// At least as much, at no cost.
    #[inline]
    fn bytes_at_most(&self, message: &Message) -> u64 {
        /// By which other forms and the object cache can be longer, beside an eighth.
        const LONGER: u64 = 256;
        let (own, to) = (message.frame_len() as u64, message.destination_bytes() as u64);
        (own + own / 8 + to + LONGER).saturating_add(self.dispatch.unwrap_or(0))
    }

    /// Whether the bytes of a message go out as they are.
    fn is_plain(&self) -> bool {
        !self.format.tight && self.format.cache_size.is_none()
    }

    /// Bytes of a command's frame, the first of its connection.
    fn measured(&self, command: &Command) -> Option<u64> {
        let mut frame = BytesMut::new();
        let format = WireFormat { size_prefix: false, ..self.format };
        Encoder::new(format).encode(command, &mut frame).ok()?;
        Some(frame.len() as u64)
    }
}

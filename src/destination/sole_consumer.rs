//! A queue that is one consumer's, as that of a durable subscription: what that consumer cannot take
//! nobody ever will.

use ferrymq_openwire::message::Message;
use ferrymq_openwire::text::Text;

use super::frames::{Frames, TooLarge};
use super::queue::Queue;

impl Queue {
    /// What exceeds these frames, which are those of its one consumer, is a dead letter as soon as it
    /// would be dispatched: what waits for good fills the memory that producers wait for. None: there
    /// is no consumer, or it takes messages of any size.
    pub fn serve_within(&mut self, frames: Option<Frames>) {
        self.sole_frames = frames;
    }

    /// Why a message is not kept for its one consumer.
    pub(super) fn unfit(&self, message: &Message) -> Option<Text> {
        let TooLarge { bytes, most } = self.sole_frames.as_ref()?.check(message).err()?;
        Some(Text::from(format!(
            "its frame would have {bytes} bytes, and the subscription's consumer takes {most} \
             (wireFormat.maxFrameSize)"
        )))
    }
}

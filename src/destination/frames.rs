//! What fits into a consumer's frames.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ferrymq_openwire::frame_limit::FrameLimit;
use ferrymq_openwire::ids::ConsumerId;
use ferrymq_openwire::message::Message;
use ferrymq_openwire::text::Text;

use super::admission::NotAdmitted;
use super::queue::Queue;

/// The largest messages that may be dispatched to a consumer, whose connection would end with any
/// larger one.
#[derive(Debug, Clone)]
pub struct Frames {
    limit: FrameLimit,
    whose: Arc<Whose>,
}

#[derive(Debug)]
struct Whose {
    consumer: ConsumerId,
    /// Whether it was said that something does not fit.
    told: AtomicBool,
}

impl Frames {
    /// What a consumer takes whose connection takes frames of `limit`.
    pub fn new(limit: FrameLimit, consumer: ConsumerId) -> Self {
        let limit = limit.for_dispatch_to(&consumer);
        Self { limit, whose: Arc::new(Whose { consumer, told: AtomicBool::new(false) }) }
    }

    /// Whether a message fits.
    #[inline]
    pub(super) fn take(&self, message: &Message) -> bool {
        self.limit.takes(message)
    }

    /// The same with the reason; that the first one does not fit is logged.
    #[inline]
    pub(super) fn check(&self, message: &Message) -> Result<(), NotAdmitted> {
        if self.take(message) { Ok(()) } else { Err(self.refuse(message)) }
    }

    #[cold]
    fn refuse(&self, message: &Message) -> NotAdmitted {
        let (bytes, most) = (self.limit.bytes(message), self.limit.most());
        let Whose { consumer, told } = &*self.whose;
        if !told.swap(true, Ordering::Relaxed) {
            let destination = message.destination().map(|to| to.to_string());
            tracing::warn!(%consumer, destination, bytes, most, "a message is larger than the frames of a consumer, which does not get it (wireFormat.maxFrameSize)");
        }
        NotAdmitted::TooLarge { bytes, most }
    }
}

impl Queue {
    /// For the queue of a durable subscription: what exceeds these frames, which are those of its one
    /// consumer, is a dead letter as soon as it would be dispatched. Nobody else would ever take it,
    /// and what waits for good fills the memory that producers wait for.
    pub fn serve_within(&mut self, frames: Option<Frames>) {
        self.sole_frames = frames;
    }

    /// Why a message is not kept for its one consumer.
    pub(super) fn unfit(&self, message: &Message) -> Option<Text> {
        match self.sole_frames.as_ref()?.check(message) {
            Err(NotAdmitted::TooLarge { bytes, most }) => Some(Text::from(format!(
                "its frame would have {bytes} bytes, and the subscription's consumer takes {most} \
                 (wireFormat.maxFrameSize)"
            ))),
            _ => None,
        }
    }
}

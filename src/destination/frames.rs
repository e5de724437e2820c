//! What fits into a consumer's frames.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ferrymq_openwire::frame_limit::FrameLimit;
use ferrymq_openwire::ids::ConsumerId;
use ferrymq_openwire::message::Message;

/// The largest messages that may be dispatched to a consumer, whose connection would end with any
/// larger one.
#[derive(Debug, Clone)]
pub struct Frames {
    limit: FrameLimit,
    whose: Arc<Whose>,
}

/// A message is larger than a consumer's frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge {
    /// Bytes of the frame that it would be.
    pub bytes: u64,
    /// How many are taken.
    pub most: u64,
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
    pub(super) fn check(&self, message: &Message) -> Result<(), TooLarge> {
        if self.take(message) { Ok(()) } else { Err(self.refuse(message)) }
    }

    #[cold]
    fn refuse(&self, message: &Message) -> TooLarge {
        let (bytes, most) = (self.limit.bytes(message), self.limit.most());
        let Whose { consumer, told } = &*self.whose;
        if !told.swap(true, Ordering::Relaxed) {
            let destination = message.destination().map(|to| to.to_string());
            tracing::warn!(%consumer, destination, bytes, most, "a message is larger than the frames of a consumer, which does not get it (wireFormat.maxFrameSize)");
        }
        TooLarge { bytes, most }
    }
}

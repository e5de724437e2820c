//! What a bridge asks about messages: whether they are here already.

use ferrymq_network::local_broker::{HERE, NOT_HERE};
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{ConsumerInfo, IntegerResponse, MessageDispatch};

use super::peer::{Outcome, Peer};
use super::refusal::Refusal;

impl Peer {
    /// Answers another broker's bridge, which may have brought a message before, but not until what is
    /// said of it is safe.
    pub(super) fn say_whether_it_is_here(
        &mut self,
        asked: &MessageDispatch,
    ) -> Result<Outcome, Refusal> {
        let (Some(queue), Some(message)) = (&asked.destination, &asked.message) else {
            return Err(Refusal::state("the question names no message"));
        };
        let is_here = self.broker.has_had(queue, message);
        self.held_answers.hold(Command::IntegerResponse(IntegerResponse {
            correlation_id: asked.command_id,
            result: if is_here { HERE } else { NOT_HERE },
            ..IntegerResponse::default()
        }));
        Ok(Outcome::Unanswered)
    }

    /// The queues that an own bridge is to ask its far broker about, as it is told of them.
    pub(super) fn in_doubt(&self) -> Vec<ConsumerInfo> {
        // Only a FerryMQ can tell.
        let Some(broker) = self.bridge_of.as_ref().filter(|_| !self.foreign) else {
            return Vec::new();
        };
        let queues = self.broker.doubts_about(broker).into_iter();
        let info = |queue| ConsumerInfo { destination: Some(queue), ..ConsumerInfo::default() };
        queues.map(info).collect()
    }
}

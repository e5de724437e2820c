//! Which commands wait for a response.

use std::collections::BTreeMap;

use ferrymq_openwire::command::Command;
use tokio::sync::oneshot;

use crate::error::{ConnectionLost, RequestFailure};

/// What came of a command that asked for a response.
pub(crate) type Answer = Result<Command, RequestFailure>;

/// The commands in flight that asked for a response, by command id.
///
/// Ordered, so that the loss of a connection wakes those who wait in the order in which they asked.
#[derive(Debug, Default)]
pub(crate) struct RequestTable {
    waiting: BTreeMap<i32, oneshot::Sender<Answer>>,
}

impl RequestTable {
    /// Expects a response to this command.
    pub(crate) fn register(&mut self, command_id: i32) -> oneshot::Receiver<Answer> {
        let (answer, receiver) = oneshot::channel();
        self.waiting.insert(command_id, answer);
        receiver
    }

    /// Nobody waits for this response any more; should it come, it is ignored.
    pub(crate) fn forget(&mut self, command_id: i32) {
        self.waiting.remove(&command_id);
    }

    /// A response came. `false`: nobody waited for it.
    pub(crate) fn answer(&mut self, correlation_id: i32, answer: Answer) -> bool {
        match self.waiting.remove(&correlation_id) {
            // A receiver that was dropped lost interest; that is its own business.
            Some(waiter) => waiter.send(answer).is_ok(),
            None => false,
        }
    }

    /// No response will come any more.
    pub(crate) fn fail_all(&mut self, lost: &ConnectionLost) {
        for (_, waiter) in std::mem::take(&mut self.waiting) {
            let _ = waiter.send(Err(RequestFailure::Lost(lost.clone())));
        }
    }

    /// How many wait.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferrymq_openwire::commands::Response;

    fn response(correlation_id: i32) -> Command {
        Command::Response(Response { correlation_id, ..Response::default() })
    }

    #[test]
    fn an_answer_reaches_the_one_who_asked_and_nobody_else() {
        let mut table = RequestTable::default();
        let mut one = table.register(1);
        let mut two = table.register(2);
        assert!(table.answer(2, Ok(response(2))));
        assert_eq!(two.try_recv().unwrap().unwrap(), response(2));
        assert!(one.try_recv().is_err());
        assert!(!table.answer(2, Ok(response(2))), "a second answer finds nobody");
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn a_late_answer_to_a_forgotten_request_is_ignored() {
        let mut table = RequestTable::default();
        let _receiver = table.register(7);
        table.forget(7);
        assert!(!table.answer(7, Ok(response(7))));
    }

    #[test]
    fn a_lost_connection_fails_every_request() {
        let mut table = RequestTable::default();
        let mut one = table.register(1);
        let mut two = table.register(2);
        table.fail_all(&ConnectionLost::new("cut"));
        for receiver in [&mut one, &mut two] {
            assert!(matches!(receiver.try_recv(), Ok(Err(RequestFailure::Lost(_)))));
        }
        assert_eq!(table.len(), 0);
    }
}

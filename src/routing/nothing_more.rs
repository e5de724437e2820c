//! The end of what a consumer was promised.

use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::MessageDispatch;
use ferrymq_openwire::ids::ConsumerId;

/// A dispatch without a message: a browser has seen all, or what was pulled did not come.
pub(super) fn nothing_more(consumer: &ConsumerId) -> Command {
    Command::MessageDispatch(MessageDispatch {
        consumer_id: Some(consumer.clone()),
        ..MessageDispatch::default()
    })
}

//! Commands for one end of a bridge, in their order.

use ferrymq_openwire::command::Command;

/// Commands to send, and the numbers of those that are requests.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    pub(super) commands: Vec<Command>,
    last: i32,
}

impl Outgoing {
    /// The number of the next command that wants a response.
    pub(super) fn next_id(&mut self) -> i32 {
        self.last = self.last.wrapping_add(1);
        self.last
    }

    /// Adds a command that wants no response.
    pub(super) fn push(&mut self, command: Command) {
        self.commands.push(command);
    }

    /// Adds a command that wants a response, and tells the number that this will name.
    pub(super) fn request(&mut self, mut command: Command) -> i32 {
        let id = self.next_id();
        command.set_head(id, true);
        self.commands.push(command);
        id
    }
}

//! Shows and logs what a bridge does.

use tokio::time::Instant;

use super::board::LinkBoard;
use super::register::ClaimSlot;
use super::status::LinkState;
use crate::bridge::driver::Observer;
use crate::bridge::effects::Event;
use crate::bridge::machine::BridgeCounts;

/// Shows and logs what a bridge tells.
pub(super) struct Witness<'a> {
    board: &'a LinkBoard,
    /// Where the remote broker is, for the log.
    uri: String,
    claim: ClaimSlot,
    live: bool,
    /// Whether it was said that messages are given up.
    gave_up: bool,
}

impl<'a> Witness<'a> {
    pub(super) fn new(board: &'a LinkBoard, uri: String, claim: ClaimSlot) -> Self {
        Self { board, uri, claim, live: false, gave_up: false }
    }

    /// Whether the bridge came to life.
    pub(super) fn saw_it_live(&self) -> bool {
        self.live
    }
}

impl Observer for Witness<'_> {
    fn told(&mut self, event: &Event) {
        let connector = self.board.connector();
        let uri = self.uri.as_str();
        match event {
            Event::RemoteKnown(remote) => self.board.remote_is(remote),
            Event::Live(remote) => {
                self.live = true;
                if let Some(claim) = &*self.claim.lock() {
                    claim.live();
                }
                self.board.enter(LinkState::Live { since: Instant::now() });
                tracing::info!(connector, remote = %remote.name, uri, "bridge up");
            }
            Event::DemandAdded(destination) => {
                self.board.note(|notes, _| notes.began(destination));
                tracing::debug!(connector, %destination, "demand added");
            }
            Event::DemandRemoved(destination) => {
                self.board.note(|notes, now| notes.ended(destination, now));
                tracing::debug!(connector, %destination, "demand removed");
            }
            Event::DemandIgnored { destination, verdict } => {
                self.board.note(|notes, now| notes.ignored(destination, verdict, now));
                self.board.ignored_for(verdict.word());
                tracing::debug!(connector, %destination, %verdict, "demand not followed");
            }
            Event::DemandRefused { destination, reason } => {
                self.board.note(|notes, now| notes.refused(destination, reason, now));
                self.board.mishap(&format!("no subscription to {destination}: {reason}"));
                tracing::warn!(connector, %destination, reason, "cannot subscribe for demand");
            }
            Event::ForwardRefused { destination, reason, word, given_up } => {
                self.board.refused_for(word);
                let fate = if *given_up { "given up" } else { "to be tried again" };
                self.board.mishap(&format!("message for {destination} refused: {reason}"));
                if *given_up && !std::mem::replace(&mut self.gave_up, true) {
                    let hint = "further ones of this link are counted and logged as `debug`";
                    tracing::warn!(connector, %destination, reason, hint, "a message cannot cross, and is a dead letter");
                }
                tracing::debug!(connector, %destination, reason, fate, "forward refused");
            }
            Event::Held { destination, reason } => {
                self.board.mishap(&format!("message of {destination} held: {reason}"));
                tracing::debug!(connector, %destination, reason, "message may not cross");
            }
            Event::Over(_) => {}
        }
    }

    fn counted(&mut self, counts: BridgeCounts) {
        self.board.count(counts);
    }
}

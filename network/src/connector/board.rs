//! The state of a link, shared between its supervisor and whoever asks.

use std::collections::BTreeMap;
use std::sync::Arc;

use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::negotiate::Negotiated;
use ferrymq_transport::traffic::Traffic;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::demand_notes::{DemandNote, DemandNotes};
use super::status::{LinkState, LinkStatus, MadeBy};
use crate::bridge::machine::BridgeCounts;
use crate::local_broker::BrokerIdentity;

/// A link's status. The supervisor's side writes; anybody reads.
#[derive(Debug)]
pub(super) struct LinkBoard {
    state: Mutex<Board>,
    demand: Mutex<DemandNotes>,
}

#[derive(Debug)]
struct Board {
    shown: LinkStatus,
    /// Totals of the bridges before the present one.
    earlier: BridgeCounts,
    /// What the present link carries; `shown` has what those before it did.
    traffic: Option<Arc<Traffic>>,
}

impl LinkBoard {
    pub(super) fn new(connector: &str, remote_uri: String, made_by: MadeBy) -> Self {
        let shown = LinkStatus {
            connector: connector.to_owned(),
            remote_uri,
            remote_broker: None,
            remote_product: None,
            made_by,
            state: LinkState::Connecting,
            since: Instant::now(),
            proven: None,
            forwarded: 0,
            in_flight: 0,
            demands: 0,
            refused: 0,
            refused_by: BTreeMap::new(),
            ignored_by: BTreeMap::new(),
            bytes_sent: 0,
            bytes_received: 0,
            heard: None,
            given_up: 0,
            duplicates: 0,
            held: 0,
            last_error: None,
        };
        Self {
            state: Mutex::new(Board { shown, earlier: BridgeCounts::default(), traffic: None }),
            demand: Mutex::default(),
        }
    }

    pub(super) fn connector(&self) -> String {
        self.state.lock().shown.connector.clone()
    }

    pub(super) fn status(&self) -> LinkStatus {
        let board = self.state.lock();
        let mut status = board.shown.clone();
        if let Some(traffic) = &board.traffic {
            status.bytes_sent += traffic.sent();
            status.bytes_received += traffic.received();
            status.heard = traffic.heard();
        }
        status
    }

    /// The remote broker refused a message, for a reason of this name.
    pub(super) fn refused_for(&self, word: &'static str) {
        *self.state.lock().shown.refused_by.entry(word).or_default() += 1;
    }

    /// A remote consumer is not followed, for a reason of this name.
    pub(super) fn ignored_for(&self, word: &'static str) {
        *self.state.lock().shown.ignored_by.entry(word).or_default() += 1;
    }

    /// A link was made: the software at the far end, where it says, and what the link carries.
    pub(super) fn link_is(&self, link: &Negotiated, traffic: &Arc<Traffic>) {
        let mut board = self.state.lock();
        board.shown.remote_product = link.product();
        board.traffic = Some(Arc::clone(traffic));
    }

    /// Notes what became of a wish.
    pub(super) fn note(&self, note: impl FnOnce(&mut DemandNotes, Instant)) {
        note(&mut self.demand.lock(), Instant::now());
    }

    /// What became of wishes for a destination.
    pub(super) fn notes(&self, destination: &Destination) -> Vec<DemandNote> {
        self.demand.lock().of(destination)
    }

    pub(super) fn enter(&self, state: LinkState) {
        let mut board = self.state.lock();
        if let LinkState::WaitingToRetry { reason, .. } | LinkState::GivenUp { reason } = &state {
            board.shown.last_error = Some(reason.clone());
        }
        if let LinkState::Live { since } = state {
            // What brought it up was an answer.
            board.shown.proven = Some(since);
        }
        board.shown.state = state;
        board.shown.since = Instant::now();
    }

    pub(super) fn remote_is(&self, remote: &BrokerIdentity) {
        self.state.lock().shown.remote_broker = Some(remote.clone());
    }

    /// Which of its addresses the remote broker was reached at.
    pub(super) fn reached_at(&self, uri: String) {
        self.state.lock().shown.remote_uri = uri;
    }

    /// Shows something that went wrong without ending the bridge.
    pub(super) fn mishap(&self, reason: &str) {
        self.state.lock().shown.last_error = Some(reason.to_owned());
    }

    /// Shows where the present bridge's numbers stand.
    pub(super) fn count(&self, present: BridgeCounts) {
        let mut board = self.state.lock();
        let earlier = board.earlier.forwards;
        let shown = &mut board.shown;
        shown.forwarded = earlier.forwarded + present.forwards.forwarded;
        shown.refused = earlier.refused + present.forwards.refused;
        shown.given_up = earlier.given_up + present.forwards.given_up;
        shown.duplicates = earlier.duplicates + present.forwards.duplicates;
        shown.held = earlier.held + present.forwards.held;
        shown.proven = present.proven.or(shown.proven);
        shown.in_flight = present.in_flight;
        shown.demands = present.demands;
    }

    /// The present bridge is over; its totals stay.
    pub(super) fn bridge_over(&self) {
        let mut board = self.state.lock();
        let Board { shown, earlier, traffic } = &mut *board;
        if let Some(traffic) = traffic.take() {
            shown.bytes_sent += traffic.sent();
            shown.bytes_received += traffic.received();
        }
        earlier.forwards.forwarded = shown.forwarded;
        earlier.forwards.refused = shown.refused;
        earlier.forwards.given_up = shown.given_up;
        earlier.forwards.duplicates = shown.duplicates;
        earlier.forwards.held = shown.held;
        shown.proven = None;
        shown.in_flight = 0;
        shown.demands = 0;
    }
}

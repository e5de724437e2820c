//! Links within the process: nothing is encoded.

use crate::link::{Inbox, Link, PeerAddress};
use crate::outbox::Outbox;

/// Two ends of a link within the process: what one end pushes, the other receives. `left` and
/// `right` name the ends.
///
/// When one end is dropped, the other receives what had been queued and then
/// [`LinkError::Closed`](crate::link::LinkError::Closed).
pub fn pipe(left: &str, right: &str) -> (Link, Link) {
    let (to_right, to_left) = (Outbox::new(), Outbox::new());
    (end(left, right, &to_right, &to_left), end(right, left, &to_left, &to_right))
}

fn end(local: &str, remote: &str, outgoing: &Outbox, incoming: &Outbox) -> Link {
    Link {
        receiver: Inbox::new(incoming.clone(), outgoing.clone()).into(),
        outbox: outgoing.clone(),
        pump: outgoing.clone().into(),
        peer: PeerAddress { remote: remote.to_owned(), local: local.to_owned() },
        negotiated: None,
    }
}

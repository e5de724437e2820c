//! Splits a link between brokers into two, one for each bridge that uses it.

use std::time::Duration;

use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::ShutdownInfo;
use ferrymq_openwire::negotiate::Negotiated;
use ferrymq_transport::link::{Link, LinkError, PeerAddress, Receiver};
use ferrymq_transport::outbox::Outbox;
use ferrymq_transport::pipe::pipe;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::backlog::Backlog;
use super::sort::{Addressee, addressee};

/// How many commands may wait for the peer before the two conversations have to; each then has
/// bounds of its own. Answers so wait for few messages of the other direction.
const MOST_OUTGOING: usize = 512;
/// How long the last words to the peer may take; and how long a half may take to end when the other
/// one has, or the link.
const FAREWELL: Duration = Duration::from_secs(2);

/// A link whose pump runs.
#[derive(Debug)]
pub struct Wire {
    /// What the peer sends.
    pub receiver: Receiver,
    /// What goes to the peer.
    pub outbox: Outbox,
    /// Moves the outbox to the peer.
    pub pump: JoinHandle<Result<(), LinkError>>,
    /// Who the peer is.
    pub peer: PeerAddress,
    /// What both ends agreed on.
    pub negotiated: Option<Negotiated>,
}

impl Wire {
    /// Starts a link's pump.
    pub fn new(link: Link) -> Self {
        let Link { receiver, outbox, pump, peer, negotiated } = link;
        Self { receiver, outbox, pump: tokio::spawn(pump.run()), peer, negotiated }
    }
}

/// A link's two halves.
#[derive(Debug)]
pub struct Halves {
    /// For the own bridge: the far broker is at its other end.
    pub own: Link,
    /// For the own broker: the far broker's bridge is at its other end.
    pub served: Link,
    /// Runs until both halves have ended and the link with them, and tells what broke it, if
    /// anything did.
    pub joined: JoinHandle<Option<LinkError>>,
}

/// Splits a link. `said` is what the far broker has said already that is for the own bridge: its
/// `BrokerInfo`, unless both halves get it when it comes, and what followed.
///
/// The halves end together, whichever is first: the own bridge's end lets the served half answer
/// what it has taken, within 2 s, then the peer is told (`ShutdownInfo`) and the link closes.
/// What goes out is taken from both in turn.
pub fn split(wire: Wire, said: Vec<Command>) -> Halves {
    let Wire { receiver, outbox, pump, peer, negotiated } = wire;
    let (own, own_end) = half(&peer, negotiated.as_ref());
    let (served, served_end) = half(&peer, negotiated.as_ref());
    for command in said {
        own_end.outbox.push(command);
    }
    let joined = tokio::spawn(async move {
        let broken = join(receiver, &outbox, own_end, served_end).await;
        finish(&outbox, pump).await;
        broken
    });
    Halves { own, served, joined }
}

fn half(peer: &PeerAddress, negotiated: Option<&Negotiated>) -> (Link, Link) {
    let (near, far) = pipe(&peer.local, &peer.remote);
    (Link { negotiated: negotiated.cloned(), ..near }, far)
}

async fn join(receiver: Receiver, outbox: &Outbox, own: Link, served: Link) -> Option<LinkError> {
    let Link { receiver: from_own, outbox: to_own, .. } = own;
    let Link { receiver: from_served, outbox: to_served, .. } = served;
    let carried = async {
        tokio::join!(
            async {
                carry(from_own, outbox, |command| !is_farewell(command)).await;
                to_served.close();
            },
            async {
                // The broker's introduction went ahead of the bridge's, or belongs to it.
                let passes = |command: &Command| {
                    !is_farewell(command) && !matches!(command, Command::BrokerInfo(_))
                };
                carry(from_served, outbox, passes).await;
                to_own.close();
            }
        );
    };
    // A half may not notice the end of the other, or of the link: it reads nothing while it has no
    // room, and what it has sent stays here while the link takes nothing. Its end of the pipe is
    // dropped then, which it does notice. Nor is the link read while a half has no room; that it
    // cannot be written to tells as well.
    let overdue = async {
        tokio::select! {
            () = to_own.closed() => {}
            () = to_served.closed() => {}
            () = outbox.closed() => {}
        }
        sleep(FAREWELL).await;
    };
    let outgoing = async {
        tokio::select! {
            () = carried => {}
            () = overdue => {}
        }
    };
    let mut outgoing = std::pin::pin!(outgoing);
    let mut own = Backlog::new(to_own.clone());
    let mut served = Backlog::new(to_served.clone());
    let broken = tokio::select! {
        error = sort_incoming(receiver, &mut own, &mut served) => error,
        () = &mut outgoing => {
            outbox.push(Command::ShutdownInfo(ShutdownInfo::default()));
            return None;
        }
    };
    own.close();
    served.close();
    outgoing.await;
    Some(broken)
}

/// It ends the link, so it is said once, when both conversations are over.
fn is_farewell(command: &Command) -> bool {
    matches!(command, Command::ShutdownInfo(_))
}

async fn sort_incoming(
    mut receiver: Receiver,
    own: &mut Backlog,
    served: &mut Backlog,
) -> LinkError {
    let mut batch = Vec::new();
    loop {
        own.has_room().await;
        served.has_room().await;
        if let Err(error) = receiver.receive(&mut batch).await {
            return error;
        }
        for command in batch.drain(..) {
            match addressee(&command) {
                Addressee::Bridge => own.add(command),
                Addressee::Broker => served.add(command),
                Addressee::Both => {
                    own.add(command.clone());
                    served.add(command);
                }
            }
        }
        own.hand_over();
        served.hand_over();
    }
}

/// Takes what one half sends, while the link has room.
async fn carry(mut from: Receiver, to: &Outbox, passes: impl Fn(&Command) -> bool) {
    let mut batch = Vec::new();
    loop {
        to.drained_below(MOST_OUTGOING).await;
        if from.receive(&mut batch).await.is_err() {
            return;
        }
        batch.retain(&passes);
        if !batch.is_empty() && !to.push_all(&mut batch) {
            return;
        }
    }
}

async fn finish(outbox: &Outbox, mut pump: JoinHandle<Result<(), LinkError>>) {
    outbox.close();
    if timeout(FAREWELL, &mut pump).await.is_err() {
        outbox.abort();
        pump.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ferrymq_openwire::destination::Destination;
    use ferrymq_openwire::message::{Message, MessageFields};

    use super::*;

    fn messages(count: usize) -> impl Iterator<Item = Command> {
        let fields = MessageFields {
            destination: Some(Destination::queue("Q")),
            content: Some(vec![0; 1024 * 1024].into()),
            ..MessageFields::default()
        };
        let message = Arc::new(Message::from_fields(&fields).unwrap());
        std::iter::repeat_with(move || Command::Message(Arc::clone(&message))).take(count)
    }

    /// Neither half reads, so that nothing is read from the wire: only what goes out can tell.
    #[tokio::test(start_paused = true)]
    async fn a_wire_that_breaks_while_it_is_not_read_ends() {
        let (near, far) = pipe("near", "far");
        let wire = Wire::new(near);
        let outbox = wire.outbox.clone();
        let halves = split(wire, Vec::new());
        for message in messages(600) {
            far.outbox.push(message);
        }
        sleep(Duration::from_secs(1)).await;
        assert!(far.outbox.pending() > 0, "not all of it is read");
        // What a link's pump does when it cannot write.
        outbox.abort();
        let joined = timeout(3 * FAREWELL, halves.joined).await;
        assert!(joined.is_ok(), "it does not end");
    }
}

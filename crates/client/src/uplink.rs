//! The way to the broker: whichever link is current.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use ferrymq_openwire::command::Command;
use ferrymq_openwire::ids::{BrokerId, ConsumerId};
use ferrymq_openwire::message::Message;
use ferrymq_transport::outbox::Outbox;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::error::ConnectionLost;
use crate::failover::{RestoreState, Tied};

/// How many bytes of messages may wait to be confirmed on a connection that would send them again:
/// it keeps them until then.
const MOST_UNCONFIRMED: usize = 64 << 20;

/// Hands commands to the current link, and numbers them.
///
/// Everything above sends through this and never sees a link, so that a connection which fails over
/// can put another one in its place.
#[derive(Debug)]
pub(crate) struct Uplink {
    way: Mutex<Way>,
    /// Rings when messages may be sent again, and when nothing can be sent any more.
    moved: Notify,
    /// Rings when an answer has come that was waited for by a link about to be left.
    settled: Notify,
    /// Whether another link may come.
    fails_over: bool,
    /// The number of the next command; they start at 1 and may wrap.
    next_command: AtomicI32,
    /// Why nothing can be sent any more.
    lost: Mutex<Option<ConnectionLost>>,
}

#[derive(Debug)]
struct Way {
    /// That of the link, or of the last one; none before the first.
    outbox: Option<Outbox>,
    /// The largest frame that the link takes.
    largest: u64,
    /// What another broker would have to be told; only on a connection that fails over.
    restore: Option<RestoreState>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// There is a link.
    Up,
    /// There is a link, which is about to be left: no more messages over it.
    Leaving,
    /// There is none now.
    Down,
    /// There will be none.
    Over,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It is on its way, or will be.
    Yes,
    /// It is not: there is no link now.
    NotNow,
    /// It is not: there will be no link.
    Never,
    /// It is not, and never will be: the link takes no frame larger than this.
    TooLarge(u64),
}

/// Why a message cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoLink {
    /// There will be no link.
    Lost(ConnectionLost),
    /// There was none for so long.
    TimedOut(Duration),
}

impl Uplink {
    /// Sends over this link, which takes frames up to this size, and no other.
    pub(crate) fn new(outbox: Outbox, largest: u64) -> Self {
        Self::with(Way { outbox: Some(outbox), largest, restore: None, state: State::Up })
    }

    /// Sends over whichever link is there; so far there is none.
    pub(crate) fn restoring(restore: RestoreState) -> Self {
        let restore = Some(restore);
        Self::with(Way { outbox: None, largest: u64::MAX, restore, state: State::Down })
    }

    fn with(way: Way) -> Self {
        Self {
            fails_over: way.restore.is_some(),
            way: Mutex::new(way),
            moved: Notify::new(),
            settled: Notify::new(),
            next_command: AtomicI32::new(1),
            lost: Mutex::new(None),
        }
    }

    /// Whether another link may come.
    pub(crate) fn fails_over(&self) -> bool {
        self.fails_over
    }

    /// Whether another link may still come.
    pub(crate) fn may_recover(&self) -> bool {
        self.fails_over && self.way.lock().state != State::Over
    }

    /// A number for a command.
    pub(crate) fn number(&self) -> i32 {
        self.next_command.fetch_add(1, Ordering::Relaxed)
    }

    /// Sends a command that has its number already; without a link now, it is kept for the next
    /// one as far as that needs it. `false`: nothing can be sent any more.
    pub(crate) fn send(&self, command: Command) -> bool {
        let mut way = self.way.lock();
        let Way { outbox, restore, state, .. } = &mut *way;
        let push = |command| outbox.as_ref().is_some_and(|outbox| outbox.push(command));
        let Some(restore) = restore else { return push(command) };
        let tied = matches!(command, Command::TransactionInfo(_) | Command::MessageAck(_));
        match state {
            State::Over => return false,
            // Means nothing to the next broker.
            State::Down if tied => return false,
            State::Down => restore.record(&command),
            State::Up | State::Leaving => {
                restore.record(&command);
                push(command);
            }
        }
        true
    }

    /// Sends a message that has its number already.
    pub(crate) fn send_message(&self, message: Arc<Message>) -> Sent {
        let mut way = self.way.lock();
        let Way { outbox, largest, restore, state } = &mut *way;
        // Its broker would end the connection, and so would every other one that is tried.
        if message.frame_len() as u64 > *largest {
            return Sent::TooLarge(*largest);
        }
        let push =
            |message| outbox.as_ref().is_some_and(|outbox| outbox.push(Command::Message(message)));
        let Some(restore) = restore else {
            return if push(message) { Sent::Yes } else { Sent::Never };
        };
        match state {
            State::Over => return Sent::Never,
            State::Leaving | State::Down => return Sent::NotNow,
            State::Up => {}
        }
        // A link that has ended, but whose end has not been dealt with, takes nothing.
        if !push(Arc::clone(&message)) {
            return Sent::NotNow;
        }
        restore.record(&Command::Message(message));
        Sent::Yes
    }

    /// Numbers these acknowledgements and sends them together. `false`: the link that they are
    /// about is gone.
    pub(crate) fn send_acks(&self, acks: &mut Vec<Command>) -> bool {
        for command in acks.iter_mut() {
            if let Command::MessageAck(ack) = command {
                ack.command_id = self.number();
            }
        }
        let way = self.way.lock();
        let sent = way.is_up() && way.outbox.as_ref().is_some_and(|outbox| outbox.push_all(acks));
        drop(way);
        acks.clear();
        sent
    }

    /// How many commands wait to be written.
    pub(crate) fn pending(&self) -> usize {
        self.outbox().map_or(0, |outbox| outbox.pending())
    }

    /// Waits until fewer commands than this wait to be written, or the link is closed.
    pub(crate) async fn drained_below(&self, commands: usize) {
        if let Some(outbox) = self.outbox() {
            outbox.drained_below(commands).await;
        }
    }

    /// Takes nothing more; what waits is still written.
    pub(crate) fn close(&self) {
        if let Some(outbox) = self.outbox() {
            outbox.close();
        }
    }

    /// Takes nothing more, and drops what waits.
    pub(crate) fn abort(&self) {
        if let Some(outbox) = self.outbox() {
            outbox.abort();
        }
    }

    fn outbox(&self) -> Option<Outbox> {
        self.way.lock().outbox.clone()
    }

    /// Nothing can be sent any more, for this reason; the first one stays.
    pub(crate) fn lose(&self, reason: ConnectionLost) {
        self.lost.lock().get_or_insert(reason);
        if self.fails_over {
            self.way.lock().state = State::Over;
            self.moved.notify_waiters();
            self.settled.notify_waiters();
        }
    }

    /// Why nothing can be sent any more.
    pub(crate) fn lost(&self) -> ConnectionLost {
        let known = self.lost.lock().clone();
        known.unwrap_or_else(|| ConnectionLost::new("the link is closed"))
    }
}

/// What a connection that fails over does beside.
impl Uplink {
    /// Waits until messages can be sent: for a link as long as this, and until not too many wait to
    /// be confirmed.
    pub(crate) async fn ready(&self, timeout: Option<Duration>) -> Result<(), NoLink> {
        let up = self.wait_until(|way| {
            let open = way.outbox.as_ref().is_some_and(|outbox| !outbox.is_closed());
            way.state == State::Up && open
        });
        match timeout {
            None => up.await?,
            Some(limit) => match tokio::time::timeout(limit, up).await {
                Ok(up) => up?,
                Err(_) => return Err(NoLink::TimedOut(limit)),
            },
        }
        self.wait_until(|way| !way.is_full() || way.state != State::Up).await
    }

    async fn wait_until(&self, ready: impl Fn(&Way) -> bool) -> Result<(), NoLink> {
        loop {
            let mut moved = std::pin::pin!(self.moved.notified());
            moved.as_mut().enable();
            let (over, is_ready) = {
                let way = self.way.lock();
                (way.state == State::Over, way.restore.is_none() || ready(&way))
            };
            if over {
                return Err(NoLink::Lost(self.lost()));
            }
            if is_ready {
                return Ok(());
            }
            moved.await;
        }
    }

    /// Whether messages have to wait until some are confirmed.
    pub(crate) fn is_full(&self) -> bool {
        self.fails_over && self.way.lock().is_full()
    }

    /// Notes which requests these commands of the broker answer. Names consumers that it refuses.
    pub(crate) fn note_answers(&self, commands: &[Command]) -> Vec<ConsumerId> {
        let mut refused = Vec::new();
        if !self.fails_over || !commands.iter().any(is_answer) {
            return refused;
        }
        let mut way = self.way.lock();
        let was_full = way.is_full();
        let Some(restore) = &mut way.restore else { return refused };
        for command in commands {
            match command {
                Command::Response(answer) => restore.answered(answer.correlation_id),
                Command::DataResponse(answer) => restore.answered(answer.correlation_id),
                Command::DataArrayResponse(answer) => restore.answered(answer.correlation_id),
                Command::IntegerResponse(answer) => restore.answered(answer.correlation_id),
                Command::ExceptionResponse(answer) => {
                    refused.extend(restore.refused(answer.correlation_id));
                }
                Command::ConsumerControl(control) if control.close => {
                    if let Some(id) = &control.consumer_id {
                        restore.forget_consumer(id);
                    }
                }
                _ => {}
            }
        }
        if restore.outstanding() == 0 {
            self.settled.notify_waiters();
        }
        if was_full && !way.is_full() {
            self.moved.notify_waiters();
        }
        refused
    }

    /// The link is gone, or is given up. From now on nothing goes out. Names the requests that end
    /// with it.
    pub(crate) fn detach(&self) -> Vec<(i32, Tied)> {
        let mut way = self.way.lock();
        if let Some(outbox) = &way.outbox {
            outbox.abort();
        }
        if way.state != State::Over {
            way.state = State::Down;
        }
        way.restore.as_mut().map(RestoreState::interrupted).unwrap_or_default()
    }

    /// The link is left: what waits is still written, then this. From now on nothing more goes out.
    /// Names the requests that end with it.
    pub(crate) fn depart(&self, mut farewell: Vec<Command>) -> Vec<(i32, Tied)> {
        let mut way = self.way.lock();
        if let Some(outbox) = &way.outbox {
            outbox.push_all(&mut farewell);
            outbox.close();
        }
        if way.state != State::Over {
            way.state = State::Down;
        }
        way.restore.as_mut().map(RestoreState::interrupted).unwrap_or_default()
    }

    /// There is a link: its broker is told what lives in the connection, and everything goes there
    /// from now on. `teller`: that broker, if it tells how transactions ended. Names the requests that
    /// cannot be answered there; none: the connection is over.
    pub(crate) fn attach(
        &self,
        outbox: Outbox,
        largest: u64,
        teller: Option<BrokerId>,
    ) -> Option<Vec<(i32, Tied)>> {
        let mut way = self.way.lock();
        if way.state == State::Over {
            outbox.abort();
            return None;
        }
        let mut ended = Vec::new();
        if let Some(restore) = &mut way.restore {
            ended = restore.meet(teller);
            outbox.push_all(&mut restore.replay(self.next_command.load(Ordering::Relaxed)));
        }
        way.outbox = Some(outbox);
        way.largest = largest;
        way.state = State::Up;
        drop(way);
        self.moved.notify_waiters();
        Some(ended)
    }

    /// The link is about to be left: new messages wait for the next one.
    pub(crate) fn leave(&self) {
        let mut way = self.way.lock();
        if way.state == State::Up {
            way.state = State::Leaving;
        }
    }

    /// The link is not left after all.
    pub(crate) fn stay(&self) {
        let mut way = self.way.lock();
        if way.state == State::Leaving {
            way.state = State::Up;
            drop(way);
            self.moved.notify_waiters();
        }
    }

    /// Waits until everything that was sent has its answer.
    pub(crate) async fn all_answered(&self) {
        loop {
            let mut settled = std::pin::pin!(self.settled.notified());
            settled.as_mut().enable();
            {
                let way = self.way.lock();
                let outstanding = way.restore.as_ref().map_or(0, RestoreState::outstanding);
                if outstanding == 0 || way.state == State::Over {
                    return;
                }
            }
            settled.await;
        }
    }

    /// Whether there is a link.
    pub(crate) fn is_up(&self) -> bool {
        self.way.lock().is_up()
    }
}

impl Way {
    fn is_up(&self) -> bool {
        matches!(self.state, State::Up | State::Leaving)
    }

    fn is_full(&self) -> bool {
        self.restore.as_ref().is_some_and(|restore| restore.outstanding_bytes() > MOST_UNCONFIRMED)
    }
}

fn is_answer(command: &Command) -> bool {
    matches!(
        command,
        Command::Response(_)
            | Command::DataResponse(_)
            | Command::DataArrayResponse(_)
            | Command::IntegerResponse(_)
            | Command::ExceptionResponse(_)
            | Command::ConsumerControl(_)
    )
}

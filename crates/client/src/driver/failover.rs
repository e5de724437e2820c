//! The task of a connection that fails over: finds a broker, reads from it, and starts over.

use std::sync::Arc;
use std::time::Duration;

use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{ConnectionControl, ConnectionInfo, RemoveInfo, ShutdownInfo};
use ferrymq_transport::dial::Dialer;
use ferrymq_transport::endpoint::Endpoint;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::finder::{Finder, News};
use super::line::{Line, Useless};
use super::spares::Spares;
use super::tasks::{Driver, Writer};
use crate::core::ConnectionCore;
use crate::error::{ConnectError, ConnectionLost};
use crate::failover::{
    ConnectionEvent, FailoverPolicy, Next, Observer, Reaction, addresses, read_list,
};

/// While an address has not answered for so long, the next one is tried beside it: an address that
/// swallows everything does not hold up the others.
const PATIENCE: Duration = Duration::from_millis(300);
/// How long a broker that is left on purpose has to answer what it was asked.
const LEAVING: Duration = Duration::from_secs(2);
/// How long agents that have shown nothing yet are waited for before a pass without any address
/// counts as one that failed.
const FIRST_NEWS: Duration = Duration::from_secs(5);
/// How often the file of addresses (`updateURIsURL`) is read.
const FILE_PERIOD: Duration = Duration::from_secs(1);
/// What brokers say when it is of no use to try elsewhere.
const FINAL: [&str; 3] = ["InvalidClientIDException", "JMSSecurityException", "SecurityException"];

/// How the connection introduces itself to each broker.
#[derive(Debug)]
pub(crate) struct Introduction {
    /// What it says; the number is its command's.
    pub(crate) info: ConnectionInfo,
    /// How long a broker may take to let it in.
    pub(crate) timeout: Duration,
}

/// Told once: the first broker has let the connection in, or none will.
pub(crate) type First = oneshot::Sender<Result<(), ConnectError>>;

/// Keeps a connection connected.
pub(crate) struct Failover {
    core: Arc<ConnectionCore>,
    policy: FailoverPolicy,
    dialer: Arc<dyn Dialer>,
    introduction: Introduction,
    observer: Observer,
    writer: Writer,
    spares: Spares,
    finder: Finder,
    /// Until then agents may take their time to show anything.
    searching_until: Instant,
    /// The list, as it was written.
    url: String,
    /// Gone once it was told.
    first: Option<First>,
    /// Why the last address was no use.
    last: Arc<str>,
    /// What the file of addresses held last.
    listed: Option<String>,
}

/// How a link ended.
enum End {
    /// It broke, or its broker left.
    Lost(Arc<str>),
    /// It was left for a better one, or for what the policy says next.
    Left(Arc<str>, Option<Line>),
    /// The connection is over.
    Over,
}

/// What news of agents come to.
struct Taken {
    /// There is an address that was not there before.
    anybody_new: bool,
    /// The broker is to be left after this.
    leave_after: Option<Duration>,
}

impl Failover {
    /// Starts the task.
    pub(crate) fn start(
        core: &Arc<ConnectionCore>,
        policy: FailoverPolicy,
        finder: Finder,
        dialer: Arc<dyn Dialer>,
        introduction: Introduction,
        observer: Observer,
        url: &str,
    ) -> (Driver, oneshot::Receiver<Result<(), ConnectError>>) {
        let (first, told) = oneshot::channel();
        let writer = Writer::default();
        let this = Self {
            core: Arc::clone(core),
            spares: Spares::new(Arc::clone(&dialer), policy.options().backups),
            policy,
            finder,
            searching_until: Instant::now() + FIRST_NEWS,
            dialer,
            introduction,
            observer,
            writer: writer.clone(),
            url: url.to_owned(),
            first: Some(first),
            last: Arc::from("no address was tried"),
            listed: None,
        };
        let reader = tokio::spawn(this.run()).abort_handle();
        (Driver { reader, writer }, told)
    }

    async fn run(mut self) {
        let mut better = None;
        loop {
            let Some(line) = self.find(better.take()).await else { return };
            let address = line.endpoint.bare().to_string();
            let because = match self.live(line).await {
                End::Over => return,
                End::Lost(because) => {
                    self.core.interrupt();
                    because
                }
                End::Left(because, line) => {
                    better = line;
                    because
                }
            };
            self.policy.lost();
            tracing::info!(connection = %self.core.id, %address, %because, "failing over");
            self.observer.tell(&ConnectionEvent::Lost { address, because });
            if self.core.is_closing() {
                self.core.lose(ConnectionLost::new("the broker was lost before it said farewell"));
                return;
            }
        }
    }

    /// Finds a broker that lets the connection in. `None`: it is over.
    async fn find(&mut self, mut better: Option<Line>) -> Option<Line> {
        loop {
            let spare = match better.take() {
                Some(line) => Some(line),
                None if self.policy.may_use_spare() => self.spares.take().await,
                None => None,
            };
            let mut line = match spare {
                Some(line) => line,
                None => self.dial().await?,
            };
            let info = ConnectionInfo {
                failover_reconnect: self.first.is_none(),
                ..self.introduction.info.clone()
            };
            let Err(useless) = line.introduce(info, self.introduction.timeout).await else {
                return Some(line);
            };
            if let Useless::Refused(exception) = &useless
                && FINAL.contains(&exception.short_class())
                && let Some(first) = self.first.take()
            {
                let url = line.endpoint.bare().to_string();
                let exception = exception.clone();
                let _ = first.send(Err(ConnectError::Refused { url, exception }));
                self.core.lose(ConnectionLost::new("the broker refused the connection"));
                return None;
            }
            self.no_use(&line.endpoint, &useless);
        }
    }

    /// Dials as the policy says, until there is a link. `None`: the policy gives up.
    async fn dial(&mut self) -> Option<Line> {
        let mut dialling = JoinSet::new();
        let mut patience = Instant::now();
        loop {
            if dialling.is_empty() || (self.policy.has_more() && Instant::now() >= patience) {
                if dialling.is_empty() && !self.policy.has_more() {
                    self.read_file().await;
                    self.await_first_news().await;
                }
                match self.policy.next() {
                    Next::Dial(endpoint) => {
                        let address = endpoint.bare().to_string();
                        self.observer.tell(&ConnectionEvent::Trying { address });
                        let dialer = Arc::clone(&self.dialer);
                        dialling.spawn(async move {
                            let line = Line::dial(dialer, endpoint.clone()).await;
                            (endpoint, line)
                        });
                        patience = Instant::now() + PATIENCE;
                    }
                    Next::Wait(wait, passes) => {
                        self.tell_of_wait(wait, passes);
                        self.rest(wait).await;
                    }
                    Next::GiveUp(passes) => {
                        self.give_up(passes);
                        return None;
                    }
                }
                continue;
            }
            tokio::select! {
                biased;
                Some(joined) = dialling.join_next() => match joined {
                    Ok((_, Ok(line))) => return Some(line),
                    Ok((endpoint, Err(useless))) => self.no_use(&endpoint, &useless),
                    // It was not aborted and does not panic.
                    Err(_) => {}
                },
                () = sleep_until(patience), if self.policy.has_more() => {}
                news = self.finder.changed() => drop(self.take_in(news)),
            }
        }
    }

    /// While nobody is known, waits until agents have shown something, for a while.
    async fn await_first_news(&mut self) {
        while self.policy.knows_nobody() && !self.finder.all_have_shown() {
            tokio::select! {
                biased;
                news = self.finder.changed() => drop(self.take_in(news)),
                () = sleep_until(self.searching_until) => break,
            }
        }
        if self.policy.knows_nobody() && self.finder.is_any() {
            self.last = Arc::from("no broker is found");
        }
    }

    /// Waits, or until there is somebody new.
    async fn rest(&mut self, wait: Duration) {
        let over = Instant::now() + wait;
        loop {
            tokio::select! {
                biased;
                () = sleep_until(over) => return,
                news = self.finder.changed() => {
                    if self.take_in(news).anybody_new {
                        return;
                    }
                }
            }
        }
    }

    /// Follows what agents show.
    fn take_in(&mut self, news: News) -> Taken {
        let brokers: usize = news.found.iter().map(|list| list.endpoints.len()).sum();
        tracing::debug!(url = self.url, brokers, gone = news.gone.len(), "brokers found");
        let anybody_new = self.policy.found(news.found);
        Taken { anybody_new, leave_after: self.policy.let_go(&news.gone) }
    }

    fn no_use(&mut self, endpoint: &Endpoint, useless: &Useless) {
        let because = useless.reason(endpoint);
        tracing::debug!(%because, "no broker there");
        match useless {
            Useless::Ever(_) => self.policy.exclude(endpoint),
            Useless::Now(_) | Useless::Refused(_) => self.policy.failed(endpoint),
        }
        self.last = Arc::clone(&because);
        let address = endpoint.bare().to_string();
        self.observer.tell(&ConnectionEvent::Failed { address, because });
    }

    fn tell_of_wait(&self, wait: Duration, passes: u32) {
        if passes == 0 {
            return;
        }
        let every = self.policy.options().warn_after_reconnect_attempts;
        if every.is_some_and(|every| passes.is_multiple_of(every)) {
            tracing::warn!(url = self.url, passes, because = %self.last, "no broker yet");
        }
        self.observer.tell(&ConnectionEvent::Waiting { passes, wait });
    }

    fn give_up(&mut self, passes: u32) {
        let because = Arc::clone(&self.last);
        self.observer.tell(&ConnectionEvent::GaveUp { because: Arc::clone(&because) });
        let reason = match passes {
            0 => Arc::clone(&because),
            passes => format!("no broker in {passes} passes over the list: {because}").into(),
        };
        if let Some(first) = self.first.take() {
            let url = self.url.clone();
            let _ = first.send(Err(ConnectError::GaveUp { url, passes, because }));
        }
        self.core.lose(ConnectionLost::new(reason));
    }

    /// Reads from a broker until its link ends.
    async fn live(&mut self, mut line: Line) -> End {
        let again = self.first.is_none();
        self.policy.connected(&line.endpoint);
        if let Some(writer) = line.take_writer() {
            self.writer.set(writer);
        }
        let outbox = line.outbox.clone();
        let Some(ended) = self.core.uplink.attach(outbox, line.largest_frame, line.teller()) else {
            return End::Over;
        };
        self.core.end_requests(ended);
        let address = line.endpoint.bare().to_string();
        self.core.connected_to(Some(address.clone()));
        self.observer.tell(&ConnectionEvent::Connected { address, again });
        if let Some(first) = self.first.take() {
            let _ = first.send(Ok(()));
        }
        let end = self.read(&mut line).await;
        self.core.connected_to(None);
        end
    }

    async fn read(&mut self, line: &mut Line) -> End {
        let mut batch = std::mem::take(&mut line.early);
        let mut run = Vec::new();
        let mut preferred = JoinSet::new();
        let mut look = self.policy.next_priority();
        let mut look_at = look.as_ref().map(|(wait, _)| Instant::now() + *wait);
        let mut leave_at = None;
        let mut reading = JoinSet::new();
        let file = self.policy.options().update_uris_file.is_some();
        let mut file_at = file.then(|| Instant::now() + FILE_PERIOD);
        loop {
            let reaction = self.news(&batch);
            if let Err(lost) = self.core.handle(&mut batch, &mut run) {
                return End::Lost(lost.reason);
            }
            if reaction == Reaction::Move {
                return self.leave(line, "its broker sent the connection on", None).await;
            }
            tokio::select! {
                biased;
                received = line.receive(&mut batch) => {
                    if let Err(because) = received {
                        // What came before the end still counts.
                        let _ = self.core.handle(&mut batch, &mut run);
                        return End::Lost(because);
                    }
                }
                news = self.finder.changed() => {
                    // Who learns of it again does not put it off.
                    let leave = self.take_in(news).leave_after;
                    leave_at = leave_at.or_else(|| leave.map(|wait| Instant::now() + wait));
                }
                () = at(leave_at) => {
                    leave_at = None;
                    if self.policy.is_unlisted() {
                        return self.leave(line, "it is listed no more", None).await;
                    }
                }
                () = at(file_at), if reading.is_empty() => {
                    if let Some(path) = self.policy.options().update_uris_file.clone() {
                        reading.spawn_blocking(move || read_list(&path));
                    }
                }
                Some(text) = reading.join_next() => {
                    file_at = Some(Instant::now() + FILE_PERIOD);
                    if self.take_list(text.ok().flatten()) == Reaction::Move {
                        let because = "the file of addresses has changed";
                        return self.leave(line, because, None).await;
                    }
                }
                () = at(self.spares.look_at()) => {
                    let candidates = self.policy.spares();
                    self.spares.tend(&candidates);
                }
                () = at(look_at), if preferred.is_empty() => {
                    for endpoint in look.take().map(|(_, at)| at).unwrap_or_default() {
                        preferred.spawn(Line::dial(Arc::clone(&self.dialer), endpoint));
                    }
                }
                Some(found) = preferred.join_next() => {
                    if let Ok(Ok(better)) = found {
                        let because = "a preferred broker is there again";
                        return self.leave(line, because, Some(better)).await;
                    }
                    if preferred.is_empty() {
                        look = self.policy.next_priority();
                        look_at = look.as_ref().map(|(wait, _)| Instant::now() + *wait);
                    }
                }
            }
        }
    }

    /// What the broker says about itself and others.
    fn news(&mut self, batch: &[Command]) -> Reaction {
        let mut reaction = Reaction::Stay;
        for command in batch {
            let Command::ConnectionControl(control) = command else { continue };
            if let Reaction::Move = self.follow(control) {
                reaction = Reaction::Move;
            }
        }
        reaction
    }

    fn follow(&mut self, control: &ConnectionControl) -> Reaction {
        let text = |text: Option<&ferrymq_openwire::text::Text>| {
            text.and_then(|text| text.as_str()).unwrap_or_default().trim().to_owned()
        };
        let mut reaction = Reaction::Stay;
        let listed = text(control.connected_brokers.as_ref());
        if self.policy.options().update_uris_supported && !listed.is_empty() {
            match addresses(&listed) {
                Some(listed) => {
                    reaction = self.policy.update(listed, control.rebalance_connection);
                }
                None => tracing::warn!(listed, "the broker lists what is no address"),
            }
        }
        let to = text(control.reconnect_to.as_ref());
        if self.policy.options().reconnect_supported && !to.is_empty() {
            match addresses(&to).and_then(|to| to.into_iter().next()) {
                Some(to) => reaction = self.policy.direct(to),
                None => tracing::warn!(to, "the broker sends the connection where nothing can be"),
            }
        }
        reaction
    }

    /// Leaves a broker on purpose, so that nothing is in doubt afterwards: what was sent is
    /// answered, and what was settled is told.
    async fn leave(&mut self, line: &mut Line, because: &str, better: Option<Line>) -> End {
        let core = Arc::clone(&self.core);
        core.uplink.leave();
        let mut broken: Option<Arc<str>> = None;
        let answered = async {
            let (mut batch, mut run) = (Vec::new(), Vec::new());
            loop {
                tokio::select! {
                    biased;
                    () = core.uplink.all_answered() => return,
                    received = line.receive(&mut batch) => {
                        let handled = core.handle(&mut batch, &mut run);
                        if let Err(reason) = received.and(handled.map_err(|lost| lost.reason)) {
                            broken = Some(reason);
                            return;
                        }
                    }
                }
            }
        };
        // What is not answered by then is sent again; its broker may have it twice.
        let _ = timeout(LEAVING, answered).await;
        if let Some(broken) = broken {
            core.uplink.stay();
            return End::Lost(broken);
        }
        core.depart(vec![
            Command::RemoveInfo(RemoveInfo {
                command_id: core.uplink.number(),
                object_id: Some(Box::new(Command::ConnectionId(core.id.clone()))),
                last_delivered_sequence_id: -2,
                ..RemoveInfo::default()
            }),
            Command::ShutdownInfo(ShutdownInfo {
                command_id: core.uplink.number(),
                ..ShutdownInfo::default()
            }),
        ]);
        if timeout(LEAVING, self.writer.finished()).await.is_err() {
            line.outbox.abort();
        }
        End::Left(Arc::from(because), better)
    }

    /// Reads the file of addresses, if there is one.
    async fn read_file(&mut self) {
        let Some(path) = self.policy.options().update_uris_file.clone() else { return };
        let text = tokio::task::spawn_blocking(move || read_list(&path)).await;
        self.take_list(text.ok().flatten());
    }

    /// Follows what the file of addresses holds, if that has changed.
    fn take_list(&mut self, text: Option<String>) -> Reaction {
        let Some(text) = text.filter(|text| self.listed.as_ref() != Some(text)) else {
            return Reaction::Stay;
        };
        let listed = addresses(&text.replace(['\n', '\r'], ","));
        self.listed = Some(text);
        match listed {
            Some(listed) => {
                let rebalance = self.policy.options().rebalance_update_uris;
                self.policy.update(listed, rebalance)
            }
            None => {
                tracing::warn!(url = self.url, "updateURIsURL: not a list of addresses");
                Reaction::Stay
            }
        }
    }
}

/// Waits until then; for ever without it.
async fn at(then: Option<Instant>) {
    match then {
        Some(then) => sleep_until(then).await,
        None => std::future::pending().await,
    }
}

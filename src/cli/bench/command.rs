//! One run from beginning to end.

use std::sync::Arc;
use std::time::Duration;

use ferrymq_client::{AckMode, Connection, Consumer, ConsumerOptions, IdSource, ProducerOptions};
use ferrymq_transport::clock::Clock;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::arguments::BenchArguments;
use super::gate::Gate;
use super::plan::Plan;
use super::report::Report;
use super::sending::Sending;
use super::work::{self, Progress, Run, Seen, Sent};
use crate::cli::exit::ExitCode;
use crate::cli::output::{complain, say};
use crate::cli::shutdown::Shutdown;

/// How often the end of the drain is looked for.
const LOOK: Duration = Duration::from_millis(5);

/// Runs the bench.
pub(in crate::cli) async fn run(arguments: BenchArguments) -> ExitCode {
    let plan = match Plan::new(&arguments, run_number()) {
        Ok(plan) => Arc::new(plan),
        Err(error) => {
            complain(error);
            return ExitCode::Usage;
        }
    };
    let mut shutdown = match Shutdown::listen() {
        Ok(shutdown) => shutdown,
        Err(error) => {
            complain(format_args!("cannot listen for signals: {error}"));
            return ExitCode::Failed;
        }
    };
    let opened = tokio::select! {
        biased;
        () = shutdown.requested() => return ExitCode::Failed,
        opened = Parties::open(&arguments, &plan) => opened,
    };
    let parties = match opened {
        Ok(parties) => parties,
        Err(code) => return code,
    };
    let connections = parties.connections.clone();
    let (report, early) = parties.work(&plan, &mut shutdown).await;
    let mut refused = 0_usize;
    for connection in connections {
        if early.is_none() {
            let _ = connection.close().await;
        }
        for error in connection.take_errors() {
            if refused < 10 {
                complain(format_args!("the broker refused: {error}"));
            }
            refused += 1;
        }
    }
    if let Some(early) = &early {
        complain(early);
    }
    let early = early.as_deref();
    if arguments.json {
        say(report.json(&plan, early));
    } else {
        say(report.text(&plan, early));
    }
    let done = report.is_clean() && refused == 0 && early.is_none();
    if done { ExitCode::Done } else { ExitCode::Failed }
}

/// A number that no other run has.
fn run_number() -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    let ids = IdSource::of_this_process(&Clock::system());
    format!("{ids:?}").hash(&mut hasher);
    hasher.finish()
}

/// Everybody who takes part, connected and not at work yet.
struct Parties {
    connections: Vec<Connection>,
    producers: Vec<Sending>,
    consumers: Vec<Consumer>,
}

impl Parties {
    /// Connects everybody, consumers first. What goes wrong is told here.
    async fn open(arguments: &BenchArguments, plan: &Plan) -> Result<Self, ExitCode> {
        let url = arguments.connect.url();
        let consumer_url = arguments.consumer_url.as_deref().unwrap_or(&url);
        let mut parties =
            Self { connections: Vec::new(), producers: Vec::new(), consumers: Vec::new() };
        let failed = |error: ferrymq_client::error::OpenError| {
            complain(error);
            ExitCode::Failed
        };
        let mut shared = Shared::new(arguments, consumer_url, plan.connections);
        for number in 0..plan.consumers {
            let Some(destination) = plan.destinations.get(plan.place(number)) else { continue };
            let mut options = ConsumerOptions::new(destination.clone());
            options.prefetch = plan.prefetch;
            let session = shared.next().await?.session(AckMode::Auto);
            parties.consumers.push(session.consumer(options).await.map_err(failed)?);
        }
        parties.connections.append(&mut shared.connections);
        let mut shared = Shared::new(arguments, &url, plan.connections);
        let mode = if plan.transacted.is_some() { AckMode::Transacted } else { AckMode::Auto };
        for number in 0..plan.producers {
            let Some(destination) = plan.destinations.get(plan.place(number)) else { continue };
            let session = shared.next().await?.session(mode);
            let options = ProducerOptions::to(destination.clone()).persistent(plan.persistent);
            let producer = session.producer(options).await.map_err(failed)?;
            parties.producers.push(Sending::new(plan, session, producer));
        }
        parties.connections.append(&mut shared.connections);
        Ok(parties)
    }

    /// Sends and receives until enough is sent and all of it came, or no more comes. What came of
    /// it, and why it ended before that, if it did.
    async fn work(self, plan: &Arc<Plan>, shutdown: &mut Shutdown) -> (Report, Option<String>) {
        let limit = if plan.consumers == 0 { u64::MAX } else { plan.outstanding };
        let gate = Arc::new(Gate::new(limit));
        let run = Run { plan: Arc::clone(plan), gate: Arc::clone(&gate), began: Instant::now() };
        let (stop, stopped) = watch::channel(false);
        let mut consuming = JoinSet::new();
        let mut seen = Vec::new();
        for consumer in self.consumers {
            let each = Arc::new(Mutex::new(Seen::nothing()));
            seen.push(Arc::clone(&each));
            consuming.spawn(work::consume(run.clone(), consumer, each, stopped.clone()));
        }
        let mut producing = JoinSet::new();
        let mut progress = Vec::new();
        for (number, sending) in (0_u32..).zip(self.producers) {
            let each = Arc::new(Progress::default());
            progress.push(Arc::clone(&each));
            producing.spawn(work::produce(run.clone(), number, sending, each));
        }
        let mut early = tokio::select! {
            biased;
            () = shutdown.requested() => Some(End::Told),
            failed = first_failure(&mut consuming) => Some(End::Failed(failed)),
            finished = all_ended(&mut producing) => finished.err().map(End::Failed),
        };
        if matches!(early, Some(End::Told)) {
            gate.stop();
            // Whoever waits for a confirmation that never comes must not hold up the end.
            let ending = timeout(plan.drain, all_ended(&mut producing));
            match unless_told(shutdown, ending).await {
                Some(Ok(Err(failed))) => early = Some(End::Failed(failed)),
                Some(Ok(Ok(()))) => {}
                Some(Err(_)) | None => {
                    let silent = "stopped while the broker confirmed nothing".to_owned();
                    early = Some(End::Failed(silent));
                }
            }
        }
        if !matches!(early, Some(End::Failed(_))) {
            let _ = unless_told(shutdown, drained(&gate, plan.drain)).await;
            let _ = stop.send(true);
            if let Err(failed) = all_ended(&mut consuming).await {
                early = Some(End::Failed(failed));
            }
        }
        producing.abort_all();
        let sent: Vec<Sent> = progress.iter().map(|each| each.sent()).collect();
        let seen: Vec<Seen> =
            seen.iter().map(|each| std::mem::replace(&mut *each.lock(), Seen::nothing())).collect();
        (Report::new(plan, &sent, &seen), early.map(|end| end.to_string()))
    }
}

/// The connections of all producers, or of all consumers.
struct Shared<'a> {
    arguments: &'a BenchArguments,
    url: &'a str,
    most: usize,
    /// How often one was asked for.
    asked: usize,
    connections: Vec<Connection>,
}

impl<'a> Shared<'a> {
    fn new(arguments: &'a BenchArguments, url: &'a str, most: Option<u32>) -> Self {
        let most = most.map_or(usize::MAX, |most| most as usize);
        Self { arguments, url, most, asked: 0, connections: Vec::new() }
    }

    /// The next one's in turn. What goes wrong is told.
    async fn next(&mut self) -> Result<&Connection, ExitCode> {
        let place = self.asked % self.most;
        self.asked += 1;
        if place == self.connections.len() {
            let connection = self.arguments.connect.connect_to(self.url).await?;
            self.connections.push(connection);
        }
        self.connections.get(place).ok_or(ExitCode::Failed)
    }
}

/// Why a run ended before it was done.
#[derive(Debug, thiserror::Error)]
enum End {
    /// Somebody asked to stop.
    #[error("stopped before the end")]
    Told,
    /// It could not go on.
    #[error("{0}")]
    Failed(String),
}

/// What comes of it, unless somebody asks to stop before.
async fn unless_told<T>(shutdown: &mut Shutdown, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = shutdown.requested() => None,
        done = work => Some(done),
    }
}

/// Waits until all that was promised came, or nothing comes for so long.
async fn drained(gate: &Gate, patience: Duration) {
    let mut before = gate.happened();
    let mut since = Instant::now();
    while gate.happened() < gate.promised() {
        sleep(LOOK).await;
        let now = gate.happened();
        if now != before {
            before = now;
            since = Instant::now();
        } else if since.elapsed() >= patience {
            return;
        }
    }
}

type Finished<T, E> = Result<Result<T, E>, tokio::task::JoinError>;

fn ended<T, E: std::fmt::Display>(finished: Finished<T, E>) -> Result<T, String> {
    match finished {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// Ends when a consumer fails; none ends by itself otherwise.
async fn first_failure<T: 'static, E: std::fmt::Display + 'static>(
    consuming: &mut JoinSet<Result<T, E>>,
) -> String {
    match consuming.join_next().await {
        Some(finished) => ended(finished)
            .err()
            .unwrap_or_else(|| "a consumer was closed before the end".to_owned()),
        None => std::future::pending().await,
    }
}

/// Waits until all have ended, or one has failed.
async fn all_ended<T: 'static, E: std::fmt::Display + 'static>(
    working: &mut JoinSet<Result<T, E>>,
) -> Result<(), String> {
    while let Some(finished) = working.join_next().await {
        ended(finished)?;
    }
    Ok(())
}

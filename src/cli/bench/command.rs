//! One run from beginning to end.

use std::sync::Arc;
use std::time::Duration;

use ferrymq_client::{
    AckMode, Connection, Consumer, ConsumerOptions, IdSource, Producer, ProducerOptions,
};
use ferrymq_transport::clock::Clock;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::arguments::BenchArguments;
use super::gate::Gate;
use super::plan::Plan;
use super::report::Report;
use super::work::{self, Run, Seen, Sent};
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
    let outcome = parties.work(&plan, &mut shutdown).await;
    let mut refused = 0_usize;
    for connection in connections {
        let _ = connection.close().await;
        for error in connection.take_errors() {
            if refused < 10 {
                complain(format_args!("the broker refused: {error}"));
            }
            refused += 1;
        }
    }
    let report = match outcome {
        Ok(report) => report,
        Err(error) => {
            complain(error);
            return ExitCode::Failed;
        }
    };
    if arguments.json {
        say(report.json(&plan));
    } else {
        say(report.text(&plan));
    }
    if report.is_clean() && refused == 0 { ExitCode::Done } else { ExitCode::Failed }
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
    producers: Vec<Producer>,
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
        for number in 0..plan.consumers {
            let Some(destination) = plan.destinations.get(plan.place(number)) else { continue };
            let connection = arguments.connect.connect_to(consumer_url).await?;
            let mut options = ConsumerOptions::new(destination.clone());
            options.prefetch = plan.prefetch;
            let session = connection.session(AckMode::Auto);
            parties.consumers.push(session.consumer(options).await.map_err(failed)?);
            parties.connections.push(connection);
        }
        for number in 0..plan.producers {
            let Some(destination) = plan.destinations.get(plan.place(number)) else { continue };
            let connection = arguments.connect.connect_to(&url).await?;
            let session = connection.session(AckMode::Auto);
            let options = ProducerOptions::to(destination.clone()).persistent(plan.persistent);
            parties.producers.push(session.producer(options).await.map_err(failed)?);
            parties.connections.push(connection);
        }
        Ok(parties)
    }

    /// Sends and receives until enough is sent and all of it came, or no more comes.
    async fn work(self, plan: &Arc<Plan>, shutdown: &mut Shutdown) -> Result<Report, String> {
        let limit = if plan.consumers == 0 { u64::MAX } else { plan.outstanding };
        let gate = Arc::new(Gate::new(limit));
        let run = Run { plan: Arc::clone(plan), gate: Arc::clone(&gate), began: Instant::now() };
        let (stop, stopped) = watch::channel(false);
        let mut consuming = JoinSet::new();
        for (number, consumer) in (0_usize..).zip(self.consumers) {
            let work = work::consume(run.clone(), consumer, stopped.clone());
            consuming
                .spawn(async move { work.await.map(|(consumer, seen)| (number, consumer, seen)) });
        }
        let mut producing = JoinSet::new();
        for (number, producer) in (0_u32..).zip(self.producers) {
            let work = work::produce(run.clone(), number, producer);
            producing.spawn(async move { work.await.map(|sent| (number, sent)) });
        }
        let mut sent: Vec<Sent> = vec![Sent::default(); plan.producers as usize];
        let told = tokio::select! {
            biased;
            () = shutdown.requested() => true,
            failed = first_failure(&mut consuming) => return Err(failed),
            finished = collect_sent(&mut producing, &mut sent) => {
                finished?;
                false
            }
        };
        if told {
            gate.stop();
            // Whoever waits for a confirmation that never comes must not hold up the end.
            match timeout(plan.drain, collect_sent(&mut producing, &mut sent)).await {
                Ok(finished) => finished?,
                Err(_) => return Err("stopped while the broker confirmed nothing".to_owned()),
            }
        }
        drained(&gate, plan.drain).await;
        let _ = stop.send(true);
        let mut seen: Vec<(usize, Seen)> = Vec::new();
        while let Some(finished) = consuming.join_next().await {
            let (number, _consumer, each) = ended(finished)?;
            seen.push((number, each));
        }
        seen.sort_by_key(|(number, _)| *number);
        let seen: Vec<Seen> = seen.into_iter().map(|(_, seen)| seen).collect();
        Ok(Report::new(plan, &sent, &seen))
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

async fn collect_sent<E: std::fmt::Display + 'static>(
    producing: &mut JoinSet<Result<(u32, Sent), E>>,
    sent: &mut [Sent],
) -> Result<(), String> {
    while let Some(finished) = producing.join_next().await {
        let (number, each) = ended(finished)?;
        if let Some(place) = sent.get_mut(number as usize) {
            *place = each;
        }
    }
    Ok(())
}

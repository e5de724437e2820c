//! The producers and consumers of a topology: plain clients, each over a connection of its own.
//!
//! A client that loses its broker connects again, as a real one would.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ferrymq_client::{
    AckMode, ConnectOptions, Connection, ConsumerOptions, OutgoingMessage, ProducerOptions,
};
use ferrymq_network::topology::spec::{ConsumerSpec, ProducerSpec};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

/// How long a client waits before it connects again.
const RETRY: Duration = Duration::from_secs(1);

/// Messages are sent and taken in groups no closer than this, so that high rates cost few
/// wake-ups.
const GROUP: Duration = Duration::from_millis(5);

/// Messages that a consumer takes in one go.
const TAKEN: usize = 256;

/// What is known of one producer or consumer while it runs.
#[derive(Debug, Default)]
pub(super) struct Progress {
    messages: AtomicU64,
    standing: Mutex<Standing>,
}

/// How a producer or consumer is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Standing {
    /// Its broker has not answered yet.
    #[default]
    Connecting,
    /// It does its work.
    Working,
    /// It could not; it tries again.
    Down(String),
    /// It has sent what it had to send.
    Done,
}

impl Progress {
    /// Messages sent or received so far.
    pub(super) fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    /// How it is doing.
    pub(super) fn standing(&self) -> Standing {
        self.standing.lock().clone()
    }

    fn count(&self, messages: u64) {
        self.messages.fetch_add(messages, Ordering::Relaxed);
    }

    fn is_now(&self, standing: Standing) {
        *self.standing.lock() = standing;
    }
}

/// Why a client's turn ended: for the screen, so the text is all that counts.
type Failure = String;

/// Sends until the count is reached or `end` comes.
pub(super) async fn produce(
    spec: ProducerSpec,
    url: String,
    options: ConnectOptions,
    progress: Arc<Progress>,
    end: CancellationToken,
) {
    let size = usize::try_from(spec.size).unwrap_or(usize::MAX);
    let body = OutgoingMessage::bytes(vec![b'.'; size]);
    while !end.is_cancelled() {
        let turn = async {
            let connection = connect(&url, &options).await?;
            let session = connection.session(AckMode::Auto);
            let to = ProducerOptions::to(spec.to.clone()).persistent(false);
            let producer = session.producer(to).await.map_err(|error| error.to_string())?;
            progress.is_now(Standing::Working);
            let mut pace = Pace::new(spec.rate);
            while spec.count.is_none_or(|count| progress.messages() < count) {
                pace.wait().await;
                producer.send(body.clone()).await.map_err(|error| error.to_string())?;
                progress.count(1);
            }
            connection.close().await.map_err(|error| error.to_string())
        };
        tokio::select! {
            biased;
            () = end.cancelled() => return,
            outcome = turn => match outcome {
                Ok(()) => return progress.is_now(Standing::Done),
                Err(failure) => progress.is_now(Standing::Down(failure)),
            }
        }
        rest(&end).await;
    }
}

/// Receives until `end` comes.
pub(super) async fn consume(
    spec: ConsumerSpec,
    url: String,
    options: ConnectOptions,
    progress: Arc<Progress>,
    end: CancellationToken,
) {
    while !end.is_cancelled() {
        let turn = async {
            let connection = connect(&url, &options).await?;
            let session = connection.session(AckMode::Auto);
            let from = ConsumerOptions::new(spec.from.address().clone());
            let consumer = session.consumer(from).await.map_err(|error| error.to_string())?;
            progress.is_now(Standing::Working);
            let mut pace = spec.rate.map(Pace::new);
            let mut deliveries = Vec::new();
            loop {
                let most = match &mut pace {
                    Some(pace) => {
                        pace.wait().await;
                        1
                    }
                    None => TAKEN,
                };
                let received = consumer.receive_many(most, &mut deliveries).await;
                match received.map_err(|error| error.to_string())? {
                    0 => return Err::<(), Failure>("its broker closed it".to_owned()),
                    received => progress.count(received as u64),
                }
                deliveries.clear();
            }
        };
        tokio::select! {
            biased;
            () = end.cancelled() => return,
            outcome = turn => if let Err(failure) = outcome {
                progress.is_now(Standing::Down(failure));
            }
        }
        rest(&end).await;
    }
}

async fn connect(url: &str, options: &ConnectOptions) -> Result<Connection, Failure> {
    Connection::connect(url, options.clone()).await.map_err(|error| error.to_string())
}

async fn rest(end: &CancellationToken) {
    tokio::select! {
        biased;
        () = end.cancelled() => {}
        () = sleep(RETRY) => {}
    }
}

/// An even pace of so many turns a second; who falls behind by more than a second is forgiven.
struct Pace {
    rate: f64,
    start: Instant,
    turns: f64,
}

impl Pace {
    fn new(rate: f64) -> Self {
        Self { rate, start: Instant::now(), turns: 0.0 }
    }

    /// Waits for the next turn.
    async fn wait(&mut self) {
        let due = self.start + Duration::from_secs_f64(self.turns / self.rate);
        let now = Instant::now();
        if due > now {
            sleep_until(due.max(now + GROUP)).await;
        } else if now.duration_since(due) > Duration::from_secs(1) {
            *self = Self { start: now, turns: 0.0, ..*self };
        }
        self.turns += 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_pace_is_kept_in_groups_and_lost_time_is_not_made_up() {
        let start = Instant::now();
        let mut pace = Pace::new(1_000.0);
        for _ in 0..3_000 {
            pace.wait().await;
        }
        let took = start.elapsed();
        assert!((2_990..=3_010).contains(&took.as_millis()), "{took:?}");

        sleep(Duration::from_secs(10)).await;
        let start = Instant::now();
        for _ in 0..1_000 {
            pace.wait().await;
        }
        let took = start.elapsed();
        assert!((990..=1_010).contains(&took.as_millis()), "{took:?}");
    }
}

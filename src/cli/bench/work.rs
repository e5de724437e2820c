//! The work itself: one producer sends, one consumer receives.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ferrymq_client::error::ReceiveError;
use ferrymq_client::{Consumer, Delivery, OutgoingMessage};
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::gate::Gate;
use super::plan::{Extent, Plan};
use super::sending::{Sending, SendingError};
use super::stamp::Stamp;
use super::tally::Tally;

/// Messages that a producer may be promised in one go.
const LARGEST_CHUNK: u64 = 64;
/// Messages that a consumer takes in one go.
const TAKEN: usize = 256;
/// Timers are this coarse. A message that is later than that was held up, and its time runs from
/// when it was due.
const TIMER: Duration = Duration::from_millis(2);
/// Latencies above this are shown as this.
const SLOWEST: u64 = 3_600_000_000_000;

/// A part that all take in a run.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) plan: Arc<Plan>,
    pub(super) gate: Arc<Gate>,
    /// When sending begins.
    pub(super) began: Instant,
}

impl Run {
    fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}

/// What a producer has done so far, for who looks on.
#[derive(Debug, Default)]
pub(super) struct Progress {
    messages: AtomicU64,
    measured: AtomicU64,
    /// Nanoseconds.
    until: AtomicU64,
}

impl Progress {
    fn note(&self, sent: &Sent) {
        self.messages.store(sent.messages, Ordering::Relaxed);
        self.measured.store(sent.measured, Ordering::Relaxed);
        self.until.store(nanos(sent.until), Ordering::Relaxed);
    }

    /// What it is by now.
    pub(super) fn sent(&self) -> Sent {
        Sent {
            messages: self.messages.load(Ordering::Relaxed),
            measured: self.measured.load(Ordering::Relaxed),
            until: Duration::from_nanos(self.until.load(Ordering::Relaxed)),
        }
    }
}

/// What a producer did.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sent {
    /// In all, the warm-up's too.
    pub(super) messages: u64,
    /// After the warm-up.
    pub(super) measured: u64,
    /// When the last one was sent (or confirmed, if that was waited for).
    pub(super) until: Duration,
}

/// What a consumer saw.
#[derive(Debug)]
pub(super) struct Seen {
    /// By producer.
    pub(super) tallies: BTreeMap<u32, Tally>,
    /// Nanoseconds from sending to receiving, of messages after the warm-up.
    pub(super) latency: Histogram<u64>,
    /// Messages after the warm-up.
    pub(super) measured: u64,
    /// Messages that are not of this run.
    pub(super) foreign: u64,
    /// When the last one came.
    pub(super) until: Duration,
}

impl Seen {
    /// Nothing yet.
    pub(super) fn nothing() -> Self {
        Self {
            tallies: BTreeMap::new(),
            latency: latencies(),
            measured: 0,
            foreign: 0,
            until: Duration::ZERO,
        }
    }
}

#[expect(clippy::expect_used, reason = "the bounds are constants, and these are valid ones")]
fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, SLOWEST, 3).expect("1 <= low, 2 * low <= high, digits <= 5")
}

/// Sends what is this producer's part.
pub(super) async fn produce(
    run: Run,
    number: u32,
    mut sending: Sending,
    progress: Arc<Progress>,
) -> Result<(), SendingError> {
    let plan = Arc::clone(&run.plan);
    let fan_out = plan.fan_out(number);
    let chunk = match plan.rate {
        Some(_) => 1,
        None => {
            let everybody = 4 * u64::from(plan.producers) * fan_out.max(1);
            (plan.outstanding / everybody).clamp(1, LARGEST_CHUNK)
        }
    };
    let share = plan.share(number);
    let mut sent = Sent::default();
    let mut promised = 0;
    loop {
        if promised == 0 {
            if !run.gate.pass(chunk * fan_out).await {
                break;
            }
            promised = chunk;
        }
        let at = due(&run, sent.messages).await;
        let measured = at >= plan.warmup;
        let enough = match plan.extent {
            Extent::Messages(_) => share.is_some_and(|share| sent.measured >= share),
            Extent::For(time) => at >= plan.warmup + time,
        };
        if enough {
            break;
        }
        let stamp = Stamp {
            run: plan.run,
            producer: number,
            measured,
            sequence: sent.messages,
            sent: nanos(at),
        };
        let message = OutgoingMessage::bytes(stamp.body(plan.size)).persistent(plan.persistent);
        sending.send(message).await?;
        promised -= 1;
        sent.messages += 1;
        sent.measured += u64::from(measured);
        sent.until = at;
        progress.note(&sent);
    }
    run.gate.give_back(promised * fan_out);
    sending.finish().await?;
    sent.until = run.elapsed();
    progress.note(&sent);
    Ok(())
}

/// Waits until the message of this number is due, and says from when its time runs.
async fn due(run: &Run, number: u64) -> Duration {
    let Some(rate) = run.plan.rate else { return run.elapsed() };
    let due = Duration::from_secs_f64(number as f64 / rate);
    let now = run.elapsed();
    if now < due {
        sleep_until(run.began + due).await;
    }
    let now = run.elapsed();
    if now.saturating_sub(due) > TIMER { due } else { now }
}

/// Receives until told to stop.
pub(super) async fn consume(
    run: Run,
    consumer: Consumer,
    seen: Arc<Mutex<Seen>>,
    mut stop: watch::Receiver<bool>,
) -> Result<Consumer, ReceiveError> {
    let mut batch: Vec<Delivery> = Vec::with_capacity(TAKEN);
    loop {
        tokio::select! {
            biased;
            came = consumer.receive_many(TAKEN, &mut batch) => {
                came?;
            }
            _ = stop.wait_for(|stop| *stop) => return Ok(consumer),
        }
        let now = run.elapsed();
        let mut own = 0;
        let mut seen = seen.lock();
        for delivery in batch.drain(..) {
            let stamp = delivery.message().content().and_then(Stamp::read);
            let Some(stamp) = stamp.filter(|stamp| stamp.run == run.plan.run) else {
                seen.foreign += 1;
                continue;
            };
            if !seen.tallies.entry(stamp.producer).or_default().note(stamp.sequence) {
                continue;
            }
            own += 1;
            if stamp.measured {
                seen.measured += 1;
                seen.until = now;
                seen.latency.saturating_record(nanos(now).saturating_sub(stamp.sent).max(1));
            }
        }
        drop(seen);
        run.gate.arrived(own);
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

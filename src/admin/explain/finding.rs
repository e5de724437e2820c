//! One verdict, in words.

use std::time::Duration;

use ferrymq_network::rules::verdict::Verdict;

use crate::destination::{NotAdmitted, Obstacle, SubscriptionInsight, TooLarge};

/// A verdict in one word, in a sentence, and what would change it.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub(super) word: &'static str,
    pub(super) reason: String,
    pub(super) remedy: Option<String>,
}

impl Finding {
    pub(super) fn new(word: &'static str, reason: impl Into<String>) -> Self {
        Self { word, reason: reason.into(), remedy: None }
    }

    pub(super) fn moved_by(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

/// A rule's answer.
pub(super) fn of_verdict(verdict: &Verdict) -> Finding {
    Finding { word: verdict.word(), reason: verdict.to_string(), remedy: verdict.remedy() }
}

/// What a subscription says to a message that waits; `who` acknowledges.
pub(super) fn of_obstacle(
    obstacle: Option<&Obstacle>,
    subscription: &SubscriptionInsight,
    who: &str,
    now: i64,
) -> Finding {
    match obstacle {
        None => Finding::new("has_room", "it may have it and has room: it gets it at its turn"),
        Some(Obstacle::NotAdmitted(NotAdmitted::Bridge(verdict))) => of_verdict(verdict),
        Some(Obstacle::NotAdmitted(NotAdmitted::Selector(selector))) => Finding::new(
            "selector",
            format!("its selector is not true of the message: {}", selector.text()),
        )
        .moved_by("a consumer without a selector, or with one that is true of the message"),
        Some(Obstacle::NotAdmitted(NotAdmitted::TooLarge(TooLarge { bytes, most }))) => Finding::new(
            "too_large",
            format!(
                "it is larger than this consumer's frames: {bytes} bytes, and its connection takes \
                 {most} (wireFormat.maxFrameSize)"
            ),
        )
        .moved_by("a consumer whose connection takes larger frames (wireFormat.maxFrameSize)"),
        Some(Obstacle::NotAdmitted(NotAdmitted::OwnMessage)) => Finding::new(
            "own_message",
            "its own connection sent it, and it asked for those of others",
        )
        .moved_by("a consumer of another connection"),
        Some(Obstacle::Browses) => Finding::new("browser", "it only looks, and takes nothing")
            .moved_by("a consumer that takes messages"),
        Some(Obstacle::Retired) => {
            Finding::new("retired", "the consumer beyond it has gone: it waits for answers only")
        }
        Some(Obstacle::InDoubt(doubt)) => Finding::new(
            "in_doubt",
            format!(
                "it was forwarded to broker {} and not answered before the link was lost: for \
                 another {} s it is held for that broker, which may have it",
                doubt.at,
                doubt.until.saturating_sub(now).max(0) / 1000
            ),
        )
        .moved_by("the bridge to that broker, once it is up and has demand"),
        Some(Obstacle::KeptOut) => {
            Finding::new("kept_out", "an exclusive consumer has the queue for itself")
                .moved_by("the end of that consumer")
        }
        Some(Obstacle::NotAsked) => {
            Finding::new("not_asked", "it gets a message only when it asks for one (prefetch 0)")
                .moved_by(format!("{who} asking for a message (receive)"))
        }
        Some(Obstacle::WindowFull) => window_full(subscription, who, now),
    }
}

fn window_full(subscription: &SubscriptionInsight, who: &str, now: i64) -> Finding {
    let SubscriptionInsight { in_flight, prefetch, .. } = subscription;
    let settled = settled(subscription, now);
    if subscription.bounded {
        let reason = format!(
            "it has {in_flight} messages, as many as it gets done soon (of {prefetch} that it \
             asked for), {settled}"
        );
        return Finding::new("window_full", reason)
            .moved_by(format!("acknowledgements of {who}, or one more consumer"));
    }
    let reason = format!("window full: it has {in_flight} of {prefetch} messages, {settled}");
    if subscription.network {
        Finding::new("window_full", reason).moved_by(format!(
            "confirmations of {who}, which holds them back while its own queue is full (ask its \
             `explain`); or a larger prefetch_size on the connector"
        ))
    } else {
        Finding::new("window_full", reason)
            .moved_by(format!("acknowledgements of {who}, or one more consumer"))
    }
}

/// When a subscription last acknowledged something.
pub(super) fn settled(subscription: &SubscriptionInsight, now: i64) -> String {
    match subscription.settled_at {
        0 => "and has acknowledged none yet".to_owned(),
        at => format!("and acknowledged the last one {} ago", ago(now, at)),
    }
}

/// How long ago a moment of the wall clock was.
pub(super) fn ago(now: i64, then: i64) -> String {
    lasting(Duration::from_millis(u64::try_from(now.saturating_sub(then)).unwrap_or(0)))
}

/// A time as people read it.
pub(super) fn lasting(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

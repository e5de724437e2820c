//! What came of a run.

use std::time::Duration;

use ferrymq_openwire::destination::Destination;
use hdrhistogram::Histogram;
use serde_json::{Value as Json, json};

use super::plan::Plan;
use super::tally::Tally;
use super::work::{Seen, Sent};

/// What came of a run.
#[derive(Debug)]
pub(super) struct Report {
    sent: u64,
    send_time: Duration,
    received: u64,
    receive_time: Duration,
    lost: u64,
    duplicated: u64,
    reordered: u64,
    foreign: u64,
    latency: Histogram<u64>,
}

impl Report {
    /// From what each producer did and each consumer saw; both in the order of their numbers.
    pub(super) fn new(plan: &Plan, sent: &[Sent], seen: &[Seen]) -> Self {
        let mut all = Seen::nothing();
        let mut duplicated = 0;
        let mut reordered = 0;
        let mut lost = 0;
        for (number, producer) in (0..).zip(sent) {
            let place = plan.place(number);
            let consumers = (0..).zip(seen).filter(|(consumer, _)| plan.place(*consumer) == place);
            let tallies = consumers.map(|(_, seen)| seen.tallies.get(&number));
            let tallies = tallies.map(|tally| tally.cloned().unwrap_or_default());
            let groups = if plan.is_topic() { tallies.collect() } else { merged(tallies) };
            for tally in groups {
                duplicated += tally.duplicated;
                reordered += tally.reordered;
                lost += producer.messages.saturating_sub(tally.distinct());
            }
        }
        for each in seen {
            all.measured += each.measured;
            all.foreign += each.foreign;
            all.until = all.until.max(each.until);
            // Both have the same bounds.
            let _ = all.latency.add(&each.latency);
        }
        let send_until = sent.iter().map(|sent| sent.until).max().unwrap_or_default();
        Self {
            sent: sent.iter().map(|sent| sent.measured).sum(),
            send_time: send_until.saturating_sub(plan.warmup),
            received: all.measured,
            receive_time: all.until.saturating_sub(plan.warmup),
            lost,
            duplicated,
            reordered,
            foreign: all.foreign,
            latency: all.latency,
        }
    }

    /// Whether every message came once and in order.
    pub(super) fn is_clean(&self) -> bool {
        self.lost == 0 && self.duplicated == 0 && self.reordered == 0
    }

    /// For programs; `early`: why the run ended before it was done.
    pub(super) fn json(&self, plan: &Plan, early: Option<&str>) -> Json {
        let micros = |nanos: u64| nanos as f64 / 1000.0;
        let quantile = |q: f64| micros(self.latency.value_at_quantile(q));
        json!({
            "destinations": plan.destinations.iter().map(Destination::to_string).collect::<Vec<_>>(),
            "producers": plan.producers,
            "consumers": plan.consumers,
            "size": plan.size,
            "persistent": plan.persistent,
            "sync": plan.sync,
            "transacted": plan.transacted,
            "connections": plan.connections,
            "sent": self.sent,
            "send_seconds": self.send_time.as_secs_f64(),
            "sent_per_second": rate(self.sent, self.send_time),
            "received": self.received,
            "receive_seconds": self.receive_time.as_secs_f64(),
            "received_per_second": rate(self.received, self.receive_time),
            "lost": self.lost,
            "duplicated": self.duplicated,
            "out_of_order": self.reordered,
            "foreign": self.foreign,
            "ended_early": early,
            "latency_us": (!self.latency.is_empty()).then(|| json!({
                "min": micros(self.latency.min()),
                "mean": self.latency.mean() / 1000.0,
                "p50": quantile(0.5),
                "p90": quantile(0.9),
                "p99": quantile(0.99),
                "p999": quantile(0.999),
                "max": micros(self.latency.max()),
            })),
        })
    }

    /// For people; `early`: why the run ended before it was done.
    pub(super) fn text(&self, plan: &Plan, early: Option<&str>) -> String {
        let mut lines = Vec::new();
        if let Some(early) = early {
            lines.push(format!("a part of what was asked for: {early}"));
        }
        lines.push(line("sent", self.sent, self.send_time, plan.size));
        if plan.consumers > 0 {
            lines.push(line("received", self.received, self.receive_time, plan.size));
            let shown = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];
            let latencies = shown.map(|(name, quantile)| {
                format!("{name} {}", time(self.latency.value_at_quantile(quantile)))
            });
            let latencies = match self.latency.len() {
                0 => "nothing to measure: no message arrived".to_owned(),
                _ => latencies.join("   "),
            };
            lines.push(format!("{:<10}{latencies}", "latency"));
            lines.push(format!(
                "lost {}   duplicated {}   out of order {}",
                grouped(self.lost),
                grouped(self.duplicated),
                grouped(self.reordered)
            ));
            if self.foreign > 0 {
                let foreign = grouped(self.foreign);
                lines.push(format!("{foreign} messages of others were received besides"));
            }
        }
        lines.join("\n")
    }
}

/// One tally of all that the consumers of a queue saw; none without consumers.
fn merged(tallies: impl Iterator<Item = Tally>) -> Vec<Tally> {
    tallies
        .reduce(|mut all, tally| {
            all.merge(&tally);
            all
        })
        .into_iter()
        .collect()
}

fn rate(messages: u64, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { messages as f64 / time.as_secs_f64() }
}

fn line(what: &str, messages: u64, elapsed: Duration, size: usize) -> String {
    let per_second = rate(messages, elapsed);
    format!(
        "{what:<10}{} in {:.2} s   {} messages/s   {:.1} MiB/s",
        grouped(messages),
        elapsed.as_secs_f64(),
        grouped(per_second.round() as u64),
        per_second * size as f64 / f64::from(1 << 20),
    )
}

/// `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `850 ns`, `12.3 µs`, `4.56 ms`, `1.20 s`.
fn time(nanos: u64) -> String {
    let value = nanos as f64;
    match nanos {
        0..1_000 => format!("{nanos} ns"),
        1_000..1_000_000 => format!("{:.1} µs", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} ms", value / 1e6),
        _ => format!("{:.2} s", value / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
        for (nanos, text) in [(850, "850 ns"), (12_340, "12.3 µs"), (4_560_000, "4.56 ms")] {
            assert_eq!(time(nanos), text);
        }
    }
}

//! The way that a message took, from what it carries.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::admin::answers::BrokerName;
use crate::admin::explain::{HeldMessageAnswer, MessagePlace};
use crate::cli::columns::Columns;
use crate::cli::plain::{plain, shown};
use crate::cli::quantities::duration;

/// A message and its way.
#[derive(Debug, Serialize)]
pub(super) struct Trace {
    queue: String,
    id: String,
    place: MessagePlace,
    /// When its sender sent it, by the sender's clock.
    sent_unix_ms: i64,
    /// The brokers that it came by, in order; the last one has it.
    hops: Vec<Hop>,
    /// For how long the last one has had it.
    here_ms: u64,
}

/// One broker of the way.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Hop {
    /// Its name, where the network knows it.
    name: Option<String>,
    id: String,
    /// When it took the message in, by its own clock; null if that is not known.
    arrived_unix_ms: Option<i64>,
}

impl Trace {
    /// Of a message of `queue` that `broker` has; `names` are those of brokers by their ids.
    pub(super) fn new(
        broker: BrokerName,
        queue: String,
        message: HeldMessageAnswer,
        names: &BTreeMap<String, String>,
    ) -> Self {
        let passed = message.path.iter().zip(&message.path_unix_ms);
        let mut hops: Vec<Hop> = passed
            .map(|(id, arrived)| Hop {
                name: names.get(id).cloned(),
                id: id.clone(),
                arrived_unix_ms: *arrived,
            })
            .collect();
        hops.push(Hop {
            name: Some(broker.name),
            id: broker.id,
            arrived_unix_ms: Some(message.arrived_unix_ms),
        });
        Self {
            queue,
            id: message.id,
            place: message.place,
            sent_unix_ms: message.sent_unix_ms,
            hops,
            here_ms: message.here_ms,
        }
    }

    /// The lines for people.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("{} on {}", plain(&self.id), plain(&self.queue))];
        let mut table = Columns::new(&["BROKER", "#AFTER SENDING", "#AFTER THE LAST"]);
        let mut last = Some(self.sent_unix_ms);
        for hop in &self.hops {
            let name = hop.name.as_deref().map_or_else(|| shown(&hop.id), shown);
            let (sending, before) = match hop.arrived_unix_ms {
                Some(at) => (
                    apart(self.sent_unix_ms, at),
                    last.map_or_else(|| "unknown".to_owned(), |last| apart(last, at)),
                ),
                None => ("unknown".to_owned(), String::new()),
            };
            table.row(vec![name, sending, before]);
            last = hop.arrived_unix_ms;
        }
        lines.extend(table.lines(self.hops.len()));
        let here = duration(Duration::from_millis(self.here_ms));
        lines.push(match self.place {
            MessagePlace::InFlight => format!("in flight there; it came {here} ago"),
            _ => format!("waits there, for {here}"),
        });
        if self.hops.iter().any(|hop| hop.arrived_unix_ms.is_none()) {
            lines.push(
                "unknown: an ActiveMQ broker notes no times, and drops those noted before it"
                    .to_owned(),
            );
        }
        lines.push("each time is by its own broker's clock".to_owned());
        lines
    }
}

/// How long after one moment another was; clocks may disagree.
fn apart(from: i64, to: i64) -> String {
    let millis = to.saturating_sub(from);
    if millis.unsigned_abs() < 10_000 {
        return format!("{millis} ms");
    }
    let sign = if millis < 0 { "-" } else { "" };
    format!("{sign}{}", duration(Duration::from_millis(millis.unsigned_abs())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_said_to_be_unknown() {
        let hop = |name: Option<&str>, id: &str, arrived| Hop {
            name: name.map(str::to_owned),
            id: id.to_owned(),
            arrived_unix_ms: arrived,
        };
        let trace = Trace {
            queue: "queue://orders".to_owned(),
            id: "ID:x:1:1:1:1".to_owned(),
            place: MessagePlace::Waiting,
            sent_unix_ms: 1_000,
            hops: vec![
                hop(Some("london"), "ID:london", Some(1_002)),
                hop(Some("paris"), "ID:paris", Some(1_014)),
                hop(None, "ID:old", None),
                hop(Some("rome"), "ID:rome", Some(21_000)),
            ],
            here_ms: 65_000,
        };
        assert_eq!(
            trace.lines(),
            [
                "ID:x:1:1:1:1 on queue://orders",
                "BROKER  AFTER SENDING  AFTER THE LAST",
                "london           2 ms            2 ms",
                "paris           14 ms           12 ms",
                "ID:old        unknown",
                "rome             20 s         unknown",
                "waits there, for 1 min 5 s",
                "unknown: an ActiveMQ broker notes no times, and drops those noted before it",
                "each time is by its own broker's clock",
            ]
        );
    }
}

//! The ways that a message would take: each broker is asked what it would do with it, and the next
//! one then, with the path that the message would have. Nothing is sent.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

use crate::admin::explain::{Considered, ExplainAnswer};
use crate::admin::walk::SeenBroker;
use crate::admin::{AdminUrl, FetchError, fetch, query};
use crate::cli::plain::{plain, shown};

/// How many brokers are asked: in a mesh the ways are many more than the brokers.
const MOST_STEPS: usize = 200;
/// How many brokers a way may have.
const MOST_HOPS: usize = 32;

/// What a message would meet.
#[derive(Debug, Serialize)]
pub(super) struct Probe {
    queue: String,
    steps: Vec<Step>,
    /// Whether there are more ways than were followed.
    cut_short: bool,
}

/// One broker on one of the ways.
#[derive(Debug, Serialize)]
struct Step {
    /// The brokers of the way before it, by their names.
    path: Vec<String>,
    broker: String,
    /// What it would do; empty if it could not be asked.
    considered: Vec<Considered>,
    /// Why it could not be asked.
    reason: Option<String>,
}

/// A broker to be asked.
struct Next {
    url: Result<AdminUrl, String>,
    name: String,
    /// Names and ids of the brokers before it.
    path: Vec<(String, String)>,
}

/// Follows all ways from `start`. Err: nobody answers there.
pub(super) async fn probe(
    queue: &str,
    start: &AdminUrl,
    brokers: &BTreeMap<&str, &SeenBroker>,
) -> Result<Probe, FetchError> {
    let mut steps = Vec::new();
    let first = Next { url: Ok(start.clone()), name: String::new(), path: Vec::new() };
    let mut open = VecDeque::from([first]);
    while let Some(next) = open.pop_front() {
        if steps.len() >= MOST_STEPS {
            return Ok(Probe { queue: queue.to_owned(), steps, cut_short: true });
        }
        let path: Vec<String> = next.path.iter().map(|(name, _)| name.clone()).collect();
        let url = match next.url {
            Ok(url) => url,
            Err(reason) => {
                let (broker, considered) = (next.name, Vec::new());
                steps.push(Step { path, broker, considered, reason: Some(reason) });
                continue;
            }
        };
        let ids: Vec<&str> = next.path.iter().map(|(_, id)| id.as_str()).collect();
        let asked = query("/api/v1/explain", &[("queue", queue), ("probe", &ids.join(","))]);
        let answer: ExplainAnswer = match fetch(&url, &asked).await {
            Ok(answer) => answer,
            Err(error) if steps.is_empty() => return Err(error),
            Err(error) => {
                let (broker, considered) = (next.name, Vec::new());
                steps.push(Step { path, broker, considered, reason: Some(error.to_string()) });
                continue;
            }
        };
        let mut onward = next.path;
        onward.push((answer.broker.name.clone(), answer.broker.id.clone()));
        if onward.len() <= MOST_HOPS {
            open.extend(answer.considered.iter().filter(|one| takes(one)).filter_map(|one| {
                let broker = one.next_broker.as_ref()?;
                let url = where_is(&broker.id, brokers);
                Some(Next { url, name: broker.name.clone(), path: onward.clone() })
            }));
        }
        steps.push(Step {
            path,
            broker: answer.broker.name,
            considered: answer.considered,
            reason: None,
        });
    }
    Ok(Probe { queue: queue.to_owned(), steps, cut_short: false })
}

/// Whether a message would go there, now or when there is room.
fn takes(one: &Considered) -> bool {
    matches!(one.verdict.as_str(), "has_room" | "window_full" | "not_asked" | "former_way")
}

fn where_is(id: &str, brokers: &BTreeMap<&str, &SeenBroker>) -> Result<AdminUrl, String> {
    let Some(seen) = brokers.get(id) else { return Err("nobody knows where it is".to_owned()) };
    let reason = || {
        let product = seen.product.as_deref().unwrap_or("it");
        let reason = seen.reason.as_deref().unwrap_or("it did not answer");
        format!("{product} cannot be asked: {reason}")
    };
    let url = seen.asked_at.as_deref().filter(|_| seen.status.is_some()).ok_or_else(reason)?;
    AdminUrl::parse(url).map_err(|error| error.to_string())
}

impl Probe {
    /// The lines for people.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "a message without properties for {}, if it were sent; none was",
            plain(&self.queue)
        )];
        for Step { path, broker, considered, reason } in &self.steps {
            let names: Vec<String> = path.iter().chain([broker]).map(|name| shown(name)).collect();
            lines.extend([String::new(), names.join(" -> ")]);
            if let Some(reason) = reason {
                lines.push(format!("  {}", plain(reason)));
            }
            for one in considered {
                let goes = if takes(one) { "may go to" } else { "not to" };
                let kind = &one.kind;
                let (name, why) = (shown(&one.name), plain(&one.reason));
                lines.push(format!("  {goes} {kind} {name}: {why}"));
            }
            if reason.is_none() && !considered.iter().any(takes) {
                lines.push("  it would wait here".to_owned());
            }
        }
        if self.cut_short {
            lines.extend([String::new(), format!("… the first {MOST_STEPS} steps of more")]);
        }
        lines
    }
}

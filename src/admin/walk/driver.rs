//! Asks, several at a time.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::map::{Answers, NetworkMap, Question, Walk};
use crate::admin::client::{AdminUrl, FetchError, fetch};

/// What a walk may cost.
#[derive(Debug, Clone, Copy)]
pub struct WalkLimits {
    /// Brokers that are asked or shown.
    pub brokers: usize,
    /// Brokers that are asked at a time.
    pub at_a_time: usize,
    /// How long one broker may take to answer.
    pub each: Duration,
    /// How long all of it may take.
    pub all: Duration,
}

impl Default for WalkLimits {
    fn default() -> Self {
        Self {
            brokers: 1_000,
            at_a_time: 16,
            each: Duration::from_secs(5),
            all: Duration::from_secs(30),
        }
    }
}

/// Walks the network from `start`. Err: nobody answers there.
pub async fn walk(start: &AdminUrl, limits: WalkLimits) -> Result<NetworkMap, FetchError> {
    let deadline = Instant::now() + limits.all;
    let mut walk = Walk::new(start.clone(), limits.brokers);
    let mut asking = JoinSet::new();
    let mut cut_short = false;
    loop {
        while asking.len() < limits.at_a_time
            && let Some(question) = walk.next()
        {
            asking.spawn(async move {
                let until = Instant::now() + limits.each;
                let answers = timeout_at(until, ask(&question.url)).await;
                (question, answers)
            });
        }
        let answered = match timeout_at(deadline, asking.join_next()).await {
            Ok(None) => break,
            Ok(Some(answered)) => answered,
            Err(_) => {
                cut_short = true;
                break;
            }
        };
        // A question that panicked has no answer.
        let Ok((question, answers)) = answered else { continue };
        match answers {
            Ok(Ok(answers)) => walk.answered(&question, answers),
            Ok(Err(error)) if question.id.is_none() => return Err(error),
            Ok(Err(error)) => walk.silent(&question, error.to_string()),
            Err(_) if question.id.is_none() => {
                return Err(FetchError::TimedOut { url: question.url });
            }
            Err(_) => {
                let Question { url, .. } = &question;
                let reason = format!("{url} does not answer within {} s", limits.each.as_secs());
                walk.silent(&question, reason);
            }
        }
    }
    Ok(walk.finish(cut_short))
}

async fn ask(url: &AdminUrl) -> Result<Answers, FetchError> {
    Ok(Answers {
        broker: fetch(url, "/api/v1/broker").await?,
        network: fetch(url, "/api/v1/network").await?,
    })
}

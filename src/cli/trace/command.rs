//! Asking, and what is printed.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;

use super::message::Trace;
use super::probe::{Probe, probe};
use crate::admin::explain::ExplainAnswer;
use crate::admin::walk::{NetworkMap, SeenBroker, WalkLimits, walk};
use crate::admin::{AdminUrl, FetchError, fetch, query};
use crate::cli::exit::ExitCode;
use crate::cli::output::{complain, say};

/// Arguments of `trace`.
#[derive(Debug, Args)]
pub(in crate::cli) struct TraceArguments {
    /// The queue: queue://NAME, or NAME
    #[arg(value_name = "QUEUE")]
    queue: String,
    /// A message that is there, by its JMSMessageID [default: the first that waits]
    #[arg(long, value_name = "ID", conflicts_with = "probe")]
    message: Option<String>,
    /// Ask each broker in turn what it would do with a message without properties; none is sent
    #[arg(long)]
    probe: bool,
    /// The admin API of the broker where the message is, or where the probe begins
    /// [default: http://127.0.0.1:8161]
    #[arg(long, value_name = "URL")]
    admin: Option<String>,
    /// Print one JSON object in place of text
    #[arg(long)]
    json: bool,
}

/// Shows the way of a message.
pub(in crate::cli) async fn run(arguments: &TraceArguments) -> ExitCode {
    let url = match arguments.admin.as_deref().map(AdminUrl::parse).transpose() {
        Ok(url) => url.unwrap_or_default(),
        Err(error) => {
            complain(error);
            return ExitCode::Usage;
        }
    };
    let outcome = match arguments.probe {
        true => follow(arguments, &url).await.map(|probe| {
            show(arguments.json, &probe, Probe::lines);
            ExitCode::Done
        }),
        false => look(arguments, &url).await.map(|trace| match trace {
            Ok(trace) => {
                show(arguments.json, &trace, Trace::lines);
                ExitCode::Done
            }
            Err(summary) => {
                complain(summary);
                ExitCode::Failed
            }
        }),
    };
    outcome.unwrap_or_else(|error| {
        complain(error);
        ExitCode::Failed
    })
}

/// The way of a message that is there; Err: there is none.
async fn look(
    arguments: &TraceArguments,
    url: &AdminUrl,
) -> Result<Result<Trace, String>, FetchError> {
    let mut parameters = vec![("queue", arguments.queue.as_str())];
    parameters.extend(arguments.message.as_deref().map(|id| ("message", id)));
    let answer: ExplainAnswer = fetch(url, &query("/api/v1/explain", &parameters)).await?;
    let Some(message) = answer.message else { return Ok(Err(answer.summary)) };
    let map = walk(url, WalkLimits::default()).await?;
    Ok(Ok(Trace::new(answer.broker, answer.queue, message, &names(&map))))
}

async fn follow(arguments: &TraceArguments, url: &AdminUrl) -> Result<Probe, FetchError> {
    let map = walk(url, WalkLimits::default()).await?;
    let brokers: BTreeMap<&str, &SeenBroker> =
        map.brokers.iter().map(|seen| (seen.broker.id.as_str(), seen)).collect();
    probe(&arguments.queue, url, &brokers).await
}

/// The brokers' names by their ids.
fn names(map: &NetworkMap) -> BTreeMap<String, String> {
    let brokers = map.brokers.iter();
    brokers.map(|seen| (seen.broker.id.clone(), seen.broker.name.clone())).collect()
}

fn show<T: Serialize>(json: bool, answer: &T, lines: impl FnOnce(&T) -> Vec<String>) {
    if !json {
        lines(answer).into_iter().for_each(say);
        return;
    }
    match serde_json::to_string(answer) {
        Ok(json) => say(json),
        Err(error) => complain(format_args!("the answer cannot be printed: {error}")),
    }
}

//! Asking, and what is printed.

use clap::Args;

use super::report::lines;
use crate::admin::explain::ExplainAnswer;
use crate::admin::{AdminUrl, fetch, query};
use crate::cli::exit::ExitCode;
use crate::cli::output::{complain, say};

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ExplainArguments {
    /// The queue: queue://NAME, or NAME
    #[arg(value_name = "QUEUE")]
    queue: String,
    /// One message of it, by its JMSMessageID [default: the first that waits]
    #[arg(long, value_name = "ID")]
    message: Option<String>,
    /// The broker's admin API [default: http://127.0.0.1:8161]
    #[arg(long, value_name = "URL")]
    admin: Option<String>,
    /// Print one JSON object in place of text
    #[arg(long)]
    json: bool,
}

/// Shows why a message of a queue waits.
pub(in crate::cli) async fn run(arguments: &ExplainArguments) -> ExitCode {
    let url = match arguments.admin.as_deref().map(AdminUrl::parse).transpose() {
        Ok(url) => url.unwrap_or_default(),
        Err(error) => {
            complain(error);
            return ExitCode::Usage;
        }
    };
    let mut parameters = vec![("queue", arguments.queue.as_str())];
    parameters.extend(arguments.message.as_deref().map(|id| ("message", id)));
    let path = query("/api/v1/explain", &parameters);
    let answer = match fetch::<ExplainAnswer>(&url, &path).await {
        Ok(answer) => answer,
        Err(error) => {
            complain(error);
            return ExitCode::Failed;
        }
    };
    if !arguments.json {
        for line in lines(&answer) {
            say(line);
        }
        return ExitCode::Done;
    }
    match serde_json::to_string(&answer) {
        Ok(json) => {
            say(json);
            ExitCode::Done
        }
        Err(error) => {
            complain(format_args!("the answer of {url} cannot be printed: {error}"));
            ExitCode::Failed
        }
    }
}

//! Asking, and what is printed.

use clap::Args;

use super::report::Report;
use crate::admin::{AdminUrl, FetchError, fetch};
use crate::cli::exit::ExitCode;
use crate::cli::output::{complain, say};

/// Entries of a list that people are shown; programs get as many as the API gives.
const SHOWN: usize = 20;

/// Arguments of `status`.
#[derive(Debug, Args)]
pub(in crate::cli) struct StatusArguments {
    /// The broker's admin API [default: http://127.0.0.1:8161]
    #[arg(long, value_name = "URL")]
    admin: Option<String>,
    /// Print one JSON object in place of tables
    #[arg(long)]
    json: bool,
}

/// Shows what a broker does.
pub(in crate::cli) async fn run(arguments: &StatusArguments) -> ExitCode {
    let url = match arguments.admin.as_deref().map(AdminUrl::parse).transpose() {
        Ok(url) => url.unwrap_or_default(),
        Err(error) => {
            complain(error);
            return ExitCode::Usage;
        }
    };
    let limit = if arguments.json { String::new() } else { format!("?limit={SHOWN}") };
    let report = match ask(&url, &limit).await {
        Ok(report) => report,
        Err(error) => {
            complain(error);
            return ExitCode::Failed;
        }
    };
    if !arguments.json {
        for line in report.lines() {
            say(line);
        }
        return ExitCode::Done;
    }
    match serde_json::to_string(&report) {
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

async fn ask(url: &AdminUrl, limit: &str) -> Result<Report, FetchError> {
    Ok(Report {
        broker: fetch(url, "/api/v1/broker").await?,
        connections: fetch(url, &format!("/api/v1/connections{limit}")).await?,
        destinations: fetch(url, &format!("/api/v1/destinations{limit}")).await?,
        links: fetch(url, "/api/v1/links").await?,
    })
}

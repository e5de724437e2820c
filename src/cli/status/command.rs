//! Asking, and what is printed.

use clap::Args;
use serde::Serialize;

use super::network;
use super::report::Report;
use crate::admin::walk::{WalkLimits, walk};
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
    /// Walk from this broker to all that it leads to, and show the whole network
    #[arg(long)]
    network: bool,
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
    if arguments.network {
        return match walk(&url, WalkLimits::default()).await {
            Ok(map) => show(arguments.json, &map, network::lines),
            Err(error) => {
                complain(error);
                ExitCode::Failed
            }
        };
    }
    let limit = if arguments.json { String::new() } else { format!("?limit={SHOWN}") };
    match ask(&url, &limit).await {
        Ok(report) => show(arguments.json, &report, Report::lines),
        Err(error) => {
            complain(error);
            ExitCode::Failed
        }
    }
}

/// Prints an answer, for programs or for people.
fn show<T: Serialize>(json: bool, answer: &T, lines: impl FnOnce(&T) -> Vec<String>) -> ExitCode {
    if !json {
        for line in lines(answer) {
            say(line);
        }
        return ExitCode::Done;
    }
    match serde_json::to_string(answer) {
        Ok(json) => {
            say(json);
            ExitCode::Done
        }
        Err(error) => {
            complain(format_args!("the answer cannot be printed: {error}"));
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

//! `ferrymq transactions`: prepared branches of distributed transactions, and their end by an
//! operator.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::columns::Columns;
use super::exit::ExitCode;
use super::output::{complain, say};
use super::quantities;
use crate::admin::answers::{DecisionAnswer, TransactionsAnswer};
use crate::admin::{AdminUrl, FetchError, fetch, operate, query};

/// Arguments of `transactions`.
#[derive(Debug, Args)]
pub(super) struct TransactionsArguments {
    /// The broker's admin API [default: http://127.0.0.1:8161]
    #[arg(long, value_name = "URL", global = true)]
    admin: Option<String>,
    /// Print one JSON object in place of text
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show what is prepared, and what an operator has ended (the default)
    List,
    /// Commit a prepared one in its coordinator's place, which is told XA_HEURCOM
    Commit {
        /// As it is listed: XID:[…]
        id: String,
    },
    /// Roll a prepared one back in its coordinator's place, which is told XA_HEURRB
    Rollback {
        /// As it is listed: XID:[…]
        id: String,
    },
    /// Forget one that an operator has ended, whose coordinator will not come any more
    Forget {
        /// As it is listed: XID:[…]
        id: String,
    },
}

/// Shows prepared branches, or ends one.
pub(super) async fn run(arguments: &TransactionsArguments) -> ExitCode {
    let url = match arguments.admin.as_deref().map(AdminUrl::parse).transpose() {
        Ok(url) => url.unwrap_or_default(),
        Err(error) => {
            complain(error);
            return ExitCode::Usage;
        }
    };
    let (decision, id) = match &arguments.what {
        None | Some(What::List) => {
            let answer = fetch::<TransactionsAnswer>(&url, "/api/v1/transactions").await;
            return show(arguments.json, &answer, lines);
        }
        Some(What::Commit { id }) => ("commit", id),
        Some(What::Rollback { id }) => ("rollback", id),
        Some(What::Forget { id }) => ("forget", id),
    };
    let path = query(&format!("/api/v1/transactions/{decision}"), &[("id", id)]);
    let answer = operate::<DecisionAnswer>(&url, &path).await;
    show(arguments.json, &answer, |DecisionAnswer { id, decision }| {
        vec![format!("{}: {id}", done(decision))]
    })
}

fn done(decision: &str) -> &str {
    match decision {
        "commit" => "committed",
        "rollback" => "rolled back",
        "forget" => "forgotten",
        other => other,
    }
}

fn lines(answer: &TransactionsAnswer) -> Vec<String> {
    if answer.transactions.is_empty() {
        return vec!["no transaction waits for its coordinator".to_owned()];
    }
    let mut table = Columns::new(&["TRANSACTION", "STATE", "FOR", "CONNECTION"]);
    for one in &answer.transactions {
        table.row(vec![
            one.id.clone(),
            one.state.replace('_', " "),
            quantities::duration(Duration::from_millis(one.in_state_ms)),
            one.connection_id.clone(),
        ]);
    }
    table.lines(usize::MAX)
}

/// Prints an answer, for programs or for people.
fn show<T: Serialize>(
    json: bool,
    answer: &Result<T, FetchError>,
    lines: impl FnOnce(&T) -> Vec<String>,
) -> ExitCode {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            complain(error);
            return ExitCode::Failed;
        }
    };
    if !json {
        lines(answer).into_iter().for_each(say);
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

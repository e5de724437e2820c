//! The log: on standard error, so that standard output is for what was asked for.

use std::env;
use std::io::{self, IsTerminal};

use clap::Args;
use ferrymq_transport::names::nearest;
use tracing_subscriber::EnvFilter;

/// Where the level comes from when no flag says it.
const VARIABLE: &str = "FERRYMQ_LOG";

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// What is logged.
#[derive(Debug, Args)]
pub(super) struct LogArguments {
    /// What to log: error, warn, info, debug or trace [env: FERRYMQ_LOG]
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<String>,
}

/// Starts logging; the error is for the user.
pub(super) fn start(arguments: &LogArguments, default: &str) -> Result<(), String> {
    let (origin, directives) = match &arguments.log_level {
        Some(level) => ("--log-level", level.clone()),
        None => (VARIABLE, env::var(VARIABLE).unwrap_or_else(|_| default.to_owned())),
    };
    // A word that is no level would be taken for a part of the program, and silence the rest.
    if let Some(word) = directives.split(',').find(|word| !is_directive(word)) {
        let levels = LEVELS.join(", ");
        let meant = nearest(word, &LEVELS).map(|level| format!("; did you mean {level}?"));
        return Err(format!(
            "{origin}: \"{word}\" is no level; levels are {levels}{}",
            meant.unwrap_or_default()
        ));
    }
    let filter = EnvFilter::builder()
        .parse(&directives)
        .map_err(|error| format!("{origin}: cannot log \"{directives}\": {error}"))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .try_init()
        .map_err(|error| format!("cannot start the log: {error}"))
}

fn is_directive(word: &str) -> bool {
    word.contains('=') || LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word.trim()))
}

//! The log: on standard error, so that standard output is for what was asked for.

use std::env;
use std::io::{self, IsTerminal};

use clap::Args;
use tracing_subscriber::EnvFilter;

/// Where the level comes from when no flag says it.
const VARIABLE: &str = "FERRYMQ_LOG";

/// What is logged.
#[derive(Debug, Args)]
pub(super) struct LogArguments {
    /// What to log: error, warn, info, debug, trace, or PART=LEVEL,… [env: FERRYMQ_LOG]
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<String>,
}

/// Starts logging; the error is for the user.
pub(super) fn start(arguments: &LogArguments, default: &str) -> Result<(), String> {
    let (origin, directives) = match &arguments.log_level {
        Some(level) => ("--log-level", level.clone()),
        None => (VARIABLE, env::var(VARIABLE).unwrap_or_else(|_| default.to_owned())),
    };
    let filter = EnvFilter::builder().parse(&directives).map_err(|error| {
        format!("{origin}: cannot log \"{directives}\": {error}; write a level such as debug")
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .try_init()
        .map_err(|error| format!("cannot start the log: {error}"))
}

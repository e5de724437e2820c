//! What can be typed, and which command it runs.

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use super::bench::{self, BenchArguments};
use super::broker::{self, BrokerArguments};
use super::check::{self, CheckArguments};
use super::exit::ExitCode;
use super::explain::{self, ExplainArguments};
use super::logging::{self, LogArguments};
use super::options;
use super::output::{complain, say};
use super::receive::{self, ReceiveArguments};
use super::send::{self, SendArguments};
use super::status::{self, StatusArguments};
use super::store::{self, StoreArguments};
use super::trace::{self, TraceArguments};
use super::transactions::{self, TransactionsArguments};
use super::transfer::{self, MoveArguments, PurgeArguments, RetryArguments};
use super::unsubscribe::{self, UnsubscribeArguments};
use super::up::{self, UpArguments};
use super::world;

/// A federated message broker network that speaks OpenWire.
#[derive(Debug, Parser)]
#[command(name = "ferrymq", version, disable_help_subcommand = true, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    log: LogArguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run one broker in the foreground.
    Broker(BrokerArguments),
    /// Run every broker of a topology on this machine, with its links and workloads.
    Up(UpArguments),
    /// Check broker configurations and topologies without running them.
    Check(CheckArguments),
    /// Print the reference of every setting and its default, as Markdown.
    Options,
    /// Send messages to a destination of any OpenWire broker.
    Send(Box<SendArguments>),
    /// Print the messages of a destination as they come.
    Receive(ReceiveArguments),
    /// End a durable subscription, with all that is kept for it.
    Unsubscribe(UnsubscribeArguments),
    /// Move messages of a queue to another destination of the broker.
    Move(MoveArguments),
    /// Move dead letters to where they were sent first.
    Retry(RetryArguments),
    /// Drop messages of a queue.
    Purge(PurgeArguments),
    /// Show prepared distributed transactions, or end one.
    Transactions(TransactionsArguments),
    /// Show what a broker does: its connections, destinations and links.
    Status(StatusArguments),
    /// Tell why a message of a queue waits, and what would move it.
    Explain(ExplainArguments),
    /// Show the way that a message took, or the ways that one would take.
    Trace(TraceArguments),
    /// Check, show or pack a data directory while its broker is stopped.
    Store(StoreArguments),
    /// Measure a broker, or a path through several: rate, latency, what is lost or doubled.
    Bench(BenchArguments),
}

const EXAMPLES: &str = "\
Examples:
  ferrymq broker --name london --network 'static:(tcp://paris:61616)'
  ferrymq up examples/topologies/pair.toml
  ferrymq check broker.toml topology.toml

Exit codes: 0 done, 1 failed, 2 bad usage or configuration, 3 timed out.";

/// Runs the command that `arguments` (with the program's name first) ask for.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::read(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and the version go to standard output, what is wrong to standard error.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::Usage } else { ExitCode::Done };
        }
    };
    let Some(command) = arguments.command else {
        say(Arguments::command().render_help());
        return ExitCode::Done;
    };
    if let Err(error) = logging::start(&arguments.log, command.default_log()) {
        complain(error);
        return ExitCode::Usage;
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = match runtime.enable_all().on_thread_park(world::rest).build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(format_args!("cannot start the runtime: {error}"));
            return ExitCode::Failed;
        }
    };
    let code = runtime.block_on(command.run());
    // What still runs now has been told to stop, or has been given up.
    runtime.shutdown_background();
    code
}

impl Arguments {
    fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut command = taking_negative_values(Self::command());
        let mut matches = command.try_get_matches_from_mut(arguments)?;
        Self::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
    }
}

/// Lets `--count -1` be a number that is wrong, and no flag that nobody knows.
fn taking_negative_values(command: clap::Command) -> clap::Command {
    let names: Vec<String> =
        command.get_subcommands().map(|inner| inner.get_name().to_owned()).collect();
    let command = command.mut_args(|argument| {
        let names = argument.get_value_names().unwrap_or_default();
        let takes = |name: &str| names.iter().any(|taken| taken == name);
        if argument.is_positional() || !argument.get_action().takes_values() {
            argument
        } else if takes("N") {
            argument.allow_negative_numbers(true)
        } else if takes("DURATION") || takes("SIZE") {
            argument.allow_hyphen_values(true)
        } else {
            argument
        }
    });
    names.iter().fold(command, |command, name| command.mut_subcommand(name, taking_negative_values))
}

impl Command {
    /// What is logged when nobody says: a broker in the foreground has nothing else to show.
    fn default_log(&self) -> &'static str {
        match self {
            Self::Broker(_) => "info",
            Self::Up(_) | Self::Check(_) | Self::Options => "warn",
            // What these have to say, they say themselves.
            Self::Send(_)
            | Self::Receive(_)
            | Self::Unsubscribe(_)
            | Self::Move(_)
            | Self::Retry(_)
            | Self::Purge(_)
            | Self::Transactions(_)
            | Self::Status(_)
            | Self::Explain(_)
            | Self::Trace(_)
            | Self::Store(_)
            | Self::Bench(_) => "error",
        }
    }

    async fn run(self) -> ExitCode {
        match self {
            Self::Broker(arguments) => broker::run(arguments).await,
            Self::Up(arguments) => up::run(arguments).await,
            Self::Check(arguments) => check::run(&arguments),
            Self::Options => options::run(),
            Self::Send(arguments) => send::run(*arguments).await,
            Self::Receive(arguments) => receive::run(arguments).await,
            Self::Unsubscribe(arguments) => unsubscribe::run(arguments).await,
            Self::Move(arguments) => transfer::run(arguments).await,
            Self::Retry(arguments) => transfer::retry(arguments).await,
            Self::Purge(arguments) => transfer::purge(arguments).await,
            Self::Transactions(arguments) => transactions::run(&arguments).await,
            Self::Status(arguments) => status::run(&arguments).await,
            Self::Explain(arguments) => explain::run(&arguments).await,
            Self::Trace(arguments) => trace::run(&arguments).await,
            Self::Store(arguments) => store::run(arguments),
            Self::Bench(arguments) => bench::run(arguments).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_declared_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn help_fits_a_screen() {
        let help = Arguments::command().render_help().to_string();
        assert!(help.lines().count() <= 36, "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    }
}

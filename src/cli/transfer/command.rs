//! The commands.

use ferrymq_network::composite::members;
use ferrymq_network::destination_pattern::DestinationPattern;
use ferrymq_openwire::destination::{Destination, DestinationKind};

use super::arguments::{MoveArguments, PurgeArguments, RetryArguments, Selection};
use super::work::{Fate, Outcome, transfer};
use crate::admin::answers::ReleaseAnswer;
use crate::admin::{AdminUrl, operate, query};
use crate::cli::exit::ExitCode;
use crate::cli::output::{complain, say};
use crate::cli::shutdown::Shutdown;

/// Moves messages of a queue.
pub(in crate::cli) async fn run(arguments: MoveArguments) -> ExitCode {
    let MoveArguments { from, to, selection, .. } = arguments;
    let fate = to.map_or(Fate::ToOrigin, Fate::To);
    carry_out(&from, &fate, &selection).await
}

/// Moves dead letters to where they came from.
pub(in crate::cli) async fn retry(arguments: RetryArguments) -> ExitCode {
    carry_out(&arguments.from, &Fate::ToOrigin, &arguments.selection).await
}

/// Drops messages of a queue.
pub(in crate::cli) async fn purge(arguments: PurgeArguments) -> ExitCode {
    if arguments.damaged {
        return release(&arguments.from, arguments.admin.as_deref()).await;
    }
    carry_out(&arguments.from, &Fate::Dropped, &arguments.selection).await
}

/// Lets a broker forget what is damaged of a queue.
async fn release(from: &Destination, admin: Option<&str>) -> ExitCode {
    let url = match admin.map(AdminUrl::parse).transpose() {
        Ok(url) => url.unwrap_or_default(),
        Err(error) => {
            complain(error);
            return ExitCode::Usage;
        }
    };
    let path = query("/api/v1/destinations/release", &[("queue", &from.name().to_string())]);
    match operate::<ReleaseAnswer>(&url, &path).await {
        Ok(ReleaseAnswer { queue, released }) => {
            say(format_args!("dropped {released} damaged of {queue}"));
            ExitCode::Done
        }
        Err(error) => {
            complain(error);
            ExitCode::Failed
        }
    }
}

async fn carry_out(from: &Destination, fate: &Fate, selection: &Selection) -> ExitCode {
    if from.kind() != DestinationKind::Queue {
        complain(format_args!("{from} is no queue: only queues keep messages"));
        return ExitCode::Usage;
    }
    if let Fate::To(to) = fate
        && let Some(within) = members(to).into_iter().find(|to| covers(from, to))
    {
        complain(format_args!(
            "{from} cannot be moved to {within}: it would be moved again, for ever"
        ));
        return ExitCode::Usage;
    }
    let mut shutdown = match Shutdown::listen() {
        Ok(shutdown) => shutdown,
        Err(error) => {
            complain(format_args!("cannot listen for signals: {error}"));
            return ExitCode::Failed;
        }
    };
    let connection = tokio::select! {
        biased;
        () = shutdown.requested() => return ExitCode::Failed,
        connection = selection.connect.connect() => match connection {
            Ok(connection) => connection,
            Err(code) => return code,
        },
    };
    let Outcome { count, told, failure } =
        transfer(&connection, from, fate, selection, &mut shutdown).await;
    let closed = connection.close().await;
    say(told_count(count, from, fate, selection.dry_run));
    for error in connection.take_errors() {
        complain(format_args!("the broker refused: {error}"));
    }
    match (failure, closed) {
        (Some(failure), _) => complain(failure),
        (None, Err(error)) => complain(error),
        (None, Ok(())) if told => complain("stopped before all were done"),
        (None, Ok(())) => return ExitCode::Done,
    }
    ExitCode::Failed
}

/// Whether what lies in `place` is taken when all of `from` is.
fn covers(from: &Destination, place: &Destination) -> bool {
    members(from).iter().any(|member| DestinationPattern::of(member).matches(place))
}

fn told_count(count: u64, from: &Destination, fate: &Fate, dry_run: bool) -> String {
    let (verb, rest) = match fate {
        Fate::To(to) => ("moved", format!("to {to}")),
        Fate::ToOrigin => ("moved", "to where they were sent first".to_owned()),
        Fate::Dropped => ("dropped", String::new()),
    };
    let messages = if count == 1 { "message" } else { "messages" };
    let would = if dry_run { "would have " } else { "" };
    format!("{would}{verb} {count} {messages} of {from} {rest}").trim_end().to_owned()
}

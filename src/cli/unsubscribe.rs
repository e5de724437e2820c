//! `ferrymq unsubscribe`: the end of a durable subscription.

use clap::Args;

use super::client::connect::ConnectArguments;
use super::exit::ExitCode;
use super::output::{complain, say};

/// Arguments of `unsubscribe`.
#[derive(Debug, Args)]
pub(super) struct UnsubscribeArguments {
    /// The subscription's name, as of `receive --durable NAME`
    #[arg(value_name = "NAME")]
    name: String,
    /// The client id that it belongs to
    #[arg(long, value_name = "ID")]
    client_id: String,
    #[command(flatten)]
    connect: ConnectArguments,
}

/// Ends the subscription that the arguments name.
pub(super) async fn run(arguments: UnsubscribeArguments) -> ExitCode {
    let connection = match arguments.connect.connect_as(Some(&arguments.client_id)).await {
        Ok(connection) => connection,
        Err(code) => return code,
    };
    let ended = connection.unsubscribe(&arguments.name).await;
    let closed = connection.close().await;
    if let Err(error) = ended {
        complain(error);
        return ExitCode::Failed;
    }
    say(format_args!("{} of {} is ended", arguments.name, connection.client_id()));
    if let Err(error) = closed {
        complain(error);
        return ExitCode::Failed;
    }
    ExitCode::Done
}

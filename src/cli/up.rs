//! `ferrymq up`: comes next.

use super::exit::ExitCode;

/// Arguments of `up`.
#[derive(Debug, clap::Args)]
pub(super) struct UpArguments {}

pub(super) async fn run(_: UpArguments) -> ExitCode {
    ExitCode::Failed
}

//! The `ferrymq` command.

use std::process::ExitCode;

use ferrymq::cli;

fn main() -> ExitCode {
    cli::run(std::env::args_os()).into()
}

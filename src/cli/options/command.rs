//! Printing the reference.

use super::reference::reference;
use crate::cli::exit::ExitCode;
use crate::cli::output::say;

/// Prints the reference as Markdown.
pub(in crate::cli) fn run() -> ExitCode {
    say(reference().trim_end());
    ExitCode::Done
}

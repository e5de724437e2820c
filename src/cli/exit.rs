//! How a command ends, for the shell.

use std::process;

/// What a command tells the shell; scripts depend on these numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCode {
    /// What was asked is done.
    Done = 0,
    /// It was tried and failed.
    Failed = 1,
    /// The arguments or the configuration are wrong; nothing was tried.
    Usage = 2,
    /// Time ran out before all that was asked came about.
    TimedOut = 3,
}

impl From<ExitCode> for process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}

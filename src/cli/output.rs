//! Writing to the terminal. A reader that went away is no reason to fall over.

use std::fmt::Display;
use std::io::{self, Write};

/// One line on standard output.
pub(super) fn say(line: impl Display) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// One complaint on standard error.
pub(super) fn complain(what: impl Display) {
    let _ = writeln!(io::stderr().lock(), "ferrymq: {what}");
}

/// Text on standard error, as it is.
pub(super) fn show_error(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

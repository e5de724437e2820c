//! How messages end that nobody gets.

/// Why nobody will get a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Death {
    /// It expired.
    Expired,
    /// A consumer refused it.
    Refused,
}

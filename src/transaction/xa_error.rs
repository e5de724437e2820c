//! Why a step of a distributed transaction fails.

/// The codes of X/Open XA that a resource gives, by their names there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XaCode {
    /// `XA_RBROLLBACK`: it was rolled back.
    RolledBack = 100,
    /// `XA_HEURCOM`: an operator has committed it.
    HeuristicallyCommitted = 7,
    /// `XA_HEURRB`: an operator has rolled it back.
    HeuristicallyRolledBack = 6,
    /// `XA_RETRY`: it stays prepared, and can be committed later.
    Retry = 4,
    /// `XAER_RMERR`: the resource failed.
    ResourceError = -3,
    /// `XAER_NOTA`: there is no such branch.
    Unknown = -4,
    /// `XAER_INVAL`: the identifier is not valid.
    Invalid = -5,
    /// `XAER_PROTO`: not in this phase.
    Protocol = -6,
}

/// A step that failed: the code, and why in words.
///
/// OpenWire carries no code of an exception, so clients read it from the text, where ActiveMQ's look
/// for `xaErrorCode:`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason} xaErrorCode:{}", *code as i32)]
pub struct XaError {
    /// The code.
    pub code: XaCode,
    /// Why.
    pub reason: String,
}

impl XaError {
    /// A failure.
    pub fn new(code: XaCode, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }
}

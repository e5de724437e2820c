//! Who is at the two ends of a link.

use std::fmt;

/// The two ends of a link, for logs and status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerAddress {
    /// The far end: `tcp://192.0.2.7:51000`, or a name.
    pub remote: String,
    /// This end.
    pub local: String,
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.remote)
    }
}

//! One address to dial or to listen on.

use std::fmt;

use crate::options::{Options, write_escaped};

/// One address: `tcp://host:port?option=value`.
///
/// ```
/// use ferrymq_transport::endpoint::Endpoint;
///
/// let endpoint: Endpoint = "tcp://[::1]:61616?wireFormat.maxInactivityDuration=0".parse()?;
/// assert_eq!(endpoint.host, "::1");
/// assert_eq!(endpoint.port, 61616);
/// assert_eq!(endpoint.options.get("wireFormat.maxInactivityDuration"), Some("0"));
/// # Ok::<(), ferrymq_transport::uri::UriError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// How to reach it, in lower case: `tcp`.
    pub scheme: String,
    /// A name, an IPv4 address, or an IPv6 address without brackets; of a `file:` nothing.
    pub host: String,
    /// The port; 0 lets a listener choose, and a member of `dns:(…)` has none.
    pub port: u16,
    /// What stands between the port and the options: empty, or with its leading slash. Of a `file:`
    /// its path.
    pub path: String,
    /// What follows the question mark.
    pub options: Options,
}

impl Endpoint {
    /// `tcp://host:port` without options.
    pub fn tcp(host: impl Into<String>, port: u16) -> Self {
        Self {
            scheme: "tcp".to_owned(),
            host: host.into(),
            port,
            path: String::new(),
            options: Options::new(),
        }
    }

    /// The same endpoint with one more option.
    pub fn with_option(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.insert(name, value);
        self
    }

    /// The same endpoint with another port.
    pub fn with_port(&self, port: u16) -> Self {
        Self { port, ..self.clone() }
    }

    /// The same endpoint without options: what others are told and what logs show.
    pub fn bare(&self) -> Self {
        Self { options: Options::new(), ..self.clone() }
    }

    /// `host:port`, with brackets round an IPv6 address.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            // A zone's '%' is escaped, as RFC 6874 asks.
            format!("[{}]:{}", self.host.replace('%', "%25"), self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scheme.as_str() {
            // A member of `dns:(…)`: a name, with a port or without.
            "dns" if self.port == 0 => f.write_str(&self.host)?,
            "dns" => f.write_str(&self.authority())?,
            "file" => {
                f.write_str("file:")?;
                write_escaped(&self.path, f)?;
            }
            scheme => write!(f, "{scheme}://{}{}", self.authority(), self.path)?,
        }
        if !self.options.is_empty() {
            write!(f, "?{}", self.options)?;
        }
        Ok(())
    }
}

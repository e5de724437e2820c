//! Addresses of brokers, single and composite, in ActiveMQ's grammar.
//!
//! ```text
//! tcp://host:port?option=value                     one endpoint
//! static:(tcp://a:1,tcp://b:2?x=y)?option=value    a composite; options inside belong to a member
//! failover:tcp://a:1,tcp://b:2                     the same without parentheses: no options of its own
//! dns:(_openwire._tcp.example.org,brokers:61616)   names that a name server knows, with or without a port
//! file:brokers.txt                                 an endpoint without a host, whose path is a file's
//! ```
//!
//! Composites nest. Which schemes and options mean something is for their consumers to say.

mod composite;
mod error;
mod parse;
#[cfg(test)]
mod tests;

pub use composite::{Composite, Uri};
pub use error::{UriError, UriProblem};

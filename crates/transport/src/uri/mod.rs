//! Addresses of brokers, single and composite, in ActiveMQ's grammar.
//!
//! ```text
//! tcp://host:port?option=value                     one endpoint
//! static:(tcp://a:1,tcp://b:2?x=y)?option=value    a composite; options inside belong to a member
//! failover:tcp://a:1,tcp://b:2                     the same without parentheses: no options of its own
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

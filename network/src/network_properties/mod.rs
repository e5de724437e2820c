//! What a `BrokerInfo` says about the connector behind a bridge: its settings as a Java
//! `.properties` text.

mod connector;
mod text;

pub use connector::{AskedForError, asked_for, written};
pub use text::{PropertiesError, parse};

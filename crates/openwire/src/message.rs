//! A message as brokers hold it: encoded, with a map of its fields.

use crate::commands::Magic;
/// placeholder
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    x: Magic,
}

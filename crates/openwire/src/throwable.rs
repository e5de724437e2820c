//! Exceptions as the wire carries them.

use crate::text::Text;

/// An exception: its Java class and message, and the rest only between peers that agreed on stack
/// traces. All of it is opaque text from the peer; nothing is ever made from the class name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Throwable {
    /// Java class name, for example `javax.jms.JMSException`.
    pub class_name: Option<Text>,
    /// What happened.
    pub message: Option<Text>,
    /// Where, innermost first; empty unless stack traces were negotiated.
    pub stack: Vec<StackTraceElement>,
    /// What caused it; absent unless stack traces were negotiated.
    pub cause: Option<Box<Throwable>>,
}

impl Throwable {
    /// An exception of this class with this message.
    pub fn new(class_name: &str, message: impl Into<Text>) -> Self {
        Self {
            class_name: Some(class_name.into()),
            message: Some(message.into()),
            ..Self::default()
        }
    }
}

/// One line of a stack trace.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StackTraceElement {
    /// Java class.
    pub class_name: Option<Text>,
    /// Method.
    pub method_name: Option<Text>,
    /// Source file.
    pub file_name: Option<Text>,
    /// Line; -1 unknown, -2 native.
    pub line_number: i32,
}

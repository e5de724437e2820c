//! A selector.

use std::fmt;
use std::sync::Arc;

use ferrymq_openwire::message::Message;

use super::error::SelectorError;
use super::evaluation::{Evaluation, Names};
use super::expression::Expression;
use super::parser;
use super::truth::Truth;

/// A condition on messages, parsed. Cheap to clone.
///
/// ```
/// use ferrymq::selector::{Selector, Truth};
/// use ferrymq_openwire::message::{Message, MessageFields};
///
/// let urgent: Selector = "JMSPriority > 6 OR colour LIKE 'r%'".parse()?;
/// let message = Message::from_fields(&MessageFields { priority: 9, ..Default::default() })?;
/// assert_eq!(urgent.evaluate(&message, 0), Truth::True);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Selector(Arc<Parsed>);

/// What all clones of a selector share.
pub(super) struct Parsed {
    text: String,
    condition: Expression,
    names: Names,
    #[cfg(test)]
    evaluations: std::sync::atomic::AtomicUsize,
}

impl Selector {
    /// The text that it was parsed from.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// Whether the condition holds for a message that was delivered `redeliveries` times before. It
    /// is unknown, too, where the properties of the message are malformed, and where patterns take
    /// unreasonably many steps.
    pub fn evaluate(&self, message: &Message, redeliveries: i32) -> Truth {
        #[cfg(test)]
        self.0.evaluations.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Evaluation::new(message, redeliveries, &self.0.names).of(&self.0.condition)
    }

    /// How often it was evaluated.
    #[cfg(test)]
    pub(crate) fn evaluations(&self) -> usize {
        self.0.evaluations.load(std::sync::atomic::Ordering::Relaxed)
    }

    pub(super) fn shared(&self) -> &Arc<Parsed> {
        &self.0
    }

    pub(super) fn of(shared: Arc<Parsed>) -> Self {
        Self(shared)
    }
}

impl std::str::FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let (condition, names) = parser::parse(text)?;
        Ok(Self(Arc::new(Parsed {
            text: text.to_owned(),
            condition,
            names,
            #[cfg(test)]
            evaluations: std::sync::atomic::AtomicUsize::new(0),
        })))
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Selector").field(&self.0.text).finish()
    }
}

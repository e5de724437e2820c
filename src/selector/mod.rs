//! Message selectors: the conditional expressions of JMS, a subset of SQL-92.
//!
//! A text is parsed once into a [`Selector`], which then says of any message whether the condition
//! is true, false or unknown. The language is that of the JMS specification; where that is silent,
//! ActiveMQ's behaviour counts, because the same selector may be evaluated by brokers of both kinds
//! on a message's way. What is evaluated reads single fields of the message, and walks over its
//! encoded properties at most once, only when it gets to a property.
//!
//! | differs from ActiveMQ | because |
//! |---|---|
//! | `NOT a = 1` is `NOT (a = 1)` | SQL: NOT binds less tightly than comparisons |
//! | text `<>` number is false | JMS: the comparison of unlike types is false |
//! | `a = b` is unknown when either is absent, also when both are | JMS: comparing NULL |
//! | all exact numbers compare, add up and change sign as 64-bit ones | JMS: numeric promotion |
//! | a character beyond the first 65,536 is one character | that is what was sent |
//! | division by zero is unknown | no infinities in conditions |
//! | `+` does not join texts | JMS: arithmetic is for numbers |
//! | `XPATH`, `XQUERY` and functions are refused | not part of JMS; they need the whole body |
//!
//! Nothing here knows of consumers or destinations.

mod error;
mod evaluation;
mod expression;
mod header;
mod in_use;
mod operand;
mod operator;
mod parsed;
mod parser;
mod pattern;
mod token;
mod truth;

#[cfg(test)]
mod tests;

pub use error::SelectorError;
pub use in_use::Selectors;
pub use parsed::Selector;
pub use truth::Truth;

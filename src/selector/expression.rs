//! What a selector is once it is parsed.

use ferrymq_openwire::text::Text;

use super::header::Header;
use super::operator::{Comparison, Operator};
use super::pattern::Pattern;

/// A condition or a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    Null,
    Bool(bool),
    Exact(i64),
    Approximate(f64),
    Text(Text),
    Header(Header),
    /// A property, by its number in the selector's list of names.
    Property(usize),
    /// JMSXUserID: a header, or else the property of this number, as in ActiveMQ.
    UserId(usize),
    Signed(Box<Expression>),
    Negated(Box<Expression>),
    Arithmetic(Operator, Box<Expression>, Box<Expression>),
    Compare(Comparison, Box<Expression>, Box<Expression>),
    /// Value, lowest, highest.
    Between(Box<Expression>, Box<Expression>, Box<Expression>),
    /// Not the contrary of the above: where types are unlike, both are false.
    NotBetween(Box<Expression>, Box<Expression>, Box<Expression>),
    /// The texts are in order.
    In(Box<Expression>, Vec<Text>),
    Like(Box<Expression>, Pattern),
    IsNull(Box<Expression>),
    Not(Box<Expression>),
    All(Vec<Expression>),
    Any(Vec<Expression>),
}

/// What an expression can be, as far as its text tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// That of a property is known when a message has it.
    Open,
    Condition,
    Number,
    Text,
    Null,
}

impl Expression {
    pub(super) fn sort(&self) -> Sort {
        match self {
            Self::Header(_) | Self::Property(_) | Self::UserId(_) => Sort::Open,
            Self::Null => Sort::Null,
            Self::Text(_) => Sort::Text,
            Self::Exact(_)
            | Self::Approximate(_)
            | Self::Signed(_)
            | Self::Negated(_)
            | Self::Arithmetic(..) => Sort::Number,
            Self::Bool(_)
            | Self::Compare(..)
            | Self::Between(..)
            | Self::NotBetween(..)
            | Self::In(..)
            | Self::Like(..)
            | Self::IsNull(_)
            | Self::Not(_)
            | Self::All(_)
            | Self::Any(_) => Sort::Condition,
        }
    }
}

impl Sort {
    /// Whether a condition may stand on it. `NULL` as a condition is unknown, as in ActiveMQ.
    pub(super) fn may_be_condition(self) -> bool {
        matches!(self, Self::Open | Self::Condition | Self::Null)
    }

    /// Whether it may be calculated with and compared for order.
    pub(super) fn may_be_number(self) -> bool {
        matches!(self, Self::Open | Self::Number)
    }

    /// In words.
    pub(super) fn described(self) -> &'static str {
        match self {
            Self::Open => "a property",
            Self::Condition => "a condition",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::Null => "NULL",
        }
    }
}

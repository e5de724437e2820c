//! Values, how they compare, and how they are calculated with.

use std::borrow::Cow;
use std::cmp::Ordering;

use ferrymq_openwire::properties::Scalar;
use ferrymq_openwire::text::Text;

use super::operator::{Comparison, Operator};
use super::truth::Truth;

/// A value while a condition is evaluated.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand<'a> {
    /// Absent.
    Null,
    Bool(bool),
    /// A whole number, whichever of Java's types it came in.
    Exact(i64),
    Approximate(f64),
    /// Modified UTF-8.
    Text(Cow<'a, [u8]>),
    /// Present, and of a type that conditions cannot look into: bytes, lists, maps, single
    /// characters.
    Opaque,
}

impl<'a> Operand<'a> {
    /// A text of the selector.
    pub(super) fn of_text(text: &'a Text) -> Self {
        Self::Text(Cow::Borrowed(text.as_bytes()))
    }

    /// Whether it is absent.
    pub(super) fn is_null(&self) -> bool {
        *self == Self::Null
    }

    /// As a condition. As in ActiveMQ, what is no boolean does not hold.
    pub(super) fn truth(&self) -> Truth {
        match self {
            Self::Null => Truth::Unknown,
            Self::Bool(value) => Truth::from(*value),
            _ => Truth::False,
        }
    }

    /// Compares with another. JMS: with something absent it is unknown, and between unlike types
    /// false, also for `<>`. Exact and approximate numbers are alike.
    pub(super) fn compare(&self, comparison: Comparison, other: &Self) -> Truth {
        let (equal, order) = match (self, other) {
            (Self::Null, _) | (_, Self::Null) => return Truth::Unknown,
            (Self::Exact(one), Self::Exact(other)) => (one == other, Some(one.cmp(other))),
            (Self::Bool(one), Self::Bool(other)) => (one == other, Some(one.cmp(other))),
            // ActiveMQ lets texts of properties be compared for order, which JMS leaves open.
            (Self::Text(one), Self::Text(other)) => match comparison {
                Comparison::Equal | Comparison::NotEqual => (one == other, None),
                _ => (false, Some(text_order(one, other))),
            },
            _ => match (self.number(), other.number()) {
                (Some(one), Some(other)) => (one == other, one.partial_cmp(&other)),
                _ => return Truth::False,
            },
        };
        Truth::from(match comparison {
            Comparison::Equal => equal,
            Comparison::NotEqual => !equal,
            Comparison::Less => order.is_some_and(Ordering::is_lt),
            Comparison::LessOrEqual => order.is_some_and(Ordering::is_le),
            Comparison::Greater => order.is_some_and(Ordering::is_gt),
            Comparison::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
        })
    }

    /// Calculates. What is no number makes the result unknown, and so does division by zero. Exact
    /// sums, differences and products wrap around at 64 bits, as Java's; quotients and remainders
    /// are approximate, as ActiveMQ's: 5 / 2 is 2.5.
    pub(super) fn calculate(&self, operator: Operator, other: &Self) -> Operand<'static> {
        if let (Self::Exact(one), Self::Exact(other)) = (self, other) {
            match operator {
                Operator::Plus => return Operand::Exact(one.wrapping_add(*other)),
                Operator::Minus => return Operand::Exact(one.wrapping_sub(*other)),
                Operator::Times => return Operand::Exact(one.wrapping_mul(*other)),
                Operator::Divide | Operator::Remainder => {}
            }
        }
        let (Some(one), Some(other)) = (self.number(), other.number()) else {
            return Operand::Null;
        };
        match operator {
            Operator::Plus => Operand::Approximate(one + other),
            Operator::Minus => Operand::Approximate(one - other),
            Operator::Times => Operand::Approximate(one * other),
            Operator::Divide | Operator::Remainder if other == 0.0 => Operand::Null,
            Operator::Divide => Operand::Approximate(one / other),
            Operator::Remainder => Operand::Approximate(one % other),
        }
    }

    /// The number of the other sign; unknown for what is no number.
    pub(super) fn negated(&self) -> Operand<'static> {
        match self {
            Self::Exact(value) => Operand::Exact(value.wrapping_neg()),
            Self::Approximate(value) => Operand::Approximate(-value),
            _ => Operand::Null,
        }
    }

    /// The number itself; unknown for what is no number.
    pub(super) fn signed(&self) -> Operand<'static> {
        match self {
            Self::Exact(value) => Operand::Exact(*value),
            Self::Approximate(value) => Operand::Approximate(*value),
            _ => Operand::Null,
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Self::Exact(value) => Some(*value as f64),
            Self::Approximate(value) => Some(*value),
            _ => None,
        }
    }
}

/// Java's order: by UTF-16 units. Bytes of modified UTF-8 have the same order but for NUL.
fn text_order(one: &[u8], other: &[u8]) -> Ordering {
    const NUL: [u8; 2] = [0xC0, 0x80];
    let holds_nul = |text: &[u8]| text.windows(2).any(|pair| pair == NUL);
    if !holds_nul(one) && !holds_nul(other) {
        return one.cmp(other);
    }
    let units = |text| Text::from_wire(text).map(|text| text.to_utf16()).unwrap_or_default();
    units(one).cmp(&units(other))
}

impl<'a> From<Scalar<'a>> for Operand<'a> {
    fn from(scalar: Scalar<'a>) -> Self {
        match scalar {
            Scalar::Null => Self::Null,
            Scalar::Bool(value) => Self::Bool(value),
            Scalar::Exact(value) => Self::Exact(value),
            Scalar::Approximate(value) => Self::Approximate(value),
            Scalar::Text(bytes) => Self::Text(Cow::Borrowed(bytes)),
            Scalar::Opaque => Self::Opaque,
        }
    }
}

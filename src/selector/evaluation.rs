//! One selector and one message.

use std::cell::{Cell, OnceCell};
use std::collections::BTreeMap;

use ferrymq_openwire::message::Message;
use ferrymq_openwire::properties::{Scalar, scalars};

use super::expression::Expression;
use super::header::Header;
use super::operand::Operand;
use super::operator::Comparison;
use super::truth::Truth;

/// How many steps the patterns of one evaluation may take: some tens of milliseconds.
const STEPS: usize = 1 << 24;

/// The properties that a selector names, each with its number.
pub(super) type Names = BTreeMap<Box<[u8]>, usize>;

/// The evaluation of a selector's parts.
pub(super) struct Evaluation<'a> {
    message: &'a Message,
    redeliveries: i32,
    names: &'a Names,
    /// By number, once a property is asked for.
    properties: OnceCell<Vec<Scalar<'a>>>,
    steps: Cell<usize>,
    /// It cannot be said: the properties are malformed, or patterns took too many steps.
    given_up: Cell<bool>,
}

impl<'a> Evaluation<'a> {
    pub(super) fn new(message: &'a Message, redeliveries: i32, names: &'a Names) -> Self {
        Self {
            message,
            redeliveries,
            names,
            properties: OnceCell::new(),
            steps: Cell::new(STEPS),
            given_up: Cell::new(false),
        }
    }

    /// The outcome.
    pub(super) fn of(self, whole: &'a Expression) -> Truth {
        let truth = self.truth(whole);
        if self.given_up.get() { Truth::Unknown } else { truth }
    }

    fn truth(&self, condition: &'a Expression) -> Truth {
        match condition {
            Expression::Not(inner) => !self.truth(inner),
            Expression::All(parts) => Truth::all(parts.iter().map(|part| self.truth(part))),
            Expression::Any(parts) => Truth::any(parts.iter().map(|part| self.truth(part))),
            Expression::Compare(comparison, left, right) => {
                self.value(left).compare(*comparison, &self.value(right))
            }
            Expression::Between(value, low, high) => {
                let value = self.value(value);
                Truth::all([
                    value.compare(Comparison::GreaterOrEqual, &self.value(low)),
                    value.compare(Comparison::LessOrEqual, &self.value(high)),
                ])
            }
            Expression::NotBetween(value, low, high) => {
                let value = self.value(value);
                Truth::any([
                    value.compare(Comparison::Less, &self.value(low)),
                    value.compare(Comparison::Greater, &self.value(high)),
                ])
            }
            // As in ActiveMQ, IN is unknown for what is no text, and LIKE is false.
            Expression::In(value, texts) => match self.value(value) {
                Operand::Text(value) => {
                    let found = texts.binary_search_by(|text| text.as_bytes().cmp(&value));
                    Truth::from(found.is_ok())
                }
                _ => Truth::Unknown,
            },
            Expression::Like(value, pattern) => match self.value(value) {
                Operand::Null => Truth::Unknown,
                Operand::Text(value) => {
                    let mut left = self.steps.get();
                    let matched = pattern.matches(&value, &mut left);
                    self.steps.set(left);
                    self.given_up.set(self.given_up.get() || matched.is_err());
                    matched.map_or(Truth::Unknown, Truth::from)
                }
                _ => Truth::False,
            },
            Expression::IsNull(value) => Truth::from(self.value(value).is_null()),
            _ => self.value(condition).truth(),
        }
    }

    fn value(&self, expression: &'a Expression) -> Operand<'a> {
        match expression {
            Expression::Null => Operand::Null,
            Expression::Bool(value) => Operand::Bool(*value),
            Expression::Exact(value) => Operand::Exact(*value),
            Expression::Approximate(value) => Operand::Approximate(*value),
            Expression::Text(text) => Operand::of_text(text),
            Expression::Header(header) => header.of(self.message, self.redeliveries),
            Expression::Property(number) => self.property(*number),
            Expression::UserId(number) => {
                match Header::UserId.of(self.message, self.redeliveries) {
                    Operand::Null => self.property(*number),
                    user => user,
                }
            }
            Expression::Signed(inner) => self.value(inner).signed(),
            Expression::Negated(inner) => self.value(inner).negated(),
            Expression::Arithmetic(operator, left, right) => {
                self.value(left).calculate(*operator, &self.value(right))
            }
            _ => match self.truth(expression) {
                Truth::True => Operand::Bool(true),
                Truth::False => Operand::Bool(false),
                Truth::Unknown => Operand::Null,
            },
        }
    }

    fn property(&self, number: usize) -> Operand<'a> {
        let properties = self.properties.get_or_init(|| self.find_properties());
        properties.get(number).copied().map_or(Operand::Null, Operand::from)
    }

    fn find_properties(&self) -> Vec<Scalar<'a>> {
        let mut found = vec![Scalar::Null; self.names.len()];
        let encoded = self.message.marshalled_properties().unwrap_or_default();
        if encoded.is_empty() {
            return found;
        }
        let read = scalars(encoded, |name, value| {
            let place = self.names.get(name).and_then(|number| found.get_mut(*number));
            if let Some(place) = place {
                *place = value;
            }
        });
        self.given_up.set(read.is_err());
        found
    }
}

//! Commands as trees of named fields, for people and for comparison with recorded frames.
//!
//! A description has the fields that a version carries, in wire order, under ActiveMQ's names. It
//! is written by the same walk over the field lists that writes frames.

use crate::codec::depth::MAX_DEPTH;
use crate::codec::writer::FieldWriter;
use crate::command::Command;
use crate::error::EncodeError;
use crate::format::WireForm;
use crate::message::Message;
use crate::structure::{Cacheable, Structure};
use crate::text::Text;
use crate::throwable::Throwable;

/// A field's value, described.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// An absent string, array or structure.
    Null,
    /// A boolean.
    Boolean(bool),
    /// A number of 8 or 32 bits.
    Integer(i32),
    /// A number of 64 bits.
    Long(i64),
    /// A string.
    Text(Text),
    /// Bytes.
    Bytes(Vec<u8>),
    /// An array.
    List(Vec<Node>),
    /// A structure with its name, or an exception, which has none.
    Record(Option<&'static str>, Vec<(&'static str, Node)>),
}

/// Describes a command with the fields that it has in a wire form.
pub fn describe(command: &Command, form: WireForm) -> Result<Node, EncodeError> {
    let mut describer = Describer { form, depth: 0, name: "", fields: Vec::new() };
    command.write(&mut describer)?;
    Ok(Node::Record(Some(command.wire_name()), describer.fields))
}

/// Collects the fields of one structure.
struct Describer {
    form: WireForm,
    depth: u8,
    /// Name of the field that comes next.
    name: &'static str,
    fields: Vec<(&'static str, Node)>,
}

impl Describer {
    fn add(&mut self, node: Node) -> Result<(), EncodeError> {
        self.fields.push((self.name, node));
        Ok(())
    }

    fn structure<T: Structure>(&self, value: Option<&T>) -> Result<Node, EncodeError> {
        let Some(value) = value else { return Ok(Node::Null) };
        if self.depth > MAX_DEPTH {
            return Err(EncodeError::TooDeep { max: MAX_DEPTH });
        }
        let depth = self.depth + 1;
        let mut inner = Describer { form: self.form, depth, name: "", fields: Vec::new() };
        value.write(&mut inner)?;
        Ok(Node::Record(Some(value.wire_name()), inner.fields))
    }

    fn exception(&self, value: Option<&Throwable>) -> Node {
        let Some(throwable) = value else { return Node::Null };
        let mut fields = vec![
            ("class", text(throwable.class_name.as_ref())),
            ("message", text(throwable.message.as_ref())),
        ];
        if self.form.stack_trace {
            let lines = throwable.stack.iter().map(|line| {
                Node::List(vec![
                    text(line.class_name.as_ref()),
                    text(line.method_name.as_ref()),
                    text(line.file_name.as_ref()),
                    Node::Integer(line.line_number),
                ])
            });
            fields.push(("stack", Node::List(lines.collect())));
            fields.push(("cause", self.exception(throwable.cause.as_deref())));
        }
        Node::Record(None, fields)
    }
}

fn text(value: Option<&Text>) -> Node {
    value.map_or(Node::Null, |text| Node::Text(text.clone()))
}

impl FieldWriter for Describer {
    fn version(&self) -> u8 {
        self.form.version
    }

    fn field(&mut self, name: &'static str) {
        self.name = name;
    }

    fn boolean(&mut self, value: bool) -> Result<(), EncodeError> {
        self.add(Node::Boolean(value))
    }

    fn byte(&mut self, value: i8) -> Result<(), EncodeError> {
        self.add(Node::Integer(value.into()))
    }

    fn int(&mut self, value: i32) -> Result<(), EncodeError> {
        self.add(Node::Integer(value))
    }

    fn long(&mut self, value: i64) -> Result<(), EncodeError> {
        self.add(Node::Long(value))
    }

    fn string(&mut self, value: Option<&Text>) -> Result<(), EncodeError> {
        self.add(text(value))
    }

    fn bytes(&mut self, value: Option<&[u8]>) -> Result<(), EncodeError> {
        self.add(value.map_or(Node::Null, |bytes| Node::Bytes(bytes.to_vec())))
    }

    fn constant(&mut self, value: &[u8]) -> Result<(), EncodeError> {
        self.add(Node::Bytes(value.to_vec()))
    }

    fn throwable(&mut self, value: Option<&Throwable>) -> Result<(), EncodeError> {
        self.add(self.exception(value))
    }

    fn nested<T: Structure>(&mut self, value: Option<&T>) -> Result<(), EncodeError> {
        self.add(self.structure(value)?)
    }

    fn cached<T: Cacheable>(&mut self, value: Option<&T>) -> Result<(), EncodeError> {
        self.nested(value)
    }

    fn array<T: Structure>(&mut self, value: Option<&[Option<T>]>) -> Result<(), EncodeError> {
        let node = match value {
            None => Node::Null,
            Some(elements) => Node::List(
                elements
                    .iter()
                    .map(|element| self.structure(element.as_ref()))
                    .collect::<Result<_, _>>()?,
            ),
        };
        self.add(node)
    }

    fn message(&mut self, message: &Message) -> Result<(), EncodeError> {
        message.to_fields()?.write(self)
    }
}

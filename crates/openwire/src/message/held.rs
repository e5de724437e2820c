//! A message as brokers hold it.

use std::fmt;

use bytes::BytesMut;

use super::fields::{Layout, MessageFields, Slot};
use super::kind::MessageKind;
use crate::codec::bits::BitsOut;
use crate::codec::reader::{FrameReader, Loose};
use crate::codec::writer::FrameWriter;
use crate::error::{DecodeError, EncodeError};
use crate::format::WireForm;

/// A message: its fields in the loose, cache-off encoding of one wire form, and a map of where each
/// starts.
///
/// ```text
/// frame     type  commandId  responseRequired  producerId  destination  ...  deletedByBroker
///                                              \______________________ _____________________/
/// message   kind  command_id response_required                       body
/// ```
///
/// For every peer of the same form the body goes out as it is, by one copy: fan-out encodes once,
/// and a broker reads only the fields that it needs. The bytes were checked when the message was
/// made, so reading a field cannot fail.
#[derive(Clone, PartialEq)]
pub struct Message {
    /// Number of the command on the connection that it came by or goes out on.
    pub command_id: i32,
    /// Whether the sender waits for a response.
    pub response_required: bool,
    kind: MessageKind,
    form: WireForm,
    body: Box<[u8]>,
    layout: Layout,
}

impl Message {
    /// A message of these fields, in the newest version.
    pub fn from_fields(fields: &MessageFields) -> Result<Self, EncodeError> {
        Self::in_form(fields, WireForm::default())
    }

    /// A message of these fields, in a given form.
    pub fn in_form(fields: &MessageFields, form: WireForm) -> Result<Self, EncodeError> {
        let mut body = BytesMut::new();
        let mut bits = BitsOut::default();
        let mut writer = FrameWriter::<false>::new(&mut body, &mut bits, form, None);
        fields.write_body(&mut writer)?;
        let mut scan = FrameReader::<Loose>::of_checked(&body, form);
        let layout = MessageFields::scan(fields.kind, &mut scan)?;
        Ok(Self {
            command_id: fields.command_id,
            response_required: fields.response_required,
            kind: fields.kind,
            form,
            body: Box::from(&body[..]),
            layout,
        })
    }

    /// Every field, decoded.
    pub fn to_fields(&self) -> Result<MessageFields, DecodeError> {
        let mut fields = MessageFields {
            kind: self.kind,
            command_id: self.command_id,
            response_required: self.response_required,
            ..MessageFields::default()
        };
        let mut reader = FrameReader::<Loose>::of_checked(&self.body, self.form);
        fields.read_body(&mut reader)?;
        reader.finish(self.kind.type_id())?;
        Ok(fields)
    }

    /// What the content is.
    pub fn kind(&self) -> MessageKind {
        self.kind
    }

    /// The form of its bytes.
    pub fn form(&self) -> WireForm {
        self.form
    }

    /// A message that was decoded from another encoding than the one it is kept in.
    pub(crate) fn from_decoded(
        fields: &MessageFields,
        form: WireForm,
    ) -> Result<Self, DecodeError> {
        // What was read loosely or tightly always fits the loose encoding.
        Self::in_form(fields, form).map_err(|error| match error {
            EncodeError::Message(error) => error,
            _ => {
                DecodeError::UnexpectedType { type_id: fields.kind.type_id(), expected: "Message" }
            }
        })
    }

    /// A message whose body was scanned.
    pub(crate) fn from_scan(
        command_id: i32,
        response_required: bool,
        kind: MessageKind,
        form: WireForm,
        body: &[u8],
        layout: Layout,
    ) -> Self {
        Self { command_id, response_required, kind, form, body: Box::from(body), layout }
    }

    /// The fields from `producerId` on, loose and without cache.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// Bytes of the body.
    pub(crate) fn body_len(&self) -> usize {
        self.body.len()
    }

    /// Bytes of its frame in the loose encoding, which is what a peer's largest frame is about; the
    /// other encodings are no longer.
    pub fn frame_len(&self) -> usize {
        // Type, number, and whether it is to be confirmed.
        1 + 4 + 1 + self.body.len()
    }

    /// Bytes of its destination, with what says that there is one.
    pub(crate) fn destination_bytes(&self) -> usize {
        self.field(Slot::Destination).len()
    }

    /// Whether the bytes are right for a peer of this form as they stand.
    ///
    /// Versions 3 to 9 have the same message, and 10 to 12, unless it carries a command.
    #[inline]
    pub(crate) fn reads_as(&self, form: WireForm) -> bool {
        let layout_of = |version: u8| match version {
            0..=2 => version,
            3..=9 => 3,
            _ => 10,
        };
        self.form == form
            || (layout_of(self.form.version) == layout_of(form.version)
                && self.field(Slot::DataStructure).first().is_none_or(|&present| present == 0))
    }

    /// The bytes of a field, with its presence flag; empty if the version does not have it.
    #[inline]
    pub(super) fn field(&self, slot: Slot) -> &[u8] {
        self.body.get(self.layout.range(slot)).unwrap_or_default()
    }

    /// The bytes of the fields from one up to, not including, another.
    pub(super) fn between(&self, first: Slot, end: Slot) -> &[u8] {
        self.body
            .get(self.layout.range(first).start..self.layout.range(end).start)
            .unwrap_or_default()
    }

    /// The bytes of the fields from one to the last.
    pub(super) fn onward(&self, first: Slot) -> &[u8] {
        self.body.get(self.layout.range(first).start..).unwrap_or_default()
    }

    /// The bytes of a field, to change in place.
    #[inline]
    pub(super) fn field_mut(&mut self, slot: Slot) -> &mut [u8] {
        self.body.get_mut(self.layout.range(slot)).unwrap_or_default()
    }

    /// Where the fields are.
    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The message with another body of the same form, not yet numbered on a connection.
    pub(super) fn with_body(&self, body: Vec<u8>, layout: Layout) -> Self {
        Self {
            command_id: 0,
            response_required: false,
            kind: self.kind,
            form: self.form,
            body: body.into_boxed_slice(),
            layout,
        }
    }
}

/// Shows what it is and where it goes; the content may be large or private.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("kind", &self.kind)
            .field("message_id", &self.message_id().map(|id| id.to_string()))
            .field("destination", &self.destination())
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

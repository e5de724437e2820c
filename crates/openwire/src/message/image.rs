//! Messages as bytes that a store keeps.

use bytes::Bytes;

use super::fields::MessageFields;
use super::held::Message;
use super::kind::MessageKind;
use crate::codec::reader::{FrameReader, Loose};
use crate::error::DecodeError;
use crate::format::WireForm;

/// The parts of an image before the body.
///
/// ```text
/// kind u8 | version u8 | stack_trace u8 | body: the fields from producerId on, loose, without cache
/// ```
const HEAD: usize = 3;

impl Message {
    /// Everything but the command's number and whether it wants a response, which belong to a
    /// connection: what [`from_image`](Self::from_image) makes the message of again.
    pub fn image(&self) -> Bytes {
        let form = self.form();
        let mut image = Vec::with_capacity(HEAD + self.body_len());
        image.extend_from_slice(&[self.kind().type_id(), form.version, u8::from(form.stack_trace)]);
        image.extend_from_slice(self.body());
        image.into()
    }

    /// How long its [`image`](Self::image) is.
    pub fn image_len(&self) -> usize {
        HEAD + self.body_len()
    }

    /// The message of an image.
    ///
    /// # Errors
    ///
    /// If the bytes are not an image.
    pub fn from_image(image: &[u8]) -> Result<Self, DecodeError> {
        let Some((&[kind, version, stack_trace], body)) = image.split_first_chunk() else {
            return Err(DecodeError::Truncated { needed: HEAD, available: image.len() });
        };
        let kind = MessageKind::of_type(kind)
            .ok_or(DecodeError::UnexpectedType { type_id: kind, expected: "Message" })?;
        let form = WireForm { version, stack_trace: stack_trace != 0 };
        let mut scan = FrameReader::<Loose>::of_unchecked(body, form);
        let layout = MessageFields::scan(kind, &mut scan)?;
        scan.finish(kind.type_id())?;
        Ok(Self::from_scan(0, false, kind, form, body, layout))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fields::MessageFields;
    use super::*;
    use crate::destination::Destination;

    #[test]
    fn an_image_is_the_message_without_its_connection() {
        for version in [1, 3, 9, 10, 12] {
            let fields = MessageFields {
                command_id: 7,
                response_required: true,
                destination: Some(Destination::queue("orders")),
                content: Some(vec![1, 2, 3].into()),
                persistent: true,
                ..MessageFields::default()
            };
            let form = WireForm { version, stack_trace: version == 9 };
            let mut message = Message::in_form(&fields, form).unwrap();
            message.set_broker_sequence_id(42);
            let image = message.image();
            assert_eq!(image.len(), message.image_len());
            let again = Message::from_image(&image).unwrap();
            assert_eq!((again.command_id, again.response_required), (0, false));
            (message.command_id, message.response_required) = (0, false);
            assert_eq!(again, message);
        }
    }

    #[test]
    fn what_is_no_image_is_refused() {
        let fields = MessageFields { content: Some(vec![9; 30].into()), ..Default::default() };
        let image = Message::from_fields(&fields).unwrap().image();
        for length in 0..image.len() {
            assert!(Message::from_image(&image[..length]).is_err(), "{length}");
        }
        let mut longer = image.to_vec();
        longer.push(0);
        assert!(Message::from_image(&longer).is_err());
        let mut other = image.to_vec();
        other[0] = 1;
        assert!(Message::from_image(&other).is_err());
    }
}

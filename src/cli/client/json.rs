//! Messages and values as JSON.

use ferrymq_client::ReceivedMessage;
use ferrymq_openwire::message::MessageKind;
use ferrymq_openwire::properties::{Properties, Value};
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::base64;

/// A received message as one JSON object.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct MessageJson {
    message_id: Option<String>,
    destination: String,
    timestamp: i64,
    expiration: i64,
    priority: i8,
    persistent: bool,
    redelivered: bool,
    /// How often it was delivered before.
    redeliveries: u32,
    correlation_id: Option<String>,
    reply_to: Option<String>,
    #[serde(rename = "type")]
    jms_type: Option<String>,
    group_id: Option<String>,
    properties: Json,
    /// `text`, `bytes`, `map`, `stream`, `object` or `message` (which has no body).
    kind: &'static str,
    /// `base64` where the body is.
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<&'static str>,
    body: Json,
}

impl MessageJson {
    /// Everything about a message; the error says what of it cannot be read.
    pub(in crate::cli) fn of(message: &ReceivedMessage) -> Result<Self, String> {
        let unreadable = |error: &dyn std::fmt::Display| {
            let id = message.message_id().map(|id| id.to_string()).unwrap_or_default();
            format!("message {id} cannot be read: {error}")
        };
        let (kind, encoding, body) = match message.kind() {
            MessageKind::Text => {
                let text = message.text().map_err(|error| unreadable(&error))?;
                ("text", None, text.map_or(Json::Null, Json::String))
            }
            MessageKind::Bytes => {
                let bytes = message.bytes().map_err(|error| unreadable(&error))?;
                ("bytes", Some("base64"), Json::String(base64::encode(&bytes)))
            }
            MessageKind::Map => {
                ("map", None, object(&message.map().map_err(|error| unreadable(&error))?))
            }
            MessageKind::Stream => {
                let values = message.stream().map_err(|error| unreadable(&error))?;
                ("stream", None, Json::Array(values.iter().map(value).collect()))
            }
            MessageKind::Object => ("object", Some("base64"), raw(message)),
            MessageKind::Message => ("message", None, Json::Null),
            MessageKind::Blob => ("blob", None, Json::Null),
        };
        let properties = message.properties().map_err(|error| unreadable(&error))?;
        Ok(Self {
            message_id: message.message_id().map(|id| id.to_string()),
            destination: message.destination().to_string(),
            timestamp: message.timestamp(),
            expiration: message.expiration(),
            priority: message.priority(),
            persistent: message.persistent(),
            redelivered: message.redelivered(),
            redeliveries: message.redeliveries(),
            correlation_id: message.correlation_id(),
            reply_to: message.reply_to().map(|destination| destination.to_string()),
            jms_type: message.jms_type(),
            group_id: message.group_id(),
            properties: object(&properties),
            kind,
            encoding,
            body,
        })
    }
}

fn raw(message: &ReceivedMessage) -> Json {
    message.message().content().map_or(Json::Null, |bytes| Json::String(base64::encode(bytes)))
}

/// Named values as an object.
pub(in crate::cli) fn object(values: &Properties) -> Json {
    let fields = values.iter().map(|(name, each)| (name.to_string(), value(each)));
    Json::Object(fields.collect::<Map<_, _>>())
}

/// A value; bytes are in base 64, and what is not a number in JSON (NaN) is null.
pub(in crate::cli) fn value(value_of: &Value) -> Json {
    match value_of {
        Value::Null => Json::Null,
        Value::Bool(flag) => Json::Bool(*flag),
        Value::Byte(number) => (*number).into(),
        Value::Char(unit) => Json::String(String::from_utf16_lossy(&[*unit])),
        Value::Short(number) => (*number).into(),
        Value::Int(number) => (*number).into(),
        Value::Long(number) => (*number).into(),
        Value::Double(number) => (*number).into(),
        Value::Float(number) => (*number).into(),
        Value::String(text) => Json::String(text.to_string()),
        Value::Bytes(bytes) => Json::String(base64::encode(bytes)),
        Value::Map(values) => object(values),
        Value::List(values) => Json::Array(values.iter().map(value).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_keep_their_type_where_json_has_it() {
        let mut inner = Properties::new();
        inner.insert("n", Value::Long(i64::MAX));
        let list = Value::List(vec![
            Value::Map(inner),
            Value::Bytes(vec![1, 2, 3].into()),
            Value::Double(f64::NAN),
            Value::Char(u16::from(b'x')),
        ]);
        assert_eq!(value(&list), json!([{ "n": i64::MAX }, "AQID", null, "x"]));
    }
}

//! Recorded frames with the values that they hold: lines of the form of `tests/data/golden.jsonl`.
//!
//! ```text
//! {"name":…, "version":1-12, "tight":…, "cache":…, "sizePrefix":…, "stackTrace":…, "hex":…,
//!  "fields":{"_struct":…, field: value, …}, and, for frames that share the state of one
//!  connection, "stream":…, "seq":…, "cacheSize":…}
//! ```
//!
//! Longs are written `{"long":"1"}`, bytes `{"hex":"00ff"}`, exceptions as `class`, `message`, and,
//! with stack traces, `stack` and `cause`.

use std::collections::BTreeMap;

use bytes::BytesMut;
use ferrymq_openwire::codec::{Decoder, Encoder};
use ferrymq_openwire::describe::{Node, describe};
use ferrymq_openwire::format::WireFormat;

use crate::json::Json;

/// The only frame that holds no command.
const NULL_FRAME: [u8; 5] = [0, 0, 0, 1, 0];

/// A recorded frame.
pub(crate) struct Recorded {
    pub(crate) name: String,
    pub(crate) format: WireFormat,
    /// The connection whose cache it shares, and its place among that connection's frames.
    pub(crate) stream: Option<(String, i64)>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) fields: Json,
}

impl Recorded {
    /// Reads a line.
    pub(crate) fn parse(line: &str) -> Result<Self, String> {
        let line = Json::parse(line)?;
        let get = |name: &str| line.get(name).ok_or(format!("the line has no {name:?}"));
        let flag = |name: &str| get(name)?.as_bool().ok_or(format!("{name:?} is no boolean"));
        let text = |name: &str| get(name)?.as_string().ok_or(format!("{name:?} is no text"));
        let cache_size = match line.get("cacheSize").and_then(Json::as_integer) {
            Some(size) => u16::try_from(size).map_err(|_| "a bad cacheSize".to_owned())?,
            None => 0,
        };
        let version = get("version")?.as_integer().and_then(|v| u8::try_from(v).ok());
        let version = version.filter(|v| (1..=12).contains(v)).ok_or("a bad version")?;
        let seq = line.get("seq").and_then(Json::as_integer).unwrap_or_default();
        let stream = line.get("stream").and_then(Json::as_string).map(|stream| (stream, seq));
        Ok(Self {
            name: text("name")?,
            format: WireFormat {
                tight: flag("tight")?,
                cache_size: flag("cache")?.then_some(cache_size),
                stack_trace: flag("stackTrace")?,
                size_prefix: flag("sizePrefix")?,
                ..WireFormat::loose(version)
            },
            stream,
            bytes: unhex(&text("hex")?)?,
            fields: get("fields")?.clone(),
        })
    }

    /// What to call it.
    pub(crate) fn title(&self) -> String {
        let WireFormat { version, tight, cache_size, stack_trace, size_prefix, .. } = self.format;
        let mut title = format!("{} v{version}", self.name);
        title.push_str(if tight { " tight" } else { " loose" });
        title.push_str(if cache_size.is_some() { " cache" } else { "" });
        title.push_str(if stack_trace { " stack-trace" } else { "" });
        title.push_str(if size_prefix { "" } else { " no-prefix" });
        if let Some((stream, seq)) = &self.stream {
            title.push_str(&format!(" {stream}#{seq}"));
        }
        title
    }
}

/// The frames that the tests come with.
pub(crate) fn golden() -> Vec<Recorded> {
    let lines = include_str!("../data/golden.jsonl").lines();
    lines.map(|line| Recorded::parse(line).unwrap_or_else(|error| panic!("{error}"))).collect()
}

/// The connections that recorded frames belong to.
#[derive(Default)]
pub(crate) struct Streams(BTreeMap<String, (Decoder, Encoder)>);

impl Streams {
    /// Decodes a frame, compares its fields, encodes it again, compares the bytes. The error names
    /// what differs.
    pub(crate) fn check(&mut self, recorded: &Recorded) -> Result<(), String> {
        let fresh = || (Decoder::new(recorded.format), Encoder::new(recorded.format));
        let (mut alone, key);
        let (decoder, encoder) = match &recorded.stream {
            Some((stream, _)) => {
                key = format!("{stream} {:?}", recorded.format);
                self.0.entry(key).or_insert_with(fresh)
            }
            None => {
                alone = fresh();
                &mut alone
            }
        };
        let mut buffer = BytesMut::from(&recorded.bytes[..]);
        let decoded = decoder.decode(&mut buffer).map_err(|error| format!("decoding: {error}"))?;
        if !buffer.is_empty() {
            return Err(format!("decoding left {} bytes", buffer.len()));
        }

        let mut encoded = BytesMut::new();
        let fields = match &decoded {
            None => {
                encoded.extend_from_slice(&NULL_FRAME);
                Json::Null
            }
            Some(command) => {
                encoder
                    .encode(command, &mut encoded)
                    .map_err(|error| format!("encoding: {error}"))?;
                let tree = describe(command, recorded.format.form())
                    .map_err(|error| format!("describing: {error}"))?;
                json(&tree)
            }
        };
        if let Some(difference) = difference("fields", &recorded.fields, &fields) {
            return Err(difference);
        }
        if encoded[..] != recorded.bytes[..] {
            let at = encoded.iter().zip(&recorded.bytes).take_while(|(a, b)| a == b).count();
            return Err(format!(
                "encoding again differs from byte {at} on: recorded {}, encoded {}",
                hex(&recorded.bytes),
                hex(&encoded),
            ));
        }
        Ok(())
    }
}

/// A description in the recorded form.
pub(crate) fn json(node: &Node) -> Json {
    match node {
        Node::Null => Json::Null,
        Node::Boolean(value) => Json::Bool(*value),
        Node::Integer(value) => Json::Integer((*value).into()),
        Node::Long(value) => Json::Record(vec![("long".into(), Json::text(&value.to_string()))]),
        Node::Text(text) => Json::Text(text.to_utf16()),
        Node::Bytes(bytes) => Json::Record(vec![("hex".into(), Json::text(&hex(bytes)))]),
        Node::List(nodes) => Json::List(nodes.iter().map(json).collect()),
        Node::Record(name, fields) => {
            let name = name.map(|name| ("_struct".to_owned(), Json::text(name)));
            let fields = fields.iter().map(|(name, node)| ((*name).to_owned(), json(node)));
            Json::Record(name.into_iter().chain(fields).collect())
        }
    }
}

/// The first difference between two values, with the path to it.
fn difference(path: &str, recorded: &Json, found: &Json) -> Option<String> {
    match (recorded, found) {
        (Json::Record(a), Json::Record(b)) => {
            for (name, value) in a {
                let path = format!("{path}.{name}");
                match found.get(name) {
                    Some(other) => {
                        if let Some(difference) = difference(&path, value, other) {
                            return Some(difference);
                        }
                    }
                    None => return Some(format!("{path}: recorded {value}, decoded nothing")),
                }
            }
            let more = b.iter().find(|(name, _)| recorded.get(name).is_none());
            more.map(|(name, value)| format!("{path}.{name}: recorded nothing, decoded {value}"))
        }
        (Json::List(a), Json::List(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .find_map(|(k, (a, b))| difference(&format!("{path}[{k}]"), a, b)),
        _ if recorded == found => None,
        _ => Some(format!("{path}: recorded {recorded}, decoded {found}")),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(digits: &str) -> Result<Vec<u8>, String> {
    if !digits.is_ascii() || !digits.len().is_multiple_of(2) {
        return Err("the hex digits are odd".to_owned());
    }
    let byte = |k: usize| u8::from_str_radix(&digits[k..k + 2], 16);
    (0..digits.len())
        .step_by(2)
        .map(|k| byte(k).map_err(|_| "the hex has other digits".to_owned()))
        .collect()
}

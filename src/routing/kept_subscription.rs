//! Durable subscriptions as a store keeps them: their first consumers and, of a bridge's, which topics
//! it may have.
//!
//! ```text
//! a ConsumerInfo, and for a bridge: a DestinationInfo without a destination, whose operation type
//! says whether temporary destinations cross (1), and one for each pattern, whose operation type says
//! what it is for
//! ```

use bytes::{BufMut, Bytes, BytesMut};
use ferrymq_network::destination_pattern::DestinationPattern;
use ferrymq_network::rules::permit::Permits;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{ConsumerInfo, DestinationInfo};
use ferrymq_openwire::error::EncodeError;

use super::kept_command;
use super::kept_error::{KeptError, unknown};

const DYNAMIC: i8 = 0;
const STATIC: i8 = 1;
const EXCLUDED: i8 = 2;

/// A durable subscription, and which topics it may have if it is a bridge's.
pub(super) type Described = (ConsumerInfo, Option<Permits>);

pub(super) fn encode(info: &ConsumerInfo, permits: Option<&Permits>) -> Result<Bytes, EncodeError> {
    let mut kept = BytesMut::new();
    kept.put(kept_command::encode(&Command::ConsumerInfo(Box::new(info.clone())))?);
    let Some(permits) = permits else { return Ok(kept.freeze()) };
    kept.put(entry(None, i8::from(permits.temporary))?);
    for (patterns, purpose) in [
        (&permits.dynamically_included, DYNAMIC),
        (&permits.statically_included, STATIC),
        (&permits.excluded, EXCLUDED),
    ] {
        for pattern in patterns {
            kept.put(entry(Some(pattern), purpose)?);
        }
    }
    Ok(kept.freeze())
}

fn entry(pattern: Option<&DestinationPattern>, purpose: i8) -> Result<Bytes, EncodeError> {
    kept_command::encode(&Command::DestinationInfo(DestinationInfo {
        destination: pattern.map(|pattern| pattern.address().clone()),
        operation_type: purpose,
        ..DestinationInfo::default()
    }))
}

pub(super) fn decode(kept: &[u8]) -> Result<Described, KeptError> {
    let what = "a durable subscription";
    let commands = kept_command::decode_all(kept).map_err(|error| unknown(what, error))?;
    let mut commands = commands.into_iter();
    let Some(Command::ConsumerInfo(info)) = commands.next() else {
        return Err(unknown(what, "it is none"));
    };
    let mut permits: Option<Permits> = None;
    for command in commands {
        let Command::DestinationInfo(DestinationInfo { destination, operation_type, .. }) = command
        else {
            return Err(unknown(what, "what a bridge may have of it is not said by patterns"));
        };
        let permits = permits.get_or_insert_default();
        let Some(pattern) = destination.map(|address| DestinationPattern::of(&address)) else {
            permits.temporary = operation_type != 0;
            continue;
        };
        match operation_type {
            DYNAMIC => permits.dynamically_included.push(pattern),
            STATIC => permits.statically_included.push(pattern),
            EXCLUDED => permits.excluded.push(pattern),
            other => return Err(unknown(what, format!("no pattern is for {other}"))),
        }
    }
    Ok((*info, permits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let info = ConsumerInfo {
            subscription_name: Some("paper".into()),
            selector: Some("a = 1".into()),
            ..ConsumerInfo::default()
        };
        let patterns = |texts: &[&str]| {
            texts.iter().map(|text| DestinationPattern::parse(text).unwrap()).collect()
        };
        let some = Permits {
            dynamically_included: patterns(&["topic://news.>", "queue://a"]),
            statically_included: patterns(&["topic://b.*"]),
            excluded: patterns(&["topic://news.secret"]),
            temporary: false,
        };
        for permits in [None, Some(Permits::default()), Some(some)] {
            let kept = encode(&info, permits.as_ref()).unwrap();
            assert_eq!(decode(&kept).unwrap(), (info.clone(), permits));
            assert!(decode(&kept[..kept.len() - 1]).is_err());
        }
        assert!(decode(&[]).is_err());
    }
}

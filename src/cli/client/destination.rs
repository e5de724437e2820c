//! Destinations as people write them: `queue://NAME`, `topic://NAME`, or `NAME` for a queue.

use ferrymq_network::destination_pattern::mistyped_prefix;
use ferrymq_openwire::destination::{Destination, DestinationKind};
use ferrymq_transport::names::nearest;

const KINDS: [DestinationKind; 4] = [
    DestinationKind::Queue,
    DestinationKind::Topic,
    DestinationKind::TempQueue,
    DestinationKind::TempTopic,
];

/// Reads a destination; the error is for the user.
pub(in crate::cli) fn parse(text: &str) -> Result<Destination, String> {
    // Further members of a list may have kinds of their own.
    let first = text.split(',').next().unwrap_or_default();
    if let Some(meant) = mistyped_prefix(first) {
        return Err(format!("write {meant}"));
    }
    let (kind, name) = match first.contains("://").then(|| text.split_once("://")).flatten() {
        None => (DestinationKind::Queue, text),
        Some((scheme, name)) => {
            let prefix = format!("{scheme}://");
            let kind = KINDS.into_iter().find(|kind| kind.prefix() == prefix);
            (kind.ok_or_else(|| unknown(scheme))?, name)
        }
    };
    Ok(Destination::new(kind, name_of(name)?))
}

/// Reads the name of a destination whose kind is known; the error is for the user.
pub(in crate::cli) fn name(text: &str) -> Result<String, String> {
    name_of(text).map(str::to_owned)
}

fn name_of(text: &str) -> Result<&str, String> {
    let name = text.trim();
    if name.is_empty() {
        return Err("a destination needs a name".to_owned());
    }
    if name.split(',').any(|member| member_name(member).is_empty()) {
        return Err(format!("an empty name in the list \"{name}\""));
    }
    Ok(name)
}

/// A name of a list, without the kind that it may begin with.
fn member_name(member: &str) -> &str {
    member.split_once("://").map_or(member, |(_, name)| name).trim()
}

fn unknown(scheme: &str) -> String {
    let known = ["queue", "topic", "temp-queue", "temp-topic"];
    match nearest(scheme, &known) {
        Some(name) => {
            format!("unknown kind of destination `{scheme}`; did you mean `{name}://`?")
        }
        None => format!(
            "unknown kind of destination `{scheme}`; write queue://NAME, topic://NAME, or NAME"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_is_a_queue() {
        assert_eq!(parse("orders").unwrap(), Destination::queue("orders"));
        assert_eq!(parse("queue://orders").unwrap(), Destination::queue("orders"));
        assert_eq!(parse("topic://prices.>").unwrap(), Destination::topic("prices.>"));
        let reply = parse("temp-queue://ID:host-1:1:1").unwrap();
        assert_eq!(reply, Destination::new(DestinationKind::TempQueue, "ID:host-1:1:1"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(parse("topik://x").unwrap_err().contains("did you mean `topic://`"));
        assert!(parse("http://x").unwrap_err().contains("queue://NAME"));
        assert_eq!(parse("queue//x").unwrap_err(), "write queue://x");
        assert_eq!(parse("topic:/x,y").unwrap_err(), "write topic://x");
        assert!(parse("queue://").unwrap_err().contains("needs a name"));
        assert!(parse("").unwrap_err().contains("needs a name"));
        for list in ["a,,b", ",a", "a,", "queue://a, ,b", "a,topic://"] {
            assert!(parse(list).unwrap_err().contains("an empty name"), "{list}");
        }
        assert_eq!(parse("a,topic://b").unwrap(), Destination::queue("a,topic://b"));
    }
}

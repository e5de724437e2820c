//! The text of an announcement.

use super::secret::Secret;

/// ActiveMQ reads no more than this of a packet.
pub(super) const LONGEST: usize = 8192;

const TYPE: &str = ".ActiveMQ-4.";
const ALIVE: &str = "alive.";
const DEAD: &str = "dead.";
/// The name that ActiveMQ gives to every broker.
const NAME: &str = "localhost";
/// The name of a broker that proves that it knows the group's secret: `ferrymq:COUNTER:HASH`.
const PROVEN: &str = "ferrymq:";

/// What a broker says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Announcement<'a> {
    /// Whether it is there, or about to go.
    pub(super) alive: bool,
    /// Its address.
    pub(super) service: &'a str,
    /// Of a broker that shares our secret: a number that grows from one announcement to the next,
    /// so that an old one is of no use to who has recorded it.
    pub(super) counter: Option<u64>,
}

/// Why a packet is not heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub(super) enum PacketError {
    #[error("longer than {LONGEST} bytes")]
    TooLong,
    #[error("not UTF-8")]
    NotText,
    #[error("of another group")]
    OtherGroup,
    #[error("no announcement")]
    Malformed,
    #[error("without proof that its sender knows the secret")]
    Unproven,
}

/// The packet for an announcement of `service`; with a secret, `counter` is part of the proof.
pub(super) fn write(
    group: &str,
    alive: bool,
    service: &str,
    proof: Option<(&Secret, u64)>,
) -> String {
    let said = if alive { ALIVE } else { DEAD };
    let name = match proof {
        None => NAME.to_owned(),
        Some((secret, counter)) => {
            let hash = secret.sign(&signed(group, alive, service, counter));
            format!("{PROVEN}{counter}:{hash}")
        }
    };
    format!("{group}{TYPE}{said}%{name}%{service}")
}

/// What a packet says; with a secret, only if it proves that its sender knows it.
pub(super) fn read<'a>(
    group: &str,
    packet: &'a [u8],
    secret: Option<&Secret>,
) -> Result<Announcement<'a>, PacketError> {
    if packet.len() > LONGEST {
        return Err(PacketError::TooLong);
    }
    let text = std::str::from_utf8(packet).map_err(|_| PacketError::NotText)?;
    let payload = text.strip_prefix(group).and_then(|rest| rest.strip_prefix(TYPE));
    let payload = payload.ok_or(PacketError::OtherGroup)?;
    let (alive, rest) = match payload.strip_prefix(ALIVE) {
        Some(rest) => (true, rest),
        None => (false, payload.strip_prefix(DEAD).ok_or(PacketError::Malformed)?),
    };
    let named = rest.strip_prefix('%').and_then(|rest| rest.split_once('%'));
    let (name, service) = named.ok_or(PacketError::Malformed)?;
    let counter = match secret {
        None => None,
        Some(secret) => {
            let proof = name.strip_prefix(PROVEN).and_then(|proof| proof.split_once(':'));
            let (counter, hash) = proof.ok_or(PacketError::Unproven)?;
            let counter = counter.parse().map_err(|_| PacketError::Unproven)?;
            if !secret.verifies(&signed(group, alive, service, counter), hash) {
                return Err(PacketError::Unproven);
            }
            Some(counter)
        }
    };
    Ok(Announcement { alive, service, counter })
}

/// What the keyed hash is taken of. A group's name holds no blank, so nothing can pass for
/// something else.
fn signed(group: &str, alive: bool, service: &str, counter: u64) -> String {
    let said = if alive { ALIVE } else { DEAD };
    format!("{group} {said} {counter} {service}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "tcp://broker1:61616";

    #[test]
    fn packets_are_activemqs_byte_for_byte() {
        let alive = write("default", true, URL, None);
        assert_eq!(alive, "default.ActiveMQ-4.alive.%localhost%tcp://broker1:61616");
        let dead = write("a.b", false, URL, None);
        assert_eq!(dead, "a.b.ActiveMQ-4.dead.%localhost%tcp://broker1:61616");
        let heard = read("a.b", dead.as_bytes(), None).unwrap();
        assert_eq!(heard, Announcement { alive: false, service: URL, counter: None });
    }

    #[test]
    fn what_is_no_announcement_is_told_why() {
        let of = |packet: &[u8]| read("default", packet, None).unwrap_err();
        assert_eq!(of(&[b'x'; LONGEST + 1]), PacketError::TooLong);
        assert_eq!(of(b"default.ActiveMQ-4.alive.%l%tcp://\xff"), PacketError::NotText);
        assert_eq!(of(b"other.ActiveMQ-4.alive.%l%tcp://a:1"), PacketError::OtherGroup);
        assert_eq!(of(b""), PacketError::OtherGroup);
        for broken in ["born.%l%tcp://a:1", "alive.", "alive.%l", "alive.x%l%tcp://a:1", "dead"] {
            let packet = format!("default.ActiveMQ-4.{broken}");
            assert_eq!(of(packet.as_bytes()), PacketError::Malformed, "{broken}");
        }
    }

    #[test]
    fn a_proof_holds_for_one_statement_of_one_group() {
        let secret = Secret::new(b"a good secret").unwrap();
        let packet = write("default", true, URL, Some((&secret, 7)));
        let heard = read("default", packet.as_bytes(), Some(&secret)).unwrap();
        assert_eq!(heard, Announcement { alive: true, service: URL, counter: Some(7) });
        // Who has no secret hears it as any other; so does ActiveMQ, which skips the name.
        assert_eq!(read("default", packet.as_bytes(), None).unwrap().service, URL);
        let forged = [
            packet.replace("alive", "dead"),
            packet.replace("broker1", "broker2"),
            packet.replace("ferrymq:7:", "ferrymq:8:"),
            write("default", true, URL, None),
            write("default", true, URL, Some((&Secret::new(b"another one").unwrap(), 7))),
        ];
        for packet in forged {
            let error = read("default", packet.as_bytes(), Some(&secret)).unwrap_err();
            assert_eq!(error, PacketError::Unproven, "{packet}");
        }
        let elsewhere = packet.replace("default.", "other.");
        let error = read("other", elsewhere.as_bytes(), Some(&secret)).unwrap_err();
        assert_eq!(error, PacketError::Unproven);
    }
}

//! What a remote broker's refusal of a message means.

use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::throwable::Throwable;

/// The consequence of an `ExceptionResponse` to a forwarded message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The temporary destination is gone: nobody can ever get the message.
    Gone,
    /// The remote broker cannot serve anybody at the moment; the message is not to blame.
    RemoteFailing,
    /// The remote broker has something against this message.
    Message,
}

/// Exceptions of a broker that is stopping, full or cut off from its disk.
const FAILING: [&str; 4] = [
    "BrokerStoppedException",
    "ServiceStoppedException",
    "IOException",
    "ResourceAllocationException",
];

impl Refusal {
    pub(super) fn of(exception: Option<&Throwable>, destination: &Destination) -> Self {
        let class = exception.and_then(|thrown| thrown.class_name.as_ref());
        let class = class.map(|class| class.to_string_lossy()).unwrap_or_default();
        if FAILING.iter().any(|failing| class.ends_with(failing)) {
            Self::RemoteFailing
        } else if destination.kind().is_temporary() {
            Self::Gone
        } else {
            Self::Message
        }
    }
}

/// The word for a message that exceeds the frames of the remote broker, which is not asked.
pub(super) const TOO_LARGE: &str = "too_large";

/// Why such a message does not cross, for people: the bytes of its frame, and how many are taken.
pub(super) fn too_large(bytes: u64, most: u64) -> String {
    format!(
        "with what a bridge adds its frame has {bytes} bytes, and this link takes {most} \
         (wireFormat.maxFrameSize)"
    )
}

/// An exception as one of a few words, for metrics.
pub(super) fn word(exception: Option<&Throwable>) -> &'static str {
    let class = exception.and_then(|thrown| thrown.class_name.as_ref());
    let class = class.map(|class| class.to_string_lossy()).unwrap_or_default();
    let ends = |endings: &[&str]| endings.iter().any(|ending| class.ends_with(ending));
    if ends(&["SecurityException"]) {
        "security"
    } else if ends(&["InvalidDestinationException", "DestinationDoesNotExistException"]) {
        "no_destination"
    } else if ends(&["ResourceAllocationException"]) {
        "full"
    } else if ends(&FAILING) {
        "remote_failing"
    } else {
        "other"
    }
}

/// An exception in one line, for people.
pub(super) fn shown(exception: Option<&Throwable>) -> String {
    let Some(thrown) = exception else { return "no reason given".to_owned() };
    let class = thrown.class_name.as_ref().map(|class| class.to_string_lossy().into_owned());
    let class = class.as_deref().map(|class| class.rsplit('.').next().unwrap_or(class));
    let message = thrown.message.as_ref().map(|message| message.to_string_lossy());
    match (class, message) {
        (Some(class), Some(message)) => format!("{class}: {message}"),
        (Some(one), None) => one.to_owned(),
        (None, Some(message)) => message.into_owned(),
        (None, None) => "no reason given".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferrymq_openwire::destination::DestinationKind;

    #[test]
    fn blame_goes_where_it_belongs() {
        let queue = Destination::queue("Q");
        let temporary = Destination::new(DestinationKind::TempQueue, "ID:x:1");
        let of = |class: &str, to| Refusal::of(Some(&Throwable::new(class, "x")), to);
        assert_eq!(of("javax.jms.JMSSecurityException", &queue), Refusal::Message);
        assert_eq!(of("javax.jms.InvalidDestinationException", &temporary), Refusal::Gone);
        assert_eq!(
            of("org.apache.activemq.broker.BrokerStoppedException", &temporary),
            Refusal::RemoteFailing
        );
        assert_eq!(of("java.io.IOException", &queue), Refusal::RemoteFailing);
        assert_eq!(Refusal::of(None, &queue), Refusal::Message);
    }

    #[test]
    fn reasons_are_few_words_whatever_a_peer_says() {
        for (class, expected) in [
            ("javax.jms.JMSSecurityException", "security"),
            ("java.lang.SecurityException", "security"),
            ("javax.jms.InvalidDestinationException", "no_destination"),
            ("javax.jms.ResourceAllocationException", "full"),
            ("java.io.IOException", "remote_failing"),
            ("anything.else", "other"),
        ] {
            assert_eq!(word(Some(&Throwable::new(class, "x"))), expected, "{class}");
        }
        assert_eq!(word(None), "other");
    }

    #[test]
    fn an_exception_is_one_line() {
        let thrown = Throwable::new("javax.jms.JMSSecurityException", "not allowed");
        assert_eq!(shown(Some(&thrown)), "JMSSecurityException: not allowed");
        assert_eq!(shown(None), "no reason given");
    }
}

//! Which of the two conversations a command belongs to.

use ferrymq_openwire::command::Command;
use ferrymq_openwire::message::Message;

use crate::rules::permit::is_bridge_control;

/// Who a command that came over a duplex link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Addressee {
    /// The own bridge: the far broker answers it.
    Bridge,
    /// The own broker: the far broker's bridge asks it.
    Broker,
    /// Both: it concerns the link.
    Both,
}

pub(super) fn addressee(command: &Command) -> Addressee {
    match command {
        Command::BrokerInfo(_) | Command::ShutdownInfo(_) => Addressee::Both,
        // A bridge asks about a message; what is dispatched goes to a consumer.
        Command::MessageDispatch(asked) if asked.consumer_id.is_none() => Addressee::Broker,
        Command::Response(_)
        | Command::ExceptionResponse(_)
        | Command::DataResponse(_)
        | Command::DataArrayResponse(_)
        | Command::IntegerResponse(_)
        | Command::MessageDispatch(_)
        | Command::ProducerAck(_)
        | Command::ConnectionError(_)
        | Command::ConnectionControl(_)
        | Command::ConsumerControl(_)
        | Command::BrokerSubscriptionInfo(_) => Addressee::Bridge,
        Command::Message(message) if is_advisory(message) => Addressee::Bridge,
        _ => Addressee::Broker,
    }
}

/// ActiveMQ's bridge forwards the advisories that it is asked for like messages. A message of such
/// a topic never crosses otherwise, at either kind of broker.
fn is_advisory(message: &Message) -> bool {
    message.has_data_structure()
        && message.destination().is_some_and(|destination| is_bridge_control(&destination))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ferrymq_openwire::commands::{ConsumerInfo, RemoveInfo};
    use ferrymq_openwire::destination::Destination;
    use ferrymq_openwire::message::MessageFields;

    use super::*;

    fn message(topic: &str, structure: Option<Command>) -> Command {
        let fields = MessageFields {
            destination: Some(Destination::topic(topic)),
            data_structure: structure.map(Box::new),
            ..MessageFields::default()
        };
        Command::Message(Arc::new(Message::from_fields(&fields).unwrap()))
    }

    #[test]
    fn advisories_are_for_the_bridge_however_they_come() {
        let news = || Some(Command::ConsumerInfo(Box::<ConsumerInfo>::default()));
        let of = |topic: &str, structure| addressee(&message(topic, structure));
        assert_eq!(of("ActiveMQ.Advisory.Consumer.Queue.Q", news()), Addressee::Bridge);
        assert_eq!(of("ActiveMQ.Advisory.TempQueue", news()), Addressee::Bridge);
        assert_eq!(of("prices", news()), Addressee::Broker);
        assert_eq!(of("ActiveMQ.Advisory.Consumer.Queue.Q", None), Addressee::Broker);
        assert_eq!(of("prices", None), Addressee::Broker);
    }

    #[test]
    fn what_asks_is_for_the_broker() {
        let remove = Command::RemoveInfo(RemoveInfo::default());
        assert_eq!(addressee(&remove), Addressee::Broker);
        let consumer = Command::ConsumerInfo(Box::<ConsumerInfo>::default());
        assert_eq!(addressee(&consumer), Addressee::Broker);
    }
}

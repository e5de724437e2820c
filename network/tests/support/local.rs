//! A broker as the bridge's own: queues, topics, windows and acknowledgements, with every misuse
//! a failure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use ferrymq_network::destination_pattern::DestinationPattern;
use ferrymq_network::local_broker::{IN_DOUBT, RETIREMENT};
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{
    ConsumerInfo, ExceptionResponse, MessageAck, MessageDispatch, RemoveInfo, Response,
};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::message::Message;
use ferrymq_openwire::text::Text;
use ferrymq_openwire::throwable::Throwable;

use super::make::{broker_info, number_of};

#[derive(Default)]
pub struct FakeLocal {
    /// On their way to the bridge.
    pub out: VecDeque<Command>,
    /// Everything that arrived, in order.
    pub seen: Vec<Command>,
    pub queues: BTreeMap<Destination, VecDeque<Arc<Message>>>,
    pub consumers: BTreeMap<i64, FakeConsumer>,
    pub acked: BTreeSet<i64>,
    pub dead: BTreeSet<i64>,
    pub temporary: BTreeSet<Destination>,
    /// Durable subscriptions that were ended: client and name.
    pub unsubscribed: Vec<(Text, Text)>,
    /// Subscriptions to these are refused.
    pub refused: BTreeSet<Destination>,
    /// So are those with this selector.
    pub unreadable: Option<Text>,
    pub said_goodbye: bool,
}

pub struct FakeConsumer {
    pub info: ConsumerInfo,
    pattern: DestinationPattern,
    unacked: VecDeque<Arc<Message>>,
    buffered: VecDeque<Arc<Message>>,
    /// It gets no more.
    pub retired: bool,
}

impl FakeLocal {
    pub fn greet(&mut self) {
        self.out.push_back(broker_info("local"));
    }

    /// The link is gone: what was not acknowledged goes back, in order.
    pub fn sever(&mut self) {
        self.out.clear();
        for number in self.consumers.keys().copied().collect::<Vec<_>>() {
            self.remove_consumer(number);
        }
        self.temporary.clear();
        self.said_goodbye = false;
    }

    pub fn publish(&mut self, destination: &Destination, message: Arc<Message>) {
        if destination.kind().is_queue() {
            self.queues.entry(destination.clone()).or_default().push_back(message);
        } else {
            let matching = self.consumers.values_mut();
            for consumer in matching.filter(|consumer| consumer.pattern.matches(destination)) {
                consumer.buffered.push_back(message.clone());
            }
        }
        self.dispatch();
    }

    pub fn demands(&self) -> Vec<Destination> {
        let infos = self.consumers.values().map(|consumer| &consumer.info);
        infos.map(|info| info.destination.clone().unwrap()).collect()
    }

    pub fn unacked(&self) -> usize {
        self.consumers.values().map(|consumer| consumer.unacked.len()).sum()
    }

    pub fn queued(&self) -> usize {
        self.queues.values().map(VecDeque::len).sum()
    }

    /// A command from the bridge.
    pub fn take(&mut self, command: Command) {
        self.seen.push(command.clone());
        let (id, wanted) = (command.command_id().unwrap_or(0), command.response_required());
        let mut refusal = None;
        match command {
            Command::ConsumerInfo(info) => {
                let destination = info.destination.clone().unwrap();
                if self.refused.contains(&destination) {
                    refusal = Some("not here");
                } else if info.selector.is_some() && info.selector == self.unreadable {
                    refusal = Some("no selector");
                } else {
                    self.subscribe(*info);
                }
            }
            Command::RemoveInfo(info) => self.remove(&info),
            Command::MessageAck(ack) => self.acknowledge(&ack),
            Command::ConsumerControl(control) => {
                let number = control.consumer_id.unwrap().value;
                // One that was refused is not there.
                if let Some(consumer) = self.consumers.get_mut(&number) {
                    consumer.info.prefetch_size = control.prefetch;
                }
            }
            Command::DestinationInfo(info) => {
                let destination = info.destination.unwrap();
                assert!(destination.kind().is_temporary());
                if info.operation_type == 0 {
                    assert!(self.temporary.insert(destination), "made twice");
                } else {
                    assert!(!self.demands().contains(&destination), "removed while consumed from");
                    assert!(self.temporary.remove(&destination), "removed but never made");
                }
            }
            Command::RemoveSubscriptionInfo(info) => {
                let ended = (info.client_id.unwrap(), info.subscription_name.unwrap());
                let in_use = |one: &FakeConsumer| {
                    one.info.subscription_name.as_ref() == Some(&ended.1)
                        && one.info.client_id.as_ref() == Some(&ended.0)
                };
                assert!(!self.consumers.values().any(in_use), "it has a consumer");
                self.unsubscribed.push(ended);
            }
            Command::ShutdownInfo(_) => self.said_goodbye = true,
            Command::ConnectionInfo(_) | Command::SessionInfo(_) | Command::BrokerInfo(_) => {}
            other => panic!("a bridge has no business sending {other:?}"),
        }
        if let (true, Some(reason)) = (wanted, refusal) {
            self.out.push_back(Command::ExceptionResponse(ExceptionResponse {
                correlation_id: id,
                exception: Some(Throwable::new("javax.jms.JMSException", reason)),
                ..ExceptionResponse::default()
            }));
        } else if wanted {
            self.out.push_back(Command::Response(Response {
                correlation_id: id,
                ..Response::default()
            }));
        }
        self.dispatch();
    }

    fn subscribe(&mut self, info: ConsumerInfo) {
        let destination = info.destination.clone().unwrap();
        if destination.kind().is_temporary() {
            assert!(self.temporary.contains(&destination), "demand before its destination");
        }
        assert!(info.network_subscription && info.additional_predicate.is_some());
        let number = info.consumer_id.as_ref().unwrap().value;
        let consumer = FakeConsumer {
            pattern: DestinationPattern::of(&destination),
            info,
            unacked: VecDeque::new(),
            buffered: VecDeque::new(),
            retired: false,
        };
        assert!(self.consumers.insert(number, consumer).is_none(), "consumer {number} twice");
    }

    fn remove(&mut self, info: &RemoveInfo) {
        let said = info.last_delivered_sequence_id;
        assert!(matches!(said, -1 | IN_DOUBT), "a redelivery counter would rise: {said}");
        if let Some(Command::ConsumerId(consumer)) = info.object_id.as_deref() {
            assert!(self.remove_consumer(consumer.value), "removed {consumer} but it is not there");
        }
    }

    fn remove_consumer(&mut self, number: i64) -> bool {
        let Some(consumer) = self.consumers.remove(&number) else { return false };
        self.take_back(consumer.unacked);
        true
    }

    fn take_back(&mut self, messages: VecDeque<Arc<Message>>) {
        for message in messages.into_iter().rev() {
            let destination = message.destination().unwrap();
            if destination.kind().is_queue() {
                self.queues.entry(destination).or_default().push_front(message);
            }
        }
    }

    fn acknowledge(&mut self, ack: &MessageAck) {
        let number = ack.consumer_id.as_ref().unwrap().value;
        let consumer = self.consumers.get_mut(&number).expect("an ack for no consumer");
        let last = ack.last_message_id.as_ref().unwrap();
        if ack.ack_type == RETIREMENT {
            let last = consumer.unacked.iter().position(|message| message.has_id(last));
            let after = consumer.unacked.split_off(last.expect("one that is out") + 1);
            assert!(!std::mem::replace(&mut consumer.retired, true), "twice");
            return self.take_back(after);
        }
        let at = |id| consumer.unacked.iter().position(|message| message.has_id(id));
        let last_at = at(last).expect("an ack for a message that is not out");
        let first_at = match ack.ack_type {
            2 => ack.first_message_id.as_ref().map_or(Some(0), at).expect("a range's start"),
            1 | 4 => last_at,
            other => panic!("ack type {other}"),
        };
        let covered: Vec<_> = consumer.unacked.drain(first_at..=last_at).collect();
        assert_eq!(usize::try_from(ack.message_count).unwrap(), covered.len());
        for message in covered {
            let is_queue = message.destination().unwrap().kind().is_queue();
            let number = number_of(&message);
            let news = if ack.ack_type == 1 {
                self.dead.insert(number)
            } else {
                self.acked.insert(number)
            };
            assert!(news || !is_queue, "{number} settled twice");
        }
    }

    fn dispatch(&mut self) {
        let numbers: Vec<_> = self.consumers.keys().copied().collect();
        for number in numbers {
            let consumer = self.consumers.get_mut(&number).unwrap();
            let window = usize::try_from(consumer.info.prefetch_size).unwrap();
            while !consumer.retired && consumer.unacked.len() < window {
                let from_topic = consumer.buffered.pop_front();
                let next = from_topic.or_else(|| {
                    let matching = self.queues.iter_mut();
                    let mut matching = matching.filter(|(queue, waiting)| {
                        consumer.pattern.matches(queue) && !waiting.is_empty()
                    });
                    matching.next().and_then(|(_, waiting)| waiting.pop_front())
                });
                let Some(message) = next else { break };
                consumer.unacked.push_back(message.clone());
                self.out.push_back(Command::MessageDispatch(MessageDispatch {
                    consumer_id: consumer.info.consumer_id.clone(),
                    destination: message.destination(),
                    message: Some(message),
                    ..MessageDispatch::default()
                }));
            }
        }
    }
}

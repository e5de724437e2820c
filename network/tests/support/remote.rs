//! A broker as the remote one: consumers, advisories about them, and an answer to each message.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{
    ConsumerInfo, DestinationInfo, ExceptionResponse, RemoveInfo, Response,
};
use ferrymq_openwire::destination::{Destination, DestinationKind};
use ferrymq_openwire::ids::ConsumerId;
use ferrymq_openwire::message::Message;
use ferrymq_openwire::throwable::Throwable;

use super::make::{advisory, broker_info, number_of};

#[derive(Default)]
pub struct FakeRemote {
    /// Who it is; empty: `remote`.
    pub name: String,
    /// On their way to the bridge.
    pub out: VecDeque<Command>,
    /// How often it was asked whether it lives.
    pub questions: usize,
    /// Everything that arrived, in order.
    pub seen: Vec<Command>,
    pub consumers: BTreeMap<ConsumerId, ConsumerInfo>,
    pub temporary: BTreeSet<Destination>,
    /// Messages that arrived and have no answer yet.
    pub unanswered: Vec<Arc<Message>>,
    /// Numbers of messages accepted, in order.
    pub accepted: Vec<i64>,
    /// Messages that are always refused, with the exception's class.
    pub refuses: BTreeMap<i64, &'static str>,
    listener: Option<ConsumerId>,
    pub advisories: i64,
    pub advisories_acked: i32,
}

impl FakeRemote {
    pub fn greet(&mut self) {
        let name = if self.name.is_empty() { "remote" } else { self.name.as_str() };
        self.out.push_back(broker_info(name));
    }

    pub fn sever(&mut self) {
        self.out.clear();
        self.unanswered.clear();
        self.listener = None;
    }

    pub fn add_consumer(&mut self, info: ConsumerInfo) {
        self.consumers.insert(info.consumer_id.clone().unwrap(), info.clone());
        self.tell_of_consumer(&info);
    }

    pub fn remove_consumer(&mut self, id: &ConsumerId) {
        if let Some(info) = self.consumers.remove(id) {
            let removal = RemoveInfo {
                object_id: Some(Box::new(Command::ConsumerId(id.clone()))),
                ..RemoveInfo::default()
            };
            self.tell(&topic_of(info.destination.as_ref().unwrap()), Command::RemoveInfo(removal));
        }
    }

    pub fn add_temporary(&mut self, destination: &Destination) {
        self.temporary.insert(destination.clone());
        self.tell_of_temporary(destination, 0);
    }

    pub fn remove_temporary(&mut self, destination: &Destination) {
        if self.temporary.remove(destination) {
            self.tell_of_temporary(destination, 1);
        }
    }

    pub fn tell(&mut self, topic: &str, payload: Command) {
        if let Some(listener) = &self.listener {
            self.advisories += 1;
            self.out.push_back(advisory(listener, topic, payload, self.advisories));
        }
    }

    /// Accepts or refuses one of the messages that wait for an answer.
    pub fn answer(&mut self, index: usize) {
        let message = self.unanswered.remove(index);
        let number = number_of(&message);
        let correlation_id = message.command_id;
        let answer = match self.refuses.get(&number) {
            Some(class) => Command::ExceptionResponse(ExceptionResponse {
                correlation_id,
                exception: Some(Throwable::new(class, "no")),
                ..ExceptionResponse::default()
            }),
            None => {
                self.accepted.push(number);
                Command::Response(Response { correlation_id, ..Response::default() })
            }
        };
        self.out.push_back(answer);
    }

    /// A command from the bridge.
    pub fn take(&mut self, command: Command) {
        self.seen.push(command.clone());
        let (id, wanted) = (command.command_id().unwrap_or(0), command.response_required());
        match command {
            Command::Message(message) => {
                let destination = message.destination().unwrap();
                if destination.kind() == DestinationKind::TempTopic {
                    // Nobody here has one: what a bridge asks for, to see that somebody answers.
                    self.questions += 1;
                    self.out.push_back(Command::ExceptionResponse(ExceptionResponse {
                        correlation_id: id,
                        ..ExceptionResponse::default()
                    }));
                } else if wanted {
                    self.unanswered.push(message);
                } else {
                    self.accepted.push(number_of(&message));
                }
                return;
            }
            Command::ConsumerInfo(info) => {
                self.listener = info.consumer_id;
                for temporary in self.temporary.clone() {
                    self.tell_of_temporary(&temporary, 0);
                }
                for consumer in self.consumers.values().cloned().collect::<Vec<_>>() {
                    self.tell_of_consumer(&consumer);
                }
            }
            Command::MessageAck(ack) => self.advisories_acked += ack.message_count,
            _ => {}
        }
        if wanted {
            self.out.push_back(Command::Response(Response {
                correlation_id: id,
                ..Response::default()
            }));
        }
    }

    fn tell_of_consumer(&mut self, info: &ConsumerInfo) {
        let topic = topic_of(info.destination.as_ref().unwrap());
        self.tell(&topic, Command::ConsumerInfo(Box::new(info.clone())));
    }

    fn tell_of_temporary(&mut self, destination: &Destination, operation_type: i8) {
        let topic = if destination.kind().is_queue() { "TempQueue" } else { "TempTopic" };
        let info = DestinationInfo {
            destination: Some(destination.clone()),
            operation_type,
            ..DestinationInfo::default()
        };
        self.tell(topic, Command::DestinationInfo(info));
    }
}

fn topic_of(destination: &Destination) -> String {
    let kind = if destination.kind().is_queue() { "Queue" } else { "Topic" };
    format!("Consumer.{kind}.{}", destination.name())
}

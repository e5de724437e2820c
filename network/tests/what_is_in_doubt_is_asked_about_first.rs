//! What an earlier bridge may have brought is asked about before anything is forwarded: the remote
//! broker has it, or everybody may have it again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use ferrymq_network::bridge::effects::Effects;
use ferrymq_network::bridge::machine::Bridge;
use ferrymq_network::bridge::phase::{BridgeEnd, Phase};
use ferrymq_network::local_broker::{ABSENCE, HERE, IN_DOUBT, NOT_HERE};
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{
    BrokerSubscriptionInfo, ConsumerInfo, IntegerResponse, MessageDispatch, Response,
};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::ConsumerId;
use support::make::{broker_info, config, message, settings};
use tokio::time::Instant;

struct Asking {
    bridge: Bridge,
    now: Instant,
    effects: Effects,
}

impl Asking {
    /// A bridge whose own broker has told it of these queues.
    fn about(queues: &[&str]) -> Self {
        let now = Instant::now();
        let bridge = Bridge::new(settings(&config(), 1), now);
        let mut asking = Self { bridge, now, effects: Effects::default() };
        asking.remote(broker_info("remote"));
        let opening = asking.local_commands();
        let request = opening.iter().find(|command| command.response_required()).unwrap();
        asking.local(broker_info("local"));
        let info = |queue: &&str| ConsumerInfo {
            destination: Some(Destination::queue(*queue)),
            ..ConsumerInfo::default()
        };
        asking.local(Command::BrokerSubscriptionInfo(Box::new(BrokerSubscriptionInfo {
            subscription_infos: Some(queues.iter().map(info).map(Some).collect()),
            ..BrokerSubscriptionInfo::default()
        })));
        asking.local(Command::Response(Response {
            correlation_id: request.command_id().unwrap(),
            ..Response::default()
        }));
        asking
    }

    fn local(&mut self, command: Command) {
        self.bridge.handle_local(command, self.now);
        self.bridge.take_effects(&mut self.effects);
    }

    fn remote(&mut self, command: Command) {
        self.bridge.handle_remote(command, self.now);
        self.bridge.take_effects(&mut self.effects);
    }

    fn local_commands(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.effects.to_local)
    }

    fn remote_commands(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.effects.to_remote)
    }

    /// The consumers that it has made for the queues.
    fn consumers(&mut self) -> Vec<ConsumerId> {
        let made = self.local_commands().into_iter().map(|command| match command {
            Command::ConsumerInfo(info) => {
                assert!(info.browser && info.network_subscription);
                info.consumer_id.unwrap()
            }
            other => panic!("{other:?}"),
        });
        made.collect()
    }

    fn dispatch(&mut self, to: &ConsumerId, number: Option<i64>) {
        let queue = Destination::queue("Q");
        self.local(Command::MessageDispatch(MessageDispatch {
            consumer_id: Some(to.clone()),
            message: number.map(|number| Arc::clone(&message(&queue, number))),
            destination: number.map(|_| queue),
            ..MessageDispatch::default()
        }));
    }

    fn answer(&mut self, question: &Command, result: i32) {
        self.remote(Command::IntegerResponse(IntegerResponse {
            correlation_id: question.command_id().unwrap(),
            result,
            ..IntegerResponse::default()
        }));
    }
}

fn kinds(commands: &[Command]) -> Vec<&'static str> {
    commands.iter().map(Command::wire_name).collect()
}

#[test]
fn what_is_there_is_settled_and_the_rest_goes_back() {
    let mut asking = Asking::about(&["Q"]);
    let opening = asking.remote_commands();
    assert_eq!(kinds(&opening), ["BrokerInfo", "ConnectionInfo", "SessionInfo"]);
    let [consumer] = &asking.consumers()[..] else { panic!("one") };
    for number in [1, 2] {
        asking.dispatch(consumer, Some(number));
    }
    asking.dispatch(consumer, None);
    let questions = asking.remote_commands();
    assert_eq!(kinds(&questions), ["MessageDispatch", "MessageDispatch"]);
    let Command::MessageDispatch(first) = &questions[0] else { panic!() };
    assert_eq!((&first.consumer_id, first.response_required), (&None, true));
    let asked = first.message.as_ref().unwrap();
    assert_eq!((asked.broker_path_len(), asked.content()), (1, None));
    asking.answer(&questions[0], HERE);
    assert!(matches!(asking.bridge.phase(), Phase::Settling { .. }));
    asking.answer(&questions[1], NOT_HERE);
    let said = asking.local_commands();
    assert_eq!(kinds(&said), ["MessageAck", "MessageAck", "RemoveInfo"]);
    let types = said.iter().filter_map(|command| match command {
        Command::MessageAck(ack) => Some(ack.ack_type),
        _ => None,
    });
    assert_eq!(types.collect::<Vec<_>>(), [4, ABSENCE]);
    // Only now does it hear of demand.
    assert_eq!(kinds(&asking.remote_commands()), ["ProducerInfo", "ConsumerInfo"]);
    assert!(matches!(asking.bridge.phase(), Phase::OpeningRemote { .. }));
}

#[test]
fn what_is_not_answered_stays_in_doubt() {
    for lost in [true, false] {
        let names: Vec<String> = (0..20).map(|number| format!("Q{number}")).collect();
        let mut asking = Asking::about(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let consumers = asking.consumers();
        assert!(consumers.len() < names.len(), "not all at once");
        asking.dispatch(&consumers[0], Some(1));
        if lost {
            asking.bridge.fail(BridgeEnd::RemoteLost("cut".to_owned()));
        } else {
            // It goes on without an answer in the end.
            asking.now += Duration::from_secs(10);
            asking.bridge.handle_tick(asking.now);
            assert!(matches!(asking.bridge.phase(), Phase::OpeningRemote { .. }));
        }
        asking.bridge.take_effects(&mut asking.effects);
        let said = asking.local_commands();
        let in_doubt = said.iter().filter(|command| {
            matches!(command, Command::RemoveInfo(info) if info.last_delivered_sequence_id == IN_DOUBT)
        });
        assert_eq!(in_doubt.count(), consumers.len());
    }
}
